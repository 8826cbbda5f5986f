//! What an audit shows.

use super::*;
use crate::event::{Finding, Level, Remark, Verdict};

fn remark(rule: &str, what: &str) -> Remark {
    Remark {
        level: Level::Refusal,
        rule: rule.into(),
        what: what.into(),
        why: "because".into(),
        mend: "mend it".into(),
    }
}

fn remarked(host: &str, remark: Remark) -> Event {
    let host = host.into();
    Event::Remarked { host, remark }
}

fn open(host: &str, subject: &str, verdict: Verdict) -> Event {
    Event::Found(Finding {
        host: host.into(),
        subject: subject.into(),
        from: "here".into(),
        address: Some("198.51.100.11".into()),
        expected: "blocked".into(),
        seen: "open".into(),
        evidence: "an answer".into(),
        verdict,
    })
}

fn audit(events: Vec<Event>, exit_code: u8) -> String {
    let mut all = vec![started(Mode::Audit, &["a", "b"])];
    all.extend(events);
    all.push(finished(Summary {
        ms: 2_600,
        exit_code,
        ..Summary::default()
    }));
    terminal(false, &all)
}

#[test]
fn an_audit_ends_with_what_is_exposed_and_how_to_mend_it() {
    let text = audit(
        vec![
            remarked("a", remark("manage-builtins", "a setting is unsound")),
            open("b", "5432/tcp", Verdict::Failed),
            open("a", "22/tcp", Verdict::Proven),
            remarked(
                "b",
                remark(Remark::EXPOSED, "5432/tcp from here: open past ufw"),
            ),
        ],
        4,
    );
    let (before, conclusion) = text.split_once("EXPOSED: ").unwrap();
    assert!(before.contains("a: a setting is unsound"), "{text}");
    assert!(
        !before.contains("past ufw"),
        "an exposure is told once: {text}"
    );
    assert_eq!(
        conclusion,
        "1 port on 1 server · 2.6 s\n  \
         ✗ b 5432/tcp from here: open past ufw\n    \
         why:  because\n    \
         mend: mend it\n\
         exit code 4: something is exposed, or its proof inconclusive\n"
    );
}

#[test]
fn an_audit_that_finds_nothing_says_how_much_it_looked_at() {
    let fine = vec![
        open("a", "22/tcp", Verdict::Proven),
        open("b", "22/tcp", Verdict::Proven),
    ];
    let text = audit(fine, 0);
    assert!(
        text.ends_with("nothing exposed: 2 ways of 2 servers looked at · 2.6 s\n"),
        "{text}"
    );
}

#[test]
fn an_audit_never_claims_more_than_it_saw() {
    let failed = || Event::HostFailed {
        host: "b".into(),
        failure: apt_failure(),
    };
    for (events, words) in [
        (vec![], "nothing was seen"),
        (
            vec![open("a", "22/tcp", Verdict::Proven), failed()],
            "1 server not looked at",
        ),
        (
            vec![open("a", "22/tcp", Verdict::Inconclusive)],
            "1 inconclusive",
        ),
    ] {
        let text = audit(events, 4);
        assert!(text.contains("no exposure seen: "), "{text}");
        assert!(
            text.contains(words) && !text.contains("nothing exposed"),
            "{text}"
        );
    }
    let broken = terminal(
        false,
        &[
            started(Mode::Audit, &["a"]),
            open("a", "22/tcp", Verdict::Proven),
        ],
    );
    assert!(broken.contains("the look was broken off"), "{broken}");
}

//! The reachability matrix and what follows from it.

use insta::assert_snapshot;

use super::*;
use crate::event::{Finding, Verdict};

const OUTSIDE: &str = "time-out; the deny counter moved by 3; the proxy gets an answer";
const SIBLING: &str = "time-out; the port listens";

fn found(place: [&str; 3], expected: &str, seen: &str, evidence: &str) -> Finding {
    let [host, subject, from] = place.map(String::from);
    Finding {
        host,
        subject,
        from,
        address: None,
        expected: expected.into(),
        seen: seen.into(),
        evidence: evidence.into(),
        verdict: Verdict::Proven,
    }
}

fn holding() -> Vec<Finding> {
    let page = "200 /polls/";
    let mut findings = vec![
        found(["app1", "22/tcp", "here"], "open", "open", ""),
        found(["app1", "22/tcp", "proxy"], "open", "open", ""),
        found(["app1", "80/tcp", "here"], "blocked", "blocked", OUTSIDE),
        found(["app1", "80/tcp", "proxy"], page, page, ""),
        found(["app1", "80/tcp", "app2"], "blocked", "blocked", SIBLING),
        found(["app2", "80/tcp", "here"], "blocked", "blocked", OUTSIDE),
        found(["app2", "80/tcp", "proxy"], page, page, ""),
        found(["app2", "80/tcp", "app1"], "blocked", "blocked", SIBLING),
        found(["proxy", "443/tcp", "here"], page, page, ""),
        found(
            ["proxy", "certificate", "here"],
            "valid",
            "valid for polls.example.com",
            "89 days",
        ),
        found(
            ["proxy", "redirect", "here"],
            "301 to https",
            "301 to https",
            "",
        ),
        found(
            ["proxy", "renewal timer", "proxy"],
            "armed",
            "fires in 5 h",
            "",
        ),
    ];
    // The closed ports were tried over both families.
    for at in [2, 4, 5, 7] {
        findings[at].address = Some("198.51.100.11".into());
        let mut other = findings[at].clone();
        other.address = Some("2001:db8::11".into());
        findings.push(other);
    }
    findings
}

fn verify(findings: Vec<Finding>, exit_code: u8) -> Vec<Event> {
    let mut events = vec![started(Mode::Verify, &["app1", "app2", "proxy"])];
    events.extend(findings.into_iter().map(Event::Found));
    events.push(finished(Summary {
        ms: 1_400,
        exit_code,
        ..Summary::default()
    }));
    events
}

#[test]
fn a_proof_that_holds_names_who_answers_to_whom_alone() {
    assert_snapshot!(terminal(false, &verify(holding(), 0)), @r"
                      from here     from app1   from app2   from proxy
    app1    22/tcp    open          –           –           open
            80/tcp    blocked ¹     –           blocked ²   200 /polls/
    app2    80/tcp    blocked ¹     blocked ²   –           200 /polls/
    proxy   443/tcp   200 /polls/   –           –           –
    ¹ time-out; the deny counter moved by 3; the proxy gets an answer
    ² time-out; the port listens
    ✓ certificate     proxy   valid for polls.example.com · 89 days
    ✓ redirect        proxy   301 to https
    ✓ renewal timer   proxy   fires in 5 h
    proven: app1 and app2 answer to proxy alone on 80/tcp · IPv4 and IPv6 · 1.4 s
    ");
}

#[test]
fn findings_in_another_order_make_the_same_proof() {
    let mut reversed = holding();
    reversed.reverse();
    let text = terminal(false, &verify(reversed, 0));
    assert_eq!(text, terminal(false, &verify(holding(), 0)));
}

#[test]
fn a_proof_that_fails_lists_what_is_exposed_before_what_is_undecided() {
    let mut findings = holding();
    let ipv6 = findings.len() - 4;
    findings[ipv6].seen = "200 /polls/".into();
    findings[ipv6].evidence = "the page came over IPv6".into();
    findings[ipv6].verdict = Verdict::Failed;
    findings[4].seen = "time-out".into();
    findings[4].evidence = "the proxy got no answer either".into();
    findings[4].verdict = Verdict::Inconclusive;
    findings[10].seen = "200".into();
    findings[10].verdict = Verdict::Failed;
    assert_snapshot!(terminal(false, &verify(findings, 4)), @r"
                      from here                    from app1   from app2                 from proxy
    app1    22/tcp    open                         –           –                         open
            80/tcp    ✗ 200 /polls/, blocked ¹ ²   –           ? time-out, blocked ³ ⁴   200 /polls/
    app2    80/tcp    blocked ⁵                    blocked ⁶   –                         200 /polls/
    proxy   443/tcp   200 /polls/                  –           –                         –
    ¹ 198.51.100.11: time-out; the deny counter moved by 3; the proxy gets an answer
    ² 2001:db8::11: the page came over IPv6
    ³ 198.51.100.11: the proxy got no answer either
    ⁴ 2001:db8::11: time-out; the port listens
    ⁵ time-out; the deny counter moved by 3; the proxy gets an answer
    ⁶ time-out; the port listens
    ✓ certificate     proxy   valid for polls.example.com · 89 days
    ✗ redirect        proxy   200, must be: 301 to https
    ✓ renewal timer   proxy   fires in 5 h
    NOT proven: 2 of 16 failed, 1 of 16 inconclusive · 1.4 s
      ✗ app1 80/tcp from here (2001:db8::11): 200 /polls/, must be: blocked
        the page came over IPv6
      ✗ proxy redirect from here: 200, must be: 301 to https
      ? app1 80/tcp from app2 (198.51.100.11): time-out, must be: blocked
        the proxy got no answer either
    exit code 4: something is exposed, or its proof inconclusive
    ");
}

#[test]
fn what_cannot_be_decided_is_not_proven() {
    let mut findings = holding();
    findings[9].seen = "could not connect".into();
    findings[9].verdict = Verdict::Inconclusive;
    let text = terminal(false, &verify(findings, 4));
    assert!(
        text.contains("NOT proven: 1 of 16 inconclusive · 1.4 s\n"),
        "{text}"
    );
    assert!(!text.contains("\nproven"), "{text}");
}

#[test]
fn nothing_looked_at_is_not_proven() {
    assert_snapshot!(terminal(false, &verify(vec![], 4)), @r"
    NOT proven: nothing was looked at · 1.4 s
    exit code 4: something is exposed, or its proof inconclusive
    ");
}

#[test]
fn a_look_that_breaks_off_is_not_proven() {
    let mut events = verify(holding(), 0);
    events.pop();
    let text = terminal(false, &events);
    assert!(
        text.contains("NOT proven: the look was broken off\n"),
        "{text}"
    );
}

#[test]
fn a_host_that_cannot_be_looked_from_spoils_the_proof() {
    let mut events = verify(holding(), 3);
    let failure = Failure {
        stage: "connect".into(),
        ..apt_failure()
    };
    events.insert(
        1,
        Event::HostFailed {
            host: "app2".into(),
            failure,
        },
    );
    let text = terminal(false, &events);
    assert!(text.contains("NOT proven: a host failed"), "{text}");
    assert!(
        text.contains("app2   ✗ connect: apt-get could not"),
        "{text}"
    );
}

#[test]
fn a_claim_names_only_the_families_that_were_tried() {
    let ipv4 = |finding: &Finding| !finding.address.as_deref().is_some_and(|a| a.contains(':'));
    let findings = holding().into_iter().filter(ipv4).collect();
    let text = terminal(false, &verify(findings, 0));
    assert!(text.ends_with("alone on 80/tcp · IPv4 · 1.4 s\n"), "{text}");
}

#[test]
fn a_run_ends_with_the_proof_and_then_its_summary() {
    let mut events = vec![started(Mode::Run, &["app1", "app2", "proxy"])];
    events.extend(holding().into_iter().map(Event::Found));
    events.push(finished(Summary {
        unchanged: 44,
        ms: 2_000,
        proven: 16,
        ..Summary::default()
    }));
    let text = terminal(false, &events);
    let (proof, summary) = text.rsplit_once("\n\n").unwrap();
    assert!(
        terminal(false, &verify(holding(), 0)).starts_with(proof),
        "{proof}"
    );
    assert_eq!(
        summary,
        "polls: nothing to change · 3 hosts · 44 in sync · 2.0 s\n"
    );
}

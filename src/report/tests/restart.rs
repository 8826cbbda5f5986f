//! What restarts show.

use super::*;
use crate::event::{Difference, Finding, Verdict};

fn port(seen: &str, verdict: Verdict) -> Finding {
    Finding {
        host: "app1".into(),
        subject: "80/tcp".into(),
        from: "here".into(),
        address: Some("198.51.100.11".into()),
        expected: "blocked".into(),
        seen: seen.into(),
        evidence: String::new(),
        verdict,
    }
}

fn measured() -> Vec<Event> {
    vec![
        started(Mode::Verify, &["app1", "proxy"]),
        Event::Found(port("blocked", Verdict::Proven)),
        Event::Measured(Summary::default()),
    ]
}

fn restart(host: &str, missing: &[&str], differences: Vec<Difference>) -> Vec<Event> {
    let host: String = host.into();
    let missing = missing.iter().map(|name| (*name).into()).collect();
    vec![
        Event::Restarting {
            host: host.clone(),
            means: "the other app servers answer meanwhile".into(),
        },
        Event::Restarted {
            host: host.clone(),
            ms: 16_400,
            missing,
        },
        Event::Found(port("open", Verdict::Failed)),
        Event::Compared {
            host,
            same: 1 - differences.len(),
            differences,
        },
    ]
}

fn after(restarts: Vec<Event>, exit_code: u8) -> String {
    let mut events = measured();
    events.extend(restarts);
    events.push(finished(Summary {
        ms: 53_800,
        exit_code,
        ..Summary::default()
    }));
    let text = terminal(false, &events);
    let (matrix, rest) = text.split_once("app1   restarting").unwrap_or((&text, ""));
    assert_eq!(
        matrix.matches("proven: ").count(),
        1,
        "the first proof, once: {text}"
    );
    rest.to_owned()
}

#[test]
fn a_matrix_that_restarts_leave_as_it_is_is_one_conclusion() {
    let mut restarts = restart("app1", &[], Vec::new());
    restarts.extend(restart("proxy", &[], Vec::new()));
    let rest = after(restarts, 0);
    assert!(
        rest.contains("app1   back        after 16.4 s; its containers run\n"),
        "{rest}"
    );
    assert!(
        rest.contains("app1   as before   all of 1 look\n"),
        "{rest}"
    );
    assert!(
        rest.ends_with(
            "unchanged: the matrix is unchanged after a restart of app1 and proxy · 53.8 s\n"
        ),
        "{rest}"
    );
}

#[test]
fn what_a_restart_changed_is_named_with_what_it_was() {
    let difference = Difference {
        before: Some(port("blocked", Verdict::Proven)),
        after: Some(port("open", Verdict::Failed)),
    };
    let rest = after(restart("app1", &[], vec![difference]), 4);
    assert!(
        rest.contains("✗ app1 80/tcp from here (198.51.100.11): open, before: blocked\n"),
        "{rest}"
    );
    assert!(
        rest.contains("NOT as before after a restart of app1: the matrix has changed"),
        "{rest}"
    );
    assert!(!rest.contains("unchanged:"), "{rest}");
}

#[test]
fn a_container_that_stays_away_and_a_server_that_does_are_no_success() {
    let rest = after(restart("app1", &["app doesn't run"], Vec::new()), 4);
    assert!(rest.contains("after 16.4 s; app doesn't run\n"), "{rest}");
    assert!(
        rest.contains("a restart of app1: not all of its containers run"),
        "{rest}"
    );

    let mut away = restart("app1", &[], Vec::new());
    away.truncate(1);
    away.push(ended("app1", "restart", Outcome::Failed(apt_failure()), 1));
    let rest = after(away, 3);
    assert!(
        rest.contains("apt-get could not install"),
        "the failure is told: {rest}"
    );
    assert!(rest.contains("a restart of app1: it is not back"), "{rest}");
}

#[test]
fn who_says_no_has_restarted_nothing() {
    let mut events = measured();
    events.push(finished(Summary::default()));
    let text = terminal(false, &events);
    assert!(text.contains("no server was restarted"), "{text}");
    assert_eq!(text.matches("proven: ").count(), 1, "{text}");
}

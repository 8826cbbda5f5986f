//! Claims, evidence, verdicts, by table.

use super::*;
use crate::proof::{Origin, Page, Timed, Timer};
use Verdict::{Failed, Inconclusive, Proven};

fn finding(claim: Claim, evidence: &Evidence) -> Finding {
    let check = Check {
        host: "app1".to_owned(),
        from: "here".to_owned(),
        address: Some("198.51.100.11".to_owned()),
        claim,
    };
    judge(&check, evidence)
}

fn verdict(claim: &Claim, evidence: &Evidence) -> Verdict {
    finding(claim.clone(), evidence).verdict
}

fn touch(reach: Reach, control: &Control) -> Evidence {
    Evidence::Touch {
        reach,
        control: control.clone(),
    }
}

fn answer(status: u16) -> Look {
    Look::Page(Page {
        status,
        location: None,
        served_by: None,
    })
}

fn redirected(status: u16, to: &str) -> Look {
    Look::Page(Page {
        status,
        location: Some(to.to_owned()),
        served_by: None,
    })
}

fn served(by: &str) -> Look {
    Look::Page(Page {
        status: 200,
        location: None,
        served_by: Some(by.to_owned()),
    })
}

fn full() -> Control {
    Control {
        listens: Some(true),
        witness: Some(Witness::Proxy(answer(200))),
        alive: None,
        denied: None,
    }
}

#[test]
fn silence_counts_as_blocked_only_beside_its_whole_control() {
    let no_route = || Reach::Unreachable("no route".to_owned());
    let listens = |listens| Control { listens, ..full() };
    let proxy = |look: Option<Look>| Control {
        witness: look.map(Witness::Proxy),
        ..full()
    };
    let own = |reach| Control {
        witness: Some(Witness::Own(reach)),
        ..full()
    };
    let alive = |alive| Control { alive, ..full() };
    let denied = |denied| Control { denied, ..full() };
    let table = [
        (Reach::TimedOut, full(), Proven),
        (Reach::Refused, full(), Proven),
        (no_route(), full(), Inconclusive),
        (Reach::TimedOut, Control::default(), Inconclusive),
        (Reach::TimedOut, listens(Some(false)), Inconclusive),
        (Reach::TimedOut, listens(None), Inconclusive),
        (Reach::TimedOut, proxy(Some(Look::TimedOut)), Inconclusive),
        (Reach::TimedOut, proxy(Some(Look::Closed)), Inconclusive),
        (Reach::TimedOut, proxy(None), Inconclusive),
        // That gunicorn answers 400 to the proxy is an answer through the port all the same.
        (Reach::TimedOut, proxy(Some(answer(400))), Proven),
        (Reach::TimedOut, own(Reach::Open), Proven),
        (Reach::TimedOut, own(Reach::Refused), Inconclusive),
        (Reach::TimedOut, own(Reach::TimedOut), Inconclusive),
        (Reach::TimedOut, alive(Some(true)), Proven),
        (Reach::TimedOut, alive(Some(false)), Inconclusive),
        (Reach::TimedOut, denied(Some(3)), Proven),
        (Reach::TimedOut, denied(Some(0)), Proven),
        (Reach::Refused, Control::default(), Inconclusive),
        (Reach::Open, full(), Failed),
        (Reach::Open, Control::default(), Failed),
    ];
    for (reach, control, expected) in table {
        let evidence = touch(reach, &control);
        assert_eq!(
            verdict(&Claim::Blocked(80), &evidence),
            expected,
            "{evidence:?}"
        );
    }
}

#[test]
fn a_finding_says_what_was_expected_what_was_seen_and_why_that_is_believed() {
    let control = Control {
        denied: Some(3),
        ..full()
    };
    assert_eq!(
        finding(Claim::Blocked(80), &touch(Reach::TimedOut, &control)),
        Finding {
            host: "app1".to_owned(),
            subject: "80/tcp".to_owned(),
            from: "here".to_owned(),
            address: Some("198.51.100.11".to_owned()),
            expected: "blocked".to_owned(),
            seen: "blocked".to_owned(),
            evidence: "time-out; the port listens; the proxy gets an answer; \
                       the deny counter moved by 3"
                .to_owned(),
            verdict: Proven,
        }
    );
    let found = finding(
        Claim::Blocked(80),
        &touch(Reach::TimedOut, &Control::default()),
    );
    assert_eq!(
        found.evidence,
        "time-out, but whether the port listens is not known; \
         whether anybody gets an answer is not known"
    );
}

#[test]
fn a_dead_host_is_not_a_closed_port() {
    let alive = |alive| Control {
        alive,
        ..Control::default()
    };
    let nothing = |alive| Control {
        alive,
        listens: Some(false),
        ..Control::default()
    };
    for (reach, alive, expected) in [
        (Reach::Refused, alive(None), Proven),
        (Reach::TimedOut, nothing(None), Proven),
        (Reach::TimedOut, nothing(Some(false)), Inconclusive),
        (Reach::TimedOut, alive(Some(true)), Proven),
        (Reach::TimedOut, alive(Some(false)), Inconclusive),
        (Reach::TimedOut, alive(None), Inconclusive),
        (
            Reach::Unreachable("x".to_owned()),
            alive(Some(true)),
            Inconclusive,
        ),
        (Reach::Open, alive(Some(true)), Failed),
    ] {
        let evidence = touch(reach, &alive);
        assert_eq!(
            verdict(&Claim::Closed(2375), &evidence),
            expected,
            "{evidence:?}"
        );
    }
}

#[test]
fn an_open_port_takes_connections() {
    for (reach, expected) in [
        (Reach::Open, Proven),
        (Reach::Refused, Failed),
        (Reach::TimedOut, Failed),
        (Reach::Unreachable("x".to_owned()), Inconclusive),
    ] {
        let evidence = touch(reach, &Control::default());
        assert_eq!(
            verdict(&Claim::Open(22), &evidence),
            expected,
            "{evidence:?}"
        );
    }
}

#[test]
fn a_port_that_may_be_open_or_not_is_told_and_never_fails() {
    for (reach, seen) in [
        (Reach::Open, "open"),
        (Reach::Refused, "closed"),
        (Reach::TimedOut, "blocked"),
        (Reach::Unreachable("x".to_owned()), "not reached"),
    ] {
        let found = finding(Claim::Either(80), &touch(reach, &Control::default()));
        assert_eq!((found.seen.as_str(), found.verdict), (seen, Proven));
    }
}

#[test]
fn a_proxy_that_is_dropped_is_told_where_its_address_is_named() {
    let claim = || Claim::Page {
        path: "/polls/".to_owned(),
        status: 200,
    };
    let source = "198.51.100.13".parse().ok();
    let served = |look, denied| Evidence::Served {
        look,
        source,
        denied,
    };
    let found = finding(claim(), &served(answer(200), None));
    assert_eq!(found.verdict, Proven);
    assert_eq!(found.evidence, "it comes from 198.51.100.13");
    let found = finding(claim(), &served(Look::TimedOut, Some(2)));
    assert_eq!(found.verdict, Failed);
    for word in ["198.51.100.13", "moved by 2", "firewall.proxy_addresses"] {
        assert!(found.evidence.contains(word), "{}", found.evidence);
    }
    let found = finding(claim(), &served(Look::TimedOut, Some(0)));
    assert!(
        !found.evidence.contains("proxy_addresses"),
        "{}",
        found.evidence
    );
}

#[test]
fn a_page_is_the_status_that_was_asked_for_and_nothing_else() {
    let claim = Claim::Page {
        path: "/polls/".to_owned(),
        status: 200,
    };
    for (look, expected) in [
        (answer(200), Proven),
        (answer(502), Failed),
        (redirected(301, "https://polls.example.com/"), Failed),
        (Look::Closed, Failed),
        (Look::TimedOut, Failed),
        (Look::Failed("expired".to_owned()), Failed),
    ] {
        let evidence = Evidence::Look(look);
        assert_eq!(verdict(&claim, &evidence), expected, "{evidence:?}");
    }
}

#[test]
fn a_redirect_is_permanent_and_leads_to_the_same_page_over_https() {
    let to = "https://polls.example.com/polls/";
    let claim = Claim::Redirect { to: to.to_owned() };
    for (look, expected) in [
        (redirected(301, to), Proven),
        (redirected(308, to), Proven),
        (redirected(302, to), Failed),
        (redirected(301, "https://stranger.example/polls/"), Failed),
        (redirected(301, "https://polls.example.com/"), Failed),
        (answer(301), Failed),
        (answer(200), Failed),
        (Look::Refused, Failed),
    ] {
        let evidence = Evidence::Look(look);
        assert_eq!(verdict(&claim, &evidence), expected, "{evidence:?}");
    }
}

#[test]
fn a_site_is_balanced_when_every_server_has_answered() {
    let claim = Claim::Balanced(vec!["app1".to_owned(), "app2".to_owned()]);
    let one = |count| vec![served("app1"); count];
    for (looks, expected) in [
        (vec![served("app2"), served("app1")], Proven),
        (one(2 * LOOKS - 1), Inconclusive),
        (one(2 * LOOKS), Failed),
        (vec![answer(200); 2 * LOOKS], Inconclusive),
        (
            vec![served("0a1b2c"), served("app1"), served("app1")],
            Inconclusive,
        ),
        (
            vec![served("app1"), served("app2"), served("stranger")],
            Inconclusive,
        ),
        (vec![served("app1"), served("app2"), answer(502)], Failed),
        (vec![served("app1"), served("app2"), Look::Closed], Failed),
        (vec![], Inconclusive),
    ] {
        let evidence = Evidence::Looks(looks);
        assert_eq!(verdict(&claim, &evidence), expected, "{evidence:?}");
    }
    let nobody = Claim::Balanced(Vec::new());
    assert_eq!(
        verdict(&nobody, &Evidence::Looks(vec![served("app1")])),
        Inconclusive
    );
}

#[test]
fn a_stranger_is_ignored_only_by_a_server_that_was_reached() {
    for (look, expected) in [
        (Look::Closed, Proven),
        (answer(404), Failed),
        (Look::TimedOut, Inconclusive),
        (Look::Refused, Inconclusive),
        (Look::Failed("x".to_owned()), Inconclusive),
    ] {
        let evidence = Evidence::Look(look);
        assert_eq!(
            verdict(&Claim::Ignored, &evidence),
            expected,
            "{evidence:?}"
        );
    }
    for (hello, expected) in [
        (Hello::Rejected("UnrecognisedName".to_owned()), Proven),
        (Hello::Closed, Proven),
        (
            Hello::Certificate(vec!["polls.example.com".to_owned()]),
            Failed,
        ),
        (Hello::Failed("refused".to_owned()), Inconclusive),
    ] {
        let evidence = Evidence::Hello(hello);
        assert_eq!(
            verdict(&Claim::NoCertificate, &evidence),
            expected,
            "{evidence:?}"
        );
    }
}

#[test]
fn what_was_not_measured_is_never_proven() {
    let claims = [
        Claim::Blocked(80),
        Claim::Closed(80),
        Claim::Open(22),
        Claim::Page {
            path: "/".to_owned(),
            status: 200,
        },
        Claim::Redirect { to: String::new() },
        Claim::Balanced(vec!["app1".to_owned()]),
        Claim::Ignored,
        Claim::NoCertificate,
        Claim::Certificate {
            names: Vec::new(),
            origin: Origin::Acme,
        },
        Claim::Timer(Timed::Renewal),
        Claim::Timer(Timed::Backup),
        Claim::Rehearsal,
        Claim::Http3,
    ];
    for claim in claims {
        let missing = Evidence::Missing("app2 is gone".to_owned());
        assert_eq!(verdict(&claim, &missing), Inconclusive, "{claim:?}");
        let other = if matches!(claim, Claim::Timer(_)) {
            Evidence::Look(Look::Closed)
        } else {
            Evidence::Timer {
                timer: Timer {
                    enabled: true,
                    active: true,
                    next: Some(1),
                    ..Timer::default()
                },
                now: 0,
            }
        };
        assert_eq!(verdict(&claim, &other), Inconclusive, "{claim:?}");
    }
}

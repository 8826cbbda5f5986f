//! The reachability matrix and what follows from it.

use insta::assert_snapshot;

use super::*;
use crate::event::{Finding, Level, Remark, Verdict};

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
                                        from here                         from app1   from app2                      from proxy
                      app1    22/tcp    open                              –           –                              open
                              80/tcp    ✗ IPv6 200 /polls/, blocked ¹ ²   –           ? time-out, IPv6 blocked ³ ⁴   200 /polls/
                      app2    80/tcp    blocked ⁵                         blocked ⁶   –                              200 /polls/
                      proxy   443/tcp   200 /polls/                       –           –                              –
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

/// A whole matrix: three hosts, seen from everywhere by two families.
fn matrix() -> Vec<Finding> {
    let mut findings = Vec::new();
    let hosts = ["app1", "app2", "proxy"];
    let page = "200 /polls/";
    for (number, host) in hosts.iter().enumerate() {
        for from in ["here", "app1", "app2", "proxy"] {
            if from == *host {
                continue;
            }
            let mut add = |subject: &str, expected: &str, seen: &str, evidence: &str| {
                for address in [
                    format!("198.51.100.{number}"),
                    format!("2001:db8::{number}"),
                ] {
                    let mut found = found([host, subject, from], expected, seen, evidence);
                    found.address = Some(address);
                    findings.push(found);
                }
            };
            add("22/tcp", "open", "open", "");
            match (*host, from) {
                ("proxy", _) => add("80/tcp", "open", "open", ""),
                (_, "proxy") => add("80/tcp", page, page, "it comes from 198.51.100.13"),
                _ => {
                    let counted = format!("time-out; the deny counter moved by {}", 8 + number);
                    add("80/tcp", "blocked", "blocked", &counted);
                }
            }
            for port in ["443/tcp", "5432/tcp", "6379/tcp"] {
                add(port, "closed", "closed", "time-out; nothing listens");
            }
        }
    }
    findings
}

#[test]
fn ports_with_nothing_behind_them_share_a_line_and_notes_differ_by_no_count() {
    assert_snapshot!(terminal(false, &verify(matrix(), 0)), @r"
                                  from here   from app1   from app2   from proxy
    app1    22/tcp                open        –           open        open
            80/tcp                blocked ¹   –           blocked ¹   200 /polls/ ²
            443, 5432, 6379/tcp   closed ³    –           closed ³    closed ³
    app2    22/tcp                open        open        –           open
            80/tcp                blocked ¹   blocked ¹   –           200 /polls/ ²
            443, 5432, 6379/tcp   closed ³    closed ³    –           closed ³
    proxy   22/tcp                open        open        open        –
            80/tcp                open        open        open        –
            443, 5432, 6379/tcp   closed ³    closed ³    closed ³    –
    ¹ time-out; the deny counter moved by 8 to 9
    ² it comes from 198.51.100.13
    ³ time-out; nothing listens
    proven: app1 and app2 answer to proxy alone on 80/tcp · IPv4 and IPv6 · 1.4 s
    ");
}

#[test]
fn a_port_that_takes_connections_stands_on_a_line_of_its_own() {
    let mut findings = matrix();
    let exposed =
        |f: &&mut Finding| f.host == "app2" && f.subject == "5432/tcp" && f.from == "here";
    let exposed = findings.iter_mut().find(exposed).unwrap();
    exposed.expected = "blocked".into();
    exposed.seen = "open".into();
    exposed.evidence = "a connection was made".into();
    exposed.verdict = Verdict::Failed;
    assert_snapshot!(terminal(false, &verify(findings, 4)), @r"
                                                                from here                 from app1   from app2   from proxy
                                  app1    22/tcp                open                      –           open        open
                                          80/tcp                blocked ¹                 –           blocked ¹   200 /polls/ ²
                                          443, 5432, 6379/tcp   closed ³                  –           closed ³    closed ³
                                  app2    22/tcp                open                      open        –           open
                                          80/tcp                blocked ¹                 blocked ¹   –           200 /polls/ ²
                                          5432/tcp              ✗ open, IPv6 closed ⁴ ⁵   closed ³    –           closed ³
                                          443, 6379/tcp         closed ³                  closed ³    –           closed ³
                                  proxy   22/tcp                open                      open        open        –
                                          80/tcp                open                      open        open        –
                                          443, 5432, 6379/tcp   closed ³                  closed ³    closed ³    –
                                  ¹ time-out; the deny counter moved by 8 to 9
                                  ² it comes from 198.51.100.13
                                  ³ time-out; nothing listens
                                  ⁴ 198.51.100.1: a connection was made
                                  ⁵ 2001:db8::1: time-out; nothing listens
                                  NOT proven: 1 of 90 failed · 1.4 s
                                    ✗ app2 5432/tcp from here (198.51.100.1): open, must be: blocked
                                      a connection was made
                                  exit code 4: something is exposed, or its proof inconclusive
                                  ");
}

#[test]
fn many_vantages_that_saw_the_same_share_a_column() {
    let mut findings = Vec::new();
    let hosts: Vec<String> = (1..=12).map(|n| format!("web{n:02}")).collect();
    for host in &hosts {
        for from in ["here".to_owned()].iter().chain(&hosts) {
            if from == host {
                continue;
            }
            findings.push(found([host, "22/tcp", from], "open", "open", ""));
            // One of them is let in to one port of another.
            let let_in = host == "web02" && from == "web07";
            let (expected, seen) = match let_in {
                true => ("open", "open"),
                false => ("blocked", "blocked"),
            };
            findings.push(found([host, "9100/tcp", from], expected, seen, ""));
        }
    }
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut events = vec![started(Mode::Verify, &names)];
    events.extend(findings.into_iter().map(Event::Found));
    events.push(finished(Summary::default()));
    let text = terminal(false, &events);
    let head: Vec<&str> = text.lines().take(5).collect();
    assert_snapshot!(head.join("\n"), @r"
                       from here   from web01, web02, 9 more   from web07
    web01   22/tcp     open        open                        open
            9100/tcp   blocked     blocked                     blocked
    web02   22/tcp     open        open                        open
            9100/tcp   blocked     blocked                     open
    ");
}

#[test]
fn a_vantage_that_could_not_look_is_told_once() {
    let mut findings = matrix();
    for finding in findings.iter_mut().filter(|finding| finding.from == "app2") {
        finding.seen = "not looked at".into();
        finding.evidence = "app2: it can't be asked over SSH".into();
        finding.verdict = Verdict::Inconclusive;
    }
    let text = terminal(false, &verify(findings, 4));
    let (_, conclusion) = text.split_once("NOT proven").unwrap();
    assert_snapshot!(conclusion, @r"
    : 20 of 90 inconclusive · 1.4 s
      ? app1 and proxy 22, 80, 443, 5432, 6379/tcp from app2: not looked at
        app2: it can't be asked over SSH
    exit code 4: something is exposed, or its proof inconclusive
    ");
}

#[test]
fn wide_characters_move_no_column() {
    let findings = vec![
        found(["\u{6771}\u{4eac}", "22/tcp", "here"], "open", "open", ""),
        found(["app1", "22/tcp", "here"], "open", "open", ""),
    ];
    let mut events = vec![started(Mode::Verify, &["\u{6771}\u{4eac}", "app1"])];
    events.extend(findings.into_iter().map(Event::Found));
    let text = terminal(false, &events);
    let lines: Vec<&str> = text.lines().skip(1).take(2).collect();
    assert_eq!(
        lines,
        ["\u{6771}\u{4eac}   22/tcp   open", "app1   22/tcp   open"]
    );
}

#[test]
fn a_view_from_a_trusted_address_is_called_no_stranger_s() {
    let mut events = verify(holding(), 0);
    let remark = Remark {
        level: Level::Warning,
        rule: "trusted-vantage".into(),
        what: "this machine's address 192.0.2.7 lies in 192.0.2.0/24".into(),
        why: "why".into(),
        mend: "mend".into(),
    };
    let host = "app1".to_owned();
    events.insert(1, Event::Remarked { host, remark });
    let text = terminal(false, &events);
    let last = "! from here is no stranger's view: app1 trusts this machine's address";
    assert!(text.contains(last), "{text}");
}

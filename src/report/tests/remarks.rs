//! What is unsound on the hosts.

use insta::assert_snapshot;

use super::*;
use crate::event::{Level, Remark};

fn builtins() -> Remark {
    Remark {
        level: Level::Refusal,
        rule: "manage-builtins".into(),
        what: "MANAGE_BUILTINS=yes in /etc/default/ufw".into(),
        why: "with every reload ufw empties Docker's jumps".into(),
        mend: "set MANAGE_BUILTINS=no".into(),
    }
}

fn other_port(container: &str) -> Remark {
    Remark {
        level: Level::Warning,
        rule: "published".into(),
        what: format!("container {container} publishes 8080/tcp on all addresses"),
        why: "nothing here wants it published".into(),
        mend: "publish it on this machine alone".into(),
    }
}

fn remarked(host: &str, remark: Remark) -> Event {
    let host = host.into();
    Event::Remarked { host, remark }
}

/// As the hosts happened to answer: the gravest last, and app2 before app1.
fn remarks() -> Vec<Event> {
    vec![
        remarked("proxy", other_port("grafana\u{1b}[2J")),
        remarked("app2", builtins()),
        remarked("app1", other_port("adminer")),
        remarked("app1", builtins()),
    ]
}

fn events(mode: Mode, after: Vec<Event>) -> Vec<Event> {
    let mut events = vec![started(mode, &["app1", "app2", "proxy"])];
    events.extend(remarks());
    for host in ["app1", "app2", "proxy"] {
        events.extend(in_sync(host, "firewall", 2));
    }
    events.extend(after);
    events.push(finished(Summary {
        unchanged: 6,
        ms: 310,
        connections: 3,
        execs: 3,
        ..Summary::default()
    }));
    events
}

#[test]
fn a_plan_ends_with_what_is_unsound_each_thing_once_and_the_gravest_first() {
    assert_snapshot!(terminal(false, &events(Mode::Plan, vec![])), @r"
    polls · django-scaled · 3 hosts · nothing will be changed

    app1   firewall  ✓ 2 in sync
    app2   firewall  ✓ 2 in sync
    proxy  firewall  ✓ 2 in sync

    unsound  app1 and app2: MANAGE_BUILTINS=yes in /etc/default/ufw
             why:  with every reload ufw empties Docker's jumps
             mend: set MANAGE_BUILTINS=no
    note     app1: container adminer publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone
    note     proxy: container grafana\u{1b}[2J publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone

    nothing to change, 6 in sync · 0.31 s, 3 connections, 3 execs
    ");
}

#[test]
fn a_run_tells_remarks_before_its_first_step_and_only_once() {
    let told = plain(
        Verbosity::default(),
        &events(
            Mode::Run,
            vec![
                begun("app1", "firewall"),
                doing("app1", "firewall", "ufw", "turn ufw on"),
                begun("app2", "firewall"),
            ],
        ),
    );
    assert_snapshot!(told, @r"
    polls · django-scaled · 3 hosts
    unsound  app1 and app2: MANAGE_BUILTINS=yes in /etc/default/ufw
             why:  with every reload ufw empties Docker's jumps
             mend: set MANAGE_BUILTINS=no
    note     app1: container adminer publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone
    note     proxy: container grafana\u{1b}[2J publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone
    app1   firewall  doing      turn ufw on

    polls: nothing to change · 3 hosts · 6 in sync · 0.31 s
    ");
}

#[test]
fn the_question_comes_after_the_remarks() {
    let sink = Sink::default();
    let story = Story::at(Verbosity::default(), true, || NOW);
    let mut reporter = Plain::telling(story, Box::new(sink.clone()));
    let mut all = events(Mode::Run, vec![]);
    let end = all.pop().unwrap();
    for event in &all {
        reporter.event(event);
    }
    assert_eq!(sink.text(), "", "nothing is told before the survey is over");
    reporter.question();
    let asked = sink.text();
    assert!(asked.contains("unsound"), "{asked}");
    reporter.event(&end);
    let after = sink.text();
    assert_eq!(after.matches("MANAGE_BUILTINS=yes").count(), 1, "{after}");
}

#[test]
fn a_run_with_nothing_to_do_tells_remarks_all_the_same() {
    assert_snapshot!(plain(Verbosity::default(), &events(Mode::Run, vec![])), @r"
    unsound  app1 and app2: MANAGE_BUILTINS=yes in /etc/default/ufw
             why:  with every reload ufw empties Docker's jumps
             mend: set MANAGE_BUILTINS=no
    note     app1: container adminer publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone
    note     proxy: container grafana\u{1b}[2J publishes 8080/tcp on all addresses
             why:  nothing here wants it published
             mend: publish it on this machine alone

    polls: nothing to change · 3 hosts · 6 in sync · 0.31 s
    ");
}

#[test]
fn a_verification_tells_remarks_before_its_conclusion() {
    let told = terminal(false, &events(Mode::Verify, vec![]));
    let at = |part: &str| {
        told.find(part)
            .unwrap_or_else(|| panic!("{part} in {told}"))
    };
    assert!(
        at("unsound") < at("note") && at("note") < at("NOT proven"),
        "{told}"
    );
}

#[test]
fn only_the_word_has_a_colour_for_its_level() {
    let told = terminal(true, &events(Mode::Plan, vec![]));
    assert!(
        told.contains("\u{1b}[1m\u{1b}[31munsound\u{1b}[0m"),
        "{told:?}"
    );
    assert!(told.contains("\u{1b}[33mnote\u{1b}[0m"), "{told:?}");
}

#[test]
fn json_has_each_remark_as_it_came() {
    let told = json(&events(Mode::Plan, vec![]));
    let remarks = told.lines().filter(|line| line.contains("\"remarked\""));
    assert_eq!(remarks.count(), 4);
    assert!(
        told.contains(r#""level":"refusal","rule":"manage-builtins""#),
        "{told}"
    );
}

//! `provision plan`.

use insta::assert_snapshot;

use super::*;

fn of_app1() -> Vec<Event> {
    let mut events = in_sync("app1", "docker", 6);
    events.push(seen(
        "app1",
        "firewall",
        "file /etc/ufw/after.rules",
        differs(
            "block \"UFW AND DOCKER\" differs",
            &[
                Line::Context("-A DOCKER-USER -j RETURN -s 10.0.0.0/8".into()),
                Line::Removed("-A DOCKER-USER -j RETURN".into()),
                Line::Added("-A DOCKER-USER\t-j DROP".into()),
            ],
        ),
    ));
    events.push(seen(
        "app1",
        "firewall",
        "service ufw",
        differs("stopped", &[]),
    ));
    events.extend(in_sync("app1", "firewall", 3));
    events.push(seen(
        "app1",
        "app",
        "container polls-app",
        differs("image 3f1c → 9ab2", &[]),
    ));
    events
}

fn of_proxy() -> Vec<Event> {
    vec![
        seen(
            "proxy",
            "certificate",
            "certificate polls.example.com",
            until("proxy"),
        ),
        seen(
            "proxy",
            "certificate",
            "file /etc/renewal.conf",
            until("proxy"),
        ),
        seen(
            "proxy",
            "preflight",
            "port 443",
            State::Refused {
                what: "apache2 (pid 812) listens".into(),
                mend: "stop it, or take another server".into(),
            },
        ),
    ]
}

fn end() -> Event {
    finished(Summary {
        changed: 3,
        unchanged: 9,
        unknown: 2,
        ms: 310,
        connections: 3,
        execs: 3,
        ..Summary::default()
    })
}

fn in_order() -> Vec<Event> {
    let mut events = vec![started(Mode::Plan, &["app1", "app2", "proxy"])];
    events.extend(of_app1());
    events.extend(of_proxy());
    events.push(Event::HostFailed {
        host: "app2".into(),
        failure: unreachable(),
    });
    events.push(end());
    events
}

fn unreachable() -> Failure {
    Failure {
        stage: "connect".into(),
        what: "198.51.100.12:22 refused the connection".into(),
        command: None,
        exit_code: None,
        tail: vec![],
        next: Some("see whether sshd runs there".into()),
    }
}

#[test]
fn a_plan_shows_every_difference_and_what_is_not_known_yet() {
    assert_snapshot!(terminal(false, &in_order()), @r#"
    polls · django-scaled · 3 hosts · nothing will be changed

    app1   docker       ✓ 6 in sync
           firewall     ~ file /etc/ufw/after.rules  block "UFW AND DOCKER" differs
                            -A DOCKER-USER -j RETURN -s 10.0.0.0/8
                          - -A DOCKER-USER -j RETURN
                          + -A DOCKER-USER⇥   -j DROP
                        ~ service ufw                stopped
                        ✓ 3 in sync
           app          ~ container polls-app  image 3f1c → 9ab2
    app2   ✗ connect: 198.51.100.12:22 refused the connection
             next:      see whether sshd runs there
    proxy  certificate  ? known after proxy: certificate polls.example.com and file /etc/renewal.conf
           preflight    ✗ port 443  refused: apache2 (pid 812) listens (stop it, or take another server)

    3 to change, 2 not yet known, 1 refused, 1 host failed, 9 in sync · 0.31 s, 3 connections, 3 execs
    "#);
}

#[test]
fn a_plan_with_nothing_to_do_says_so() {
    let mut events = vec![started(Mode::Plan, &["app1"])];
    events.extend(in_sync("app1", "docker", 6));
    events.push(finished(Summary {
        unchanged: 6,
        ms: 1_234,
        connections: 1,
        execs: 1,
        ..Summary::default()
    }));
    assert_snapshot!(terminal(false, &events), @r"
    polls · django-scaled · 1 host · nothing will be changed

    app1  docker  ✓ 6 in sync

    nothing to change, 6 in sync · 1.2 s, 1 connection, 1 exec
    ");
}

#[test]
fn hosts_that_are_read_at_the_same_time_make_the_same_plan() {
    let (mut left, mut right) = (of_app1().into_iter(), of_proxy().into_iter());
    let mut events = vec![
        started(Mode::Plan, &["app1", "app2", "proxy"]),
        Event::HostFailed {
            host: "app2".into(),
            failure: unreachable(),
        },
    ];
    loop {
        let (a, b) = (right.next(), left.next());
        if a.is_none() && b.is_none() {
            break;
        }
        events.extend(a.into_iter().chain(b));
    }
    events.push(end());
    assert_ne!(events, in_order());
    assert_eq!(terminal(false, &events), terminal(false, &in_order()));
}

#[test]
fn a_plan_that_breaks_off_shows_what_it_saw_and_that_it_is_not_all() {
    let mut events = vec![started(Mode::Plan, &["app1", "app2"])];
    events.push(seen(
        "app1",
        "app",
        "container polls-app",
        differs("missing", &[]),
    ));
    assert_snapshot!(terminal(false, &events), @r"
    polls · django-scaled · 2 hosts · nothing will be changed

    app1  app  ~ container polls-app  missing
    app2  – nothing was looked at

    polls: stopped before the end; what stands above is not all
    ");
}

//! `provision run`.

use insta::assert_snapshot;

use super::*;

fn fresh() -> Vec<Event> {
    let docker = "package docker.io";
    let daemon = "file /etc/docker/daemon.json";
    let missing = || differs("missing", &[]);
    vec![
        started(Mode::Run, &["app1", "proxy"]),
        Event::Connecting {
            host: "app1".into(),
            user: "root".into(),
            address: "198.51.100.11:22".into(),
        },
        Event::Connected {
            host: "app1".into(),
            user: "root".into(),
            ms: 40,
        },
        Event::Read {
            host: "app1".into(),
            resources: 5,
            ms: 20,
        },
        seen("app1", "preflight", "clock", State::InSync),
        seen("app1", "docker", docker, missing()),
        seen("app1", "docker", daemon, missing()),
        seen("app1", "firewall", "file /etc/ufw/after.rules", missing()),
        seen("app1", "app", "container polls-app", until("docker")),
        seen("proxy", "docker", docker, State::InSync),
        begun("app1", "preflight"),
        ended("app1", "preflight", Outcome::Unchanged, 1),
        begun("app1", "docker"),
        Event::Waiting {
            host: "app1".into(),
            step: "docker".into(),
            what: "apt-get (pid 812) holds the apt lock".into(),
        },
        Event::Waiting {
            host: "app1".into(),
            step: "docker".into(),
            what: "apt-get (pid 812) holds the apt lock".into(),
        },
        doing("app1", "docker", docker, "install docker.io"),
        output("app1", "docker", "Unpacking docker.io"),
        changed("app1", "docker", docker, "missing"),
        doing("app1", "docker", daemon, "write /etc/docker/daemon.json"),
        changed("app1", "docker", daemon, "missing"),
        ended("app1", "docker", Outcome::Changed, 41_200),
        ended("proxy", "docker", Outcome::Unchanged, 0),
        begun("app1", "firewall"),
        Event::GuardArmed {
            host: "app1".into(),
            step: "firewall".into(),
            seconds: 60,
        },
        changed("app1", "firewall", "file /etc/ufw/after.rules", "missing"),
        Event::GuardDisarmed {
            host: "app1".into(),
            step: "firewall".into(),
        },
        ended("app1", "firewall", Outcome::Changed, 1_900),
        begun("app1", "app"),
        changed("app1", "app", "container polls-app", "missing"),
        ended("app1", "app", Outcome::Changed, 62_000),
        finished(Summary {
            changed: 4,
            unchanged: 2,
            ms: 107_000,
            connections: 3,
            execs: 21,
            ..Summary::default()
        }),
    ]
}

fn failing() -> Vec<Event> {
    let rollback = Failure {
        stage: "check".into(),
        what: "no new connection got through".into(),
        command: None,
        exit_code: None,
        tail: vec![],
        next: Some("allow the port sshd listens on".into()),
    };
    vec![
        started(Mode::Run, &["app1", "app2", "proxy"]),
        seen(
            "app1",
            "docker",
            "package docker.io",
            differs("missing", &[]),
        ),
        seen(
            "app2",
            "firewall",
            "file /etc/ufw/after.rules",
            differs("missing", &[]),
        ),
        seen("proxy", "proxy", "container polls-proxy", until("app")),
        begun("app1", "docker"),
        begun("app2", "firewall"),
        ended("app1", "docker", Outcome::Failed(apt_failure()), 12_000),
        ended(
            "app1",
            "app",
            Outcome::Blocked {
                by: "docker on app1".into(),
            },
            0,
        ),
        ended("app2", "firewall", Outcome::RolledBack(rollback), 61_000),
        ended(
            "proxy",
            "proxy",
            Outcome::Blocked {
                by: "app on app1".into(),
            },
            0,
        ),
        finished(Summary {
            failed: 2,
            blocked: 2,
            ms: 75_000,
            connections: 5,
            execs: 9,
            exit_code: 5,
            ..Summary::default()
        }),
    ]
}

fn converged() -> Vec<Event> {
    let mut events = vec![started(Mode::Run, &["app1", "app2", "proxy"])];
    for (host, count) in [("app1", 15), ("app2", 15), ("proxy", 14)] {
        events.extend(in_sync(host, "docker", count));
        events.push(begun(host, "docker"));
        events.push(ended(host, "docker", Outcome::Unchanged, 0));
    }
    events.push(finished(Summary {
        unchanged: 44,
        ms: 310,
        connections: 3,
        execs: 3,
        proven_at: Some(NOW - 12 * 60),
        ..Summary::default()
    }));
    events
}

#[test]
fn a_fresh_run_tells_each_change_and_sums_up() {
    assert_snapshot!(terminal(false, &fresh()), @r"
    polls · django-scaled · 2 hosts
    app1   3 to change: docker 2, firewall 1 · 1 not yet known
    app1   docker     changed    2 changes   41.2 s
           ~ package docker.io: missing
           ~ file /etc/docker/daemon.json: missing
    app1   firewall   guarded    the old state comes back in 60 seconds unless a new connection gets through
    app1   firewall   held       a new connection got through; the guard is disarmed
    app1   firewall   changed    1 change    1.9 s
           ~ file /etc/ufw/after.rules: missing
    app1   app        changed    1 change    1 min 2 s
           ~ container polls-app: missing

    app1   4 changed · 1 unchanged · 1 min 45 s
    proxy  1 unchanged

    polls: 4 changed, 2 unchanged · 1 min 47 s, 3 connections, 21 execs
    ");
}

#[test]
fn a_log_also_tells_what_begins_and_who_is_waited_for_once() {
    assert_snapshot!(plain(Verbosity::default(), &fresh()), @r"
    polls · django-scaled · 2 hosts
    app1   3 to change: docker 2, firewall 1 · 1 not yet known
    app1   docker     waiting    apt-get (pid 812) holds the apt lock
    app1   docker     doing      install docker.io
    app1   docker     doing      write /etc/docker/daemon.json
    app1   docker     changed    2 changes   41.2 s
           ~ package docker.io: missing
           ~ file /etc/docker/daemon.json: missing
    app1   firewall   guarded    the old state comes back in 60 seconds unless a new connection gets through
    app1   firewall   held       a new connection got through; the guard is disarmed
    app1   firewall   changed    1 change    1.9 s
           ~ file /etc/ufw/after.rules: missing
    app1   app        changed    1 change    1 min 2 s
           ~ container polls-app: missing

    app1   4 changed · 1 unchanged · 1 min 45 s
    proxy  1 unchanged

    polls: 4 changed, 2 unchanged · 1 min 47 s, 3 connections, 21 execs
    ");
}

#[test]
fn two_hosts_that_wait_at_the_same_time_are_told_once_each() {
    let mut events = vec![started(Mode::Run, &["app1", "app2"])];
    for host in ["app1", "app2", "app1", "app2"] {
        let (host, step) = (host.into(), "docker".into());
        events.push(Event::Waiting {
            host,
            step,
            what: "dpkg holds the lock".into(),
        });
    }
    let text = plain(Verbosity::default(), &events);
    assert_eq!(
        text.matches("waiting    dpkg holds the lock\n").count(),
        2,
        "{text}"
    );
}

#[test]
fn a_log_holds_remote_output_only_when_asked() {
    let quiet = plain(Verbosity::default(), &fresh());
    let loud = plain(
        Verbosity {
            output: true,
            depth: 1,
        },
        &fresh(),
    );
    assert!(!quiet.contains("Unpacking"));
    assert!(
        loud.contains("app1   docker     │ Unpacking docker.io\n"),
        "{loud}"
    );
}

#[test]
fn a_converged_run_is_one_line_and_when_it_was_proven() {
    assert_snapshot!(terminal(false, &converged()), @r"
    polls: nothing to change · 3 hosts · 44 in sync · 0.31 s
    proven 12 minutes ago; provision verify measures again
    ");
    assert_eq!(
        plain(Verbosity::default(), &converged()),
        terminal(false, &converged())
    );
}

#[test]
fn failures_say_what_to_do_and_blocked_steps_say_by_whom() {
    assert_snapshot!(terminal(false, &failing()), @r"
    polls · django-scaled · 3 hosts
    app1   1 to change: docker 1
    app2   1 to change: firewall 1
    app1   docker    failed                 12.0 s
           ✗ change: apt-get could not install docker.io
             command    apt-get install -y docker.io
             exit code  100
             printed    E: Unable to fetch some archives
                        E: No space left
             next:      make room on /var, then run it again
    app1   app       blocked    by docker on app1
    app2   firewall  undone     the old state is back 1 min 1 s
           ✗ check: no new connection got through
             next:      allow the port sshd listens on
    proxy  proxy     blocked    by app on app1

    app1   failed: docker · blocked: app · 12.0 s
    app2   rolled back: firewall · 1 min 1 s
    proxy  blocked: proxy

    ✗ docker on app1: apt-get could not install docker.io
      next: make room on /var, then run it again

    ✗ firewall on app2: no new connection got through
      next: allow the port sshd listens on

    polls: 0 changed, 0 unchanged, 2 failed, 2 blocked · 1 min 15 s, 5 connections, 9 execs
    exit code 5: a guard put the old state back
    ");
}

#[test]
fn the_question_comes_after_a_short_plan_that_is_not_repeated() {
    let sink = Sink::default();
    let story = Story::at(Verbosity::default(), false, || NOW);
    let target = ProgressDrawTarget::hidden();
    let mut reporter = Terminal::telling(story, Box::new(sink.clone()), false, target);
    let events = fresh();
    let (read, done) = events.split_at(10);
    read.iter().for_each(|event| reporter.event(event));
    assert_eq!(sink.text(), "");
    reporter.question();
    assert_snapshot!(sink.text(), @r"
    polls · django-scaled · 2 hosts
    app1   3 to change: docker 2, firewall 1 · 1 not yet known
    ");
    done.iter().for_each(|event| reporter.event(event));
    reporter.finish();
    assert_eq!(sink.text(), terminal(false, &events));
}

#[test]
fn a_run_that_breaks_off_names_what_was_under_way() {
    let events = fresh();
    let cut = events
        .iter()
        .position(|event| matches!(event, Event::Changed { .. }))
        .unwrap();
    assert_snapshot!(terminal(false, &events[..cut]), @r"
    polls · django-scaled · 2 hosts
    app1   3 to change: docker 2, firewall 1 · 1 not yet known

    app1   docker     broken off: install docker.io
    polls: stopped before the end; run it again, it goes on from what it finds
    ");
}

#[test]
fn a_host_that_is_lost_outside_of_a_step_is_told_at_once_and_at_the_end() {
    let mut lost = apt_failure();
    lost.stage = "host key".into();
    lost.what = "the key of app1 is not the pinned one".into();
    (lost.command, lost.exit_code, lost.tail) = (None, None, vec![]);
    let events = [
        started(Mode::Run, &["app1"]),
        Event::HostFailed {
            host: "app1".into(),
            failure: lost,
        },
        finished(Summary {
            failed: 1,
            ms: 90,
            connections: 1,
            exit_code: 3,
            ..Summary::default()
        }),
    ];
    assert_snapshot!(terminal(false, &events), @r"
    polls · django-scaled · 1 host
    app1  ✗ host key: the key of app1 is not the pinned one
            next:      make room on /var, then run it again

    app1  failed (host key)

    ✗ app1: the key of app1 is not the pinned one
      next: make room on /var, then run it again

    polls: 0 changed, 0 unchanged, 1 failed · 0.09 s, 1 connection, 0 execs
    exit code 3: a host failed
    ");
}

#[test]
fn steps_that_end_in_another_order_make_the_same_closing_summary() {
    // Everything from the first empty line on is the summary.
    let closing = |events: &[Event]| {
        let text = terminal(false, events);
        text.split_once("\n\n").unwrap().1.to_owned()
    };
    let mut shuffled = failing();
    shuffled[1..10].reverse();
    // A step can't end before it has begun.
    shuffled.retain(|event| !matches!(event, Event::StepStarted { .. }));
    assert_eq!(closing(&shuffled), closing(&failing()));
}

#[test]
fn a_connection_that_broke_is_told_once_and_that_it_stands_again() {
    let again = |attempt| Event::Reconnecting {
        host: "app1".into(),
        why: "the connection was lost".into(),
        attempt,
    };
    let mut events = vec![
        started(Mode::Run, &["app1"]),
        seen(
            "app1",
            "docker",
            "package docker.io",
            differs("missing", &[]),
        ),
        begun("app1", "docker"),
        doing("app1", "docker", "package docker.io", "install docker.io"),
        again(1),
        again(2),
        Event::Reconnected {
            host: "app1".into(),
            ms: 13_400,
        },
        changed("app1", "docker", "package docker.io", "missing"),
        ended("app1", "docker", Outcome::Changed, 41_200),
    ];
    events.push(finished(Summary {
        changed: 1,
        connections: 2,
        ..Summary::default()
    }));
    let text = plain(Verbosity::default(), &events);
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("lost") || line.contains("again"))
        .collect();
    assert_eq!(
        told,
        [
            "app1          lost       the connection was lost; making a new one",
            "app1          back       connected again after 13.4 s",
        ]
    );
    assert!(!terminal(false, &events).is_empty());
}

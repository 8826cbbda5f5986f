//! Colours, control characters, JSON, and the lines that move.

use std::process::Command;

use anstream::{AutoStream, ColorChoice};
use insta::assert_snapshot;

use super::*;
use crate::event::{Finding, Verdict};
use crate::report::page::harmless;
use crate::report::{Kind, reporter};

const HOSTILE: &str = "a\u{1b}[2Jb\u{7}c\rd\u{9b}31me\u{202e}f\u{7f}g\nh";

/// Events with something hostile in every text a server has a hand in.
fn hostile() -> Vec<Event> {
    let failure = Failure {
        stage: HOSTILE.into(),
        what: HOSTILE.into(),
        command: Some(HOSTILE.into()),
        exit_code: Some(1),
        tail: vec![HOSTILE.into()],
        next: Some(HOSTILE.into()),
    };
    let finding = Finding {
        host: HOSTILE.into(),
        subject: "80/tcp".into(),
        from: HOSTILE.into(),
        address: Some(HOSTILE.into()),
        expected: HOSTILE.into(),
        seen: HOSTILE.into(),
        evidence: HOSTILE.into(),
        verdict: Verdict::Failed,
    };
    let refused = State::Refused {
        what: HOSTILE.into(),
        mend: HOSTILE.into(),
    };
    let lines = [Line::Removed(HOSTILE.into()), Line::Added(HOSTILE.into())];
    vec![
        seen(HOSTILE, HOSTILE, HOSTILE, differs(HOSTILE, &lines)),
        seen(HOSTILE, HOSTILE, "other", refused),
        seen(HOSTILE, HOSTILE, "third", until(HOSTILE)),
        begun(HOSTILE, HOSTILE),
        Event::Waiting {
            host: HOSTILE.into(),
            step: HOSTILE.into(),
            what: HOSTILE.into(),
        },
        doing(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        output(HOSTILE, HOSTILE, HOSTILE),
        changed(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        ended(HOSTILE, HOSTILE, Outcome::Changed, 1),
        ended(HOSTILE, "next", Outcome::Failed(failure.clone()), 1),
        ended(HOSTILE, "last", Outcome::Blocked { by: HOSTILE.into() }, 0),
        Event::HostFailed {
            host: "app1".into(),
            failure,
        },
        Event::Found(Finding {
            subject: HOSTILE.into(),
            ..finding.clone()
        }),
        Event::Found(finding),
        finished(Summary {
            failed: 1,
            exit_code: 3,
            ..Summary::default()
        }),
    ]
}

fn of_mode(mode: Mode) -> Vec<Event> {
    [vec![started(mode, &[HOSTILE])], hostile()].concat()
}

fn detail(host: &str, depth: u8, text: &str) -> Event {
    let (host, text) = (host.into(), text.into());
    Event::Detail { host, depth, text }
}

#[test]
fn ways_are_told_from_vv_on_and_commands_from_vvv_on() {
    let events = [
        started(Mode::Plan, &["app1", "proxy"]),
        detail(
            "app1",
            2,
            "deploy@10.0.0.11:22 through deploy@192.0.2.1:22; tries ~/.ssh/polls, a password",
        ),
        detail("app1", 3, "sh -s → exit code 0, 212 ms"),
    ];
    let at = |depth| {
        let verbosity = Verbosity {
            output: true,
            depth,
        };
        let told = plain(verbosity, &events);
        let lines = told.lines().filter(|line| line.contains('·'));
        let lines: Vec<_> = lines.filter(|line| line.starts_with("app1")).collect();
        lines.join("\n")
    };
    assert_eq!(at(1), "");
    assert_snapshot!(at(2), @"app1   · deploy@10.0.0.11:22 through deploy@192.0.2.1:22; tries ~/.ssh/polls, a password");
    assert_snapshot!(at(3), @"
    app1   · deploy@10.0.0.11:22 through deploy@192.0.2.1:22; tries ~/.ssh/polls, a password
    app1   · sh -s → exit code 0, 212 ms
    ");
}

#[test]
fn nothing_a_server_says_reaches_the_terminal_as_a_command() {
    for mode in [Mode::Plan, Mode::Run, Mode::Verify] {
        let mut events = of_mode(mode);
        events.push(detail(HOSTILE, 3, HOSTILE));
        let verbose = Verbosity {
            output: true,
            depth: 3,
        };
        for text in [
            terminal(false, &events),
            plain(verbose, &events),
            json(&events),
        ] {
            assert!(text.contains('a'), "{mode:?} says something");
            let bad = text
                .chars()
                .find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
            assert_eq!(bad, None, "{mode:?}:\n{text}");
        }
    }
}

#[test]
fn a_control_character_is_spelled_out_where_it_stood() {
    assert_eq!(
        harmless(HOSTILE),
        r"a\u{1b}[2Jb\u{7}c\rd\u{9b}31me\u{202e}f\u{7f}g\nh"
    );
    assert_eq!(harmless("ä → ¹ 日本\tx"), "ä → ¹ 日本    x");
}

#[test]
fn colours_are_there_when_wanted_and_gone_when_not() {
    let events = of_mode(Mode::Run);
    let coloured = terminal(true, &events);
    assert!(
        coloured.contains("\u{1b}[31m") && coloured.contains("\u{1b}[0m"),
        "{coloured:?}"
    );
    let bare = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(bare, terminal(false, &events));
}

/// Runs by itself, and in the next test as a process with another environment.
#[test]
fn colours_follow_the_choice_for_standard_output() {
    let coloured = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let sink = Sink::default();
    let reporter = Terminal::new(Verbosity::default(), Box::new(sink.clone()));
    let text = feed(reporter, &sink, &of_mode(Mode::Plan));
    assert_eq!(text.contains('\u{1b}'), coloured);
    println!("escapes: {}", text.contains('\u{1b}'));
}

#[test]
fn no_color_in_the_environment_yields_no_escapes() {
    let run = |name: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "report::tests::outlets::colours_follow_the_choice_for_standard_output",
        ]);
        command
            .args(["--nocapture"])
            .env_remove("NO_COLOR")
            .env(name, "1");
        String::from_utf8(command.env("CLICOLOR_FORCE", "1").output().unwrap().stdout).unwrap()
    };
    assert!(run("CLICOLOR_FORCE").contains("escapes: true"));
    assert!(run("NO_COLOR").contains("escapes: false"));
}

#[test]
fn json_is_one_event_a_line() {
    let events = [
        started(Mode::Run, &["app1"]),
        seen(
            "app1",
            "docker",
            "package docker.io",
            differs("missing", &[Line::Added("x".into())]),
        ),
        seen("app1", "app", "container polls-app", until("docker")),
        ended("app1", "docker", Outcome::Failed(apt_failure()), 12_000),
        ended(
            "app1",
            "app",
            Outcome::Blocked {
                by: "docker on app1".into(),
            },
            0,
        ),
        Event::Found(Finding {
            host: "app1".into(),
            subject: "80/tcp".into(),
            from: "here".into(),
            address: None,
            expected: "blocked".into(),
            seen: "blocked".into(),
            evidence: "time-out".into(),
            verdict: Verdict::Proven,
        }),
        finished(Summary {
            exit_code: 3,
            ..Summary::default()
        }),
    ];
    assert_snapshot!(json(&events), @r#"
    {"event":"started","site":"polls","playbook":"django-scaled","mode":"run","hosts":["app1"]}
    {"event":"seen","host":"app1","step":"docker","resource":"package docker.io","state":{"state":"differs","what":"missing","lines":[{"added":"x"}]}}
    {"event":"seen","host":"app1","step":"app","resource":"container polls-app","state":{"state":"unknown","until":"docker"}}
    {"event":"step_finished","host":"app1","step":"docker","outcome":{"outcome":"failed","stage":"change","what":"apt-get could not install docker.io","command":"apt-get install -y docker.io","exit_code":100,"tail":["E: Unable to fetch some archives","E: No space left"],"next":"make room on /var, then run it again"},"ms":12000}
    {"event":"step_finished","host":"app1","step":"app","outcome":{"outcome":"blocked","by":"docker on app1"},"ms":0}
    {"event":"found","host":"app1","subject":"80/tcp","from":"here","expected":"blocked","seen":"blocked","evidence":"time-out","verdict":"proven"}
    {"event":"finished","changed":0,"unchanged":0,"unknown":0,"failed":0,"blocked":0,"proven":0,"unproven":0,"ms":0,"connections":0,"execs":0,"exit_code":3}
    "#);
}

#[test]
fn json_keeps_a_hostile_text_as_it_was() {
    let line = json(&[output("app1", "docker", HOSTILE)]);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["line"], HOSTILE);
}

#[test]
fn a_log_line_is_written_before_the_next_event() {
    let sink = Sink::default();
    let story = Story::at(Verbosity::default(), true, || NOW);
    let mut log = Plain::telling(story, Box::new(sink.clone()));
    log.event(&started(Mode::Run, &["app1"]));
    log.event(&doing(
        "app1",
        "docker",
        "package docker.io",
        "install docker.io",
    ));
    assert!(
        sink.text()
            .ends_with("app1  docker  doing      install docker.io\n"),
        "{}",
        sink.text()
    );
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_closed_pipe_does_not_stop_the_run() {
    for kind in [Kind::Terminal, Kind::Plain, Kind::Json] {
        let mut any = reporter(kind, Verbosity::default(), Box::new(Closed));
        of_mode(Mode::Run).iter().for_each(|event| any.event(event));
        any.finish();
    }
}

#[test]
fn a_guarded_host_counts_down_to_its_old_state() {
    use std::time::Duration;

    use super::super::terminal::countdown;
    for (ms, said) in [
        (60_000, "old state back in 60 s"),
        (59_001, "old state back in 60 s"),
        (1, "old state back in 1 s"),
        (0, "the old state comes back"),
    ] {
        assert_eq!(countdown(Duration::from_millis(ms)), said);
    }
}

//! What people see, as text: events in, snapshots out.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use indicatif::ProgressDrawTarget;

use super::story::Story;
use super::{Json, Plain, Reporter, Terminal, Verbosity};
use crate::event::{Event, Failure, Line, Mode, Outcome, State, Summary};

mod audit;
mod outlets;
mod plan;
mod proof;
mod remarks;
mod restart;
mod run;
mod status;

/// A time of day for the snapshots, seconds since 1970.
const NOW: u64 = 1_900_000_000;

/// What was written so far.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn feed(mut reporter: impl Reporter, sink: &Sink, events: &[Event]) -> String {
    for event in events {
        reporter.event(event);
    }
    reporter.finish();
    sink.text()
}

/// What stands on a terminal's standard output.
fn terminal(colour: bool, events: &[Event]) -> String {
    let sink = Sink::default();
    let story = Story::at(Verbosity::default(), false, || NOW);
    let target = ProgressDrawTarget::hidden();
    feed(
        Terminal::telling(story, Box::new(sink.clone()), colour, target),
        &sink,
        events,
    )
}

/// What stands in a log.
fn plain(verbosity: Verbosity, events: &[Event]) -> String {
    let sink = Sink::default();
    let story = Story::at(verbosity, true, || NOW);
    feed(Plain::telling(story, Box::new(sink.clone())), &sink, events)
}

fn json(events: &[Event]) -> String {
    let sink = Sink::default();
    feed(
        Json::new(Verbosity::default(), Box::new(sink.clone())),
        &sink,
        events,
    )
}

fn started(mode: Mode, hosts: &[&str]) -> Event {
    Event::Started {
        site: "polls".into(),
        playbook: "django-scaled".into(),
        mode,
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
    }
}

fn seen(host: &str, step: &str, resource: &str, state: State) -> Event {
    Event::Seen {
        host: host.into(),
        step: step.into(),
        resource: resource.into(),
        state,
    }
}

fn in_sync(host: &str, step: &str, count: usize) -> Vec<Event> {
    (0..count)
        .map(|n| seen(host, step, &format!("thing {n}"), State::InSync))
        .collect()
}

fn differs(what: &str, lines: &[Line]) -> State {
    State::Differs {
        what: what.into(),
        lines: lines.to_vec(),
    }
}

fn until(step: &str) -> State {
    State::Unknown { until: step.into() }
}

fn begun(host: &str, step: &str) -> Event {
    Event::StepStarted {
        host: host.into(),
        step: step.into(),
    }
}

fn doing(host: &str, step: &str, resource: &str, what: &str) -> Event {
    let (host, step) = (host.into(), step.into());
    Event::Doing {
        host,
        step,
        resource: resource.into(),
        what: what.into(),
    }
}

fn changed(host: &str, step: &str, resource: &str, what: &str) -> Event {
    let (host, step) = (host.into(), step.into());
    Event::Changed {
        host,
        step,
        resource: resource.into(),
        what: what.into(),
        ms: 900,
    }
}

fn ended(host: &str, step: &str, outcome: Outcome, ms: u64) -> Event {
    Event::StepFinished {
        host: host.into(),
        step: step.into(),
        outcome,
        ms,
    }
}

fn output(host: &str, step: &str, line: &str) -> Event {
    Event::Output {
        host: host.into(),
        step: step.into(),
        line: line.into(),
    }
}

fn apt_failure() -> Failure {
    Failure {
        stage: "change".into(),
        what: "apt-get could not install docker.io".into(),
        command: Some("apt-get install -y docker.io".into()),
        exit_code: Some(100),
        tail: vec![
            "E: Unable to fetch some archives".into(),
            "E: No space left".into(),
        ],
        next: Some("make room on /var, then run it again".into()),
    }
}

fn finished(summary: Summary) -> Event {
    Event::Finished(summary)
}

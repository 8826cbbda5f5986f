//! Commands that an operator sits at: `manage.py`, psql, redis-cli, a shell, the logs.
//!
//! - `order`: what runs where
//! - `gate`: what of the output is the command's own
//!
//! They take no lock and change nothing of a run's: what they do is the operator's doing. What a
//! command prints goes to the operator byte for byte, and isn't masked.
//!
//! A first command looks whether the container runs, and with it the way to be root is found and
//! any password asked for. The second is the operator's. It is known by a mark in its
//! environment: what `docker exec` starts isn't ended with its client, so it is ended by that.

mod gate;
mod order;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use self::gate::{Gate, Met, Stream};
use self::order::Place;
use super::failure::{failure, lost};
use super::link;
use super::login::Entrance;
use super::remote::Remote;
use super::root::Roots;
use super::token::{no_token, token};
use super::way::Way;
use super::wrap::{self, Marks};
use super::{Events, Settings};
use crate::event::Failure;
use crate::shell::{Cmd, Script};
use crate::ssh::{Dialer, Input, Piece, Receiving, Sending, Status, Terminal};

pub use order::{Nowhere, Order, Window};

/// How long a server may take to look, and sudo to ask, fail or begin.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long passing a signal on may take.
const SIGNALLED: Duration = Duration::from_secs(20);

const LOOK: Script = Script(include_str!("../sh/attached-look.sh"));
const SIGNAL: Script = Script(include_str!("../sh/attached-signal.sh"));

/// A command that runs, with somebody at it.
pub struct Attached {
    /// What it writes.
    pub output: Output,
    /// Where it reads, and the size of its terminal.
    pub input: Sending,
    /// What ends it.
    pub leash: Leash,
}

/// What an attached command writes.
pub struct Output {
    receiving: Receiving,
    gate: Gate,
    early: VecDeque<Piece>,
}

/// Reaches what an attached command has started, past its terminal.
#[derive(Clone)]
pub struct Leash {
    remote: Remote,
    mark: String,
}

/// Logs in to the order's host and starts its command, with a terminal like the one that is given.
///
/// # Errors
/// If the host can't be reached or its user can't be root; if the container doesn't run.
pub async fn attach(
    order: &Order,
    terminal: Option<&Terminal>,
    settings: &Settings,
    dialer: &Dialer,
    events: &Events,
) -> Result<Attached, Failure> {
    let roots = Roots::new(Arc::clone(dialer.ask()));
    let (remote, way) = enter(order, settings, dialer, events, &roots).await?;
    let mark = token().map_err(|e| no_token(&e))?;
    let cmd = order.cmd(terminal, &mark);
    let begun = timeout(PATIENCE, begin(&remote, &way, &cmd, terminal)).await;
    let (output, input) = match begun {
        Ok(begun) => begun?,
        Err(_) => {
            let what = format!("nothing began within {} s", PATIENCE.as_secs());
            return Err(failure("exec", what, ""));
        }
    };
    let leash = Leash { remote, mark };
    Ok(Attached {
        output,
        input,
        leash,
    })
}

/// Logs in, finds the way to be root, and sees that there is something to attach to.
async fn enter(
    order: &Order,
    settings: &Settings,
    dialer: &Dialer,
    events: &Events,
    roots: &Roots,
) -> Result<(Remote, Way), Failure> {
    let look = match &order.place {
        Place::Container { name, .. } => ["container", name],
        Place::Project { directory, .. } => ["project", directory],
    };
    let look = Cmd::script(LOOK, look);
    let mut entrance = Entrance::new(settings, &order.host, dialer, events, roots);
    let mut again = true;
    loop {
        let remote = entrance.first().await?;
        let seen = remote.exec(&look, Input::Empty, None, Some(PATIENCE)).await;
        let failure = match seen {
            Err(error) => lost(&error),
            Ok(done) => match (remote.root.refusal(), remote.root.way().await) {
                (None, Some(way)) if done.status.success() => {
                    let state = String::from_utf8_lossy(&done.stdout);
                    return match state.trim() {
                        "running" => Ok((remote, way)),
                        state => Err(order.kept_back(state)),
                    };
                }
                (Some(refusal), _) => refusal.failure,
                (None, _) => remote.failed("look at its containers", &look, &done),
            },
        };
        if std::mem::take(&mut again) && link::is_broken(&remote.session, &failure).await {
            entrance.once_more();
            continue;
        }
        if let Some(failure) = entrance.turned_away(&remote, failure) {
            return Err(failure);
        }
    }
}

/// Starts the command, and waits until its own output begins.
async fn begin(
    remote: &Remote,
    way: &Way,
    cmd: &Cmd,
    terminal: Option<&Terminal>,
) -> Result<(Output, Sending), Failure> {
    let marks = Marks::new().map_err(|e| no_token(&e))?;
    let text = wrap::as_root(way, cmd, &marks);
    let started = remote.session.attach(text, terminal).await;
    let (mut receiving, sending) = started.map_err(|e| lost(&e))?;
    let mut gate = Gate::new(way, &marks, terminal.is_some());
    let mut early = VecDeque::new();
    let mut asked = false;
    while !gate.is_open() {
        let piece = receiving.next().await.map_err(|e| lost(&e))?;
        let (stream, bytes) = match piece {
            Piece::Stdout(bytes) => (Stream::Stdout, bytes),
            Piece::Stderr(bytes) => (Stream::Stderr, bytes),
            Piece::Ended(status) => {
                let said = remote.events.masked(&gate.said());
                let what = format!("it ended before the command began: {status}");
                return Err(failure("exec", what, &said));
            }
        };
        let Some(met) = gate.take(stream, bytes) else {
            let said = remote.events.masked(&gate.said());
            return Err(failure("exec", "the login shell prints without end", &said));
        };
        for met in met {
            match (met, way) {
                (Met::Own(bytes), _) => early.push_back(of(stream, bytes)),
                // It was right a moment ago.
                (Met::Prompt, Way::SudoWith(password)) if !asked => {
                    asked = true;
                    let line = format!("{}\n", password.reveal()).into_bytes();
                    // If it is gone, its end says how.
                    let _gone = sending.send(line).await;
                }
                (Met::Prompt, _) => {
                    return Err(failure("sudo", "it no longer takes the password", ""));
                }
            }
        }
    }
    let output = Output {
        receiving,
        gate,
        early,
    };
    Ok((output, sending))
}

fn of(stream: Stream, bytes: Vec<u8>) -> Piece {
    match stream {
        Stream::Stdout => Piece::Stdout(bytes),
        Stream::Stderr => Piece::Stderr(bytes),
    }
}

impl Output {
    /// The next that comes. It may be given up and asked for again without a loss.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn next(&mut self) -> Result<Piece, Failure> {
        loop {
            let piece = match self.early.pop_front() {
                Some(early) => return Ok(early),
                None => self.receiving.next().await,
            };
            let (stream, bytes) = match piece.map_err(|e| hung_up(&e))? {
                Piece::Stdout(bytes) => (Stream::Stdout, bytes),
                Piece::Stderr(bytes) => (Stream::Stderr, bytes),
                ended @ Piece::Ended(_) => return Ok(ended),
            };
            let own = self.gate.take(stream, bytes).into_iter().flatten();
            self.early.extend(own.filter_map(|met| match met {
                Met::Own(bytes) => Some(of(stream, bytes)),
                Met::Prompt => None,
            }));
        }
    }
}

fn hung_up(error: &crate::ssh::Error) -> Failure {
    let mut failure = lost(error);
    failure.next = Some(
        "what the command did so far stays done, and it may still run in its container: look \
         before you call it again"
            .to_owned(),
    );
    failure
}

impl Leash {
    /// Sends a signal (`INT`, `TERM`, `HUP`) to all that the command has started in its container.
    /// It is sent for as long as the connection takes it; what comes of it shows in the output.
    pub async fn signal(&self, name: &str) {
        let cmd = Cmd::script(SIGNAL, [name, &self.mark]);
        let sent = self.remote.exec(&cmd, Input::Empty, None, Some(SIGNALLED));
        let until = Instant::now() + SIGNALLED;
        // A connection that is gone passes nothing on.
        let _sent = timeout_at(until, sent).await;
    }
}

impl Order {
    /// Why there is nothing to attach to, and what to do about it.
    fn kept_back(&self, state: &str) -> Failure {
        let what = match &self.place {
            Place::Container { name, .. } => format!("container {name}"),
            Place::Project { directory, .. } => format!("{directory}/compose.yaml"),
        };
        let (what, next) = match state {
            "without-docker" => (
                "there is no Docker".to_owned(),
                "`provision run` sets it up",
            ),
            "docker-down" => (
                "Docker doesn't answer".to_owned(),
                "see `systemctl status docker` on the host, or run `provision run`",
            ),
            "missing" => (format!("there is no {what}"), "`provision run` makes it"),
            "" => (
                format!("{what} is in no known state"),
                "see `docker ps --all`",
            ),
            state => (
                format!("{what} is {state}, not running"),
                "`provision run` starts it; `provision logs` shows its last words",
            ),
        };
        let mut failure = failure("check", what, "");
        failure.next = Some(next.to_owned());
        failure
    }
}

/// How a command that ended is told by an exit code: its own, or as a shell tells of a signal.
pub fn exit_code(status: &Status) -> u8 {
    /// Numbers that are the same on every Linux (signal(7)).
    const SIGNALS: [(&str, u8); 8] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("SEGV", 11),
        ("PIPE", 13),
        ("TERM", 15),
    ];
    match status {
        Status::Code(code) => u8::try_from(*code).unwrap_or(u8::MAX),
        Status::Signal(name) => {
            let known = SIGNALS.iter().find(|(known, _)| known == name);
            known.map_or(u8::MAX, |(_, number)| 128 + number)
        }
    }
}

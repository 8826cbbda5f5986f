//! Runs our scripts and commands as root on a host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Events;
use super::exec::Request;
use super::failure::{failure, lost};
use super::root::Root;
use crate::event::{Event, Failure};
use crate::resource::{Action, Op};
use crate::shell::{Cmd, Script};
use crate::ssh::{self, Done, Input, Session, Status};

/// Milliseconds since then.
pub(super) fn ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How long reading and short scripts of ours may take.
const SHORT: Duration = Duration::from_secs(60);

/// The depth of what is told about commands.
const COMMANDS: u8 = 3;

/// A host that we are logged in to.
#[derive(Clone)]
pub(super) struct Remote {
    pub session: Arc<Session>,
    pub host: String,
    pub events: Events,
    /// How the user is root there.
    pub root: Arc<Root>,
}

impl Remote {
    /// Runs a command as root, in the way that is known to work or in the first that does.
    ///
    /// If the user can't be root, what comes back is what was said instead; `root.refusal()`
    /// tells why.
    pub(super) async fn exec(
        &self,
        cmd: &Cmd,
        input: Input,
        lines: Option<UnboundedSender<String>>,
        limit: Option<Duration>,
    ) -> Result<Done, ssh::Error> {
        let request = Request {
            input,
            lines,
            limit,
        };
        let (session, events) = (&self.session, &self.events);
        let start = Instant::now();
        let done = self.root.exec(session, events, cmd, request).await;
        let ended = match &done {
            Ok(done) if self.root.refusal().is_none() => done.status.to_string(),
            Ok(done) => format!("not run as root: {}", done.status),
            Err(error) => error.fault().to_string(),
        };
        self.events.send(Event::Detail {
            host: self.host.clone(),
            depth: COMMANDS,
            text: self.events.masked(&command(cmd, &ended, ms(start))),
        });
        done
    }

    /// Feeds a script to a root shell and gives back what it printed.
    pub(super) async fn feed(&self, script: String) -> Result<Vec<u8>, Failure> {
        let shell = Cmd::new("sh").arg("-s");
        let input = Input::Bytes(script.into_bytes());
        let done = self.exec(&shell, input, None, Some(SHORT)).await;
        let done = done.map_err(|e| lost(&e))?;
        if let Some(refusal) = self.root.refusal() {
            return Err(refusal.failure);
        }
        if done.status.success() {
            return Ok(done.stdout);
        }
        let said = self
            .events
            .masked(String::from_utf8_lossy(&done.stderr).trim());
        Err(failure(
            "read",
            format!("reading its state ended with {}", done.status),
            &said,
        ))
    }

    /// Runs a command as root; its lines become events. Any exit status is an answer.
    pub(super) async fn run(
        &self,
        step: &str,
        cmd: &Cmd,
        input: Input,
        limit: Duration,
    ) -> Result<Done, ssh::Error> {
        let (sender, mut lines) = unbounded_channel::<String>();
        let forward = async {
            while let Some(line) = lines.recv().await {
                self.tell(step, &line);
            }
        };
        let running = self.exec(cmd, input, Some(sender), Some(limit));
        let (done, ()) = tokio::join!(running, forward);
        done
    }

    /// A line that a command printed, as an event.
    pub(super) fn tell(&self, step: &str, line: &str) {
        let line = self.events.masked(line);
        let (host, step) = (self.host.clone(), step.to_owned());
        self.events
            .send(match line.strip_prefix("provision:waiting ") {
                Some(what) => Event::Waiting {
                    host,
                    step,
                    what: what.to_owned(),
                },
                None => Event::Output { host, step, line },
            });
    }

    /// Runs a short script of ours as root and gives back what it printed.
    pub(super) async fn script(&self, script: Script, args: &[&str]) -> Result<Done, ssh::Error> {
        let cmd = Cmd::script(script, args.iter().copied());
        self.exec(&cmd, Input::Empty, None, Some(SHORT)).await
    }

    /// What a command that failed said, as a failure.
    pub(super) fn failed(&self, what: &str, cmd: &Cmd, done: &Done) -> Failure {
        let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&done.stderr));
        let mut failure = failure(
            "change",
            format!("could not {what}"),
            &self.events.masked(&text),
        );
        failure.command = Some(self.events.masked(&cmd.shown()));
        failure.exit_code = match &done.status {
            Status::Code(code) => Some(i64::from(*code)),
            Status::Signal(_) => None,
        };
        failure.next = Some(
            "mend what it says and run again: what is done stays done (-v shows all it prints)"
                .to_owned(),
        );
        failure
    }

    /// What an operation's command that failed said, and what that means where it is known.
    pub(super) fn undone(&self, op: &Op, cmd: &Cmd, done: &Done) -> Failure {
        let mut failure = self.failed(&op.what, cmd, done);
        let Action::Run {
            advice: Some(advice),
            ..
        } = &op.action
        else {
            return failure;
        };
        let text = String::from_utf8_lossy(&done.stdout);
        let text = format!("{text}\n{}", String::from_utf8_lossy(&done.stderr));
        if let Some(known) = advice(&self.events.masked(&text)) {
            failure.what = format!("could not {}: {}", op.what, known.what);
            failure.next = Some(known.next);
        }
        failure
    }
}

/// A command that ended, in one line. What it read isn't part of it.
fn command(cmd: &Cmd, ended: &str, ms: u64) -> String {
    /// The most that is shown of a command (characters).
    const MOST: usize = 300;
    let shown = cmd.shown();
    let (shown, more) = match shown.char_indices().nth(MOST) {
        Some((end, _)) => (&shown[..end], "…"),
        None => (shown.as_str(), ""),
    };
    let line = format!("{shown}{more} → {ended}, {ms} ms");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_in_one_line_with_how_it_ended() {
        let cmd = Cmd::new("docker").args(["image", "tag", "a b"]);
        assert_eq!(
            command(&cmd, "exit code 1", 12),
            "docker image tag 'a b' → exit code 1, 12 ms"
        );
        let cmd = Cmd::script(Script("echo \"$1\"\n"), ["two\nlines"]);
        assert_eq!(
            command(&cmd, "signal KILL", 0),
            "sh … 'two lines' → signal KILL, 0 ms"
        );
        let long = command(&Cmd::new("é".repeat(1000)), "exit code 0", 1);
        assert!(long.ends_with("é… → exit code 0, 1 ms"), "{long}");
        assert!(long.chars().count() < 330, "{long}");
    }
}

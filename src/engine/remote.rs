//! Runs our scripts and commands as root on a host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Events;
use crate::event::{Event, Failure};
use crate::resource::Unreadable;
use crate::shell::{Cmd, Script};
use crate::ssh::{self, Done, Exec, Input, Session, Status};

/// Lines of output that a failure keeps.
const TAIL: usize = 20;

/// Milliseconds since then.
pub(super) fn ms(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A host that we are logged in to.
pub(super) struct Remote {
    pub session: Arc<Session>,
    pub user: String,
    pub host: String,
    pub events: Events,
}

impl Remote {
    /// The command as root: through sudo without a question, unless we are root.
    ///
    /// SSH_CONNECTION is handed on under another name, since sudo drops it.
    pub(super) fn as_root(&self, cmd: &Cmd) -> String {
        let sudo = if self.user == "root" { "" } else { "sudo -n " };
        format!(
            "{sudo}env PROVISION_SSH_CONNECTION=\"$SSH_CONNECTION\" {}",
            cmd.to_shell()
        )
    }

    /// Feeds a script to a root shell and gives back what it printed.
    pub(super) async fn feed(&self, script: String) -> Result<Vec<u8>, Failure> {
        let mut exec = Exec::new(self.as_root(&Cmd::new("sh").arg("-s")));
        exec.input = Input::Bytes(script.into_bytes());
        exec.limit = Some(Duration::from_secs(60));
        let done = self.session.exec(exec).await.map_err(|e| lost(&e))?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        let said = self
            .events
            .masked(String::from_utf8_lossy(&done.stderr).trim());
        if let Some(failure) = sudo_refused(&self.user, &said) {
            return Err(failure);
        }
        Err(failure(
            "read",
            format!("reading its state ended with {}", code(&done)),
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
        let (done, ()) = tokio::join!(self.exec(cmd, input, limit, sender), forward);
        done
    }

    /// Runs a command as root; its lines, as they come, go to `lines`.
    pub(super) async fn exec(
        &self,
        cmd: &Cmd,
        input: Input,
        limit: Duration,
        lines: UnboundedSender<String>,
    ) -> Result<Done, ssh::Error> {
        let mut exec = Exec::new(self.as_root(cmd));
        exec.input = input;
        exec.limit = Some(limit);
        exec.lines = Some(lines);
        self.session.exec(exec).await
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
        let mut exec = Exec::new(self.as_root(&cmd));
        exec.limit = Some(Duration::from_secs(60));
        self.session.exec(exec).await
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
}

fn code(done: &Done) -> String {
    match &done.status {
        Status::Code(code) => format!("exit code {code}"),
        Status::Signal(name) => format!("signal {name}"),
    }
}

/// A failure with the last lines of what was printed.
pub(super) fn failure(stage: &str, what: impl Into<String>, printed: &str) -> Failure {
    let lines: Vec<String> = printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    Failure {
        stage: stage.to_owned(),
        what: what.into(),
        command: None,
        exit_code: None,
        tail: lines[lines.len().saturating_sub(TAIL)..].to_vec(),
        next: None,
    }
}

/// A failure of the connection itself.
pub(super) fn lost(error: &ssh::Error) -> Failure {
    let stage = match error.stage() {
        ssh::Stage::Resolve => "resolve",
        ssh::Stage::Connect => "connect",
        ssh::Stage::HostKey => "host key",
        ssh::Stage::Authenticate => "authenticate",
        ssh::Stage::Exec => "exec",
    };
    let what = match error.stage() {
        ssh::Stage::Resolve | ssh::Stage::Connect => format!("{}: {}", error.at(), error.fault()),
        _ => error.fault().to_string(),
    };
    let mut failure = failure(stage, what, "");
    failure.next = Some(error.next());
    failure
}

/// A state that could not be read.
pub(super) fn unreadable(error: &Unreadable) -> Failure {
    failure("read", error.to_string(), "")
}

fn sudo_refused(user: &str, said: &str) -> Option<Failure> {
    let absent = said.contains("sudo: not found") || said.contains("sudo: command not found");
    if !absent && !said.contains("sudo:") && !said.contains("sudo-rs:") {
        return None;
    }
    let mut failure = failure(
        "sudo",
        format!("{user} can't become root without a password"),
        said,
    );
    if absent {
        failure.what = format!("{user} isn't root, and there is no sudo");
    }
    failure.next = Some(format!(
        "let {user} use sudo without a password (NOPASSWD in /etc/sudoers.d), or set ssh.bootstrap \
         to a user who can"
    ));
    Some(failure)
}

//! One run at a time on a host, and one connection of it.
//!
//! A process on the server holds a file lock for as long as its stdin is open, that is, as
//! long as our connection stands. A run that is killed thus frees its hosts by itself.
//!
//! The server may not have noticed that a connection broke. So each has a name, the *fence*, by
//! which the next connection of the same run ends what is left of it, and without which nothing
//! that was still on its way is carried out.

use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel, unbounded_channel};
use tokio::task::JoinHandle;

use super::failure::failure;
use super::remote::Remote;
use super::token::{no_token, token};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::ssh::{self, Done, Input};

const LOCK: Script = Script(include_str!("sh/lock.sh"));

/// What is kept on a host.
const STATE: &str = "/var/lib/provision";
/// What is forgotten when its power is cut: a tmpfs (hier(7)).
pub(super) const RUN: &str = "/run/provision";
/// Says which connection holds the host.
pub(super) const HOLDER: &str = "/run/provision/holder";
/// Held by the operation that is carried out; names it.
pub(super) const TURN: &str = "/var/lib/provision/operation";

/// How long the host may be silent before it says whether it is held.
const SILENCE: Duration = Duration::from_secs(30);

/// A host that is held; let go of it by dropping this.
#[derive(Debug)]
pub(super) struct Lock {
    fence: String,
    stdin: Sender<std::io::Result<Vec<u8>>>,
    _exec: JoinHandle<Result<Done, ssh::Error>>,
}

impl Lock {
    /// What operations show to be carried out.
    pub(super) fn fence(&self) -> &str {
        &self.fence
    }

    /// Lets the host forget a job. Nothing waits for it, and where it gets lost, the next run
    /// clears up.
    pub(super) fn collected(&self, job: &str) {
        let _full = self.stdin.try_send(Ok(format!("{job}\n").into_bytes()));
    }
}

/// A lock that was taken.
pub(super) struct Held {
    pub lock: Lock,
    /// Whether an earlier run was still at work on the host: what was read before doesn't count.
    pub anew: bool,
}

/// Why a host could not be held.
pub(super) enum Refused {
    /// Another run holds it.
    Held(Failure),
    /// It could not be asked.
    Failed(Failure),
}

/// Takes the lock, and the receipt of the last proof away: from here on things change.
///
/// `before` is the lock of the connection of this run that broke.
pub(super) async fn lock(
    remote: &Remote,
    step: &str,
    owner: &str,
    receipt: &str,
    before: Option<&Lock>,
) -> Result<Held, Refused> {
    let fence = token().map_err(|e| Refused::Failed(no_token(&e)))?;
    let (stdin, input) = channel(16);
    let (lines, mut said) = unbounded_channel();
    let broken = before.map_or("-", Lock::fence);
    let args = [STATE, RUN, owner, receipt, &fence, broken];
    let cmd = Cmd::script(LOCK, args);
    let input = Input::Stream(input);
    let host = remote.clone();
    let running = tokio::spawn(async move { host.exec(&cmd, input, Some(lines), None).await });
    let answered = |anew| Held {
        lock: Lock {
            fence,
            stdin,
            _exec: running,
        },
        anew,
    };
    // A login shell may print something of its own first.
    let mut other = Vec::new();
    loop {
        let line = match tokio::time::timeout(SILENCE, said.recv()).await {
            Ok(Some(line)) => line,
            Ok(None) | Err(_) => {
                let printed = remote.events.masked(&other.join("\n"));
                let what = "the host did not answer to the lock";
                let silent = || failure("lock", what, &printed);
                let refusal = remote.root.refusal().map(|refusal| refusal.failure);
                return Err(Refused::Failed(refusal.unwrap_or_else(silent)));
            }
        };
        let Some(answer) = line.strip_prefix("provision:") else {
            other.push(line);
            continue;
        };
        match answer.split_once(' ').unwrap_or((answer, "")) {
            ("locked", anew) => return Ok(answered(!anew.is_empty())),
            ("waiting", what) => remote.events.send(Event::Waiting {
                host: remote.host.clone(),
                step: step.to_owned(),
                what: what.to_owned(),
            }),
            ("busy", what) => {
                let what = format!("{what} has been going on there for half an hour");
                let mut busy = failure("lock", what, "");
                busy.next = Some("see what it waits for on the host".to_owned());
                return Err(Refused::Failed(busy));
            }
            (_, who) => {
                let mut held = failure("lock", format!("another run holds this host: {who}"), "");
                held.next =
                    Some("wait until it ends; a run that was killed lets go by itself".to_owned());
                return Err(Refused::Held(held));
            }
        }
    }
}

//! One run at a time on a host.
//!
//! A process on the server holds a file lock for as long as its stdin is open, that is, as
//! long as our connection stands. A run that is killed thus frees its hosts by itself.

use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel, unbounded_channel};
use tokio::task::JoinHandle;

use super::remote::{Remote, failure};
use crate::event::Failure;
use crate::shell::{Cmd, Script};
use crate::ssh::{self, Done, Input};

const LOCK: Script = Script(include_str!("sh/lock.sh"));

/// A host that is held; let go of it by dropping this.
#[derive(Debug)]
pub(super) struct Lock {
    _stdin: Sender<std::io::Result<Vec<u8>>>,
    _exec: JoinHandle<Result<Done, ssh::Error>>,
}

/// Why a host could not be held.
pub(super) enum Refused {
    /// Another run holds it.
    Held(Failure),
    /// It could not be asked.
    Failed(Failure),
}

/// Takes the lock, and the receipt of the last proof away: from here on things change.
pub(super) async fn lock(remote: &Remote, owner: &str, receipt: &str) -> Result<Lock, Refused> {
    let (stdin, input) = channel(1);
    let (lines, mut said) = unbounded_channel();
    let cmd = Cmd::script(LOCK, [owner, receipt]);
    let input = Input::Stream(input);
    let host = remote.clone();
    let running = tokio::spawn(async move { host.exec(&cmd, input, Some(lines), None).await });
    let answer = async {
        let mut other = Vec::new();
        while let Some(line) = said.recv().await {
            match line.strip_prefix("provision:") {
                Some(answer) => return Ok(answer.to_owned()),
                None => other.push(line),
            }
        }
        Err(other.join("\n"))
    };
    let silent = |printed: &str| {
        Refused::Failed(failure(
            "lock",
            "the host did not answer to the lock",
            printed,
        ))
    };
    match tokio::time::timeout(Duration::from_secs(30), answer).await {
        Ok(Ok(answer)) if answer == "locked" => Ok(Lock {
            _stdin: stdin,
            _exec: running,
        }),
        Ok(Ok(answer)) => {
            let who = answer.trim_start_matches("held ").to_owned();
            let mut held = failure("lock", format!("another run holds this host: {who}"), "");
            held.next =
                Some("wait until it ends; a run that was killed lets go by itself".to_owned());
            Err(Refused::Held(held))
        }
        Ok(Err(printed)) => Err(match remote.root.refusal() {
            Some(refusal) => Refused::Failed(refusal.failure),
            None => silent(&remote.events.masked(&printed)),
        }),
        Err(_) => Err(silent("")),
    }
}

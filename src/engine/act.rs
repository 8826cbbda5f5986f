//! Carries out one operation on a host.

use std::path::Path;
use std::time::Duration;

use super::context;
use super::failure::lost;
use super::lock::{HOLDER, TURN};
use super::look;
use super::remote::Remote;
use crate::event::Failure;
use crate::resource::{Action, Content, Op, sha256};
use crate::shell::{Cmd, Script};
use crate::ssh::Input;

const PUT: Script = Script(include_str!("sh/put.sh"));
const IN_TURN: Script = Script(include_str!("sh/turn.sh"));

/// How long putting a file may take; its check may pull an image.
const PUT_LIMIT: Duration = Duration::from_secs(600);

/// Runs when it is its turn on the host, and only while this connection holds it.
fn in_turn(cmd: &Cmd, fence: Option<&str>, what: &str) -> Cmd {
    Cmd::script(IN_TURN, [TURN, HOLDER, fence.unwrap_or("-"), what])
        .args(cmd.argv().iter().cloned())
}

/// Carries out an operation. `fence` is that of the lock, where the host is held.
pub(super) async fn act(
    remote: &Remote,
    step: &str,
    op: &Op,
    fence: Option<&str>,
    cache: &Path,
) -> Result<(), Failure> {
    let (cmd, input, limit) = match &op.action {
        Action::Run {
            cmd, input, limit, ..
        } => (cmd.clone(), bytes(input, cache), *limit),
        Action::Look(pages) => return look::look(remote, step, pages).await,
        Action::Put {
            path,
            content,
            mode,
            owner,
            check,
            pending,
        } => {
            let mut cmd = Cmd::script(PUT, [path.clone(), format!("{mode:o}"), owner.clone()])
                .arg(sum(content))
                .arg(pending.len().to_string())
                .args(pending.iter().cloned());
            if let Some(check) = check {
                cmd = cmd.args(check.argv().iter().cloned());
            }
            (cmd, bytes(content, cache), PUT_LIMIT)
        }
    };
    let done = remote
        .run(step, &in_turn(&cmd, fence, &op.what), input, limit)
        .await
        .map_err(|e| lost(&e))?;
    if done.status.success() {
        return Ok(());
    }
    Err(remote.undone(op, &cmd, &done))
}

/// What a command gets to read.
pub(super) fn bytes(content: &Content, cache: &Path) -> Input {
    match content {
        Content::Empty => Input::Empty,
        Content::Text(text) => Input::Bytes(text.clone().into_bytes()),
        Content::Secret(secret) => Input::Bytes(secret.reveal().as_bytes().to_vec()),
        Content::Context(context) => {
            Input::Stream(context::stream(context.clone(), cache.to_owned()))
        }
    }
}

fn sum(content: &Content) -> String {
    match content {
        Content::Text(text) => sha256(text),
        Content::Secret(secret) => sha256(secret.reveal()),
        Content::Empty | Content::Context(_) => sha256(""),
    }
}

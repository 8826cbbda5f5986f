//! Failures as they are reported.

use crate::event::Failure;
use crate::resource::Unreadable;
use crate::ssh;

/// Lines of output that a failure keeps.
const TAIL: usize = 20;

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

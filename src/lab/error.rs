//! What can go wrong in the lab, with what to do about it.

use std::io;
use std::path::PathBuf;

/// Why the lab couldn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine lacks something; every lack is listed, one a line.
    #[error("use the lab on this machine:\n{}", .missing.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n"))]
    Requirements {
        /// What is missing, each with what to do.
        missing: Vec<String>,
    },
    /// A program ended with a failure.
    #[error("run `{command}` ({status}):\n{output}")]
    Command {
        /// The command as an operator would type it.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines it wrote.
        output: String,
    },
    /// A program couldn't be started at all.
    #[error("start `{command}`")]
    Start {
        /// The command as an operator would type it.
        command: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file or directory couldn't be read or written.
    #[error("{action} {}", .path.display())]
    File {
        /// "read", "write", "remove", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The lab's own record is not what this program writes.
    #[error("understand {}: run `provision lab down` and start again", .path.display())]
    State {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Another suite's lab is up; there is one lab at a time.
    #[error(
        "bring up a {wanted} lab: a {running} lab is up in {}; run `provision lab down` first",
        .directory.display()
    )]
    OtherSuite {
        /// The suite that runs.
        running: String,
        /// The suite that was asked for.
        wanted: String,
        /// Where the running lab lives.
        directory: PathBuf,
    },
    /// A suite the lab has no recipe for.
    #[error("make a lab of suite {0:?}: use `trixie` or `bookworm`")]
    UnknownSuite(String),
    /// The directory's name would break a mount option or site.toml.
    #[error(
        "use the directory {}: give an absolute path without `,`, `:`, quotes, backslashes \
         or control characters",
        .0.display()
    )]
    Directory(PathBuf),
    /// Another `provision lab` is at work.
    #[error("lock the lab: another `provision lab` is at work; wait for it to end")]
    Busy,
    /// There is no lab.
    #[error("find a lab that is up: run `provision lab up` first")]
    NotUp,
    /// There is no such host in the lab.
    #[error("find host {name:?} in the lab: its hosts are {known}")]
    UnknownHost {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The host is there but doesn't run.
    #[error("reach {0}: it is not running; run `provision lab up`")]
    NotRunning(String),
    /// Something didn't come up in time.
    #[error("see {what} come up within {seconds} s; the last lines of {}:\n{tail}", .log.display())]
    NotReady {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// A program answered something unexpected.
    #[error("understand what `{command}` answered: {answer:?}")]
    Answer {
        /// The command.
        command: String,
        /// What it wrote.
        answer: String,
    },
    /// No random bytes.
    #[error("get random bytes from the operating system")]
    Random(#[source] io::Error),
}

impl Error {
    /// For `map_err` on file operations.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}

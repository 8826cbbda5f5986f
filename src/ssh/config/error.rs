//! What can go wrong while the operator's configuration is read.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::hop::HopError;

/// Why there is no answer for a host. Reads after "failed to read the SSH configuration: ".
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A host or user name that ssh itself would refuse, or that could be taken for an option.
    #[error("{what} {name:?} isn't one ssh takes")]
    Name {
        /// "the host name" or "the user name".
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// The host is written as an ssh:// URI, and wrongly.
    #[error("{text:?}: {cause}")]
    Uri {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: HopError,
    },
    /// A line that isn't understood.
    #[error("{}:{line}: {what}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A file that is named and can't be read.
    #[error("read {}: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A file that others may write to. ssh doesn't read it either.
    #[error("{} belongs to another user, or others may write to it", .path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
    },
    /// A value that can't be used: its tokens, its variables or its form.
    #[error("{key} {value:?}: {what}")]
    Value {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        what: String,
    },
    /// `ssh -G` didn't start.
    #[error("start {}: {cause}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// `ssh -G` failed.
    #[error("ssh says: {said}")]
    Refused {
        /// What it said, with file and line as ssh names them.
        said: String,
    },
    /// `ssh -G` answered, and not with a configuration.
    #[error("`ssh -G` says nothing of {key}")]
    Answer {
        /// What is missing.
        key: &'static str,
    },
    /// It took too long, most likely a command of `Match exec`.
    #[error("no answer within {} s{}", .after.as_secs_f32(),
        .command.as_ref().map(|command| format!(": {command}")).unwrap_or_default())]
    Limit {
        /// How long it may take.
        after: Duration,
        /// The command that didn't end, where that is known.
        command: Option<String>,
    },
    /// Something of this machine that isn't the configuration's fault.
    #[error("{what}: {cause}")]
    Machine {
        /// What was wanted.
        what: &'static str,
        /// Why it wasn't to be had.
        #[source]
        cause: io::Error,
    },
}

impl ConfigError {
    /// What the operator can do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Name { .. } | Self::Uri { .. } => {
                "write the host as you would after `ssh`".to_owned()
            }
            Self::Line { path, line, .. } => {
                format!("correct line {line} of {} (ssh_config(5))", path.display())
            }
            Self::Read { path, .. } => {
                format!("make {} readable, or remove its Include", path.display())
            }
            Self::Permissions { path } => {
                format!("run `chmod go-w {}` and check its owner", path.display())
            }
            Self::Value { key, .. } => format!("correct {key} in your SSH configuration"),
            Self::Start { .. } | Self::Refused { .. } | Self::Answer { .. } => {
                "run `ssh -G HOST` yourself: it has to work first".to_owned()
            }
            Self::Limit { .. } => {
                "check the commands of `Match exec` in your SSH configuration".to_owned()
            }
            Self::Machine { .. } => "check this machine".to_owned(),
        }
    }
}

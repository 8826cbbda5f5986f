//! What ends the program, with its exit code.

use std::io;
use std::path::PathBuf;

use crate::event::{Event, Failure, Place};
use crate::{engine, input, lab, plan, playbook, secrets, site, ssh};

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// site.toml or a file it names.
    #[error(transparent)]
    Site(#[from] input::Error),
    /// The playbook.
    #[error(transparent)]
    Playbook(#[from] playbook::Error),
    /// The selection, or a role without a host.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The revision can't be looked up.
    #[error(transparent)]
    Git(#[from] site::GitError),
    /// A step that doesn't exist.
    #[error("there is no step {name:?}; {hint}see `provision steps`")]
    UnknownStep {
        /// As given.
        name: String,
        /// "did you mean …? ", or nothing.
        hint: String,
    },
    /// A server that can't be meant.
    #[error(
        "{server:?} can't be looked at: {wrong}; write [USER@]HOST[:PORT] or a name of ssh_config"
    )]
    Server {
        /// As given.
        server: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// A file of ours can't be written.
    #[error("failed to write {}: {cause}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The secrets file.
    #[error("{}: {why}", .file.display())]
    Secrets {
        /// The file, or where its value was to come from.
        file: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The secrets file can't be opened or locked.
    #[error("the secrets file: {0}")]
    Locked(#[from] secrets::Error),
    /// It is there already.
    #[error("{} is there already; name another file or remove it", .0.display())]
    Exists(PathBuf),
    /// A question that nobody is there to answer.
    #[error("there is no terminal to ask on: add --yes to go on without a question")]
    NoTerminal,
    /// Nobody is there to type the site's name.
    #[error(
        "there is no terminal to ask on: add --confirm {0} to remove the site without a question"
    )]
    Unconfirmed(String),
    /// Another name than the site's.
    #[error("--confirm {typed} is not the name of this site, which is {name}")]
    OtherName {
        /// As given.
        typed: String,
        /// The site's.
        name: String,
    },
    /// A database that isn't the site's own.
    #[error(
        "the site has no database of its own: without [postgres] in site.toml, whoever runs the \
         database keeps its backups"
    )]
    NoDatabase,
    /// Nothing to put in place.
    #[error(
        "name the backup: provision restore BACKUP; `provision backup --list` shows those on the server"
    )]
    NoBackup,
    /// A file that is no whole backup.
    #[error(transparent)]
    Backup(engine::life::archive::Unfit),
    /// A backup that this site can't use.
    #[error("{} can't be restored here: {why}", .file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// A host that shows another key than the one that is pinned.
    #[error("{0}")]
    HostKey(String),
    /// The SSH configuration, or bastions in a circle.
    #[error("failed to {error}\nnext: {}", .error.next())]
    Route {
        /// What is wrong.
        #[from]
        error: engine::RouteError,
    },
    /// The passphrase of the operator's key.
    #[error("failed to open the key: {why}")]
    Key {
        /// What went wrong.
        why: String,
    },
    /// SSH, outside of a run.
    #[error("failed to {error}\nnext: {}", .error.next())]
    Ssh {
        /// What went wrong.
        error: Box<ssh::Error>,
    },
    /// The site has no place for a command.
    #[error(transparent)]
    Nowhere(#[from] engine::Nowhere),
    /// A command that somebody was to sit at.
    #[error("{}", attached(.host, .failure))]
    Attached {
        /// The host.
        host: String,
        /// What went wrong, before it began or under it.
        failure: Box<Failure>,
    },
    /// A stream of this program.
    #[error("failed to {what}: {cause}")]
    Stream {
        /// What was to be done with it.
        what: &'static str,
        /// Why not.
        cause: io::Error,
    },
    /// The lab.
    #[error("failed to {}", engine::told(.0))]
    Lab(#[from] lab::Error),
    /// The asynchronous runtime.
    #[error("failed to start the asynchronous runtime")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// Whether nobody could have expected it, so that it is worth a full report.
    pub fn is_unexpected(&self) -> bool {
        matches!(self, Self::Runtime(_))
    }

    /// The error for machines.
    pub fn event(&self) -> Event {
        let mistake = match self {
            Self::Site(error) | Self::Playbook(playbook::Error::Input(error)) => error.mistake(),
            _ => None,
        };
        Event::Refused {
            what: mistake.map_or_else(|| self.to_string(), |mistake| mistake.what.clone()),
            place: mistake.map(|mistake| Place {
                file: mistake.file.clone(),
                line: mistake.line,
                column: mistake.column,
                instead: mistake.instead.clone(),
            }),
            exit_code: self.exit_code(),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Site(_)
            | Self::Playbook(_)
            | Self::Secrets { .. }
            | Self::Locked(_)
            | Self::Plan(_)
            | Self::Git(_)
            | Self::UnknownStep { .. }
            | Self::Server { .. }
            | Self::Exists(_)
            | Self::Route { .. }
            | Self::Nowhere(_)
            | Self::Unconfirmed(_)
            | Self::OtherName { .. }
            | Self::NoDatabase
            | Self::NoBackup
            | Self::Backup(_)
            | Self::Unfit { .. }
            | Self::NoTerminal => 2,
            Self::Key { .. } | Self::Ssh { .. } | Self::HostKey(_) | Self::Attached { .. } => {
                engine::exit::FAILED
            }
            Self::Write { .. } | Self::Stream { .. } | Self::Lab(_) | Self::Runtime(_) => 1,
        }
    }
}

/// A failure as lines: where and what, what was printed, what to do next.
fn attached(host: &str, failure: &Failure) -> String {
    let mut lines = vec![format!("{host}: {}: {}", failure.stage, failure.what)];
    lines.extend(failure.tail.iter().map(|line| format!("  {line}")));
    lines.extend(failure.next.iter().map(|next| format!("next: {next}")));
    lines.join("\n")
}

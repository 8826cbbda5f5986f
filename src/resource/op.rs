//! What is done on a server to close a gap. Data only: the engine carries it out.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::shell::{Cmd, Script, Secret};

/// One operation.
#[derive(Clone, Debug)]
pub struct Op {
    /// What it does, for people: "install ufw", "write /srv/polls/compose.yaml".
    pub what: String,
    /// How.
    pub action: Action,
}

/// How an operation is carried out. On the server, all of it runs as root.
#[derive(Clone, Debug)]
pub enum Action {
    /// Run a command.
    Run {
        /// The command.
        cmd: Cmd,
        /// What it reads on stdin.
        input: Content,
        /// How long it may take.
        limit: Duration,
        /// What its output means where it failed, if that is known.
        advice: Option<fn(&str) -> Option<Advice>>,
    },
    /// Look from the operator's machine, before an authority does.
    Look(Look),
    /// Put a file in place of what is there, atomically, owner and mode first.
    Put {
        /// Absolute path; its directory is made if it is missing.
        path: String,
        /// What it will hold.
        content: Content,
        /// Permission bits.
        mode: u32,
        /// "root:root", or numbers ("999:999").
        owner: String,
        /// Refuse the content unless this command, given the temporary file's path as its
        /// last argument, ends with 0.
        check: Option<Cmd>,
        /// Markers that are left before the file is written: what has to be reloaded.
        pending: Vec<String>,
    },
}

/// Why a command failed, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What went wrong.
    pub what: String,
    /// What to do next.
    pub next: String,
}

/// Whether a page is seen over HTTP under some names, each at every address that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The names.
    pub names: Vec<String>,
    /// The addresses that they may lead to.
    pub addresses: Vec<IpAddr>,
    /// Whether DNS is asked where they lead; if not, each is looked for at all of `addresses`.
    pub dns: bool,
    /// The resolver to ask; the system's if there is none.
    pub resolver: Option<SocketAddr>,
    /// Whom CAA records have to let issue a certificate, as they name it ("letsencrypt.org").
    pub issuer: Option<String>,
    /// The page's path, which begins with `/`.
    pub path: String,
    /// What it must hold, less space around it.
    pub holds: String,
}

/// Bytes for stdin or a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Empty,
    /// Text that may be shown.
    Text(String),
    /// Text that may not.
    Secret(Secret),
    /// A build context as a tar stream, or a file as it is.
    Context(Context),
}

/// What is streamed from the operator's machine, and where it is found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// A directory, as tar.
    Directory(PathBuf),
    /// One file, as it is.
    File(PathBuf),
    /// A commit of a repository, as tar.
    Commit {
        /// URL or path of the repository.
        url: String,
        /// 40 hexadecimal digits.
        commit: String,
    },
}

/// What an ordinary change may take.
const SHORT: Duration = Duration::from_secs(120);
/// What a download or a build may take.
const LONG: Duration = Duration::from_secs(1800);

impl Op {
    /// Runs a command that ends soon.
    pub fn run(what: impl Into<String>, cmd: Cmd) -> Self {
        Self {
            what: what.into(),
            action: Action::Run {
                cmd,
                input: Content::Empty,
                limit: SHORT,
                advice: None,
            },
        }
    }

    /// Runs a script of ours that ends soon.
    pub fn script<I, S>(what: impl Into<String>, script: &'static str, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self::run(what, Cmd::script(Script(script), args))
    }

    /// Gives a command the time of a download or a build.
    #[must_use]
    pub fn long(mut self) -> Self {
        if let Action::Run { limit, .. } = &mut self.action {
            *limit = LONG;
        }
        self
    }

    /// Whether it was given that time: then it outlives a connection that breaks.
    pub fn is_long(&self) -> bool {
        matches!(&self.action, Action::Run { limit, .. } if *limit > SHORT)
    }

    /// Says what the command's output means where it fails.
    #[must_use]
    pub fn advised(mut self, by: fn(&str) -> Option<Advice>) -> Self {
        if let Action::Run { advice, .. } = &mut self.action {
            *advice = Some(by);
        }
        self
    }

    /// Gives a command something to read.
    #[must_use]
    pub fn input(mut self, content: Content) -> Self {
        if let Action::Run { input, .. } = &mut self.action {
            *input = content;
        }
        self
    }
}

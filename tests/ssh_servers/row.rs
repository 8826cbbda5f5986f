//! What a row of the table says.

use std::ops::RangeInclusive;
use std::time::Duration;

use provision::ssh::{Stage, Status, Target};

use super::kit::Kit;

/// A server, what the client has, and what must come of it.
pub struct Row {
    /// A sentence, or near to one. Other rows may refer to it.
    pub name: String,
    pub server: Server,
    pub knows: Knows,
    /// The server of this row is the bastion.
    pub via: Option<&'static str>,
    pub client: fn(&Kit, &mut Target),
    /// What the operator answers, one after the other.
    pub answers: &'static [&'static str],
    /// How long they think about each.
    pub thinks: Duration,
    pub must: Must,
    /// Words that the server's log must not hold.
    pub log_lacks: Option<&'static str>,
    /// The first version of OpenSSH that does so, of those that were tried.
    pub since: (u32, u32),
}

/// What is started. `$D` is the folder of all servers, `$A` the address, `{name}` the port of
/// another row.
pub enum Server {
    /// OpenSSH's, with these lines before the usual ones (the first counts).
    Sshd(String),
    /// dropbear, with these arguments and this kind of host key.
    Dropbear {
        args: &'static str,
        key: &'static str,
    },
}

/// What the client knows of the server's key.
#[derive(Clone, Copy)]
pub enum Knows {
    /// It is pinned: `ed25519`, `rsa` or `ecdsa`.
    Pin(&'static str),
    /// It stands in known_hosts.
    Line(&'static str),
    /// The same, with a hashed name.
    Hashed(&'static str),
    /// The authority stands there.
    Authority,
    /// It is revoked there.
    Revoked(&'static str),
    /// Another of that kind stands there.
    Other(&'static str),
    /// Nothing.
    Nothing,
}

/// What must come.
pub enum Must {
    /// A session that does what sessions do.
    Works,
    /// The same, and this is told.
    Tells(&'static str),
    /// This command prints this, and ends so.
    Runs(&'static str, &'static str, Status),
    /// As many commands at once, on as many connections.
    AtOnce(usize, RangeInclusive<usize>),
    /// As many connections at once, each from a dialer of its own.
    Dials(usize),
    /// No session, and these words in what is said of it.
    Fails(Stage, &'static [&'static str]),
    /// A session on which no command runs.
    Idles(&'static [&'static str]),
    /// First a refused login, and then not even that.
    TurnsAway(&'static [&'static str]),
}

impl Row {
    /// A row with the usual key, a pin, and a session that works.
    pub fn new(name: impl Into<String>, server: Server) -> Self {
        Self {
            name: name.into(),
            server,
            knows: Knows::Pin("ed25519"),
            via: None,
            client: |_, _| {},
            answers: &[],
            thinks: Duration::ZERO,
            must: Must::Works,
            log_lacks: None,
            since: (0, 0),
        }
    }

    pub fn knows(self, knows: Knows) -> Self {
        Self { knows, ..self }
    }

    pub fn via(self, bastion: &'static str) -> Self {
        Self {
            via: Some(bastion),
            ..self
        }
    }

    pub fn client(self, client: fn(&Kit, &mut Target)) -> Self {
        Self { client, ..self }
    }

    pub fn answers(self, answers: &'static [&'static str]) -> Self {
        Self { answers, ..self }
    }

    pub fn thinks(self, thinks: Duration) -> Self {
        Self { thinks, ..self }
    }

    pub fn must(self, must: Must) -> Self {
        Self { must, ..self }
    }

    pub fn fails(self, stage: Stage, words: &'static [&'static str]) -> Self {
        self.must(Must::Fails(stage, words))
    }

    pub fn log_lacks(self, words: &'static str) -> Self {
        Self {
            log_lacks: Some(words),
            ..self
        }
    }

    pub fn since(self, major: u32, minor: u32) -> Self {
        Self {
            since: (major, minor),
            ..self
        }
    }
}

/// OpenSSH's sshd with these lines.
pub fn sshd(lines: &str) -> Server {
    Server::Sshd(lines.to_owned())
}

/// dropbear with an Ed25519 key and these arguments.
pub fn dropbear(args: &'static str) -> Server {
    Server::Dropbear {
        args,
        key: "ed25519",
    }
}

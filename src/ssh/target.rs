//! Where to connect to, which way, as whom, and whom to trust there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::trust::Trust;

/// One login on one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's name in site.toml, or that of a bastion; for people only.
    pub host: String,
    /// Where it is.
    pub address: Address,
    /// The port of sshd.
    pub port: u16,
    /// Which of a name's addresses will do.
    pub family: Family,
    /// How its sshd is reached.
    pub via: Via,
    /// The name it goes by in known_hosts files (`HostKeyAlias`), if not its address. With
    /// an alias the port plays no part.
    pub alias: Option<String>,
    /// Which host keys count.
    pub trust: Trust,
    /// The user to log in as.
    pub user: String,
    /// What to log in with.
    pub identity: Identity,
    /// How long to wait, and for what.
    pub patience: Patience,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An address.
    Ip(IpAddr),
    /// A name. Whoever connects looks it up: we, or the last bastion before it.
    Name(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Which addresses will do (`AddressFamily`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Any.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// How a server's sshd is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// By TCP from here.
    #[default]
    Direct,
    /// Through a connection to this bastion, which all targets behind it share.
    Jump(Box<Target>),
    /// Over the standard input and output of this command, run by the operator's shell
    /// (`ProxyCommand`, tokens expanded).
    Command(String),
}

/// What to log in with, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The one key of site.toml (`~/` is expanded): if it is named, no other is tried.
    pub key: Option<PathBuf>,
    /// Key files of ssh_config (`IdentityFile`), in their order. Empty: the usual ones.
    pub files: Vec<PathBuf>,
    /// User certificates beside those that lie next to the keys (`CertificateFile`).
    pub certificates: Vec<PathBuf>,
    /// Of the agent's keys, only those whose file is named (`IdentitiesOnly`).
    pub only: bool,
    /// Which agent is asked.
    pub agent: Agent,
    /// Whether keys are tried at all.
    pub keys: bool,
    /// Whether a password may be asked for and sent.
    pub password: bool,
    /// Whether prompts of the server's own may be answered.
    pub interactive: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            key: None,
            files: Vec::new(),
            certificates: Vec::new(),
            only: false,
            agent: Agent::default(),
            keys: true,
            password: true,
            interactive: true,
        }
    }
}

/// Which SSH agent is asked (`IdentityAgent`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// The one of `$SSH_AUTH_SOCK`.
    #[default]
    Environment,
    /// The one at this socket.
    Socket(PathBuf),
    /// None.
    Off,
}

/// How long to wait, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long looking up, TCP and the start of SSH may take together.
    pub connect: Duration,
    /// How long the login may take after it, the operator's answers not counted.
    pub login: Duration,
    /// A quiet connection is asked for a sign of life this often; zero: never.
    pub alive_interval: Duration,
    /// After this many unanswered questions it is lost.
    pub alive_count: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            login: Duration::from_secs(30),
            alive_interval: Duration::from_secs(3),
            alive_count: 4,
        }
    }
}

impl Target {
    /// Address and port, as people write them.
    pub fn at(&self) -> String {
        match &self.address {
            Address::Ip(address) => SocketAddr::new(*address, self.port).to_string(),
            Address::Name(name) => format!("{name}:{}", self.port),
        }
    }

    /// The bastions on the way, the nearest to us first.
    pub fn bastions(&self) -> Vec<&Self> {
        let mut all = Vec::new();
        let mut at = self;
        while let Via::Jump(bastion) = &at.via {
            all.push(bastion.as_ref());
            at = bastion;
        }
        all.reverse();
        all
    }
}

//! What can go wrong with a connection, where, and what to do about it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::target::Target;

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Looking its name up.
    Resolve,
    /// TCP and the start of SSH.
    Connect,
    /// Checking who the server is.
    HostKey,
    /// Logging in.
    Authenticate,
    /// Running a command.
    Exec,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "look up",
            Self::Connect => "connect to",
            Self::HostKey => "check the host key of",
            Self::Authenticate => "log in to",
            Self::Exec => "run a command on",
        })
    }
}

/// A failure on one host. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
#[error("{stage} {host} ({at}): {fault}")]
pub struct Error {
    host: String,
    at: String,
    port: u16,
    stage: Stage,
    #[source]
    fault: Box<Fault>,
}

impl Error {
    pub(super) fn new(target: &Target, stage: Stage, fault: Fault) -> Self {
        Self {
            host: target.host.clone(),
            at: target.at(),
            port: target.port,
            stage,
            fault: Box::new(fault),
        }
    }

    /// The host's name in site.toml.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address and port that were tried.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// How far it had come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What went wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Whether the server turned the user or the keys down. Another user may fare better.
    pub fn is_auth(&self) -> bool {
        matches!(
            *self.fault,
            Fault::AuthRefused { .. } | Fault::AuthCutOff { .. } | Fault::AuthIncomplete { .. }
        )
    }

    /// Whether the connection broke. What a command was doing then isn't known.
    pub fn is_lost(&self) -> bool {
        matches!(*self.fault, Fault::Lost { .. })
    }

    /// What the operator can do about it.
    pub fn next(&self) -> String {
        let host = &self.host;
        let port = self.port;
        match &*self.fault {
            Fault::ConnectTimeout { .. } => format!(
                "check that {host} is up and that no firewall between here and it drops port {port}"
            ),
            Fault::Unreachable(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                format!(
                    "check that sshd runs on {host} and listens on port {port} (site.toml: `port`)"
                )
            }
            Fault::Unreachable(_) => {
                format!("check the address of {host} in site.toml and the network from here")
            }
            Fault::HandshakeTimeout { .. } => format!(
                "check that it is sshd that answers on port {port}, and that {host} isn't overloaded"
            ),
            Fault::Handshake(_) => {
                format!("check that it is sshd that answers on port {port}, and what its log says")
            }
            Fault::KnownHosts { path, .. } => {
                format!(
                    "make {} readable, or pin the key with `provision trust`",
                    path.display()
                )
            }
            Fault::HostKeyChanged { .. } => format!(
                "if {host} was reinstalled, compare the fingerprint with its console and pin it with \
                 `provision trust`; otherwise somebody may be in between"
            ),
            Fault::HostKeyUnknown { authority: None, .. } => {
                "compare the fingerprint with the server's console and pin it with `provision trust`"
                    .to_owned()
            }
            Fault::HostKeyUnknown { .. } => {
                "host certificates aren't supported: pin the key itself with `provision trust`"
                    .to_owned()
            }
            Fault::HostKeyRevoked { at, .. } => {
                format!("give {host} a new host key, or remove {at} if it is there by mistake")
            }
            Fault::KeyUnreadable { path, .. } | Fault::KeyInvalid { path, .. } => format!(
                "name a readable private key in site.toml (`key`), now {}",
                path.display()
            ),
            Fault::KeyEncrypted { path } | Fault::KeyNotInAgent { path } => {
                format!(
                    "run `ssh-add {}`",
                    path.display().to_string().trim_end_matches(".pub")
                )
            }
            Fault::NoKeys { .. } => {
                "name a private key in site.toml (`key`), or load one with `ssh-add`".to_owned()
            }
            Fault::AuthRefused { user, .. } => format!(
                "put the public key into ~{user}/.ssh/authorized_keys on {host}, or name another \
                 user or key in site.toml"
            ),
            Fault::AuthCutOff { .. } => {
                "name the one key to use in site.toml (`key`): only that one is then tried".to_owned()
            }
            Fault::AuthIncomplete { user, .. } => {
                format!("let {user} log in to {host} with a key alone")
            }
            Fault::AuthTimeout { .. } => {
                format!("check the load of {host}, its sshd log and its PAM configuration")
            }
            Fault::Agent(_) => "check the agent with `ssh-add -l`".to_owned(),
            Fault::Lost { .. } => {
                format!("check that {host} is up, then run it again: what was done is kept")
            }
            Fault::ExecRefused { .. } => format!(
                "check MaxSessions and ForceCommand in the sshd configuration of {host}"
            ),
            Fault::NoExitStatus => {
                format!("check the login shell of the user on {host}, then run it again")
            }
            Fault::Limit { .. } => {
                format!("look at what still runs on {host} before you run it again")
            }
            Fault::Input(_) => "check the file that was to be sent".to_owned(),
            Fault::Resolve { name, .. } => format!(
                "check the name {name} and the resolver here (`getent hosts {name}`), or give the address"
            ),
            Fault::ResolveTimeout { name, .. } => format!(
                "check the resolver here (`getent hosts {name}`), or give the address of {host}"
            ),
            Fault::NoAddress { .. } => {
                "let another address family do (AddressFamily), or give the address".to_owned()
            }
            Fault::HungUp { .. } => format!(
                "look for MaxStartups and PerSourcePenalties in the sshd log of {host}, let it rest, \
                 then run it again"
            ),
            Fault::NotSsh { .. } => {
                format!("check that it is sshd that listens on port {port} of {host}")
            }
            Fault::ProxyCommand { .. } => {
                format!("check the ProxyCommand of {host} by hand: `ssh {host} true`")
            }
            Fault::Bastion(error) => error.next(),
            Fault::BastionLost { bastion, .. } | Fault::ForwardTimeout { bastion, .. } => {
                format!("check that {bastion} is up and isn't overloaded, then run it again")
            }
            Fault::ForwardRefused {
                bastion,
                forbidden: true,
                ..
            } => format!(
                "allow forwarding to {} in the sshd configuration of {bastion} \
                 (AllowTcpForwarding, PermitOpen, DisableForwarding)",
                self.at
            ),
            Fault::ForwardRefused { bastion, .. } => format!(
                "check that sshd runs on {host} and that {bastion} reaches it: from there, `nc {} {port}`",
                self.at.trim_end_matches(&format!(":{port}"))
            ),
            Fault::ExecTimeout { .. } => {
                format!("check the load of {host} and its sshd log")
            }
            Fault::TooMuch { .. } => {
                format!("let what runs on {host} write less, or write it into a file there")
            }
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No TCP connection came about in time.
    #[error("no answer within {} s{}", .after.as_secs_f32(), from_any(.tried))]
    ConnectTimeout {
        /// How long we waited.
        after: Duration,
        /// The addresses that were tried.
        tried: Vec<SocketAddr>,
    },
    /// TCP was refused, or there is no way there.
    #[error("{0}")]
    Unreachable(#[source] io::Error),
    /// TCP is open, but SSH wasn't set up in time.
    #[error("the port is open, but SSH wasn't set up within {} s", .after.as_secs_f32())]
    HandshakeTimeout {
        /// How long we waited in all.
        after: Duration,
    },
    /// TCP is open, but what answers doesn't get to speak SSH with us.
    #[error("the port is open, but SSH wasn't set up: {0}")]
    Handshake(#[source] russh::Error),
    /// A known_hosts file is there and can't be read.
    #[error("read {}: {cause}", .path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Another key than the one that is expected. Nothing was sent to the server.
    #[error("it shows {offered} ({algorithm}), expected was {}", .expected.join(" or "))]
    HostKeyChanged {
        /// The kind of key the server showed.
        algorithm: String,
        /// Its fingerprint.
        offered: String,
        /// What was expected: fingerprints, each with where it stands.
        expected: Vec<String>,
    },
    /// A key that is neither pinned nor known. Nothing was sent to the server.
    #[error("it shows {offered} ({algorithm}), which isn't pinned in site.toml nor known{}",
        .authority.as_ref().map(|at| format!(" ({at} trusts an authority instead)"))
        .unwrap_or_default())]
    HostKeyUnknown {
        /// The kind of key the server showed.
        algorithm: String,
        /// Its fingerprint.
        offered: String,
        /// The `@cert-authority` line that speaks for this host, as `file:line`.
        authority: Option<String>,
    },
    /// A key that a known_hosts file revokes. Nothing was sent to the server.
    #[error("it shows {offered}, which {at} revokes")]
    HostKeyRevoked {
        /// The fingerprint.
        offered: String,
        /// The line, as `file:line`.
        at: String,
    },
    /// The key file can't be read.
    #[error("read the key {}: {cause}", .path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file isn't a key we can use.
    #[error("{} isn't a private key in a known format: {cause}", .path.display())]
    KeyInvalid {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: russh::keys::Error,
    },
    /// The key has a passphrase and the agent doesn't hold it.
    #[error("the key {} has a passphrase and isn't in the agent", .path.display())]
    KeyEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Only the public half is there, and the agent doesn't hold the other.
    #[error("the private half of {} isn't in the agent", .path.display())]
    KeyNotInAgent {
        /// The file.
        path: PathBuf,
    },
    /// There is no key to try.
    #[error("there is no key to log in with{}",
        if .passed_over.is_empty() { String::new() } else { format!(": {}", .passed_over.join(", ")) })]
    NoKeys {
        /// Keys that were found and can't be used, with the reason.
        passed_over: Vec<String>,
    },
    /// The server turned down every key.
    #[error("{user} is refused with {}; the server accepts {}{}",
        .tried.join(", "),
        if .accepts.is_empty() { "nothing else".to_owned() } else { .accepts.join(", ") },
        if .passed_over.is_empty() { String::new() } else { format!("; not tried: {}", .passed_over.join(", ")) })]
    AuthRefused {
        /// The user.
        user: String,
        /// The keys that were tried, with where they come from.
        tried: Vec<String>,
        /// The methods the server goes on to accept.
        accepts: Vec<String>,
        /// Keys that were found and can't be used, with the reason.
        passed_over: Vec<String>,
    },
    /// The server closed the connection while keys were tried.
    #[error("the server hung up on {user} after {}{}", .tried.join(", "),
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    AuthCutOff {
        /// The user.
        user: String,
        /// The keys that were tried, with where they come from.
        tried: Vec<String>,
        /// The server's last words.
        said: Option<String>,
    },
    /// The key is good, and the server wants something on top.
    #[error("{key} is accepted for {user}, but the server also wants {}", .wants.join(" or "))]
    AuthIncomplete {
        /// The user.
        user: String,
        /// The key that was accepted.
        key: String,
        /// What is wanted besides.
        wants: Vec<String>,
    },
    /// Logging in took too long.
    #[error("no answer to the login within {} s", .after.as_secs_f32())]
    AuthTimeout {
        /// How long we waited.
        after: Duration,
    },
    /// The agent can't be reached or fails to sign.
    #[error("the SSH agent fails: {0}")]
    Agent(#[source] russh::keys::Error),
    /// The connection broke. What the command was doing then isn't known.
    #[error("the connection was lost{}",
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Lost {
        /// The server's last words, or what was seen.
        said: Option<String>,
    },
    /// The server wouldn't run a command.
    #[error("the server won't run it: {what}")]
    ExecRefused {
        /// What it said.
        what: String,
    },
    /// The command ended, and the server didn't say how.
    #[error("it ended without an exit status")]
    NoExitStatus,
    /// The command took longer than it may. It may still be running.
    #[error("it didn't end within {} s", .after.as_secs_f32())]
    Limit {
        /// How long it may take.
        after: Duration,
    },
    /// What was to be sent to the command couldn't be read here.
    #[error("read what was to be sent: {0}")]
    Input(#[source] io::Error),
    /// The name can't be looked up.
    #[error("look up {name}: {cause}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver says.
        #[source]
        cause: io::Error,
    },
    /// Looking the name up took too long.
    #[error("no answer about {name} from the resolver within {} s", .after.as_secs_f32())]
    ResolveTimeout {
        /// The name.
        name: String,
        /// How long we waited.
        after: Duration,
    },
    /// The name has no address of the family that is asked for.
    #[error("{name} has no {family}address{}",
        if .other.is_empty() { String::new() } else { format!(", only {}", list(.other)) })]
    NoAddress {
        /// The name, or address.
        name: String,
        /// `IPv4 `, `IPv6 ` or nothing.
        family: &'static str,
        /// The addresses it does have.
        other: Vec<IpAddr>,
    },
    /// The other side ends the connection before SSH is set up.
    #[error("the port is open, but the connection is closed before SSH is set up (tries: {tries}){}",
        .words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    HungUp {
        /// How often we tried.
        tries: u32,
        /// What was said.
        words: Option<String>,
    },
    /// What answers speaks something else.
    #[error("the port is open, but what answers isn't SSH: {words}")]
    NotSsh {
        /// The first line of it.
        words: String,
    },
    /// The command that is the way there failed.
    #[error("the ProxyCommand ended ({status}){}",
        if .said.is_empty() { String::new() } else { format!(": {}", .said.join("; ")) })]
    ProxyCommand {
        /// How it ended.
        status: String,
        /// Its last lines on standard error.
        said: Vec<String>,
    },
    /// There is no connection to the bastion on the way.
    #[error("through bastion {}: failed to {_0}", .0.host())]
    Bastion(#[source] Arc<Error>),
    /// The bastion's connection broke while the way through it was opened.
    #[error("through bastion {bastion}: the connection to it was lost{}",
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    BastionLost {
        /// The bastion.
        bastion: String,
        /// Its last words, or what was seen.
        said: Option<String>,
    },
    /// The bastion won't or can't connect to the host.
    #[error("through bastion {bastion}: {bastion} says: {what}")]
    ForwardRefused {
        /// The bastion.
        bastion: String,
        /// Whether it isn't allowed to, rather than unable to.
        forbidden: bool,
        /// What the bastion says.
        what: String,
    },
    /// The bastion neither connects to the host nor says why not.
    #[error("through bastion {bastion}: {bastion} didn't reach it within {} s", .after.as_secs_f32())]
    ForwardTimeout {
        /// The bastion.
        bastion: String,
        /// How long we waited in all.
        after: Duration,
    },
    /// The server doesn't answer the request to run a command.
    #[error("no answer to the request to run it within {} s", .after.as_secs_f32())]
    ExecTimeout {
        /// How long we waited.
        after: Duration,
    },
    /// The command wrote more than its caller can use.
    #[error("it wrote more than {} MiB to its standard output", .most / (1024 * 1024))]
    TooMuch {
        /// How much it may write (bytes).
        most: usize,
    },
}

fn from_any(addresses: &[SocketAddr]) -> String {
    match addresses {
        [] | [_] => String::new(),
        several => format!(" from any of {}", list(several)),
    }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    let all: Vec<_> = all.iter().map(T::to_string).collect();
    all.join(", ")
}

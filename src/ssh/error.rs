//! What can go wrong with a connection, where, and what to do about it.

use std::fmt;
use std::io;

use super::fault::Fault;
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
            Fault::AuthRefused { .. }
                | Fault::AuthCutOff { .. }
                | Fault::AuthIncomplete { .. }
                | Fault::NoKeys { .. }
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
                "nothing was sent to it. Either {host} was reinstalled, or another server answers \
                 at its address, or somebody is in between: compare the fingerprint with the one \
                 on its console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); only if they \
                 are the same, take the old key out and pin the new one with `provision trust`"
            ),
            Fault::HostKeyUnknown {
                authority: None, ..
            } => {
                "compare the fingerprint with the server's console; if it is the same, pin it with \
                 `provision trust`, or log in once with your own ssh"
                    .to_owned()
            }
            Fault::HostKeyUnknown { .. } => format!(
                "give {host} a certificate of that authority (sshd_config: HostCertificate), or pin \
                 the key itself with `provision trust`"
            ),
            Fault::HostKeyRevoked { at, .. } => {
                format!("give {host} a new host key, or remove {at} if it is there by mistake")
            }
            Fault::KeyUnreadable { path, .. } | Fault::KeyInvalid { path, .. } => format!(
                "name a readable private key in site.toml (`key`), now {}",
                path.display()
            ),
            Fault::KeyNotInAgent { path } | Fault::KeyHardware { path } => {
                format!("run `{}`", ssh_add(path))
            }
            Fault::KeyEncrypted { path } => format!(
                "run `{}`, or start it on a terminal with --ask-key-passphrase",
                ssh_add(path)
            ),
            Fault::KeyLocked { path, .. } | Fault::KeyPassphrase { path } => format!(
                "run it again with the passphrase, or `{}` before",
                ssh_add(path)
            ),
            Fault::KeyOldCipher { path } => format!(
                "write it anew with `ssh-keygen -p -f {0}`, or run `{1}`",
                path.display(),
                ssh_add(path)
            ),
            Fault::KeyDsa { .. } => {
                "make another with `ssh-keygen -t ed25519` and put its public half on the servers"
                    .to_owned()
            }
            Fault::NoKeys { accepts, .. } => {
                let wanted = "name a private key in site.toml (`key`), or load one with `ssh-add`";
                match accepts.iter().any(|method| method != "publickey") {
                    true => {
                        format!("{wanted}, or start it on a terminal to be asked for a password")
                    }
                    false => wanted.to_owned(),
                }
            }
            Fault::AuthRefused { user, tried, .. } => {
                let password = tried
                    .iter()
                    .any(|tried| tried.ends_with("password") || tried.ends_with("passwords"));
                format!(
                    "{}put the public key into ~{user}/.ssh/authorized_keys on {host}, or name \
                     another user or key in site.toml",
                    if password { "check the password, " } else { "" }
                )
            }
            Fault::AuthCutOff {
                asked: true, said, ..
            } if said.as_ref().is_some_and(|said| said.contains("Too many")) => format!(
                "check the password or passphrase, then run it again: sshd on {host} hangs up after a \
                 few that are wrong (MaxAuthTries)"
            ),
            Fault::AuthCutOff { asked: true, .. } => format!(
                "answer sooner than sshd on {host} waits (LoginGraceTime), and check its log for why \
                 it hung up"
            ),
            // Nothing else was tried, and a number of tries isn't the reason.
            Fault::AuthCutOff { tried, said, .. }
                if tried.len() < 2
                    && !said.as_ref().is_some_and(|said| said.contains("Too many")) =>
            {
                format!("check the log of sshd on {host} for why it hung up")
            }
            Fault::AuthCutOff { .. } => {
                "name the one key to use in site.toml (`key`): only that one is then tried"
                    .to_owned()
            }
            Fault::AuthIncomplete { user, tried, .. } => format!(
                "{}, or let {user} log in to {host} with a key alone",
                match tried.is_empty() {
                    true => "start it on a terminal to be asked for the rest",
                    false => "check what was answered",
                }
            ),
            Fault::PasswordExpired { user } => {
                let address = self
                    .at
                    .strip_suffix(&format!(":{port}"))
                    .unwrap_or(&self.at);
                format!(
                    "log in once with `ssh -p {port} {user}@{}` to set a new password, then run it again",
                    address.trim_matches(['[', ']'])
                )
            }
            Fault::HostCertificate { .. } => format!(
                "have a certificate for {host} signed anew by its authority, or pin its key with \
                 `provision trust`"
            ),
            Fault::AuthTimeout { .. } => {
                format!("check the load of {host}, its sshd log and its PAM configuration")
            }
            Fault::Agent(_) => "check the agent with `ssh-add -l`".to_owned(),
            Fault::Lost { .. } => {
                format!("check that {host} is up, then run it again: what was done is kept")
            }
            Fault::ExecRefused { .. } => {
                format!("check MaxSessions and ForceCommand in the sshd configuration of {host}")
            }
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

fn ssh_add(path: &std::path::Path) -> String {
    let path = path.display().to_string();
    format!("ssh-add {}", path.strip_suffix(".pub").unwrap_or(&path))
}

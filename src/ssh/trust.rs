//! Which host keys count.

use std::borrow::Cow;
use std::path::PathBuf;

use russh::keys::{Algorithm, PublicKey};

use super::algorithms::{ORDER, key_type};
use super::error::Fault;
use super::known_hosts::{Known, Verdict, fingerprint};
use super::target::Target;

/// Whom we take a server's word from. There is no "anybody".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The fingerprint pinned in site.toml, `SHA256:…`. If there is one, it alone counts.
    pub pinned: Option<String>,
    /// Files to look the address up in, otherwise.
    pub known_hosts: Vec<PathBuf>,
}

impl Trust {
    /// The pin of site.toml, or else the files OpenSSH reads: the user's and the system's.
    pub fn new(pinned: Option<String>) -> Self {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let user = home.map(|home| home.join(".ssh").join("known_hosts"));
        Self {
            pinned,
            known_hosts: user
                .into_iter()
                .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
                .collect(),
        }
    }
}

/// [`Trust`] with what the files say of one host.
pub(super) enum Judge {
    Pinned(String),
    Known(Known),
}

impl Judge {
    pub(super) fn new(target: &Target) -> Result<Self, Fault> {
        let trust = &target.trust;
        let address = target.address.to_string();
        match &trust.pinned {
            Some(pin) => Ok(Self::Pinned(pin.trim_end_matches('=').to_owned())),
            None => Known::read(&trust.known_hosts, &address, target.port)
                .map(Self::Known)
                .map_err(|(path, cause)| Fault::KnownHosts { path, cause }),
        }
    }

    /// The kinds of keys to ask the server for: those that are known for it first.
    pub(super) fn preference(&self) -> Cow<'static, [Algorithm]> {
        let mut order = ORDER.to_vec();
        if let Self::Known(known) = self {
            let known: Vec<&str> = known.algorithms().collect();
            // A stable sort: within each half our own order stays.
            order.sort_by_key(|algorithm| !known.contains(&key_type(algorithm)));
        }
        Cow::Owned(order)
    }

    /// Whether the key a server shows is its key.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), Fault> {
        let blob = key
            .to_bytes()
            .map_err(|error| Fault::Handshake(russh::keys::Error::from(error).into()))?;
        let algorithm = key_type(&key.algorithm()).to_owned();
        let offered = fingerprint(&blob);
        match self {
            Self::Pinned(pin) if *pin == offered => Ok(()),
            Self::Pinned(pin) => Err(Fault::HostKeyChanged {
                algorithm,
                offered,
                expected: vec![format!("{pin} (pinned in site.toml)")],
            }),
            Self::Known(known) => match known.judge(&blob) {
                Verdict::Known => Ok(()),
                Verdict::Unknown(authority) => Err(Fault::HostKeyUnknown {
                    algorithm,
                    offered,
                    authority,
                }),
                Verdict::Changed(expected) => Err(Fault::HostKeyChanged {
                    algorithm,
                    offered,
                    expected,
                }),
                Verdict::Revoked(at) => Err(Fault::HostKeyRevoked { offered, at }),
            },
        }
    }
}

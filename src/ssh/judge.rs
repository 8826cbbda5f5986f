//! Whether the key a server shows is its key.

use russh::keys::{Algorithm, Certificate, PublicKey, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Error as Russh};

use super::algorithms::{ECDSA, Offer, RSA, key_type, usual};
use super::certificate::host_fault;
use super::fault::Fault;
use super::known_hosts::{Known, Verdict, fingerprint};
use super::target::Target;

/// [`Trust`] with what the files say of one host.
pub(super) enum Judge {
    Pinned(String),
    Known {
        known: Known,
        /// What a certificate must name: the alias, or else the address or name.
        name: String,
    },
}

impl Judge {
    pub(super) fn new(target: &Target) -> Result<Self, Fault> {
        let trust = &target.trust;
        if let Some(pin) = &trust.pinned {
            return Ok(Self::Pinned(pin.trim_end_matches('=').to_owned()));
        }
        // By name alone, as with CheckHostIP off: an address changes hands, and the name is
        // what the operator means. An alias stands for address and port.
        let (name, port) = match &target.alias {
            Some(alias) => (alias.clone(), 22),
            None => (target.address.to_string(), target.port),
        };
        let known = Known::read(&trust.known_hosts, &name, port)
            .map_err(|(path, cause)| Fault::KnownHosts { path, cause })?;
        Ok(Self::Known { known, name })
    }

    /// What to ask the server for, and what to ask for next while [`Self::asks_on`].
    pub(super) fn offers(&self) -> Vec<Offer> {
        match self {
            // A pin doesn't say its kind. A server shows one key a connection, so a pin that
            // isn't met is looked for among the other kinds before it is called changed.
            Self::Pinned(_) => vec![Offer::of(usual()), Offer::of(RSA), Offer::of(ECDSA)],
            Self::Known { known, .. } => {
                let kinds: Vec<&str> = known.algorithms().collect();
                let is_known = |algorithm: &Algorithm| kinds.contains(&key_type(algorithm));
                let mut keys = usual();
                keys.extend(ECDSA.into_iter().filter(is_known));
                // A stable sort: within each half our own order stays.
                keys.sort_by_key(|algorithm| !is_known(algorithm));
                // Whoever trusts an authority doesn't know the kinds of its hosts' keys.
                let certificates = match known.has_authority() {
                    true => usual().into_iter().chain(ECDSA).collect(),
                    false => Vec::new(),
                };
                // The last is only to tell a host that has nothing else what is known of it.
                vec![Offer { keys, certificates }, Offer::of(ECDSA)]
            }
        }
    }

    /// Whether the next of [`Self::offers`] may do better than one that ended like this.
    pub(super) fn asks_on(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Handshake(Russh::NoCommonAlgo { kind, .. }) => {
                matches!(kind, AlgorithmKind::Key)
            }
            Fault::HostKeyChanged { .. } => matches!(self, Self::Pinned(_)),
            _ => false,
        }
    }

    /// Whether what a server shows proves that it is the one we mean.
    pub(super) fn check(&self, shown: &PublicKeyOrCertificate) -> Result<(), Fault> {
        match (self, shown.certificate()) {
            (Self::Known { known, name }, Some(certificate)) => {
                check_certificate(known, name, certificate)
            }
            _ => self.check_key(&shown.public_key()),
        }
    }

    fn check_key(&self, key: &PublicKey) -> Result<(), Fault> {
        let blob = bytes(key)?;
        let algorithm = key_type(&key.algorithm()).to_owned();
        let offered = fingerprint(&blob);
        match self {
            Self::Pinned(pin) if *pin == offered => Ok(()),
            Self::Pinned(pin) => Err(Fault::HostKeyChanged {
                algorithm,
                offered,
                expected: vec![format!("{pin} (pinned in site.toml)")],
            }),
            Self::Known { known, .. } => check_known(known, &blob, algorithm),
        }
    }
}

fn check_known(known: &Known, blob: &[u8], algorithm: String) -> Result<(), Fault> {
    let offered = fingerprint(blob);
    match known.judge(blob) {
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
    }
}

/// A certificate of an authority that is trusted must be in order; one of any other authority
/// is worth as much as the key in it (as ssh(1) has it).
fn check_certificate(known: &Known, name: &str, certificate: &Certificate) -> Result<(), Fault> {
    let key = PublicKey::new(certificate.public_key().clone(), "");
    let signer = PublicKey::new(certificate.signature_key().clone(), "");
    let (key_blob, signer_blob) = (bytes(&key)?, bytes(&signer)?);
    for blob in [&key_blob, &signer_blob] {
        if let Some(at) = known.revoked(blob) {
            return Err(Fault::HostKeyRevoked {
                offered: fingerprint(blob),
                at: at.to_owned(),
            });
        }
    }
    let Some(at) = known.authority(&signer_blob) else {
        return check_known(known, &key_blob, key_type(&key.algorithm()).to_owned());
    };
    host_fault(certificate, name).map_err(|why| Fault::HostCertificate {
        authority: format!("{} ({at})", fingerprint(&signer_blob)),
        offered: fingerprint(&key_blob),
        why,
    })
}

fn bytes(key: &PublicKey) -> Result<Vec<u8>, Fault> {
    key.to_bytes()
        .map_err(|error| Fault::Handshake(russh::keys::Error::from(error).into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ssh::{Address, Family, Identity, Patience, Trust, Via};
    use russh::keys::PrivateKey;
    use russh::keys::key::safe_rng;

    fn target(address: Address, alias: Option<&str>, known_hosts: PathBuf) -> Target {
        Target {
            host: "app1".into(),
            address,
            port: 2222,
            family: Family::Any,
            via: Via::Direct,
            alias: alias.map(str::to_owned),
            trust: Trust {
                pinned: None,
                known_hosts: vec![known_hosts],
            },
            user: "deploy".into(),
            identity: Identity::default(),
            patience: Patience::default(),
        }
    }

    #[test]
    fn a_host_is_looked_up_by_what_it_is_called() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let key = key.public_key();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        let line = key.to_openssh().unwrap();
        let name = || Address::Name("App1.example.com".into());
        let ip = || Address::Ip([192, 0, 2, 7].into());
        let table = [
            ("[app1.example.com]:2222", name(), None, true),
            ("[192.0.2.7]:2222", name(), None, false),
            ("[192.0.2.7]:2222", ip(), None, true),
            ("app1.example.com", name(), None, false),
            ("proxy", name(), Some("Proxy"), true),
            ("[proxy]:2222", name(), Some("proxy"), false),
            ("[192.0.2.7]:2222", ip(), Some("proxy"), false),
        ];
        for (hosts, address, alias, known) in table {
            std::fs::write(&path, format!("{hosts} {line}\n")).unwrap();
            let target = target(address, alias, path.clone());
            let shown = PublicKeyOrCertificate::from(key.clone());
            let outcome = Judge::new(&target).unwrap().check(&shown);
            assert_eq!(outcome.is_ok(), known, "{hosts} {target:?}");
        }
    }
}

//! What a key file holds.
//!
//! OpenSSH's own format names the public half in the clear, so that a key can be offered before
//! it is unlocked. The older PEM ones (PKCS#1, SEC1, PKCS#8) don't: there the `.pub` beside it
//! is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key, load_public_key};
use zeroize::Zeroizing;

use super::Fault;

/// A key file.
#[derive(Clone)]
pub(super) enum File {
    Private(Arc<PrivateKey>),
    /// It has a passphrase.
    Locked(Option<PublicKey>),
    /// The public half alone.
    Public(PublicKey),
    /// We can't use it ourselves; the agent may.
    Unusable(Option<PublicKey>, Unusable),
}

/// Why we can't use a private key ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Hardware,
    Dsa,
    OldCipher,
}

impl Unusable {
    pub(super) fn fault(self, path: PathBuf) -> Fault {
        match self {
            Self::Hardware => Fault::KeyHardware { path },
            Self::Dsa => Fault::KeyDsa { path },
            Self::OldCipher => Fault::KeyOldCipher { path },
        }
    }
}

impl File {
    pub(super) fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Private(key) => Some(key.public_key()),
            Self::Public(key) => Some(key),
            Self::Locked(key) | Self::Unusable(key, _) => key.as_ref(),
        }
    }
}

/// Whether a key lives on a security key (FIDO) that wants to be touched.
pub(super) fn is_hardware(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    )
}

/// The name of a key file with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The public half beside a private key.
pub(super) fn public_beside(path: &Path) -> Option<PublicKey> {
    load_public_key(beside(path, ".pub")).ok()
}

/// The text of a key file. It is wiped after use.
pub(super) fn text(path: &Path) -> Result<Zeroizing<String>, Fault> {
    let bytes = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|cause| Fault::KeyUnreadable {
            path: path.to_owned(),
            cause,
        })?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

pub(super) fn read(path: &Path) -> Result<File, Fault> {
    let text = text(path)?;
    let invalid = |cause| Fault::KeyInvalid {
        path: path.to_owned(),
        cause,
    };
    if text.contains("PRIVATE KEY") {
        return private(&text, || public_beside(path)).map_err(invalid);
    }
    let public = load_public_key(path).map_err(invalid)?;
    Ok(match public.algorithm() {
        Algorithm::Dsa => File::Unusable(Some(public), Unusable::Dsa),
        _ => File::Public(public),
    })
}

fn private(text: &str, beside: impl Fn() -> Option<PublicKey>) -> Result<File, russh::keys::Error> {
    if text.contains("BEGIN DSA PRIVATE KEY") {
        return Ok(File::Unusable(beside(), Unusable::Dsa));
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        // What OpenSSH writes for RSA. Of the traditional formats russh decrypts no other.
        let known =
            text.contains("BEGIN RSA PRIVATE KEY") && text.contains("DEK-Info: AES-128-CBC,");
        return Ok(match known {
            true => File::Locked(beside()),
            false => File::Unusable(beside(), Unusable::OldCipher),
        });
    }
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Ok(File::Locked(beside()));
    }
    if let Ok(key) = PrivateKey::from_openssh(text.as_bytes()) {
        let public = key.public_key().clone();
        return Ok(match key.algorithm() {
            Algorithm::Dsa => File::Unusable(Some(public), Unusable::Dsa),
            kind if is_hardware(&kind) => File::Unusable(Some(public), Unusable::Hardware),
            _ if key.is_encrypted() => File::Locked(Some(public)),
            _ => File::Private(Arc::new(key)),
        });
    }
    match decode_secret_key(text, None) {
        Ok(key) => Ok(File::Private(Arc::new(key))),
        Err(russh::keys::Error::KeyIsEncrypted) => Ok(File::Locked(beside())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests {
    use super::*;
    use crate::ssh::certificate;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::certificate::{Builder, CertType};

    /// A small generator of the xorshift family, so that a failure can be run again.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % end as u64).unwrap()
        }

        fn mangle(&mut self, starter: &str) -> String {
            let pieces = [
                "A", "=", "\n", "\0", "é", " ", "|1|", "-----", "/", "@", "*", "#", ",",
            ];
            let mut text: Vec<char> = starter.chars().collect();
            for _ in 0..=self.below(4) {
                let at = self.below(text.len().max(1)).min(text.len());
                match self.below(4) {
                    0 if at < text.len() => drop(text.remove(at)),
                    1 => drop(text.splice(at..at, pieces[self.below(pieces.len())].chars())),
                    // Another letter of base64 keeps it base64, and changes what is in it.
                    2 if at < text.len() => text[at] = char::from(b'A' + self.below(26) as u8),
                    _ => drop(text.drain(at..(at + self.below(40)).min(text.len()))),
                }
            }
            text.into_iter().collect()
        }
    }

    fn starters() -> Vec<String> {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let ecdsa = PrivateKey::random(
            &mut safe_rng(),
            Algorithm::Ecdsa {
                curve: russh::keys::EcdsaCurve::NistP256,
            },
        )
        .unwrap();
        let mut builder =
            Builder::new_with_random_nonce(&mut safe_rng(), key.public_key(), 0, u64::MAX).unwrap();
        builder.cert_type(CertType::Host).unwrap();
        builder.valid_principal("app1").unwrap();
        builder.critical_option("force-command", "x").unwrap();
        let certificate = builder.sign(&ecdsa).unwrap().to_openssh().unwrap();
        let mut pem = Vec::new();
        russh::keys::encode_pkcs8_pem(&ecdsa, &mut pem).unwrap();
        let mut locked = Vec::new();
        russh::keys::encode_pkcs8_pem_encrypted(&ecdsa, b"x", 10, &mut locked).unwrap();
        let pem = String::from_utf8(pem).unwrap();
        vec![
            key.to_openssh(Default::default()).unwrap().to_string(),
            ecdsa.to_openssh(Default::default()).unwrap().to_string(),
            pem.replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE"),
            pem.replace("BEGIN PRIVATE", "BEGIN EC PRIVATE"),
            pem.replace(
                "BEGIN PRIVATE KEY-----",
                "BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: \
                 AES-128-CBC,00112233445566778899AABBCCDDEEFF\n",
            ),
            pem,
            String::from_utf8(locked).unwrap(),
            ecdsa.public_key().to_openssh().unwrap(),
            certificate,
        ]
    }

    #[test]
    fn mangled_keys_and_certificates_are_read_or_refused_but_never_a_panic() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pub");
        let starters = starters();
        let (mut read_on, mut refused) = (0, 0);
        for turn in 0..50_000 {
            let text = dice.mangle(&starters[turn % starters.len()]);
            let mut tell = |good: bool| match good {
                true => read_on += 1,
                false => refused += 1,
            };
            if text.contains("PRIVATE KEY") {
                tell(private(&text, || None).is_ok());
                if turn % 50 == 0 {
                    // A passphrase takes the reader further in. Deriving a key is slow.
                    tell(decode_secret_key(&text, Some("x")).is_ok());
                }
            } else {
                if turn % 10 == 0 {
                    std::fs::write(&path, &text).unwrap();
                    tell(read(&path).is_ok());
                }
                tell(match certificate::read(&text) {
                    Ok(read) => certificate::host_fault(&read, "app1").is_ok(),
                    Err(_) => false,
                });
            }
        }
        assert!(read_on > 100 && refused > 1_000, "{read_on}, {refused}");
    }
}

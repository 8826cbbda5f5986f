//! What we speak: ciphers, and the kinds of host keys we take, best first.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher};

/// AES-256-GCM first: it moves half as much again as ChaCha20 where there is AES in hardware.
const CIPHERS: [cipher::Name; 5] = [
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// The kinds of host keys we accept, best first. RSA only with SHA-2 (RFC 8332).
pub(super) const ORDER: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// What is proposed to a server, with these kinds of host keys.
pub(super) fn preferred(host_keys: Cow<'static, [Algorithm]>) -> Preferred {
    Preferred {
        key: host_keys,
        cipher: Cow::Borrowed(&CIPHERS),
        ..Preferred::DEFAULT
    }
}

/// The name of a key's kind in files. That of RSA doesn't name the signature's hash.
pub(super) fn key_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

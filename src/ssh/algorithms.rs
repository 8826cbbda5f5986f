//! What we speak: key exchanges, ciphers, MACs, and the kinds of host keys we take, best first.
//!
//! What is proposed to a server that isn't known has no SHA-1 and no NIST curve in it: that is
//! what `ssh-audit` holds against a client. Terrapin (CVE-2023-48795) is kept out by strict key
//! exchange, which both sides must name.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

/// The post-quantum exchange first, as OpenSSH has it since 10.0. Then X25519 under both names,
/// then large groups for servers that have neither. The last two are marks: tell us your
/// signature algorithms (RFC 8308), and count strictly.
const KEX: [kex::Name; 8] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_GEX_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// AES-256-GCM first: it moves half as much again as ChaCha20 where there is AES in hardware.
const CIPHERS: [cipher::Name; 5] = [
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// For the CTR ciphers. The plain ones at the end are for dropbear, which has no others.
const MACS: [mac::Name; 4] = [
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

/// ECDSA is taken from hosts that are known or pinned by such a key, and not offered to others.
pub(super) const ECDSA: [Algorithm; 3] = [
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
];

/// RSA only with SHA-2 (RFC 8332).
pub(super) const RSA: [Algorithm; 2] = [
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// The kinds of host keys a server is asked for at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// Plain keys, best first.
    pub(super) keys: Vec<Algorithm>,
    /// Certificates, best first; they come before plain keys.
    pub(super) certificates: Vec<Algorithm>,
}

impl Offer {
    /// Plain keys only.
    pub(super) fn of(keys: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            certificates: Vec::new(),
        }
    }
}

/// What an unknown host is asked for: Ed25519, then RSA.
pub(super) fn usual() -> Vec<Algorithm> {
    [Algorithm::Ed25519].into_iter().chain(RSA).collect()
}

/// What is proposed to a server, with these kinds of host keys.
pub(super) fn preferred(offer: Offer) -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&KEX),
        key: Cow::Owned(offer.keys),
        host_key_certificates: Cow::Owned(offer.certificates),
        cipher: Cow::Borrowed(&CIPHERS),
        mac: Cow::Borrowed(&MACS),
        // What is sent here is small or packed already, and what isn't unpacked can't swell.
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// The name of a key's kind in files. That of RSA doesn't name the signature's hash.
pub(super) fn key_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}

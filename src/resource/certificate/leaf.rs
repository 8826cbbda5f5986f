//! What a certificate says of itself, read from its public part.

use std::fmt;

use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its DNS names, sorted.
    pub names: Vec<String>,
    /// Who signed it, as a distinguished name.
    pub issuer: String,
    /// Its key, in the words of [`Key`] where it is of a kind that is asked for.
    pub key: String,
    /// When it begins to hold, seconds since 1970.
    pub begins: u64,
    /// When it ceases to hold, seconds since 1970.
    pub ends: u64,
    /// The day it ceases to hold, "2026-11-21" (UTC).
    pub last_day: String,
}

/// A private key that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with so many bits.
    Rsa(u16),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa => f.write_str("ECDSA P-256"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
        }
    }
}

impl Leaf {
    /// Reads the first certificate of a PEM text; `None` if there is none.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
        let cert = pem.parse_x509().ok()?;
        let extension = cert.subject_alternative_name().ok().flatten();
        let mut names: Vec<String> = extension
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect();
        names.sort();
        let validity = cert.validity();
        Some(Self {
            names,
            issuer: cert.issuer().to_string(),
            key: key(cert.public_key()),
            // Before 1970 is as good as 1970.
            begins: u64::try_from(validity.not_before.timestamp()).unwrap_or(0),
            ends: u64::try_from(validity.not_after.timestamp()).unwrap_or(0),
            last_day: day(&validity.not_after),
        })
    }

    /// When it is time for a new one: a third of its life is left.
    pub fn due(&self) -> u64 {
        self.ends - self.ends.saturating_sub(self.begins) / 3
    }
}

fn day(time: &ASN1Time) -> String {
    let time = time.to_datetime();
    let month = u8::from(time.month());
    format!("{:04}-{month:02}-{:02}", time.year(), time.day())
}

/// The curves of RFC 5480, and Ed25519 (RFC 8410); others by the number of their kind.
fn key(info: &SubjectPublicKeyInfo<'_>) -> String {
    if let Ok(PublicKey::RSA(rsa)) = info.parsed() {
        return format!("RSA {}", rsa.key_size());
    }
    let kind = info.algorithm.algorithm.to_id_string();
    if kind != "1.2.840.10045.2.1" {
        return match kind.as_str() {
            "1.3.101.112" => "Ed25519".to_owned(),
            _ => format!("of kind {kind}"),
        };
    }
    let curve = info.algorithm.parameters.as_ref();
    let curve = curve.and_then(|curve| curve.as_oid().ok());
    let curve = curve.map(|curve| curve.to_id_string()).unwrap_or_default();
    match curve.as_str() {
        "1.2.840.10045.3.1.7" => "ECDSA P-256".to_owned(),
        "1.3.132.0.34" => "ECDSA P-384".to_owned(),
        "1.3.132.0.35" => "ECDSA P-521".to_owned(),
        other => format!("ECDSA on {other}"),
    }
}

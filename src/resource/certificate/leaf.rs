//! What a certificate says of itself, read from its public part.

use std::fmt;

use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its DNS names, sorted.
    pub names: Vec<String>,
    /// Who signed it, as a distinguished name.
    pub issuer: String,
    /// The kind of its key.
    pub key: Key,
    /// When it begins to hold, seconds since 1970.
    pub begins: u64,
    /// When it ceases to hold, seconds since 1970.
    pub ends: u64,
    /// The day it ceases to hold, "2026-11-21" (UTC).
    pub last_day: String,
}

/// A key's kind and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with so many bits.
    Rsa(u16),
    /// Any other.
    Other,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa => f.write_str("ECDSA P-256"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Other => f.write_str("another kind"),
        }
    }
}

/// P-256 as a certificate names it (RFC 5480, 2.1.1.1).
const P256: &str = "1.2.840.10045.3.1.7";

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
        let public = cert.public_key();
        let curve = public.algorithm.parameters.as_ref();
        let curve = curve.and_then(|any| any.as_oid().ok());
        let key = match public.parsed() {
            Ok(PublicKey::RSA(key)) => u16::try_from(key.key_size()).map_or(Key::Other, Key::Rsa),
            Ok(PublicKey::EC(_)) if curve.is_some_and(|oid| oid.to_id_string() == P256) => {
                Key::Ecdsa
            }
            _ => Key::Other,
        };
        let validity = cert.validity();
        Some(Self {
            names,
            issuer: cert.issuer().to_string(),
            key,
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

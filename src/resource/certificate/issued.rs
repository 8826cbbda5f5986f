//! What a certificate says of itself.

use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A private key that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with so many bits.
    Rsa(u16),
}

impl Key {
    /// As drift names it: "ECDSA P-256", "RSA 4096".
    pub fn shown(self) -> String {
        match self {
            Self::Ecdsa => "ECDSA P-256".to_owned(),
            Self::Rsa(bits) => format!("RSA {bits}"),
        }
    }
}

/// A certificate's content, as far as it can be another than the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The DNS names it is for, sorted.
    pub names: Vec<String>,
    /// When it ends, in seconds since 1970; 0 for a time before that.
    pub ends: u64,
    /// Its key, in the words of [`Key::shown`] where it is of a kind that is asked for.
    pub key: String,
}

/// Reads the first certificate of a PEM chain. `None`: there is none that can be read.
pub fn issued(pem: &[u8]) -> Option<Issued> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let cert = pem.parse_x509().ok()?;
    let names = cert.subject_alternative_name().ok()?;
    let names = names.map(|names| &names.value.general_names);
    let mut names: Vec<String> = names
        .into_iter()
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    names.sort();
    Some(Issued {
        names,
        ends: u64::try_from(cert.validity().not_after.timestamp()).unwrap_or_default(),
        key: key(cert.public_key()),
    })
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

//! What a server's certificate says.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// What a server's certificate says. It may still be invalid: where one comes out of an
/// error, that error says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The distinguished name of the CA that signed it.
    pub issuer: String,
    /// The names and addresses it is for, in its order.
    pub names: Vec<String>,
    /// When it begins to hold, seconds since 1970.
    pub not_before: i64,
    /// When it ceases to hold, seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of its DER form, 64 hexadecimal digits: the same as
    /// `openssl x509 -fingerprint -sha256`, without the colons and in lower case.
    pub sha256: String,
    /// What kind of key it is for: "ECDSA P-256", "RSA 4096".
    pub key: String,
}

impl Certificate {
    /// The first certificate of a PEM text; `None` if there is none.
    pub fn from_pem(pem: &str) -> Option<Self> {
        let der = CertificateDer::pem_slice_iter(pem.as_bytes()).next()?;
        Self::from_der(&der.ok()?)
    }

    /// Reads DER; `None` if it isn't a certificate.
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let names = parsed
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|extension| extension.value.general_names.iter().filter_map(name))
            .map(Iterator::collect)
            .unwrap_or_default();
        Some(Self {
            issuer: parsed.issuer().to_string(),
            names,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            sha256: hex(&Sha256::digest(der)),
            key: key(&parsed),
        })
    }
}

/// What kind of key a certificate is for. Of keys that no public authority certifies, the
/// algorithm's number.
fn key(parsed: &X509Certificate<'_>) -> String {
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA P-{}", point.key_size()),
        _ => parsed.public_key().algorithm.algorithm.to_id_string(),
    }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
        }
        .map(|address| address.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

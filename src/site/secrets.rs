//! `[secrets]`: the secrets file, what opens it, and values that are kept elsewhere.
//!
//! A value that site.toml asks for by name comes from where `from` says; else from the secrets
//! file; else from the operator's environment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::raw::{EXAMPLES, RawSecrets, RawSite, Text, postgres_password, redis_password};
use super::read::Reader;
use super::{EnvName, SecretSource, env_file, ssh};
use crate::input::{Document, Error};
use crate::shell::Secret;

/// What `[secrets]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The secrets file; it need not be there.
    pub file: PathBuf,
    /// Who can open it: an age key, a line of an SSH key, or else the path of a file of such.
    pub recipients: Vec<(String, Option<PathBuf>)>,
    /// The private keys that open it here, as the operator names them; else the usual ones.
    pub identities: Vec<PathBuf>,
    /// Where its passphrase comes from.
    pub passphrase: Option<SecretSource>,
    /// Values that are kept elsewhere.
    pub from: BTreeMap<EnvName, SecretSource>,
    /// The operator's SSH key, by `[ssh]`.
    pub key: Option<PathBuf>,
}

/// What may open the secrets file and ask where else values are kept.
pub trait Vault {
    /// The text of the secrets file; `None` if there is no such file.
    ///
    /// # Errors
    /// Why it can't be opened, and what to do, in a sentence.
    fn open(&self, secrets: &Secrets) -> Result<Option<Secret>, String>;

    /// What is kept there.
    ///
    /// # Errors
    /// Why it can't be had, in a sentence.
    fn fetch(&self, source: &SecretSource) -> Result<Secret, String>;
}

/// No vault: values come from the environment alone.
#[derive(Clone, Copy, Debug)]
pub struct NoVault;

impl Vault for NoVault {
    fn open(&self, _: &Secrets) -> Result<Option<Secret>, String> {
        Ok(None)
    }

    fn fetch(&self, _: &SecretSource) -> Result<Secret, String> {
        Err("nothing may be asked for it here".to_owned())
    }
}

/// One value of the secrets file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: EnvName,
    /// The value.
    pub value: Secret,
    /// The lines it stands on, from 0, end exclusive.
    pub lines: Range<usize>,
}

/// The values of a secrets file's text.
///
/// # Errors
/// The first mistake, by line and column; the line is not shown.
pub fn held(file: &Path, text: &Secret) -> Result<Vec<Held>, Error> {
    let document = Document::new(file.display().to_string(), text.reveal().to_owned());
    let entries = env_file::parse(&document)?;
    let held = entries.into_iter().map(|entry| Held {
        name: entry.name,
        value: entry.value,
        lines: entry.line - 1..entry.end,
    });
    Ok(held.collect())
}

/// What a site asks for by name, without its values.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What `[secrets]` says.
    pub secrets: Secrets,
    /// The names, in order and without repetition.
    pub names: Vec<EnvName>,
    /// Those among them that nobody has to know beforehand: the passwords of the site's own database
    /// and cache.
    pub own: Vec<EnvName>,
}

/// Reads as much of a site as says which secrets it asks for.
///
/// # Errors
/// The first mistake in that.
pub fn asked(path: &Path) -> Result<Asked, Error> {
    let mut document = Document::open(path, "`provision init` writes a first one")?;
    let secret = super::hidden::secret_places(document.text());
    document.hide(secret);
    let raw: RawSite = document.read(EXAMPLES)?;
    let file = std::path::absolute(path).map_err(|source| Error::Unreadable {
        file: path.to_owned(),
        source,
        mend: "go to a directory that exists".to_owned(),
    })?;
    let reader = Reader::new(
        &document,
        file.parent().unwrap_or(Path::new("/")),
        &|name| std::env::var_os(name),
    );
    let key = raw.ssh.key.as_ref().map(|key| reader.checked_path(key));
    let secrets = resolve(&reader, &raw.secrets, &file, key.transpose()?)?;
    let mut names = Vec::new();
    for text in asked_for(&raw) {
        let name = reader.name(&text, EnvName::new)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let own = own(&raw).map(|text| reader.name(&text, EnvName::new));
    let own = own.collect::<Result<_, _>>()?;
    Ok(Asked {
        secrets,
        names,
        own,
    })
}

pub(super) fn resolve(
    reader: &Reader<'_>,
    raw: &RawSecrets,
    site: &Path,
    key: Option<PathBuf>,
) -> Result<Secrets, Error> {
    let file = match &raw.file {
        Some(text) => reader.checked_path(text)?,
        None => site.with_extension("secrets.age"),
    };
    let mut from = BTreeMap::new();
    for (name, source) in &raw.from {
        let name = reader.name(name, EnvName::new)?;
        from.extend(ssh::secret(reader, name.as_str(), Some(source))?.map(|source| (name, source)));
    }
    let recipients: Result<Vec<_>, Error> = raw
        .recipients
        .iter()
        .map(|text| {
            let word = text.get_ref().clone();
            // A key itself is never the name of a file.
            let is_key = word.starts_with("age1") || word.contains(' ');
            let file = (!is_key).then(|| reader.checked_path(text)).transpose()?;
            Ok((word, file))
        })
        .collect();
    let identities: Result<Vec<PathBuf>, Error> = raw
        .identities
        .iter()
        .map(|text| reader.checked_path(text))
        .collect();
    let passphrase = ssh::secret(reader, "passphrase", raw.passphrase.as_ref())?;
    if let (Some(text), Some(_)) = (raw.recipients.first(), &passphrase) {
        return Err(reader.wrong(
            text.span(),
            "a secrets file is for keys or for a passphrase, not for both",
            "leave `recipients` or `passphrase` out",
        ));
    }
    Ok(Secrets {
        file,
        recipients: recipients?,
        identities: identities?,
        passphrase,
        from,
        key,
    })
}

/// The names of the values that site.toml asks for, in the order it has them.
fn asked_for(raw: &RawSite) -> Vec<Text> {
    let superuser = raw.app.superuser.iter().map(|user| &user.password_env);
    let mut all: Vec<Text> = raw.app.secrets.iter().chain(superuser).cloned().collect();
    all.extend(own(raw));
    all
}

/// Of these, the passwords that the site itself gives to its database and cache.
fn own(raw: &RawSite) -> impl Iterator<Item = Text> {
    let postgres = raw.postgres.as_ref().map(postgres_password);
    postgres
        .into_iter()
        .chain(raw.redis.as_ref().map(redis_password))
}

/// The values that may be asked for.
pub(super) struct Values<'a> {
    secrets: &'a Secrets,
    /// `None`: none is looked for, and each is [`UNKNOWN`].
    vault: Option<&'a dyn Vault>,
    held: BTreeMap<EnvName, Secret>,
}

/// What stands for a value that wasn't looked for: no text that anything would be masked by.
const UNKNOWN: &str = "?";

impl<'a> Values<'a> {
    /// Opens the secrets file if one of these names has to be looked for in it.
    pub fn new(
        reader: &Reader<'_>,
        secrets: &'a Secrets,
        vault: Option<&'a dyn Vault>,
        raw: &RawSite,
    ) -> Result<Self, Error> {
        let mut names = asked_for(raw).into_iter();
        let elsewhere = |text: &Text| {
            let name = secrets
                .from
                .keys()
                .find(|name| name.as_str() == text.get_ref());
            name.is_none()
        };
        let mut held = BTreeMap::new();
        if let (Some(first), Some(vault)) = (names.find(elsewhere), vault) {
            let at = raw
                .secrets
                .file
                .as_ref()
                .map_or(first.span(), Spanned::span);
            let text = vault.open(secrets).map_err(|why| {
                reader.wrong(
                    at,
                    format!("the secrets file {}: {why}", secrets.file.display()),
                    "mend that, or move the file away and take the values from the environment",
                )
            })?;
            if let Some(text) = text {
                let all = self::held(&secrets.file, &text)?;
                held.extend(all.into_iter().map(|held| (held.name, held.value)));
            }
        }
        Ok(Self {
            secrets,
            vault,
            held,
        })
    }

    /// The value of a name that stands in site.toml. A value of the environment that isn't used
    /// is a warning.
    pub fn get(
        &self,
        reader: &Reader<'_>,
        text: &Text,
        warnings: &mut Vec<String>,
    ) -> Result<String, Error> {
        let Some(vault) = self.vault else {
            return Ok(UNKNOWN.to_owned());
        };
        let name = text.get_ref();
        let of = |known: &EnvName| known.as_str() == name;
        let from = self.secrets.from.iter().find(|(known, _)| of(known));
        let kept = match from {
            Some((_, source)) => {
                let value = vault.fetch(source).map_err(|why| {
                    let what = format!("{name} can't be had from where `from` says: {why}");
                    reader.wrong(text.span(), what, "mend its entry in [secrets.from]")
                })?;
                Some((value, "[secrets.from]".to_owned()))
            }
            None => self
                .held
                .iter()
                .find(|(known, _)| of(known))
                .map(|(_, value)| {
                    let file = self.secrets.file.file_name().unwrap_or_default();
                    (value.clone(), file.to_string_lossy().into_owned())
                }),
        };
        let in_environment = (reader.env)(name);
        match (kept, in_environment) {
            (Some((value, place)), Some(other)) if other != value.reveal() => {
                warnings.push(format!(
                    "{name} comes from {place}; the other value that your environment has for it \
                     is not used"
                ));
                Ok(value.reveal().to_owned())
            }
            (Some((value, _)), _) => Ok(value.reveal().to_owned()),
            (None, Some(_)) => reader.variable(text),
            (None, None) => Err(reader.wrong(
                text.span(),
                format!("there is no value for {name}, in the secrets file or the environment"),
                format!("keep one: provision secrets --set {name}; or: export {name}=…"),
            )),
        }
    }
}

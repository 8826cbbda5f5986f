//! `[ssh]`, and what a host says of its own: how hosts are reached, as whom, and where
//! passwords come from. What is left out here is ssh_config's to say.

use std::path::PathBuf;

use toml::Spanned;

use super::jump::{self, Jump};
use super::public_key;
use super::raw::{RawSecret, RawSsh, Text};
use super::read::Reader;
use super::{EnvName, UserName};
use crate::input::{Error, Words};

/// How hosts are reached.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// The sudo user that is made on first contact and used from then on.
    pub user: UserName,
    /// The user that a fresh server lets in. `None`: ssh_config's `User`, else root.
    pub bootstrap: Option<UserName>,
    /// The private key; without it the agent and the usual files are tried.
    pub key: Option<PathBuf>,
    /// known_hosts files, for hosts without a pinned key. `None`: ssh_config's
    /// `UserKnownHostsFile`, else the usual ones.
    pub known_hosts: Option<Vec<PathBuf>>,
    /// Seconds to wait for a connection. `None`: ssh_config's `ConnectTimeout`, else 15.
    pub connect_timeout: Option<u64>,
    /// The bastions on the way to every host, the nearest to the operator first.
    pub jump: Vec<Jump>,
    /// The password to log in with where no key does. It is fetched when it is needed.
    pub password: Option<SecretSource>,
    /// The password that sudo asks for.
    pub sudo_password: Option<SecretSource>,
    /// Whether the sudo user is asked for a password by sudo.
    pub sudo: Sudo,
    /// Root login and passwords off in sshd.
    pub harden: bool,
    /// The keys that the sudo user is to be let in with, as lines of authorized_keys:
    /// `TYPE BASE64 COMMENT`. Empty where site.toml doesn't say.
    pub authorized_keys: Vec<String>,
    /// The operator's own public keys, in the same form: what the sudo user gets where a
    /// server has no key to copy. No part of site.toml, and empty until somebody fills it.
    pub operator_keys: Vec<String>,
}

/// Where a secret comes from. Neither is looked at when site.toml is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// A variable of the operator's environment.
    Env(EnvName),
    /// The first line that this command prints: program and arguments, no shell.
    Command(Vec<String>),
}

/// What sudo asks of the sudo user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sudo {
    /// Nothing: `NOPASSWD` in sudoers.d.
    #[default]
    NoPassword,
    /// Its password. The operator has made the user, and sudoers is left alone.
    Password,
}

pub(super) fn resolve(reader: &Reader<'_>, raw: &RawSsh) -> Result<Ssh, Error> {
    let user = reader.name_or(raw.user.as_ref(), "deploy", UserName::new)?;
    let harden = raw.harden.as_ref().is_some_and(|on| *on.get_ref());
    if let (true, "root", Some(on)) = (harden, user.as_str(), &raw.harden) {
        return Err(reader.wrong(
            on.span(),
            "`harden` turns root's login off, and `user` is root",
            "write another `user`, who is made with sudo; or leave `harden` out",
        ));
    }
    let key = match &raw.key {
        Some(key) => Some(reader.file("the key", key)?.0),
        None => None,
    };
    let known_hosts = raw.known_hosts.as_ref().map(|files| {
        let files = Words::list(files);
        files.iter().map(|file| reader.checked_path(file)).collect()
    });
    let sudo = match &raw.sudo {
        Some(text) => {
            let known = [("nopasswd", Sudo::NoPassword), ("password", Sudo::Password)];
            reader.choice(text, "a way of sudo", &known)?
        }
        None => Sudo::default(),
    };
    Ok(Ssh {
        user,
        bootstrap: raw
            .bootstrap
            .as_ref()
            .map(|text| reader.name(text, UserName::new))
            .transpose()?,
        key,
        known_hosts: known_hosts.transpose()?,
        connect_timeout: raw
            .connect_timeout
            .as_ref()
            .map(|seconds| reader.within("connect_timeout", Some(seconds), 15, 1..=600))
            .transpose()?,
        jump: jump::list(reader, raw.jump.as_ref())?.unwrap_or_default(),
        password: secret(reader, "password", raw.password.as_ref())?,
        sudo_password: secret(reader, "sudo_password", raw.sudo_password.as_ref())?,
        sudo,
        harden,
        authorized_keys: public_key::lines(reader, raw.authorized_keys.as_ref())?,
        operator_keys: Vec::new(),
    })
}

/// Where a password comes from. What is wrong with it is said without its words: somebody may
/// have written the password itself.
pub(super) fn secret(
    reader: &Reader<'_>,
    key: &str,
    raw: Option<&Spanned<RawSecret>>,
) -> Result<Option<SecretSource>, Error> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    match (&raw.get_ref().env, &raw.get_ref().command) {
        (Some(env), None) => match EnvName::new(env.get_ref().clone()) {
            Ok(name) => Ok(Some(SecretSource::Env(name))),
            Err(wrong) => Err(reader.wrong(
                env.span(),
                format!("the `env` of `{key}` can't name an environment variable"),
                format!("write {}", wrong.instead),
            )),
        },
        (None, Some(command)) => {
            let words = command.get_ref();
            let program = words.first().is_some_and(|word| !word.is_empty());
            if !program || words.iter().any(|word| word.contains('\0')) {
                return Err(reader.wrong(
                    command.span(),
                    format!("the `command` of `{key}` names no program"),
                    "write program and arguments, such as [\"pass\", \"show\", \"vps/root\"]",
                ));
            }
            Ok(Some(SecretSource::Command(words.clone())))
        }
        _ => Err(reader.wrong(
            raw.span(),
            format!("`{key}` has to come from one place"),
            "write { env = \"VPS_PASSWORD\" } or { command = [\"pass\", \"show\", \"vps/root\"] }",
        )),
    }
}

/// The name that ssh_config knows a host by: it is an argument of `ssh -G`.
pub(super) fn alias(reader: &Reader<'_>, text: &Text) -> Result<String, Error> {
    let name = text.get_ref();
    let ok = !name.is_empty()
        && !name.starts_with('-')
        && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if ok {
        return Ok(name.clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{name:?} can't be a name in ssh_config"),
        "write the name you call ssh with, such as \"app1.prod\"",
    ))
}

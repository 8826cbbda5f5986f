//! `[postgres]`, `[redis]` and `[backup]`: the site's own database and cache, and what keeps them.

use std::collections::BTreeMap;

use toml::Spanned;

use super::options::size;
use super::raw::{RawBackup, RawSite, Text, postgres_password, redis_password};
use super::read::Reader;
use super::secrets::Values;
use super::{AbsolutePath, EnvName, Host, HostName, ImageRef, Role, SiteName};
use crate::input::Error;
use crate::shell::Secret;

/// The site's own PostgreSQL.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// Major version.
    pub version: u16,
    /// Its image.
    pub image: ImageRef,
    /// The database.
    pub database: String,
    /// The role that owns it, which the app logs in as. It is no superuser.
    pub user: String,
    /// That role's password.
    pub password: Secret,
    /// A directory on the host for the data, instead of a volume of Docker's.
    pub data: Option<AbsolutePath>,
    /// How much memory its container may have ("2g"); `None`: what the host's size suggests.
    pub memory: Option<String>,
}

/// The site's own Redis: a cache, with nothing on disk.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Its image.
    pub image: ImageRef,
    /// The password that clients need.
    pub password: Secret,
    /// How much it may keep ("128m").
    pub memory: String,
}

/// Backups of the site's own database and uploaded files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How many are kept on the server.
    pub keep: u16,
    /// When the server makes one by itself, as systemd's `OnCalendar` has it; `None`: never.
    pub at: Option<String>,
    /// Where they lie on the server.
    pub directory: AbsolutePath,
}

/// The one host with a role, which its table needs and which needs its table.
fn placed(
    reader: &Reader<'_>,
    raw: &RawSite,
    hosts: &BTreeMap<HostName, Host>,
    role: Role,
    table: Option<std::ops::Range<usize>>,
) -> Result<(), Error> {
    let name = if role == Role::Db {
        "postgres"
    } else {
        "redis"
    };
    let version = if role == Role::Db { 17 } else { 8 };
    let having: Vec<&Host> = hosts
        .values()
        .filter(|host| host.roles.contains(&role))
        .collect();
    let place = |host: &Host| {
        let own = raw.hosts.get_ref().keys();
        let own = own
            .into_iter()
            .find(|key| key.get_ref() == host.name.as_str());
        own.map_or(0..0, Spanned::span)
    };
    let server = match (having.as_slice(), table) {
        ([], None) => return Ok(()),
        ([], Some(span)) => {
            return Err(reader.wrong(
                span,
                format!(
                    "[{name}] is there, and no host has the role {:?}",
                    role.as_str()
                ),
                format!(
                    "give one host the role: roles = [\"app\", \"{}\"]",
                    role.as_str()
                ),
            ));
        }
        ([server], None) => {
            return Err(reader.wrong(
                place(server),
                format!(
                    "{} has the role {:?}, and there is no [{name}]",
                    server.name,
                    role.as_str()
                ),
                format!("say which version: [{name}]\nversion = {version}"),
            ));
        }
        ([server], Some(_)) => *server,
        ([_, second, ..], _) => {
            return Err(reader.wrong(
                place(second),
                format!("a second host has the role {:?}", role.as_str()),
                "leave it to one of them",
            ));
        }
    };
    for app in hosts
        .values()
        .filter(|host| host.roles.contains(&Role::App))
    {
        if app.name != server.name && server.inner_from(app) == server.address {
            return Err(reader.wrong(
                place(server),
                format!(
                    "what {} asks of {name} on {} would cross the Internet in clear text",
                    app.name, server.name
                ),
                "give both their addresses on a private network: private = \"10.20.0.11\"",
            ));
        }
    }
    Ok(())
}

/// A name that SQL takes without quotes, as PostgreSQL has them: at most 63 of a-z, 0-9 and _.
fn identifier(reader: &Reader<'_>, text: Option<&Text>, default: String) -> Result<String, Error> {
    let Some(text) = text else {
        return Ok(default);
    };
    let name = text.get_ref();
    let first = name.bytes().next().unwrap_or_default();
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    let ok = (1..=63).contains(&name.len()) && name.bytes().all(plain) && !first.is_ascii_digit();
    if ok
        && !name.starts_with("pg_")
        && !matches!(name.as_str(), "postgres" | "template0" | "template1")
    {
        return Ok(name.clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{name:?} can't be the name of a database or its user"),
        "write at most 63 of a-z, 0-9 and _, and none of PostgreSQL's own names",
    ))
}

fn image(reader: &Reader<'_>, text: Option<&Text>, default: String) -> Result<ImageRef, Error> {
    reader.name_or(text, &default, ImageRef::new)
}

pub(super) fn postgres(
    reader: &Reader<'_>,
    site: &RawSite,
    name: &SiteName,
    hosts: &BTreeMap<HostName, Host>,
    values: &Values<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Postgres>, Error> {
    let table = site.postgres.as_ref();
    placed(reader, site, hosts, Role::Db, table.map(Spanned::span))?;
    let Some(table) = table else {
        return Ok(None);
    };
    let raw = table.get_ref();
    let version = reader.within("version", Some(&raw.version), 17, 13..=99)?;
    let password = postgres_password(table);
    reader.name(&password, EnvName::new)?;
    let default = name.as_str().replace('-', "_");
    Ok(Some(Postgres {
        version,
        image: image(reader, raw.image.as_ref(), format!("postgres:{version}"))?,
        database: identifier(reader, raw.database.as_ref(), default.clone())?,
        user: identifier(reader, raw.user.as_ref(), default)?,
        password: secret(reader, values, &password, warnings)?,
        data: raw
            .data
            .as_ref()
            .map(|text| reader.name(text, AbsolutePath::new))
            .transpose()?,
        memory: raw
            .memory
            .as_ref()
            .map(|text| size(reader, Some(text), "2g", "kmg"))
            .transpose()?,
    }))
}

fn secret(
    reader: &Reader<'_>,
    values: &Values<'_>,
    name: &Text,
    warnings: &mut Vec<String>,
) -> Result<Secret, Error> {
    let value = values.get(reader, name, warnings)?;
    // Redis' configuration ends a value at a line's end; a space would end an argument there.
    if value.is_empty() || !value.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(reader.wrong(
            name.span(),
            format!("the value of {} can't be a password here", name.get_ref()),
            "make it of letters, digits and signs, without spaces; `provision secrets --generate` \
             makes one",
        ));
    }
    Ok(Secret::new(value))
}

pub(super) fn redis(
    reader: &Reader<'_>,
    site: &RawSite,
    hosts: &BTreeMap<HostName, Host>,
    values: &Values<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Redis>, Error> {
    let table = site.redis.as_ref();
    placed(reader, site, hosts, Role::Cache, table.map(Spanned::span))?;
    let Some(table) = table else {
        return Ok(None);
    };
    let raw = table.get_ref();
    let version = reader.within("version", Some(&raw.version), 8, 6..=99)?;
    let password = redis_password(table);
    reader.name(&password, EnvName::new)?;
    Ok(Some(Redis {
        image: image(reader, raw.image.as_ref(), format!("redis:{version}"))?,
        password: secret(reader, values, &password, warnings)?,
        memory: size(reader, raw.memory.as_ref(), "128m", "kmg")?,
    }))
}

pub(super) fn backup(
    reader: &Reader<'_>,
    raw: &RawBackup,
    site: &SiteName,
) -> Result<Backup, Error> {
    let at = match &raw.at {
        // systemd.time(7): words, digits and a few signs; whether it means a time, systemd says.
        Some(text) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || " *-:,./~".contains(c);
            if text.get_ref().is_empty() || !text.get_ref().chars().all(plain) {
                return Err(reader.wrong(
                    text.span(),
                    format!("{:?} is not a time", text.get_ref()),
                    "write it as systemd does: \"daily\" or \"*-*-* 03:30\"",
                ));
            }
            Some(text.get_ref().clone())
        }
        None => None,
    };
    let directory = format!("/var/backups/{site}");
    Ok(Backup {
        keep: reader.within("keep", raw.keep.as_ref(), 7, 1..=1000)?,
        at,
        directory: reader.name_or(raw.directory.as_ref(), &directory, AbsolutePath::new)?,
    })
}

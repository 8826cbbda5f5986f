//! `[app]`: where it comes from, what it listens on, its environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::Spanned;

use super::options::size;
use super::raw::{RawApp, RawGpus, RawSource, RawSuperuser, Text};
use super::read::Reader;
use super::secrets::Values;
use super::{
    AbsolutePath, App, Email, EnvName, Fixture, Gpus, Host, HostName, Ids, ImageRef, Role, Server,
    Source, Superuser, UrlPath, context, env_file, git,
};
use crate::input::{Document, Error};
use crate::shell::Secret;

pub(super) fn resolve(
    reader: &Reader<'_>,
    raw: &RawApp,
    values: &Values<'_>,
    warnings: &mut Vec<String>,
) -> Result<App, Error> {
    let superuser = match &raw.superuser {
        Some(raw) => Some(superuser(reader, raw, values, warnings)?),
        None => None,
    };
    if raw.development.as_ref().is_some_and(|it| *it.get_ref()) {
        warnings.push(
            "`development = true` in [app] runs Django's development server: for development \
             alone, never for a site that the world can reach"
                .to_owned(),
        );
    }
    let static_root = raw.static_root.as_ref();
    let source = source(reader, &raw.source)?;
    if let (Source::Path { dir, .. }, Some(env_file)) = (&source, &raw.env_file) {
        warnings.extend(sent_along(reader, dir, env_file));
    }
    Ok(App {
        source,
        port: reader.within("port", raw.port.as_ref(), 8000, 1..=u16::MAX)?,
        publish: reader.within("publish", raw.publish.as_ref(), 80, 1..=u16::MAX)?,
        health: reader.name_or(raw.health.as_ref(), "/", UrlPath::new)?,
        env: environment(reader, raw, values, warnings)?,
        migrate: raw.migrate,
        collectstatic: raw.collectstatic,
        superuser,
        static_root: static_root
            .map(|text| reader.name(text, AbsolutePath::new))
            .transpose()?,
        static_url: reader.name_or(raw.static_url.as_ref(), "/static/", UrlPath::new)?,
        media_root: raw
            .media_root
            .as_ref()
            .map(|text| reader.name(text, AbsolutePath::new))
            .transpose()?,
        media_url: reader.name_or(raw.media_url.as_ref(), "/media/", UrlPath::new)?,
        server: match &raw.server {
            Some(text) => reader.choice(
                text,
                "a server",
                &[("gunicorn", Server::Gunicorn), ("uwsgi", Server::Uwsgi)],
            )?,
            None => Server::Gunicorn,
        },
        wsgi: raw
            .wsgi
            .as_ref()
            .map(|text| wsgi(reader, text))
            .transpose()?,
        workers: reader.within("workers", raw.workers.as_ref(), 3, 1..=1000)?,
        threads: reader.within("threads", raw.threads.as_ref(), 1, 1..=1000)?,
        socket: raw.socket.as_ref().is_some_and(|it| *it.get_ref()),
        user: ids(reader, raw.user.as_ref())?,
        memory: size(reader, raw.memory.as_ref(), "1g", "kmg")?,
        read_only: raw.read_only.unwrap_or(true),
        gpus: raw.gpus.as_ref().map(|it| gpus(reader, it)).transpose()?,
        development: raw.development.as_ref().is_some_and(|it| *it.get_ref()),
        check: raw.check.unwrap_or(true),
        fixtures: raw
            .fixtures
            .iter()
            .map(|text| fixture(reader, text))
            .collect::<Result<_, _>>()?,
    })
}

/// A module in Python's dotted notation, and maybe the callable in it.
fn wsgi(reader: &Reader<'_>, text: &Text) -> Result<String, Error> {
    let plain = |part: &str| {
        let digit = part.bytes().next().is_none_or(|c| c.is_ascii_digit());
        !digit && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    let (module, callable) = match text.get_ref().split_once(':') {
        Some((module, callable)) => (module, callable),
        None => (text.get_ref().as_str(), "application"),
    };
    if module.split('.').all(plain) && plain(callable) {
        return Ok(text.get_ref().clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{:?} is not a WSGI module", text.get_ref()),
        "write it as Python imports it: \"mysite.wsgi\"",
    ))
}

/// Numbers, since a name means what the image says; and not root.
fn ids(reader: &Reader<'_>, text: Option<&Text>) -> Result<Ids, Error> {
    let Some(text) = text else {
        let (uid, gid) = (10001, 10001);
        return Ok(Ids { uid, gid });
    };
    let (uid, gid) = text.get_ref().split_once(':').unwrap_or_default();
    match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) if (1..=i32::MAX as u32).contains(&uid) && gid >= 1 => {
            Ok(Ids { uid, gid })
        }
        _ => Err(reader.wrong(
            text.span(),
            format!("{:?} can't be a container's user", text.get_ref()),
            "write the numbers of a user and a group that aren't root: \"10001:10001\"",
        )),
    }
}

fn gpus(reader: &Reader<'_>, raw: &Spanned<RawGpus>) -> Result<Gpus, Error> {
    match raw.get_ref() {
        RawGpus::Count(count) if *count > 0 => Ok(Gpus::Count(*count)),
        RawGpus::Word(word) if word == "all" => Ok(Gpus::All),
        _ => Err(reader.wrong(
            raw.span(),
            "that is no number of GPUs",
            "write a number from 1, or \"all\"",
        )),
    }
}

fn fixture(reader: &Reader<'_>, text: &Text) -> Result<Fixture, Error> {
    let path = reader.checked_path(text)?;
    let digest = context::file_digest(&path).map_err(|source| {
        reader.wrong(
            text.span(),
            format!("can't read the fixture {}: {source}", path.display()),
            "write the path of a file that you can read, relative to this file or beginning \
             with `/` or `~/`",
        )
    })?;
    Ok(Fixture { path, digest })
}

/// What depends on which hosts the app runs on.
pub(super) fn check_place(
    reader: &Reader<'_>,
    raw: &RawApp,
    app: &App,
    hosts: &BTreeMap<HostName, Host>,
) -> Result<(), Error> {
    let of = |role: Role| -> Vec<&HostName> {
        let having = hosts.values().filter(|host| host.roles.contains(&role));
        having.map(|host| &host.name).collect()
    };
    let (apps, proxies) = (of(Role::App), of(Role::Proxy));
    let together = apps.len() == 1 && apps == proxies;
    let socket = raw.socket.as_ref().filter(|it| *it.get_ref());
    if let (Some(socket), false) = (socket, together) {
        return Err(reader.wrong(
            socket.span(),
            "a UNIX socket needs app and proxy on one and the same host",
            "leave `socket` out, so that nginx reaches the app over TCP",
        ));
    }
    if let (Some(root), false) = (&raw.media_root, together) {
        return Err(reader.wrong(
            root.span(),
            "uploaded files can be shared only between an app and a proxy on one and the same host",
            "leave `media_root` out, and keep uploads in object storage",
        ));
    }
    let needs = socket.map(Spanned::span).or_else(|| {
        let uwsgi = matches!(app.server, Server::Uwsgi);
        raw.server.as_ref().filter(|_| uwsgi).map(Spanned::span)
    });
    if let (Some(span), None) = (needs, &app.wsgi) {
        return Err(reader.wrong(
            span,
            "it isn't known what the server runs",
            "name the module: wsgi = \"mysite.wsgi\" in [app]",
        ));
    }
    Ok(())
}

fn source(reader: &Reader<'_>, raw: &Spanned<RawSource>) -> Result<Source, Error> {
    let table = raw.get_ref();
    match (&table.git, &table.rev, &table.path, &table.image) {
        (Some(url), Some(rev), None, None) => git_source(reader, url, rev),
        (None, None, Some(path), None) => local(reader, path),
        (None, None, None, Some(image)) => Ok(Source::Image(reader.name(image, ImageRef::new)?)),
        (Some(url), None, None, None) => Err(reader.wrong(
            url.span(),
            "a git source needs a revision",
            "add the branch, tag or commit: rev = \"main\"",
        )),
        (None, Some(rev), None, None) => Err(reader.wrong(
            rev.span(),
            "a revision needs its repository",
            "add the repository: git = \"https://git.example/polls.git\"",
        )),
        (None, Some(rev), _, _) => Err(reader.wrong(
            rev.span(),
            "only a git source has a revision",
            "leave `rev` out",
        )),
        _ => Err(reader.wrong(
            raw.span(),
            "the app has to come from one place",
            "write { git = \"…\", rev = \"…\" }, { path = \"…\" } or { image = \"…\" }",
        )),
    }
}

fn git_source(reader: &Reader<'_>, url: &Text, rev: &Text) -> Result<Source, Error> {
    git::check_url(url.get_ref()).map_err(|wrong| {
        reader.wrong(url.span(), wrong.what, format!("write {}", wrong.instead))
    })?;
    git::check_rev(rev.get_ref()).map_err(|wrong| {
        reader.wrong(rev.span(), wrong.what, format!("write {}", wrong.instead))
    })?;
    // Without a colon it is neither a URL nor HOST:PATH, so it is a directory here.
    let url = if url.get_ref().contains(':') {
        url.get_ref().clone()
    } else {
        reader.path(url.get_ref()).display().to_string()
    };
    Ok(Source::Git {
        url,
        rev: rev.get_ref().clone(),
        commit: String::new(),
    })
}

fn local(reader: &Reader<'_>, text: &Text) -> Result<Source, Error> {
    let dir = reader.checked_path(text)?;
    let unreadable = |source: std::io::Error| {
        reader.wrong(
            text.span(),
            format!(
                "can't read the source directory {}: {source}",
                dir.display()
            ),
            "write the path of a directory that you can read, relative to this file or \
             beginning with `/` or `~/`",
        )
    };
    if !fs::metadata(&dir).map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::Error::other("it is not a directory")));
    }
    if !dir.join("Dockerfile").is_file() {
        return Err(reader.wrong(
            text.span(),
            format!("{} has no Dockerfile", dir.display()),
            "add one that runs the app, or name the directory that has it",
        ));
    }
    Ok(Source::Path {
        digest: context::digest(&dir).map_err(unreadable)?,
        dir,
    })
}

/// The env file, then `env`, then `secrets`. A name in two of them is a mistake: which of
/// them was meant can't be known.
fn environment(
    reader: &Reader<'_>,
    raw: &RawApp,
    values: &Values<'_>,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<EnvName, Secret>, Error> {
    let mut all: BTreeMap<EnvName, Secret> = BTreeMap::new();
    let mut origin: BTreeMap<EnvName, String> = BTreeMap::new();
    if let Some(text) = &raw.env_file {
        for entry in read_env_file(reader, text, warnings)? {
            let place = format!("{}:{}", text.get_ref(), entry.line);
            origin.insert(entry.name.clone(), place);
            all.insert(entry.name, entry.value);
        }
    }
    let mut add = |text: &Text, name: EnvName, value: String, place: &str| {
        if let Some(first) = origin.get(&name) {
            return Err(reader.wrong(
                text.span(),
                format!("{name} is already set by {first}"),
                "keep one of them",
            ));
        }
        origin.insert(name.clone(), place.to_owned());
        all.insert(name, Secret::new(value));
        Ok(())
    };
    for (key, value) in &raw.env {
        if value.get_ref().contains('\0') {
            return Err(reader.wrong(
                value.span(),
                format!("the value of {} holds a NUL", key.get_ref()),
                "leave it out: no environment can hold one",
            ));
        }
        let name = reader.name(key, EnvName::new)?;
        add(key, name, value.get_ref().clone(), "`env`")?;
    }
    for text in &raw.secrets {
        let name = reader.name(text, EnvName::new)?;
        let value = values.get(reader, text, warnings)?;
        add(text, name, value, "`secrets`")?;
    }
    warnings.extend(all.iter().filter_map(|(name, value)| truthy(name, value)));
    Ok(all)
}

/// A warning if DEBUG is switched off in a way that settings like the tutorial's
/// (`os.getenv("DEBUG", False)`) take for on: any text is true in Python.
fn truthy(name: &EnvName, value: &Secret) -> Option<String> {
    let off = ["false", "0", "no", "off", "none"];
    let meant_off = off.contains(&value.reveal().to_ascii_lowercase().as_str());
    (meant_off && matches!(name.as_str(), "DEBUG" | "DJANGO_DEBUG")).then(|| {
        format!(
            "{name} is {:?}, a text that many settings take for true: leave {name} out, or make it empty",
            value.reveal()
        )
    })
}

fn read_env_file(
    reader: &Reader<'_>,
    text: &Text,
    warnings: &mut Vec<String>,
) -> Result<Vec<env_file::Entry>, Error> {
    let (path, bytes) = reader.file("the env file", text)?;
    let shown = text.get_ref();
    let Ok(held) = String::from_utf8(bytes) else {
        return Err(reader.wrong(
            text.span(),
            format!("{shown} is not UTF-8"),
            "save it as UTF-8",
        ));
    };
    warnings.extend(reader.open_to_others(text));
    env_file::parse(&Document::new(path.display().to_string(), held))
}

/// A warning if the env file would be sent to the servers with the sources.
fn sent_along(reader: &Reader<'_>, dir: &Path, env_file: &Text) -> Option<String> {
    let file = fs::canonicalize(reader.path(env_file.get_ref())).ok()?;
    let inside = file.starts_with(fs::canonicalize(dir).ok()?);
    inside.then(|| {
        format!(
            "{} lies in the source directory, so it is sent to the servers and may become part \
             of the image: keep it elsewhere",
            env_file.get_ref()
        )
    })
}

fn superuser(
    reader: &Reader<'_>,
    raw: &RawSuperuser,
    values: &Values<'_>,
    warnings: &mut Vec<String>,
) -> Result<Superuser, Error> {
    let name = raw.name.get_ref();
    // 150 is what Django's own user model takes.
    if name.is_empty() || name.chars().count() > 150 || name.chars().any(char::is_control) {
        return Err(reader.wrong(
            raw.name.span(),
            format!("{name:?} can't be a superuser's name"),
            "write 1 to 150 characters without control characters",
        ));
    }
    reader.name(&raw.password_env, EnvName::new)?;
    let password = values.get(reader, &raw.password_env, warnings)?;
    if password.is_empty() {
        return Err(reader.wrong(
            raw.password_env.span(),
            format!("the value of {} is empty", raw.password_env.get_ref()),
            "set it to the superuser's password",
        ));
    }
    Ok(Superuser {
        name: name.clone(),
        email: reader.name(&raw.email, Email::new)?,
        password: Secret::new(password),
    })
}

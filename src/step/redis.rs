//! `redis`: Redis as a cache in a container: a password, and nothing on disk.

use askama::Template;

use super::stack::{self, Service};
use super::{Cx, Error, Resources, Step, postgres};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use crate::resource::postgres::tuning::megabytes;
use crate::shell::Secret;
use crate::site::{Redis, Role};

pub(super) const STEP: Step = Step {
    name: "redis",
    summary: "Redis as a cache in a container: a password, and nothing on disk",
    reads: "the files' digests and modes, the container's state",
    changes: "/srv/SITE (compose.yaml; redis.conf and the password in redis, mode 0400); the \
              container",
    guarded: false,
    resources,
};

/// Redis' port.
const PORT: u16 = 6379;

/// Whom the container runs as.
const IDS: &str = "999:999";

/// Megabytes that Redis takes beside what it keeps.
const BESIDE: u64 = 32;

#[derive(Template)]
#[template(path = "redis/service.yaml")]
struct Block<'a> {
    image: &'a str,
    container: &'a str,
    /// In megabytes.
    memory: u64,
    /// "10.20.0.13:6379:6379".
    port: Option<String>,
    digest: &'a str,
}

#[derive(Template)]
#[template(path = "redis/redis.conf")]
struct Conf<'a> {
    site: &'a str,
    password: String,
    memory: u64,
}

/// A password inside double quotes, as redis.conf reads it: `\` and `"` are escaped.
fn quoted(password: &str) -> String {
    password.replace('\\', "\\\\").replace('"', "\\\"")
}

fn conf(cx: &Cx<'_>, redis: &Redis) -> Result<Secret, Error> {
    let conf = Conf {
        site: cx.site.name.as_str(),
        password: quoted(redis.password.reveal()),
        memory: megabytes(&redis.memory).max(1),
    };
    let text = conf.render().map_err(|e| Error {
        step: "redis".to_owned(),
        what: e.to_string(),
    })?;
    Ok(Secret::new(format!("{text}\n")))
}

/// The files that the container reads as secrets: their names there, and what they hold.
fn files(cx: &Cx<'_>, redis: &Redis) -> Result<[(&'static str, String, Secret); 2], Error> {
    let path = |name: &str| format!("{}/redis/{name}", cx.site.directory());
    let password = Secret::new(format!("{}\n", redis.password.reveal()));
    Ok([
        ("redis.conf", path("redis.conf"), conf(cx, redis)?),
        // For redis-cli, which can't read the other.
        ("redis-password", path("password"), password),
    ])
}

/// The cache of this host, if it has one.
fn of<'a>(cx: &Cx<'a>) -> Option<&'a Redis> {
    let here = cx.host.roles.contains(&Role::Cache);
    cx.site.redis.as_ref().filter(|_| here)
}

/// The service of this host, if it has one.
pub(super) fn service(cx: &Cx<'_>) -> Result<Option<Service>, Error> {
    let Some(redis) = of(cx) else {
        return Ok(None);
    };
    let files = files(cx, redis)?;
    let container = format!("{}-redis", cx.site.name);
    let image = redis.image.to_string();
    let keeps = megabytes(&redis.memory);
    let [(_, _, conf), _] = &files;
    let mut service = Service::new("redis", container.clone(), &[conf.reveal()], |digest| {
        let block = Block {
            image: &image,
            container: &container,
            memory: keeps + keeps / 2 + BESIDE,
            port: postgres::port(cx, Role::Cache, PORT),
            digest,
        };
        block.render()
    })?;
    service.secrets = files.map(|(name, path, _)| (name.to_owned(), path)).into();
    Ok(Some(service))
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let (Some(redis), Some(service)) = (of(cx), service(cx)?) else {
        return Ok(Vec::new());
    };
    let mut all = stack::file(cx)?;
    all.push(Box::new(Image::pulled(redis.image.to_string())));
    // For root alone: numbers of the container's users may be those of others on the host.
    let directory = format!("{}/redis", cx.site.directory());
    all.push(Box::new(Directory::new(directory, 0o700)));
    for (_, path, content) in files(cx, redis)? {
        all.push(Box::new(File::secret(path, content).mode(0o400).owner(IDS)));
    }
    all.push(Box::new(stack::running(cx, &service)));
    Ok(all)
}

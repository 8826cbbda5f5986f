//! Redis' service in its host's compose.yaml, and the files that its container reads.

use askama::Template;

use crate::resource::postgres::tuning::megabytes;
use crate::shell::Secret;
use crate::site::{Redis, Role};
use crate::step::postgres::service::port;
use crate::step::stack::service::Service;
use crate::step::{Cx, Error};

/// Redis' port.
const PORT: u16 = 6379;

/// Whom the container runs as.
pub(super) const IDS: &str = "999:999";

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
pub(super) fn files(
    cx: &Cx<'_>,
    redis: &Redis,
) -> Result<[(&'static str, String, Secret); 2], Error> {
    let path = |name: &str| format!("{}/redis/{name}", cx.site.directory());
    let password = Secret::new(format!("{}\n", redis.password.reveal()));
    Ok([
        ("redis.conf", path("redis.conf"), conf(cx, redis)?),
        // For redis-cli, which can't read the other.
        ("redis-password", path("password"), password),
    ])
}

/// The cache of this host, if it has one.
pub(super) fn of<'a>(cx: &Cx<'a>) -> Option<&'a Redis> {
    let here = cx.host.roles.contains(&Role::Cache);
    cx.site.redis.as_ref().filter(|_| here)
}

/// The service of this host, if it has one.
pub(in crate::step) fn service(cx: &Cx<'_>) -> Result<Option<Service>, Error> {
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
            port: port(cx, Role::Cache, PORT),
            digest,
        };
        block.render()
    })?;
    service.secrets = files.map(|(name, path, _)| (name.to_owned(), path)).into();
    Ok(Some(service))
}

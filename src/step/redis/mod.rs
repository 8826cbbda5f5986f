//! `redis`: Redis as a cache in a container: a password, and nothing on disk.

pub(super) mod service;

use super::stack::{self, service::running};
use super::{Cx, Error, Resources, Step};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use service::{IDS, files, of, service};

pub(super) const STEP: Step = Step {
    name: "redis",
    summary: "Redis as a cache in a container: a password, and nothing on disk",
    reads: "the files' digests and modes, the container's state",
    changes: "/srv/SITE (compose.yaml; redis.conf and the password in redis, mode 0400); the \
              container",
    guarded: false,
    resources,
};

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
    all.push(Box::new(running(cx, &service)));
    Ok(all)
}

//! `postgres`: PostgreSQL in a container, its data on a volume that no run removes.

pub(super) mod service;

use super::stack::{self, service::running};
use super::{Cx, Error, Resources, Step, backup};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use crate::resource::postgres::{self, Cluster, Settings};
use service::{database, of, password_file, service};

pub(super) const STEP: Step = Step {
    name: "postgres",
    summary: "PostgreSQL in a container, its data on a volume that no run removes",
    reads: "the name of the volume in use, the host's memory, the files below, the container's \
            state, the receipt of role and database",
    changes: "/srv/SITE (compose.yaml, .env, postgres with the password in mode 0400); the volume \
              SITE-postgres-VERSION, where there is none; the container; the app's role, its \
              password and the database that it owns",
    guarded: false,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let (Some(it), Some(wanted), Some(service)) = (of(cx), &cx.site.postgres, service(cx)?) else {
        return Ok(Vec::new());
    };
    let password = File::secret(password_file(&it), wanted.password.clone())
        .mode(0o400)
        .owner(&it.ids);
    // An upgrade goes by the compose.yaml that is there, which takes version and volume from .env.
    let mut all: Resources = vec![Box::new(it.version()), Box::new(Image::pulled(&it.image))];
    all.extend(backup::upgrade(cx));
    all.extend(stack::file(cx)?);
    // For root alone: numbers of the container's users may be those of others on the host.
    all.push(Box::new(Directory::new(it.own(), 0o700)));
    all.push(Box::new(password));
    for file in [postgres::File::Conf, postgres::File::Env] {
        all.push(Box::new(Settings::new(it.clone(), file)));
    }
    let running = running(cx, &service);
    all.push(Box::new(Cluster::new(it.clone(), running)));
    if let Some(database) = database(cx) {
        all.push(Box::new(database));
    }
    Ok(all)
}

//! `postgres`: PostgreSQL in a container, its data on a volume that no run removes.

use std::net::IpAddr;

use askama::Template;

use super::stack::{self, Service, Volume};
use super::{Cx, Error, Resources, Step, backup};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use crate::resource::postgres::tuning::{CONNECTIONS, Tuning, megabytes};
use crate::resource::postgres::{self, Cluster, Database, Layout, Settings};
use crate::site::Role;

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

/// PostgreSQL's port.
const PORT: u16 = 5432;

#[derive(Template)]
#[template(path = "postgres/service.yaml")]
struct Block<'a> {
    container: &'a str,
    ids: &'a str,
    tmpfs: &'a str,
    conf: &'a str,
    /// "10.20.0.13:5432:5432".
    port: Option<String>,
    user: &'a str,
    database: &'a str,
    digest: &'a str,
}

#[derive(Template)]
#[template(path = "postgres/postgresql.conf")]
struct Conf<'a> {
    site: &'a str,
    data: String,
    connections: u64,
    tuning: &'a Tuning,
}

fn conf(postgres: &postgres::Postgres, tuning: &Tuning) -> Result<String, String> {
    let conf = Conf {
        site: &postgres.site,
        data: Layout::of(postgres.version).data(postgres.version),
        connections: CONNECTIONS,
        tuning,
    };
    let text = conf.render().map_err(|e| e.to_string())?;
    Ok(format!("{text}\n"))
}

/// The port of a service for app servers on other hosts: published on the private address alone.
pub(super) fn port(cx: &Cx<'_>, role: Role, port: u16) -> Option<String> {
    if cx.site.data_clients(role).is_empty() {
        return None;
    }
    // site.toml is refused where there is none.
    cx.host.private.map(|private| match private {
        IpAddr::V6(private) => format!("[{private}]:{port}:{port}"),
        IpAddr::V4(private) => format!("{private}:{port}:{port}"),
    })
}

/// The PostgreSQL of this host, if it has one.
pub(super) fn of(cx: &Cx<'_>) -> Option<postgres::Postgres> {
    let wanted = cx.site.postgres.as_ref()?;
    let roles = &cx.host.roles;
    roles.contains(&Role::Db).then(|| postgres::Postgres {
        site: cx.site.name.to_string(),
        version: wanted.version,
        image: wanted.image.to_string(),
        // Who owns the data in the official images.
        ids: if wanted.image.to_string().contains("alpine") {
            "70:70".to_owned()
        } else {
            "999:999".to_owned()
        },
        directory: cx.site.directory(),
        state: cx.site.state(),
        data: wanted.data.as_ref().map(ToString::to_string),
        memory: wanted.memory.as_deref().map(megabytes),
        alone: !roles.contains(&Role::App) && !roles.contains(&Role::Proxy),
        conf,
    })
}

/// The app's role and database on it.
pub(super) fn database(cx: &Cx<'_>) -> Option<Database> {
    let (it, wanted) = (of(cx)?, cx.site.postgres.as_ref()?);
    Some(Database::new(
        it,
        &wanted.user,
        &wanted.database,
        wanted.password.clone(),
    ))
}

fn password_file(postgres: &postgres::Postgres) -> String {
    format!("{}/password", postgres.own())
}

/// The service of this host, if it has one.
pub(super) fn service(cx: &Cx<'_>) -> Result<Option<Service>, Error> {
    let (Some(it), Some(wanted)) = (of(cx), &cx.site.postgres) else {
        return Ok(None);
    };
    let (uid, gid) = it.ids.split_once(':').unwrap_or_default();
    let tmpfs = format!("mode=0775,uid={uid},gid={gid}");
    let (container, conf) = (it.container(), it.conf_file());
    let mut service = Service::new("postgres", container.clone(), &[], |digest| {
        let block = Block {
            container: &container,
            ids: &it.ids,
            tmpfs: &tmpfs,
            conf: &conf,
            port: port(cx, Role::Db, PORT),
            user: &wanted.user,
            database: &wanted.database,
            digest,
        };
        block.render()
    })?;
    service.secrets = vec![("postgres-password".to_owned(), password_file(&it))];
    service.volumes = vec![Volume {
        key: "postgres".to_owned(),
        name: "${POSTGRES_VOLUME:?run provision}".to_owned(),
        external: true,
    }];
    Ok(Some(service))
}

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
    let running = stack::running(cx, &service);
    all.push(Box::new(Cluster::new(it.clone(), running)));
    if let Some(database) = database(cx) {
        all.push(Box::new(database));
    }
    Ok(all)
}

//! PostgreSQL's service in its host's compose.yaml, and what follows from site.toml for it.

use std::net::IpAddr;

use askama::Template;

use crate::resource::postgres::tuning::{CONNECTIONS, Tuning, megabytes};
use crate::resource::postgres::{self, Database, Layout};
use crate::site::Role;
use crate::step::stack::service::{Service, Volume};
use crate::step::{Cx, Error};

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
pub(in crate::step) fn port(cx: &Cx<'_>, role: Role, port: u16) -> Option<String> {
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
pub(in crate::step) fn of(cx: &Cx<'_>) -> Option<postgres::Postgres> {
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
pub(in crate::step) fn database(cx: &Cx<'_>) -> Option<Database> {
    let (it, wanted) = (of(cx)?, cx.site.postgres.as_ref()?);
    Some(Database::new(
        it,
        &wanted.user,
        &wanted.database,
        wanted.password.clone(),
    ))
}

pub(in crate::step) fn password_file(postgres: &postgres::Postgres) -> String {
    format!("{}/password", postgres.own())
}

/// The service of this host, if it has one.
pub(in crate::step) fn service(cx: &Cx<'_>) -> Result<Option<Service>, Error> {
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

//! A host's compose.yaml: one file and one project a host, with a service for each of its roles.
//!
//! Every step that has a service there writes the whole file, which follows from site.toml alone,
//! and brings up its own service. What a container was made from is a label, so that a change of
//! one service leaves the others as they are.

pub(super) mod service;

use askama::Template;

use super::app::service as app;
use super::postgres::service as postgres;
use super::proxy::service as proxy;
use super::redis::service as redis;
use super::{Cx, Error, Resources};
use crate::resource::compose::compose_v2;
use crate::resource::file::{Directory, File};
use service::{Service, Volume, path};

#[derive(Template)]
#[template(path = "compose.yaml")]
struct Compose<'a> {
    site: &'a str,
    services: &'a [Service],
    secrets: &'a [(String, String)],
    volumes: &'a [Volume],
    edge: bool,
    backend: bool,
}

/// The services of a host.
fn services(cx: &Cx<'_>) -> Result<Vec<Service>, Error> {
    let mut all = Vec::new();
    all.extend(postgres::service(cx)?);
    all.extend(redis::service(cx)?);
    all.extend(app::services(cx)?);
    all.extend(proxy::service(cx)?);
    Ok(all)
}

/// The names of the services of a host.
pub(super) fn names(cx: &Cx<'_>) -> Result<Vec<String>, Error> {
    let all = services(cx)?.into_iter();
    Ok(all.map(|service| service.name.to_owned()).collect())
}

/// The host's compose.yaml.
pub(super) fn text(cx: &Cx<'_>) -> Result<String, Error> {
    let services = services(cx)?;
    let mut secrets: Vec<(String, String)> = Vec::new();
    let mut volumes: Vec<Volume> = Vec::new();
    for service in &services {
        for secret in &service.secrets {
            if !secrets.contains(secret) {
                secrets.push(secret.clone());
            }
        }
        for volume in &service.volumes {
            if !volumes.contains(volume) {
                volumes.push(volume.clone());
            }
        }
    }
    let compose = Compose {
        site: cx.site.name.as_str(),
        services: &services,
        secrets: &secrets,
        volumes: &volumes,
        edge: services.iter().any(|it| it.block.contains("- edge")),
        backend: services.iter().any(|it| it.block.contains("- backend")),
    };
    compose.render().map_err(|e| Error {
        step: "compose".to_owned(),
        what: e.to_string(),
    })
}

/// What has to be there before any service is brought up. Compose reads every env file that is
/// named, whichever service it is asked for.
pub(super) fn file(cx: &Cx<'_>) -> Result<Resources, Error> {
    let mut all: Resources = vec![
        Box::new(compose_v2()),
        Box::new(Directory::new(cx.site.directory(), 0o755)),
    ];
    all.extend(app::env_file(cx));
    all.push(Box::new(File::new(path(cx), text(cx)?)));
    Ok(all)
}

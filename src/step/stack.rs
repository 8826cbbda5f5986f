//! A host's compose.yaml: one file and one project a host, with a service for each of its roles.
//!
//! Every step that has a service there writes the whole file, which follows from site.toml alone,
//! and brings up its own service. What a container was made from is a label, so that a change of
//! one service leaves the others as they are.

use askama::Template;

use super::{Cx, Error, Resources, app, postgres, proxy, redis};
use crate::resource::compose::{Service as Running, compose_v2};
use crate::resource::file::{Directory, File};
use crate::resource::sha256;

/// One service of a host's compose.yaml.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its name in the file: "postgres".
    pub name: &'static str,
    /// Its container's name.
    pub container: String,
    /// What stands below its name, each line with its indentation of four.
    pub block: String,
    /// What its container was made from: of the block and of what its files say.
    pub digest: String,
    /// Compose secrets: name, and the file on the host.
    pub secrets: Vec<(String, String)>,
    /// Volumes of Docker's: their key in the file, and their name; external ones are made by a step.
    pub volumes: Vec<Volume>,
}

/// A volume of a host's compose.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    /// Its key in the file.
    pub key: String,
    /// Its name on the host as Compose reads it: `${NAME}` is looked up in .env.
    pub name: String,
    /// Whether it holds what can't be made again: Compose never removes it.
    pub external: bool,
}

impl Service {
    /// A service whose block is rendered with a digest, for its label `provision.digest`, of all
    /// that its container is made from: the block itself and `depends`.
    pub fn new<E: std::fmt::Display>(
        name: &'static str,
        container: String,
        depends: &[&str],
        render: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Self, Error> {
        let failed = |e: E| Error {
            step: name.to_owned(),
            what: e.to_string(),
        };
        let mut text = render("").map_err(failed)?;
        for part in depends {
            text.push('\n');
            text.push_str(part);
        }
        let digest = sha256(text);
        let digest = digest.get(..12).unwrap_or_default().to_owned();
        Ok(Self {
            name,
            container,
            block: render(&digest)
                .map_err(failed)?
                .trim_matches('\n')
                .to_owned(),
            digest,
            secrets: Vec::new(),
            volumes: Vec::new(),
        })
    }
}

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

/// Where it lies.
pub(super) fn path(cx: &Cx<'_>) -> String {
    format!("{}/compose.yaml", cx.site.directory())
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

/// The container of a service, running and healthy.
pub(super) fn running(cx: &Cx<'_>, service: &Service) -> Running {
    Running {
        project: cx.site.name.to_string(),
        directory: cx.site.directory(),
        service: service.name.to_owned(),
        container: service.container.clone(),
        digest: service.digest.clone(),
    }
}

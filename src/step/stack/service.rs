//! One service of a host's compose.yaml.

use crate::resource::compose::Service as Running;
use crate::resource::sha256;
use crate::step::{Cx, Error};

/// One service of a host's compose.yaml.
#[derive(Clone, Debug)]
pub(in crate::step) struct Service {
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
pub(in crate::step) struct Volume {
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
    pub(in crate::step) fn new<E: std::fmt::Display>(
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

/// Where it lies.
pub(in crate::step) fn path(cx: &Cx<'_>) -> String {
    format!("{}/compose.yaml", cx.site.directory())
}

/// The container of a service, running and healthy.
pub(in crate::step) fn running(cx: &Cx<'_>, service: &Service) -> Running {
    Running {
        project: cx.site.name.to_string(),
        directory: cx.site.directory(),
        service: service.name.to_owned(),
        container: service.container.clone(),
        digest: service.digest.clone(),
    }
}

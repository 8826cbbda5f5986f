//! The containers of a host's Compose project.
//!
//! Each carries a label with the digest of what it was made from, so that a probe sees drift
//! without asking Compose (which takes 80 ms).

use super::requirement::Requirement;
use super::{Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::event::State;
use crate::shell::Script;

/// The label that holds the digest.
pub const LABEL: &str = "provision.digest";

const PLUGIN: Script = Script(include_str!("sh/compose-v2.sh"));

/// That Compose v2 is there, the plugin of Docker's command line.
pub fn compose_v2() -> Requirement {
    let facts = vec![Fact::Docker, Fact::Sh(PLUGIN, Vec::new())];
    Requirement::new("Compose v2", facts, |seen| {
        if seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        Ok(if seen.sh(PLUGIN, &[])?.status == 0 {
            State::InSync
        } else {
            State::Refused {
                what: "there is no Compose v2 on the host".to_owned(),
                mend: "set docker.source = \"docker\" in site.toml; the distribution's own \
                       Compose is version 1 (Debian 12)"
                    .to_owned(),
            }
        })
    })
}

/// One service of a host's compose.yaml, with one container.
#[derive(Clone, Debug)]
pub struct Service {
    /// The project's name.
    pub project: String,
    /// The directory of compose.yaml.
    pub directory: String,
    /// The service's name there.
    pub service: String,
    /// The container's name.
    pub container: String,
    /// What its label must say.
    pub digest: String,
}

const SERVICE_UP: &str = include_str!("sh/service-up.sh");

impl Resource for Service {
    fn id(&self) -> String {
        format!("container {}", self.container)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Docker]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        compare(seen, &self.container, &self.digest)
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let args = [
            &self.project,
            &self.directory,
            &self.service,
            &self.container,
        ];
        vec![
            Op::script(
                format!("start {} and wait until it is healthy", self.container),
                SERVICE_UP,
                args.map(String::clone),
            )
            .long(),
        ]
    }
}

/// Whether a container is there, made from what it should be, running and healthy.
fn compare(seen: &Observed, container: &str, wanted: &str) -> Result<State, Unreadable> {
    let Some(docker) = seen.docker()? else {
        return Ok(unknown("docker"));
    };
    let Some(container) = docker.container(container) else {
        return Ok(differs("missing"));
    };
    let mut what = Vec::new();
    let digest = container.labels.get(LABEL).map_or("none", String::as_str);
    if digest != wanted {
        what.push(format!("made from {digest} → {}", wanted));
    }
    if container.state != "running" {
        what.push(format!("{} → running", container.status));
    } else if !container.status.contains("(healthy)") {
        what.push(format!("{} → healthy", container.status));
    }
    if what.is_empty() {
        return Ok(State::InSync);
    }
    Ok(differs(what.join(", ")))
}

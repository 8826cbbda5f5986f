//! Steps: what a site needs on a host, as resources. A step does no I/O.
//!
//! A new step is one file here, its templates, and one line in [`ALL`].

mod app;
pub mod backup;
mod boot;
mod bootstrap;
mod certificate;
mod clean;
mod docker;
pub mod env_file;
pub mod escape;
mod firewall;
mod image;
mod lint;
mod material;
mod matrix;
pub mod own;
mod postgres;
mod preflight;
mod proxy;
mod redis;
mod reload;
mod renewal;
mod sandbox;
mod stack;
mod verify;

use crate::resource::Resource;
use crate::site::{Host, Role, Site};

pub use crate::proof::Check;
pub use lint::closely;
pub use matrix::{HERE, Vantage, cells};
pub use verify::{Serving, checks, fronts, origin, rehearsals, serving, timers};

/// What a step may look at when it says what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// The site.
    pub site: &'a Site,
    /// The host the step runs on.
    pub host: &'a Host,
    /// Seconds since 1970 by the operator's clock.
    pub now: u64,
}

impl Cx<'_> {
    /// Whether the host is the one of its role where things are done once for all.
    pub fn is_first(&self, role: Role) -> bool {
        self.site
            .with_role(role)
            .next()
            .is_some_and(|first| first.name == self.host.name)
    }
}

/// The resources of a step on a host.
pub type Resources = Vec<Box<dyn Resource>>;

/// A step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its name in playbooks and on the command line.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it reads, for `provision explain`.
    pub reads: &'static str,
    /// What it changes.
    pub changes: &'static str,
    /// Whether it could cut the operator off, and so runs under a guard.
    pub guarded: bool,
    /// What it needs on a host.
    pub resources: fn(&Cx<'_>) -> Result<Resources, Error>,
}

/// A step can't say what it needs.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {what}")]
pub struct Error {
    /// The step.
    pub step: String,
    /// What is wrong with the site for it.
    pub what: String,
}

/// Every step, in the order of the main playbook.
pub const ALL: &[Step] = &[
    preflight::STEP,
    bootstrap::STEP,
    docker::STEP,
    firewall::STEP,
    postgres::STEP,
    redis::STEP,
    image::STEP,
    app::STEP,
    proxy::STEP,
    certificate::STEP,
    renewal::STEP,
    boot::STEP,
    backup::STEP,
    clean::STEP,
    verify::STEP,
];

/// The step of this name.
pub fn find(name: &str) -> Option<&'static Step> {
    ALL.iter().find(|step| step.name == name)
}

/// What takes back what a step has made, for those that can.
pub fn removal(name: &str) -> Option<fn(&Cx<'_>) -> Resources> {
    (name == firewall::STEP.name).then_some(firewall::removal)
}

/// The names of all steps.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|step| step.name).collect()
}

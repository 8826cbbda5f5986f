//! The life of a site's data: backups, what puts them in place, and the end of a site.
//!
//! | file | does |
//! |---|---|
//! | [`archive`] | a backup as a file: whole, or not to be used |
//! | [`carry`] | large files between a server and this machine |
//! | [`backup`] | makes backups, lists them, brings them here |
//! | [`record`] | what a server says of its backups |
//! | [`restore`] | puts a backup in place, or what was there before it |
//! | [`down`] | stops a site, its data kept |
//! | [`destroy`] | removes a site with its data |

pub mod archive;
pub mod backup;
mod carry;
pub mod destroy;
pub mod down;
pub(super) mod record;
pub mod restore;
pub mod save;

use crate::plan::{HostPlan, Plan, StepPlan};
use crate::resource::Resource;
use crate::site::{Host, Site};

/// A plan of one step on some hosts.
fn plan_of<'a>(
    site: &Site,
    step: &str,
    hosts: impl Iterator<Item = &'a Host>,
    resources: impl Fn(&Host) -> Vec<Box<dyn Resource>>,
) -> Plan {
    let hosts = hosts.map(|host| HostPlan {
        host: host.clone(),
        steps: vec![StepPlan {
            name: step.to_owned(),
            resources: resources(host),
            after: Vec::new(),
        }],
    });
    Plan {
        site: site.name.to_string(),
        playbook: step.to_owned(),
        hosts: hosts.collect(),
        checks: Vec::new(),
        lookups: Vec::new(),
    }
}

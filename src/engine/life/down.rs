//! Stops a site on all of its hosts. Nothing is removed.

use crate::engine::Settings;
use crate::event::State;
use crate::plan::Plan;
use crate::resource::fact::{Container, Unit};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::site::Site;

const DOWN: &str = include_str!("sh/down.sh");

/// The name under which it is reported.
const STEP: &str = "down";

/// A site that stands still on a host, and does so after a restart of it.
#[derive(Debug)]
struct Stopped {
    site: String,
    /// Timers first: they would start something.
    units: Vec<String>,
}

impl Stopped {
    fn of(site: &Site) -> Self {
        let site = site.name.to_string();
        let units = ["-backup.timer", "-renew.timer", ".service"];
        Self {
            units: units.map(|ending| format!("{site}{ending}")).to_vec(),
            site,
        }
    }

    /// Whether a container is the site's, and runs.
    fn runs(&self, container: &Container) -> bool {
        let project = container.labels.get("com.docker.compose.project");
        let ours = ["", "-app", "-proxy"].map(|ending| format!("{}{ending}", self.site));
        container.state == "running" && project.is_some_and(|project| ours.contains(project))
    }
}

/// Whether a unit is at work, or will be after a restart.
fn is_up(unit: &Unit) -> bool {
    unit.load != "not-found" && (unit.active == "active" || unit.enabled == "enabled")
}

impl Resource for Stopped {
    fn id(&self) -> String {
        format!("site {}", self.site)
    }

    fn facts(&self) -> Vec<Fact> {
        let units = self.units.iter().cloned().map(Fact::Unit);
        units.chain([Fact::Docker]).collect()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let mut up = Vec::new();
        for name in &self.units {
            if is_up(seen.unit(name)?) {
                up.push(name.clone());
            }
        }
        let docker = seen.docker()?;
        let containers = docker.iter().flat_map(|docker| &docker.containers);
        for container in containers.filter(|it| self.runs(it)) {
            let name = container.names.first().map_or("", String::as_str);
            up.push(name.trim_start_matches('/').to_owned());
        }
        if up.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!(
            "{} → stopped; all data stays",
            up.join(", ")
        )))
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let args = [self.site.clone()].into_iter().chain(self.units.clone());
        vec![Op::script(format!("stop {}", self.site), DOWN, args).long()]
    }
}

/// What stops a site on these hosts; on all, if none is named.
pub fn down_plan(settings: &Settings, chosen: &[String]) -> Plan {
    let site = &settings.site;
    let hosts = site.hosts.values();
    let hosts = hosts
        .filter(|host| chosen.is_empty() || chosen.iter().any(|name| name == host.name.as_str()));
    super::plan_of(site, STEP, hosts, |_| vec![Box::new(Stopped::of(site))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_the_site_is_known_by_its_project() {
        let stopped = Stopped {
            site: "polls".to_owned(),
            units: Vec::new(),
        };
        let runs = |state: &str, project: &str| {
            let container: Container = serde_json::from_value(serde_json::json!({
                "Names": ["/polls-app"], "State": state, "Status": "", "ImageID": "",
                "Labels": {"com.docker.compose.project": project}
            }))
            .unwrap();
            stopped.runs(&container)
        };
        assert!(runs("running", "polls"));
        assert!(runs("running", "polls-proxy"), "an earlier version's");
        assert!(!runs("exited", "polls"));
        assert!(!runs("running", "polls2"), "another site's");
    }

    #[test]
    fn a_unit_is_up_if_it_is_at_work_or_will_be() {
        let unit = |load: &str, active: &str, enabled: &str| Unit {
            load: load.to_owned(),
            active: active.to_owned(),
            enabled: enabled.to_owned(),
            stale: false,
        };
        assert!(is_up(&unit("loaded", "active", "disabled")));
        assert!(is_up(&unit("loaded", "inactive", "enabled")));
        assert!(!is_up(&unit("loaded", "inactive", "disabled")));
        assert!(!is_up(&unit("not-found", "inactive", "")));
    }
}

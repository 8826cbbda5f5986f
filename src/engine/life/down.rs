//! Stops a site on all of its hosts. Nothing is removed.

use crate::engine::Settings;
use crate::event::State;
use crate::plan::Plan;
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

    /// Whether a container is the site's.
    fn owns(&self, container: &crate::resource::fact::Container) -> bool {
        let project = container.labels.get("com.docker.compose.project");
        let ours = ["", "-app", "-proxy"].map(|ending| format!("{}{ending}", self.site));
        project.is_some_and(|project| ours.contains(project))
    }
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
            let unit = seen.unit(name)?;
            if unit.load != "not-found" && (unit.active == "active" || unit.enabled == "enabled") {
                up.push(name.clone());
            }
        }
        let docker = seen.docker()?;
        let containers = docker.iter().flat_map(|docker| &docker.containers);
        for container in containers.filter(|it| it.state == "running" && self.owns(it)) {
            let name = container.names.first().map_or("", String::as_str);
            up.push(name.trim_start_matches('/').to_owned());
        }
        if up.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!("{} → stopped; all data stays", up.join(", "))))
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
    use crate::resource::fact::{Container, Docker, Unit};

    fn seen(active: &str, state: &str, project: &str) -> Observed {
        let unit = Unit {
            load: "loaded".to_owned(),
            active: active.to_owned(),
            enabled: "disabled".to_owned(),
            stale: false,
        };
        let missing = Unit {
            load: "not-found".to_owned(),
            ..Unit::default()
        };
        let container: Container = serde_json::from_value(serde_json::json!({
            "Names": ["/polls-app"], "State": state, "Status": "", "ImageID": "",
            "Labels": {"com.docker.compose.project": project}
        }))
        .unwrap();
        let mut seen = Observed::default();
        seen.units.insert("polls-backup.timer".to_owned(), missing.clone());
        seen.units.insert("polls-renew.timer".to_owned(), missing);
        seen.units.insert("polls.service".to_owned(), unit);
        seen.docker = Some(Ok(Docker {
            containers: vec![container],
            ..Docker::default()
        }));
        seen.with_docker_read()
    }

    #[test]
    fn a_site_is_down_when_nothing_of_it_runs_or_would_at_boot() {
        let stopped = Stopped {
            site: "polls".to_owned(),
            units: ["-backup.timer", "-renew.timer", ".service"]
                .map(|ending| format!("polls{ending}"))
                .to_vec(),
        };
        let state = |seen: &Observed| stopped.compare(seen).unwrap();
        assert_eq!(state(&seen("inactive", "exited", "polls")), State::InSync);
        // Another site's containers are not its own.
        assert_eq!(state(&seen("inactive", "running", "polls2")), State::InSync);
        for up in [
            seen("active", "exited", "polls"),
            seen("inactive", "running", "polls"),
            seen("inactive", "running", "polls-app"),
        ] {
            assert!(matches!(state(&up), State::Differs { .. }));
        }
    }
}

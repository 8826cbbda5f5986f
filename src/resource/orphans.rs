//! Containers of a host's Compose project that its compose.yaml no longer names: those of a role that
//! has moved to another host.

use super::{Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::event::State;
use crate::resource::fact::{Container, Docker};
use crate::shell::Cmd;

/// Labels that Compose gives to its containers.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// None but these services has a container. Volumes stay, whatever was in them.
#[derive(Clone, Debug)]
pub struct Orphans {
    /// The project's name.
    pub project: String,
    /// The services of compose.yaml.
    pub services: Vec<String>,
}

impl Orphans {
    /// The names of containers that go.
    fn left(&self, docker: &Docker) -> Vec<String> {
        let is_left = |container: &&Container| {
            let label = |name: &str| container.labels.get(name).map(String::as_str);
            label(PROJECT) == Some(self.project.as_str())
                && label(ONE_OFF) != Some("True")
                && label(SERVICE).is_some_and(|it| !self.services.iter().any(|own| own == it))
        };
        let left = docker.containers.iter().filter(is_left);
        let names = left.filter_map(|container| container.names.first());
        names
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect()
    }
}

impl Resource for Orphans {
    fn id(&self) -> String {
        format!("containers of {} without a service", self.project)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Docker]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(docker) = seen.docker()? else {
            return Ok(unknown("docker"));
        };
        let left = self.left(docker);
        if left.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!(
            "{} → removed; volumes stay",
            left.join(", ")
        )))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some(docker)) = seen.docker() else {
            return Vec::new();
        };
        let left = self.left(docker);
        // A database wants to be told, and to have its time.
        let stop = Cmd::new("docker").args(["stop", "-t", "60", "--"]);
        let remove = Cmd::new("docker").args(["rm", "--"]);
        vec![
            Op::run(
                format!("stop {}", left.join(", ")),
                stop.args(left.iter().cloned()),
            )
            .long(),
            Op::run(format!("remove {}", left.join(", ")), remove.args(left)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, project: &str, service: &str, one_off: &str) -> Container {
        let json = format!(
            r#"{{"Names":["/{name}"],"State":"running","Status":"Up","ImageID":"x","Labels":{{
                "{PROJECT}":"{project}","{SERVICE}":"{service}","{ONE_OFF}":"{one_off}"}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn seen(containers: Vec<Container>) -> Observed {
        Observed {
            docker: Some(Ok(Docker {
                containers,
                ..Docker::default()
            })),
            read: ["docker".to_owned()].into(),
            ..Observed::default()
        }
    }

    #[test]
    fn only_containers_of_the_project_whose_service_is_gone_go() {
        let orphans = Orphans {
            project: "polls".to_owned(),
            services: vec!["app".to_owned()],
        };
        let kept = || {
            vec![
                container("polls-app", "polls", "app", "False"),
                container("polls-manage-run-1", "polls", "manage", "True"),
                container("other-postgres", "other", "postgres", "False"),
            ]
        };
        let state = orphans.compare(&seen(kept())).unwrap();
        assert_eq!(state, State::InSync);
        let mut all = kept();
        all.push(container("polls-postgres", "polls", "postgres", "False"));
        match orphans.compare(&seen(all.clone())).unwrap() {
            State::Differs { what, .. } => {
                assert_eq!(what, "polls-postgres → removed; volumes stay");
            }
            other => panic!("{other:?}"),
        }
        let ops = format!("{:?}", orphans.converge(&seen(all)));
        assert!(ops.contains("polls-postgres"), "{ops}");
        assert!(!ops.contains("polls-app"), "{ops}");
    }
}

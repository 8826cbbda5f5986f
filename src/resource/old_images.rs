//! Images of earlier revisions, which nothing runs any more.

use super::{Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::event::State;
use crate::resource::fact::Docker;
use crate::shell::Cmd;

/// At most so many images of a repository of ours; the newest stay, and those in use.
#[derive(Clone, Debug)]
pub struct OldImages {
    /// The repository: "polls".
    pub repository: String,
    /// The reference that the site runs, which stays whatever its age.
    pub current: String,
    /// How many stay.
    pub keep: usize,
}

impl OldImages {
    /// The references that go, the newest first.
    fn superfluous(&self, docker: &Docker) -> Vec<String> {
        let prefix = format!("{}:", self.repository);
        let used = |id: &str| docker.containers.iter().any(|it| it.image_id == id);
        let mut ours: Vec<(bool, i64, &str, bool)> = Vec::new();
        for image in &docker.images {
            for tag in image.repo_tags.iter().flatten() {
                if tag.starts_with(&prefix) {
                    let current = *tag == self.current;
                    ours.push((current, image.created, tag, used(&image.id)));
                }
            }
        }
        // The one in use first, then the newest.
        ours.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.2.cmp(b.2)));
        let old = ours.into_iter().skip(self.keep);
        old.filter(|(current, _, _, used)| !current && !used)
            .map(|(_, _, tag, _)| tag.to_owned())
            .collect()
    }
}

impl Resource for OldImages {
    fn id(&self) -> String {
        format!("old images of {}", self.repository)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Docker]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(docker) = seen.docker()? else {
            return Ok(unknown("docker"));
        };
        let old = self.superfluous(docker);
        if old.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!("{} go: {}", old.len(), old.join(" "))))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some(docker)) = seen.docker() else {
            return Vec::new();
        };
        let old = self.superfluous(docker);
        // Without --force: what is in use after all stays, and that is said.
        let cmd = Cmd::new("docker").args(["image", "rm", "--"]);
        vec![Op::run("remove images of earlier revisions", cmd.args(old)).long()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::fact::{Container, Image};

    fn image(id: &str, created: i64, tags: &[&str]) -> Image {
        Image {
            id: id.to_owned(),
            created,
            repo_tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
            repo_digests: None,
        }
    }

    fn running(image: &str) -> Container {
        let json =
            format!(r#"{{"Names":["/x"],"State":"running","Status":"Up","ImageID":"{image}"}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn seen(images: Vec<Image>, containers: Vec<Container>) -> Observed {
        let docker = Docker {
            containers,
            networks: Vec::new(),
            images,
        };
        Observed {
            docker: Some(Ok(docker)),
            read: ["docker".to_owned()].into(),
            ..Observed::default()
        }
    }

    fn old(keep: usize) -> OldImages {
        OldImages {
            repository: "polls".to_owned(),
            current: "polls:aaa".to_owned(),
            keep,
        }
    }

    #[test]
    fn the_newest_stay_and_the_current_one_and_what_a_container_uses() {
        let images = || {
            vec![
                image("1", 10, &["polls:aaa"]),
                image("2", 20, &["polls:bbb"]),
                image("3", 30, &["polls:ccc"]),
                image("4", 5, &["polls:ddd"]),
                image("5", 1, &["nginx:1.28", "pollsters:1"]),
            ]
        };
        let cases = [
            (4, "", InSync),
            (3, "", Gone("1 go: polls:ddd")),
            (1, "", Gone("3 go: polls:ccc polls:bbb polls:ddd")),
            (1, "4", Gone("2 go: polls:ccc polls:bbb")),
        ];
        enum Expected {
            InSync,
            Gone(&'static str),
        }
        use Expected::{Gone, InSync};
        for (keep, used, expected) in cases {
            let containers = if used.is_empty() {
                vec![]
            } else {
                vec![running(used)]
            };
            let state = old(keep).compare(&seen(images(), containers)).unwrap();
            match (expected, state) {
                (InSync, State::InSync) => {}
                (Gone(wanted), State::Differs { what, .. }) => assert_eq!(what, wanted),
                (_, other) => panic!("{keep}: {other:?}"),
            }
        }
        let ops = old(3).converge(&seen(images(), vec![]));
        assert!(format!("{ops:?}").contains("polls:ddd"), "{ops:?}");
    }
}

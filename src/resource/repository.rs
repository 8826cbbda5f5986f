//! Docker's own Debian repository, as its documentation sets it up: a key in
//! `/etc/apt/keyrings`, a deb822 file in `/etc/apt/sources.list.d`.

use super::requirement::{OS, Os};
use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable, line_diff};
use crate::event::State;

const KEY: &str = "/etc/apt/keyrings/docker.asc";
const SOURCES: &str = "/etc/apt/sources.list.d/docker.sources";
const FETCH: &str = include_str!("sh/fetch-key.sh");

/// Docker's repository for the host's distribution.
#[derive(Clone, Debug)]
pub struct DockerRepository;

fn sources(os: &Os) -> String {
    format!(
        "Types: deb\nURIs: https://download.docker.com/linux/{}\nSuites: {}\n\
         Components: stable\nArchitectures: {}\nSigned-By: {KEY}\n",
        os.id, os.codename, os.architecture
    )
}

impl Resource for DockerRepository {
    fn id(&self) -> String {
        format!("repository {SOURCES}")
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::Sh(OS, Vec::new()),
            Fact::File {
                path: KEY.to_owned(),
                content: Reveal::Never,
            },
            Fact::File {
                path: SOURCES.to_owned(),
                content: Reveal::Always,
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let os = Os::of(seen)?;
        let new = sources(&os);
        let old = seen.text(SOURCES)?;
        if old.as_ref() == Some(&new) && seen.file(KEY)?.is_some() {
            return Ok(State::InSync);
        }
        let what = if old.is_some() { "differs" } else { "missing" }.to_owned();
        Ok(State::Differs {
            what,
            lines: line_diff(old.as_deref().unwrap_or_default(), &new),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(os) = Os::of(seen) else {
            return Vec::new();
        };
        let url = format!("https://download.docker.com/linux/{}/gpg", os.id);
        vec![
            Op::script("fetch Docker's signing key", FETCH, [url, KEY.to_owned()]),
            Op {
                what: format!("write {SOURCES}"),
                action: Action::Put {
                    path: SOURCES.to_owned(),
                    content: Content::Text(sources(&os)),
                    mode: 0o644,
                    owner: "root:root".to_owned(),
                    check: None,
                    pending: Vec::new(),
                },
            },
            Op::script(
                "take away what would conflict with Docker's packages",
                include_str!("sh/docker-conflicts.sh"),
                [SOURCES],
            )
            .long(),
        ]
    }
}

//! A third party's Debian repository, as its documentation sets it up: a key in
//! `/etc/apt/keyrings`, a deb822 file in `/etc/apt/sources.list.d`.

use super::requirement::{OS, Os};
use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable, line_diff};
use crate::event::State;

const FETCH: &str = include_str!("sh/fetch-key.sh");

/// A repository for the host's distribution.
#[derive(Clone, Copy, Debug)]
pub struct Repository {
    /// Whose it is, for what is said of it.
    owner: &'static str,
    key: &'static str,
    file: &'static str,
    /// Where the key is fetched.
    key_url: fn(&Os) -> String,
    sources: fn(&Os) -> String,
    /// What is done once it is known: what must go before its packages can come.
    then: Option<(&'static str, &'static str)>,
}

/// Docker's own (https://docs.docker.com/engine/install/debian/).
pub const DOCKER: Repository = Repository {
    owner: "Docker",
    key: "/etc/apt/keyrings/docker.asc",
    file: "/etc/apt/sources.list.d/docker.sources",
    key_url: |os| format!("https://download.docker.com/linux/{}/gpg", os.id),
    sources: |os| {
        format!(
            "Types: deb\nURIs: https://download.docker.com/linux/{}\nSuites: {}\n\
             Components: stable\nArchitectures: {}\nSigned-By: /etc/apt/keyrings/docker.asc\n",
            os.id, os.codename, os.architecture
        )
    },
    then: Some((
        "take away what would conflict with Docker's packages",
        include_str!("sh/docker-conflicts.sh"),
    )),
};

/// NVIDIA's, of its container toolkit
/// (https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html).
/// It is the same for all distributions, and has one flat directory an architecture.
pub const NVIDIA: Repository = Repository {
    owner: "NVIDIA",
    key: "/etc/apt/keyrings/nvidia-container-toolkit.asc",
    file: "/etc/apt/sources.list.d/nvidia-container-toolkit.sources",
    key_url: |_| "https://nvidia.github.io/libnvidia-container/gpgkey".to_owned(),
    sources: |os| {
        format!(
            "Types: deb\nURIs: https://nvidia.github.io/libnvidia-container/stable/deb/{}\n\
             Suites: /\nSigned-By: /etc/apt/keyrings/nvidia-container-toolkit.asc\n",
            os.architecture
        )
    },
    then: None,
};

impl Resource for Repository {
    fn id(&self) -> String {
        format!("repository {}", self.file)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::Sh(OS, Vec::new()),
            Fact::File {
                path: self.key.to_owned(),
                content: Reveal::Never,
            },
            Fact::File {
                path: self.file.to_owned(),
                content: Reveal::Always,
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let os = Os::of(seen)?;
        let new = (self.sources)(&os);
        let old = seen.text(self.file)?;
        if old.as_ref() == Some(&new) && seen.file(self.key)?.is_some() {
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
        let url = (self.key_url)(&os);
        let mut ops = vec![
            Op::script(
                format!("fetch {}'s signing key", self.owner),
                FETCH,
                [url, self.key.to_owned()],
            ),
            Op {
                what: format!("write {}", self.file),
                action: Action::Put {
                    path: self.file.to_owned(),
                    content: Content::Text((self.sources)(&os)),
                    mode: 0o644,
                    owner: "root:root".to_owned(),
                    check: None,
                    pending: Vec::new(),
                },
            },
        ];
        if let Some((what, script)) = self.then {
            ops.push(Op::script(what, script, [self.file]).long());
        }
        ops
    }
}

//! A file with content, mode and owner, put by atomic replace; a directory.

use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{differs, line_diff, sha256};
use crate::event::State;
use crate::shell::{Cmd, Secret};

const OWN: &str = include_str!("sh/own.sh");

/// A file of ours.
#[derive(Clone, Debug)]
pub struct File {
    path: String,
    content: Body,
    mode: u32,
    owner: String,
    check: Option<Cmd>,
    pending: Vec<String>,
}

#[derive(Clone, Debug)]
enum Body {
    Text(String),
    Secret(Secret),
}

impl File {
    /// A file that anyone may read (0644, root).
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            content: Body::Text(text.into()),
            mode: 0o644,
            owner: "root:root".to_owned(),
            check: None,
            pending: Vec::new(),
        }
    }

    /// A file that only root may read (0600), whose content never shows.
    pub fn secret(path: impl Into<String>, content: Secret) -> Self {
        let mut file = Self::new(path, "");
        file.content = Body::Secret(content);
        file.mode = 0o600;
        file
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Gives it to somebody else than root: "10001:10001", by numbers since a container's user has
    /// no name on the host.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Refuses content that this command, given the file's path last, doesn't accept.
    #[must_use]
    pub fn check(mut self, cmd: Cmd) -> Self {
        self.check = Some(cmd);
        self
    }

    /// Leaves this marker before the file is written (see [`super::pending`]).
    #[must_use]
    pub fn pending(mut self, marker: impl Into<String>) -> Self {
        self.pending.push(marker.into());
        self
    }

    fn bytes(&self) -> &str {
        match &self.content {
            Body::Text(text) => text,
            Body::Secret(secret) => secret.reveal(),
        }
    }
}

impl Resource for File {
    fn id(&self) -> String {
        format!("file {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        let content = match self.content {
            Body::Text(_) => Reveal::Unless(sha256(self.bytes())),
            Body::Secret(_) => Reveal::Never,
        };
        vec![Fact::File {
            path: self.path.clone(),
            content,
        }]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(file) = seen.file(&self.path)? else {
            let lines = match &self.content {
                Body::Text(text) => line_diff("", text),
                Body::Secret(_) => Vec::new(),
            };
            return Ok(State::Differs {
                what: "missing".to_owned(),
                lines,
            });
        };
        if !file.kind.starts_with("regular") {
            return Ok(differs(format!("is a {}, not a file", file.kind)));
        }
        let mut what = Vec::new();
        let mut lines = Vec::new();
        if file.sha256.as_deref() != Some(sha256(self.bytes()).as_str()) {
            match (&self.content, &file.content) {
                (Body::Text(text), Some(old)) => {
                    lines = line_diff(&String::from_utf8_lossy(old), text);
                    what.push("content differs".to_owned());
                }
                _ => what.push("content differs (not shown)".to_owned()),
            }
        }
        if file.mode != self.mode {
            what.push(format!("mode {:04o} → {:04o}", file.mode, self.mode));
        }
        if file.owner != self.owner {
            what.push(format!("owner {} → {}", file.owner, self.owner));
        }
        if what.is_empty() {
            return Ok(State::InSync);
        }
        Ok(State::Differs {
            what: what.join(", "),
            lines,
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let content = match &self.content {
            Body::Text(text) => Content::Text(text.clone()),
            Body::Secret(secret) => Content::Secret(secret.clone()),
        };
        vec![Op {
            what: format!("write {}", self.path),
            action: Action::Put {
                path: self.path.clone(),
                content,
                mode: self.mode,
                owner: self.owner.clone(),
                check: self.check.clone(),
                pending: self.pending.clone(),
            },
        }]
    }
}

/// A directory.
#[derive(Clone, Debug)]
pub struct Directory {
    path: String,
    mode: u32,
    owner: String,
    /// Whether one that is there is left as it is.
    any: bool,
    /// Whether what is in it goes to its owner too, when it changes hands.
    whole: bool,
}

impl Directory {
    /// A directory of root's with these permission bits.
    pub fn new(path: impl Into<String>, mode: u32) -> Self {
        Self {
            path: path.into(),
            mode,
            owner: "root:root".to_owned(),
            any: false,
            whole: false,
        }
    }

    /// Gives it to somebody else than root, by numbers: "10001:10001".
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Where it changes hands, all that is in it does: what an earlier owner left would be in the
    /// way of the new one. Where it stays root's, the group can read all of it from then on.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// A directory of somebody else's, made where it is missing (0755, root).
    pub fn any(path: impl Into<String>) -> Self {
        Self {
            any: true,
            ..Self::new(path, 0o755)
        }
    }
}

impl Resource for Directory {
    fn id(&self) -> String {
        format!("directory {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::File {
            path: self.path.clone(),
            content: Reveal::Never,
        }]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        Ok(match seen.file(&self.path)? {
            None => differs("missing"),
            Some(file) if file.kind != "directory" => State::Refused {
                what: format!("{} is a {}, not a directory", self.path, file.kind),
                mend: format!("move {} away", self.path),
            },
            Some(_) if self.any => State::InSync,
            Some(file) if file.mode != self.mode || file.owner != self.owner => differs(format!(
                "{} {:04o} → {} {:04o}",
                file.owner, file.mode, self.owner, self.mode
            )),
            Some(_) => State::InSync,
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let mode = format!("{:o}", self.mode);
        if self.whole {
            let what = format!("make {} and give all of it to {}", self.path, self.owner);
            return vec![Op::script(what, OWN, [&self.path, &self.owner, &mode])];
        }
        let (user, group) = self.owner.split_once(':').unwrap_or((&self.owner, "root"));
        let cmd = Cmd::new("install")
            .args(["-d", "-o", user, "-g", group, "-m", &mode, "--", &self.path]);
        vec![Op::run(format!("make {}", self.path), cmd)]
    }
}

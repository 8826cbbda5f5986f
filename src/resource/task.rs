//! A command that is run once for what it depends on, and leaves a receipt.

use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{differs, sha256, unknown};
use crate::event::State;

/// A command with a receipt: run again when the fingerprint of what it depends on changes.
#[derive(Clone, Debug)]
pub struct Task {
    name: String,
    receipt: String,
    fingerprint: String,
    ops: Vec<Op>,
    docker: bool,
}

impl Task {
    /// `receipt` is a file on the server; `depends` is anything whose change makes the task
    /// due again (only its SHA-256 is kept).
    pub fn new(
        name: impl Into<String>,
        receipt: impl Into<String>,
        depends: impl AsRef<[u8]>,
        ops: Vec<Op>,
    ) -> Self {
        let fingerprint = format!("{}\n", sha256(depends));
        Self {
            name: name.into(),
            receipt: receipt.into(),
            fingerprint,
            ops,
            docker: true,
        }
    }

    /// It can be done before there is Docker.
    #[must_use]
    pub fn needs_no_docker(mut self) -> Self {
        self.docker = false;
        self
    }
}

impl Resource for Task {
    fn id(&self) -> String {
        self.name.clone()
    }

    fn facts(&self) -> Vec<Fact> {
        let content = Reveal::Never;
        vec![
            Fact::File {
                path: self.receipt.clone(),
                content,
            },
            Fact::Docker,
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if self.docker && seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        let wanted = sha256(&self.fingerprint);
        Ok(match seen.file(&self.receipt)? {
            Some(file) if file.sha256.as_deref() == Some(wanted.as_str()) => State::InSync,
            Some(_) => differs("due again: what it depends on changed"),
            None => differs("never done"),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let mut ops = self.ops.clone();
        ops.push(Op {
            what: format!("note that {} is done", self.name),
            action: Action::Put {
                path: self.receipt.clone(),
                content: Content::Text(self.fingerprint.clone()),
                mode: 0o600,
                owner: "root:root".to_owned(),
                check: None,
                pending: Vec::new(),
            },
        });
        ops
    }
}

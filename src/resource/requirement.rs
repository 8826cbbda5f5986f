//! Something a host must be, that we don't change: its system, disk, clock, free ports.

use super::{Fact, Observed, Op, Resource, Unreadable};
use crate::event::State;
use crate::shell::Script;

/// Prints the distribution and architecture.
pub const OS: Script = Script(include_str!("sh/os.sh"));

/// The system a host runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Os {
    /// "debian", "ubuntu".
    pub id: String,
    /// "13", "24.04".
    pub version: String,
    /// "trixie", "noble".
    pub codename: String,
    /// Debian's name of the architecture, "amd64".
    pub architecture: String,
}

impl Os {
    /// The system as [`OS`] printed it.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn of(seen: &Observed) -> Result<Self, Unreadable> {
        let printed = seen.sh(OS, &[])?;
        let mut fields = printed.text.split('|').map(str::to_owned);
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(id), Some(version), Some(codename), Some(architecture)) if !id.is_empty() => {
                Ok(Self {
                    id,
                    version,
                    codename,
                    architecture,
                })
            }
            _ => Err(Unreadable {
                fact: "the operating system".to_owned(),
                why: "/etc/os-release names none".to_owned(),
            }),
        }
    }
}

/// What the facts mean for a requirement.
type Judge = Box<dyn Fn(&Observed) -> Result<State, Unreadable> + Send + Sync>;

/// Something a host must be.
pub struct Requirement {
    id: String,
    facts: Vec<Fact>,
    judge: Judge,
    wait: Option<fn() -> Op>,
}

impl std::fmt::Debug for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requirement")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Requirement {
    /// What must be, what is read for it, and what that means.
    pub fn new(
        id: impl Into<String>,
        facts: Vec<Fact>,
        judge: impl Fn(&Observed) -> Result<State, Unreadable> + Send + Sync + 'static,
    ) -> Self {
        Self {
            id: id.into(),
            facts,
            judge: Box::new(judge),
            wait: None,
        }
    }

    /// If it doesn't hold yet it may soon: this waits for it.
    #[must_use]
    pub fn wait(mut self, op: fn() -> Op) -> Self {
        self.wait = Some(op);
        self
    }
}

impl Resource for Requirement {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn facts(&self) -> Vec<Fact> {
        self.facts.clone()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        (self.judge)(seen)
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        self.wait.iter().map(|op| op()).collect()
    }
}

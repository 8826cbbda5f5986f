//! Debian packages, installed without questions while other package managers are waited for.

use super::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::State;

/// Installs packages; waits for whoever holds apt's locks, and names it.
pub const APT: &str = include_str!("sh/apt.sh");

/// A set of packages that are installed together.
#[derive(Clone, Debug)]
pub struct Packages {
    names: Vec<String>,
}

impl Packages {
    /// These packages.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    fn missing(&self, seen: &Observed) -> Result<Vec<String>, Unreadable> {
        let mut missing = Vec::new();
        for name in &self.names {
            if seen.package(name)?.is_none() {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    }
}

impl Resource for Packages {
    fn id(&self) -> String {
        format!("packages {}", self.names.join(" "))
    }

    fn facts(&self) -> Vec<Fact> {
        self.names.iter().cloned().map(Fact::Package).collect()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let missing = self.missing(seen)?;
        if missing.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!("missing: {}", missing.join(" "))))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let missing = self.missing(seen).unwrap_or_else(|_| self.names.clone());
        vec![Op::script(format!("install {}", missing.join(" ")), APT, missing).long()]
    }
}

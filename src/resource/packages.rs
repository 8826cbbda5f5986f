//! Debian packages, installed without questions while other package managers are waited for.

use super::requirement::{OS, Os};
use super::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::State;

/// Installs packages; waits for whoever holds apt's locks, and names it.
pub const APT: &str = concat!(include_str!("sh/apt-holder.sh"), include_str!("sh/apt.sh"));

/// A set of packages that are installed together.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Every name that may be needed on some distribution.
    candidates: Vec<String>,
    /// Those that are needed on this one, where that depends on it.
    choose: Option<fn(&Os) -> &'static [&'static str]>,
}

impl Packages {
    /// These packages, whatever the distribution.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self {
            candidates: names.into_iter().map(Into::into).collect(),
            choose: None,
        }
    }

    /// The packages that `choose` names for the host's distribution, out of `candidates`.
    pub fn by_distribution(
        candidates: &[&str],
        choose: fn(&Os) -> &'static [&'static str],
    ) -> Self {
        let candidates = candidates.iter().map(|name| (*name).to_owned()).collect();
        Self {
            candidates,
            choose: Some(choose),
        }
    }

    fn missing(&self, seen: &Observed) -> Result<Vec<String>, Unreadable> {
        let names = match self.choose {
            None => self.candidates.clone(),
            Some(choose) => choose(&Os::of(seen)?)
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        };
        let mut missing = Vec::new();
        for name in names {
            if seen.package(&name)?.is_none() {
                missing.push(name);
            }
        }
        Ok(missing)
    }
}

impl Resource for Packages {
    fn id(&self) -> String {
        match (&self.choose, self.candidates.as_slice()) {
            (Some(_), [first, ..]) => format!("packages {first} …"),
            _ => format!("packages {}", self.candidates.join(" ")),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.candidates.iter().cloned().map(Fact::Package).collect();
        if self.choose.is_some() {
            facts.push(Fact::Sh(OS, Vec::new()));
        }
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let missing = self.missing(seen)?;
        if missing.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!("missing: {}", missing.join(" "))))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let missing = self.missing(seen).unwrap_or_default();
        vec![Op::script(format!("install {}", missing.join(" ")), APT, missing).long()]
    }
}

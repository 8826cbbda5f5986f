//! Packages that are not to be on a host.

use super::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::State;

/// Purges a package; waits for whoever holds apt's locks.
const PURGE: &str = concat!(
    include_str!("sh/apt-holder.sh"),
    include_str!("sh/apt-purge.sh")
);

/// A package that is not installed, and the directories that it leaves behind.
#[derive(Clone, Debug)]
pub struct Purged {
    /// The package.
    pub package: String,
    /// What its removal leaves: absolute paths.
    pub leftovers: Vec<String>,
}

impl Resource for Purged {
    fn id(&self) -> String {
        format!("no package {}", self.package)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Package(self.package.clone())]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        Ok(match seen.package(&self.package)? {
            None => State::InSync,
            Some(version) => differs(format!("{version} is installed")),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let mut args = vec![self.package.clone()];
        args.extend(self.leftovers.iter().cloned());
        vec![Op::script(format!("purge {}", self.package), PURGE, args).long()]
    }
}

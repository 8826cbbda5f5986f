//! Units and files of ours that are no longer wanted.

use super::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs};
use crate::event::State;

const RETIRE: &str = include_str!("sh/retire.sh");

/// Units that are neither there nor running, and files that aren't there.
#[derive(Clone, Debug)]
pub struct Retired {
    /// What it is called in plans.
    pub what: String,
    /// Names of units whose files lie in `/etc/systemd/system`.
    pub units: Vec<String>,
    /// Absolute paths, removed after the units.
    pub files: Vec<String>,
}

impl Retired {
    fn paths(&self) -> impl Iterator<Item = String> + '_ {
        let unit = |name: &String| format!("/etc/systemd/system/{name}");
        self.units
            .iter()
            .map(unit)
            .chain(self.files.iter().cloned())
    }
}

impl Resource for Retired {
    fn id(&self) -> String {
        self.what.clone()
    }

    fn facts(&self) -> Vec<Fact> {
        self.paths()
            .map(|path| Fact::File {
                path,
                content: Reveal::Never,
            })
            .collect()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let mut left = Vec::new();
        for path in self.paths() {
            match seen.file(&path)? {
                Some(file) if file.kind == "directory" => {
                    return Ok(State::Refused {
                        what: format!("{path} is a directory, not a file"),
                        mend: format!("move {path} away"),
                    });
                }
                Some(_) => left.push(path),
                None => {}
            }
        }
        if left.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(format!("{} → removed", left.join(", "))))
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let count = self.units.len().to_string();
        let args = [count].into_iter();
        let args = args.chain(self.units.clone()).chain(self.files.clone());
        vec![Op::script(format!("remove {}", self.what), RETIRE, args)]
    }
}

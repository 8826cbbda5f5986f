//! A login with a shell, the sudo group and a key to come in with.

use super::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::State;
use crate::shell::Script;

const PROBE: Script = Script(include_str!("sh/user-probe.sh"));
const MAKE: &str = include_str!("sh/user.sh");

/// A user who may log in with the keys that the bootstrap user has.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    bootstrap: String,
}

impl User {
    /// `name` gets the keys that `bootstrap` lets in, if it has none of its own.
    pub fn new(name: impl Into<String>, bootstrap: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bootstrap: bootstrap.into(),
        }
    }
}

impl Resource for User {
    fn id(&self) -> String {
        format!("user {}", self.name)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(PROBE, vec![self.name.clone()])]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let printed = seen.sh(PROBE, std::slice::from_ref(&self.name))?;
        if printed.status != 0 {
            let why = format!("the user database could not be read: {}", printed.text);
            return Err(Unreadable {
                fact: self.id(),
                why,
            });
        }
        let lacks: Vec<&str> = printed.text.lines().collect();
        if lacks.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(lacks.join(", ")))
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        vec![Op::script(
            format!("make {} a sudo user with a key", self.name),
            MAKE,
            [self.name.clone(), self.bootstrap.clone()],
        )]
    }
}

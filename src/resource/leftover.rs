//! A guarded change that an earlier run began and never confirmed.
//!
//! Its guard may still be armed and would take back what this run does; or the power was cut,
//! and the next start put the old state back. Either way the old state comes back first, and
//! then the change is made anew.

use super::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::State;
use crate::shell::Script;

/// Where each guard keeps its snapshot while it is not disarmed.
pub const GUARDS: &str = "/var/lib/provision/guard";

const PROBE: Script = Script(include_str!("sh/leftover-probe.sh"));
const SETTLE: &str = include_str!("sh/leftover.sh");

/// That no guard of an earlier run is left.
#[derive(Clone, Copy, Debug)]
pub struct Leftover;

impl Resource for Leftover {
    fn id(&self) -> String {
        "guards of earlier runs".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(PROBE, vec![GUARDS.to_owned()])]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let printed = seen.sh(PROBE, &[GUARDS.to_owned()])?;
        if printed.text.is_empty() {
            return Ok(State::InSync);
        }
        let names: Vec<&str> = printed.text.lines().collect();
        Ok(differs(format!(
            "a change was never confirmed: {}",
            names.join(", ")
        )))
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        vec![Op::script(
            "put firewall and sshd back as they were before",
            SETTLE,
            [GUARDS],
        )]
    }
}

//! A systemd unit: enabled at boot and running.

use super::{Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::event::State;
use crate::shell::Cmd;

/// A unit that must be enabled and active.
#[derive(Clone, Debug)]
pub struct Unit {
    name: String,
    from: String,
}

impl Unit {
    /// The unit, and the step that brings its file.
    pub fn new(name: impl Into<String>, from: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            from: from.into(),
        }
    }
}

impl Resource for Unit {
    fn id(&self) -> String {
        format!("unit {}", self.name)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Unit(self.name.clone())]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let unit = seen.unit(&self.name)?;
        let mut what = Vec::new();
        match unit.load.as_str() {
            "not-found" => return Ok(unknown(&self.from)),
            "masked" => {
                return Ok(State::Refused {
                    what: format!("{} is masked", self.name),
                    mend: format!("systemctl unmask {}", self.name),
                });
            }
            _ => {}
        }
        if unit.stale {
            what.push("its file changed since systemd read it".to_owned());
        }
        if unit.enabled != "enabled" {
            what.push(format!("{} → enabled", or(&unit.enabled, "not enabled")));
        }
        if unit.active != "active" {
            what.push(format!("{} → active", or(&unit.active, "unknown")));
        }
        if what.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(what.join(", ")))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let mut ops = Vec::new();
        if seen.unit(&self.name).is_ok_and(|unit| unit.stale) {
            ops.push(Op::run(
                "reload systemd",
                Cmd::new("systemctl").arg("daemon-reload"),
            ));
        }
        let enable = Cmd::new("systemctl").args(["enable", "--now", "--", &self.name]);
        ops.push(Op::run(format!("enable and start {}", self.name), enable));
        ops
    }
}

fn or<'a>(value: &'a str, fallback: &'a str) -> &'a str {
    if value.is_empty() { fallback } else { value }
}

//! The rules of one path that a site needs on a host.

use super::tuple::{Tuple, tuples};
use super::{Path, Protocol, Rule, USER_RULES, USER6_RULES, file};
use crate::event::{Line, State};
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable, unknown};
use crate::shell::{Cmd, Script};

/// Prints the ports of SSH: first the one that this very connection came in on.
pub const SSH_PORT: Script = Script(include_str!("../sh/ssh-port.sh"));

/// The rules of one path that a site needs on a host. Those of ours that it no longer needs
/// are removed; the operator's own are not touched.
#[derive(Clone, Debug)]
pub struct Rules {
    owner: String,
    path: Path,
    rules: Vec<Rule>,
    ssh: bool,
}

/// The difference between the rules that are there and those that must be.
struct Gap {
    missing: Vec<Rule>,
    /// Of ours, and no longer wanted.
    stale: Vec<Rule>,
}

impl Rules {
    /// Rules that carry `owner` as their comment.
    pub fn new(owner: impl Into<String>, path: Path, rules: Vec<Rule>) -> Self {
        let mut once: Vec<Rule> = Vec::new();
        for rule in rules {
            if !once.contains(&rule) {
                once.push(rule);
            }
        }
        Self {
            owner: owner.into(),
            path,
            rules: once,
            ssh: false,
        }
    }

    /// Also lets in the port that we are connected through, whatever it is, and those that sshd
    /// is told to listen on.
    #[must_use]
    pub fn and_ssh(mut self) -> Self {
        self.ssh = true;
        self
    }

    fn wanted(&self, seen: &Observed) -> Result<Vec<Rule>, Unreadable> {
        let mut wanted = self.rules.clone();
        if self.ssh {
            let printed = seen.sh(SSH_PORT, &[])?;
            // The first is the one in use: without it nothing may be closed.
            let ports: Result<Vec<u16>, _> = printed.text.split('\n').map(str::parse).collect();
            let ports = ports.map_err(|_| Unreadable {
                fact: "the SSH port in use".to_owned(),
                why: format!("SSH_CONNECTION on the server says {:?}", printed.text),
            })?;
            for (at, port) in ports.into_iter().enumerate() {
                let rule = Rule {
                    path: Path::Input,
                    protocol: Protocol::Tcp,
                    port,
                    from: None,
                };
                if !wanted.contains(&rule) {
                    wanted.insert(at.min(wanted.len()), rule);
                }
            }
        }
        Ok(wanted)
    }

    /// What is to be added and removed; `None` where there is no ufw yet.
    fn gap(&self, seen: &Observed) -> Result<Option<Gap>, Unreadable> {
        let Some(four) = seen.text(USER_RULES)? else {
            return Ok(None);
        };
        let six = seen.text(USER6_RULES)?.unwrap_or_default();
        let present: Vec<(Rule, Tuple)> = tuples(&four, Family::V4)
            .into_iter()
            .chain(tuples(&six, Family::V6))
            .filter_map(Result::ok)
            .filter_map(|tuple| Some((Rule::of(&tuple)?, tuple)))
            .collect();
        let wanted = self.wanted(seen)?;
        let has = |rule: &Rule| {
            let families: &[Family] = match rule.family() {
                None => &[Family::V4, Family::V6],
                Some(Family::V4) => &[Family::V4],
                Some(Family::V6) => &[Family::V6],
            };
            families.iter().all(|family| {
                present
                    .iter()
                    .any(|(r, t)| t.family == *family && r == rule)
            })
        };
        let missing = wanted.iter().filter(|rule| !has(rule)).cloned().collect();
        let mut stale: Vec<Rule> = present
            .iter()
            .filter(|(rule, tuple)| {
                tuple.comment.as_deref() == Some(self.owner.as_str())
                    && rule.path == self.path
                    && !wanted.contains(rule)
            })
            .map(|(rule, _)| rule.clone())
            .collect();
        stale.sort();
        stale.dedup();
        Ok(Some(Gap { missing, stale }))
    }
}

impl Resource for Rules {
    fn id(&self) -> String {
        match self.path {
            Path::Input => format!("ufw rules of {}", self.owner),
            Path::Route => format!("ufw route rules of {}", self.owner),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![file(USER_RULES), file(USER6_RULES)];
        if self.ssh {
            facts.push(Fact::Sh(SSH_PORT, Vec::new()));
        }
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(Gap { missing, stale }) = self.gap(seen)? else {
            return Ok(unknown("bootstrap"));
        };
        if missing.is_empty() && stale.is_empty() {
            return Ok(State::InSync);
        }
        let show = |rule: &Rule| format!("ufw {}", rule.arguments().join(" "));
        let lines = stale
            .iter()
            .map(|rule| Line::Removed(show(rule)))
            .chain(missing.iter().map(|rule| Line::Added(show(rule))))
            .collect();
        let what = format!(
            "{} missing, {} no longer needed",
            missing.len(),
            stale.len()
        );
        Ok(State::Differs { what, lines })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some(Gap { missing, stale })) = self.gap(seen) else {
            return Vec::new();
        };
        let add = missing.iter().map(|rule| {
            let words = rule.arguments();
            let cmd = Cmd::new("ufw")
                .args(words.clone())
                .args(["comment", &self.owner]);
            Op::run(format!("ufw {}", words.join(" ")), cmd)
        });
        let remove = stale.iter().map(|rule| {
            let words = rule.arguments();
            // `ufw route delete allow …`, but `ufw delete allow …`.
            let at = usize::from(rule.path == Path::Route);
            let mut cmd = words.clone();
            cmd.insert(at, "delete".to_owned());
            Op::run(
                format!("take back ufw {}", words.join(" ")),
                Cmd::new("ufw").args(["--force"]).args(cmd),
            )
        });
        add.chain(remove).collect()
    }

    fn guarded(&self) -> bool {
        true
    }
}

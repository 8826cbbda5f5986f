//! The same rules in the kernel, with the route rules that must let somebody through.

use super::subnets::{self, subnets};
use super::text::{deny, rules};
use crate::event::{Line, State};
use crate::resource::fact::Family;
use crate::resource::ufw::Rule;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable, unknown};
use crate::shell::Cmd;

/// How packets come to the chain: Docker puts this in when it starts.
pub(super) const JUMP: &str = "-A FORWARD -j DOCKER-USER";

/// The rules in the kernel.
#[derive(Clone, Debug)]
pub struct Live {
    /// The route rules.
    pub routes: Vec<Rule>,
}

impl Live {
    fn missing(&self, seen: &Observed) -> Result<Option<Vec<String>>, Unreadable> {
        let mut missing = Vec::new();
        for family in Family::BOTH {
            let Some(subnets) = subnets(seen, family)? else {
                return Ok(None);
            };
            let Some(live) = seen.rules(family)? else {
                return Ok(None);
            };
            let want = rules(family, &subnets);
            // iptables-save groups rules by chain; inside a chain order is meaning.
            for chain in ["DOCKER-USER", &deny(family)] {
                let begin = format!("-A {chain} ");
                let of = |rule: &&str| rule.starts_with(&begin);
                let have: Vec<&str> = live.lines().filter(of).collect();
                let want: Vec<&str> = want.iter().map(String::as_str).filter(of).collect();
                if have != want {
                    let lost: Vec<&&str> = want.iter().filter(|r| !have.contains(r)).collect();
                    if lost.is_empty() {
                        missing.push(format!("chain {chain} in its order"));
                    }
                    missing.extend(lost.into_iter().map(|rule| (*rule).to_owned()));
                }
            }
            for route in &self.routes {
                let applies = route.family().is_none_or(|of| of == family);
                let rule = route.live(family);
                if applies && !live.lines().any(|line| line == rule) {
                    missing.push(rule);
                }
            }
            let jump = |fault| match fault {
                Fault::Lost => JUMP.to_owned(),
                Fault::Late => format!("{JUMP} (before Docker's other rules)"),
            };
            missing.extend(fault(family, live).map(jump));
        }
        Ok(Some(missing))
    }
}

/// Whether packets pass Docker's chain at all. Docker leaves IPv6 alone unless it is told
/// otherwise; then a container's port is published over IPv6 by a program that listens on the
/// host, where INPUT decides.
fn needs_jump(family: Family, live: &str) -> bool {
    family == Family::V4 || live.lines().any(|line| line.starts_with(":DOCKER "))
}

/// What is wrong with the jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It isn't there.
    Lost,
    /// Another rule of Docker's lets packets through before.
    Late,
}

fn fault(family: Family, live: &str) -> Option<Fault> {
    if !needs_jump(family, live) {
        return None;
    }
    // Those of isolation only drop, and Docker itself may put them first.
    let lets_through = |line: &&str| {
        line.starts_with("-A FORWARD ")
            && line.contains(" -j DOCKER")
            && !line.contains(" -j DOCKER-ISOLATION-")
    };
    match live
        .lines()
        .filter(lets_through)
        .position(|line| line == JUMP)
    {
        Some(0) => None,
        Some(_) => Some(Fault::Late),
        None => Some(Fault::Lost),
    }
}

impl Resource for Live {
    fn id(&self) -> String {
        "live rules for Docker's ports".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = subnets::facts();
        facts.extend(Family::BOTH.map(Fact::Rules));
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(missing) = self.missing(seen)? else {
            return Ok(unknown("docker"));
        };
        if missing.is_empty() {
            return Ok(State::InSync);
        }
        let what = format!("{} not loaded in the kernel", missing.len());
        Ok(State::Differs {
            what,
            lines: missing.into_iter().map(Line::Added).collect(),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let mut ops = vec![Op::run("load ufw's rules", Cmd::new("ufw").arg("reload"))];
        let faults = Family::BOTH.map(|family| {
            let live = seen.rules(family).ok().flatten();
            (family, live.and_then(|live| fault(family, live)))
        });
        for (family, _) in faults.iter().filter(|(_, it)| *it == Some(Fault::Late)) {
            let tool = format!("ip{}tables", family.six());
            for change in ["-D", "-I"] {
                let cmd = Cmd::new(&tool).args(["-w", change, "FORWARD", "-j", "DOCKER-USER"]);
                ops.push(Op::run("put the jump to DOCKER-USER first", cmd));
            }
        }
        if faults.iter().any(|(_, it)| *it == Some(Fault::Lost)) {
            // Docker puts its jump back when it starts, and only then; with live-restore
            // containers run on meanwhile.
            let restart = Cmd::new("systemctl").args(["restart", "docker"]);
            ops.push(Op::run("let Docker put its jumps back", restart));
        }
        ops
    }

    fn guarded(&self) -> bool {
        true
    }
}

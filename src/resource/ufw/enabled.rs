//! That ufw is on, and refuses what no rule lets in.

use super::settings::{Incoming, Settings, is_on};
use super::{CONF, DEFAULTS, file};
use crate::event::State;
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::shell::Cmd;

/// That ufw is on, refuses what no rule lets in, and holds IPv6 too.
#[derive(Clone, Debug)]
pub struct Enabled;

impl Resource for Enabled {
    fn id(&self) -> String {
        "ufw".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            file(CONF),
            file(DEFAULTS),
            Fact::Rules(Family::V4),
            Fact::Rules(Family::V6),
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let (Some(conf), Some(defaults)) = (seen.text(CONF)?, seen.text(DEFAULTS)?) else {
            return Ok(unknown("bootstrap"));
        };
        let settings = Settings::of(&conf, &defaults);
        if let Some(refused) = unfit(&settings) {
            return Ok(refused);
        }
        let mut what = Vec::new();
        match settings.incoming {
            Incoming::Dropped => {}
            Incoming::Rejected => what.push("incoming connections are rejected, not dropped"),
            Incoming::LetIn => what.push("incoming connections are let in by default"),
        }
        if !settings.on {
            what.push("off");
        } else {
            let loaded = |family, chain: &str| -> Result<bool, Unreadable> {
                let jump = format!("-A INPUT -j {chain}");
                Ok(seen
                    .rules(family)?
                    .is_some_and(|rules| rules.lines().any(|l| l == jump)))
            };
            if !loaded(Family::V4, "ufw-before-input")? || !loaded(Family::V6, "ufw6-before-input")?
            {
                what.push("on by its file, but its rules are not loaded");
            }
        }
        if what.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(what.join(", ")))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let on = seen
            .text(CONF)
            .is_ok_and(|conf| conf.is_some_and(|conf| is_on(&conf)));
        let deny = Cmd::new("ufw").args(["default", "deny", "incoming"]);
        let load = if on {
            Op::run("load ufw's rules", Cmd::new("ufw").arg("reload"))
        } else {
            Op::run("turn ufw on", Cmd::new("ufw").args(["--force", "enable"]))
        };
        vec![Op::run("deny incoming connections by default", deny), load]
    }

    fn guarded(&self) -> bool {
        true
    }
}

/// Settings of ufw under which our rules would not hold.
fn unfit(settings: &Settings) -> Option<State> {
    let (what, mend) = if settings.manages_builtins {
        (
            format!("MANAGE_BUILTINS=yes in {DEFAULTS}: ufw would flush Docker's rules"),
            format!("set MANAGE_BUILTINS=no in {DEFAULTS}"),
        )
    } else if !settings.ipv6 {
        let told = settings.ipv6_told();
        (
            format!("{told} in {DEFAULTS}: ufw would have no rules for IPv6"),
            format!("set IPV6=yes in {DEFAULTS}"),
        )
    } else {
        return None;
    };
    Some(State::Refused { what, mend })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_open_the_firewall_are_refused() {
        let unfit = |defaults| unfit(&Settings::of("ENABLED=yes\n", defaults));
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=no\n").is_none());
        assert!(unfit("IPV6=no\n").is_some());
        assert!(unfit("MANAGE_BUILTINS=no\n").is_some(), "IPv6 is off");
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=yes\n").is_some());
    }
}

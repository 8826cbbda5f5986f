//! That ufw is on, and refuses what no rule lets in.

use super::CONF;
use crate::event::State;
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, unknown};
use crate::shell::Cmd;

const DEFAULTS: &str = "/etc/default/ufw";

/// That ufw is on, refuses what no rule lets in, and holds IPv6 too.
#[derive(Clone, Debug)]
pub struct Enabled;

impl Resource for Enabled {
    fn id(&self) -> String {
        "ufw".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let file = |path: &str| Fact::File {
            path: path.to_owned(),
            content: Reveal::Always,
        };
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
        if let Some(refused) = unfit(&defaults) {
            return Ok(refused);
        }
        let mut what = Vec::new();
        if setting(&defaults, "DEFAULT_INPUT_POLICY") != Some("DROP") {
            what.push("incoming connections are let in by default");
        }
        if !is_on(&conf) {
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
fn unfit(defaults: &str) -> Option<State> {
    let (what, mend) = if setting(defaults, "IPV6") == Some("no") {
        (
            "IPV6=no in /etc/default/ufw: IPv6 would stand open",
            "set IPV6=yes in /etc/default/ufw",
        )
    } else if setting(defaults, "MANAGE_BUILTINS") == Some("yes") {
        (
            "MANAGE_BUILTINS=yes in /etc/default/ufw: ufw would flush Docker's rules",
            "set MANAGE_BUILTINS=no in /etc/default/ufw",
        )
    } else {
        return None;
    };
    Some(State::Refused {
        what: what.to_owned(),
        mend: mend.to_owned(),
    })
}

/// A setting of a shell-like file; the last one counts.
fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']))
        .next_back()
}

/// Whether ufw.conf says that ufw is on.
pub(in crate::resource) fn is_on(conf: &str) -> bool {
    setting(conf, "ENABLED") == Some("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_open_the_firewall_are_refused() {
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=no\n").is_none());
        assert!(unfit("IPV6=no\n").is_some());
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=yes\n").is_some());
        assert_eq!(setting("A=\"x\"\nA='y'\n# A=z\n", "A"), Some("y"));
    }
}

//! ufw: that it is on, and the rules that it must have.
//!
//! State is read from ufw's own files, since `ufw status` takes 75 ms: `user.rules` holds a
//! line `### tuple ### ACTION PROTO DPORT DST SPORT SRC DIRECTION [comment=HEX]` for each rule
//! (ufw's `backend_iptables.py`, `_write_rules`).

use std::net::IpAddr;

use super::fact::Family;
use super::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, unknown};
use crate::event::{Line, State};
use crate::shell::{Cmd, Script};

/// Prints the ports of SSH: first the one that this very connection came in on.
pub const SSH_PORT: Script = Script(include_str!("sh/ssh-port.sh"));

const USER_RULES: &str = "/etc/ufw/user.rules";
const USER6_RULES: &str = "/etc/ufw/user6.rules";
const CONF: &str = "/etc/ufw/ufw.conf";
const DEFAULTS: &str = "/etc/default/ufw";

/// Where a rule lets packets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// To the host itself (INPUT).
    Input,
    /// To a container (FORWARD); the port is the container's, since DNAT comes first.
    Route,
}

/// One TCP port let in from one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Host or container.
    pub path: Path,
    /// TCP port.
    pub port: u16,
    /// An address or network; `None` is any source.
    pub from: Option<String>,
}

impl Rule {
    fn family(&self) -> Option<Family> {
        self.from.as_ref().map(|from| {
            if from.contains(':') {
                Family::V6
            } else {
                Family::V4
            }
        })
    }

    /// The arguments that add it.
    fn arguments(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.path == Path::Route {
            words.push("route");
        }
        words.extend([
            "allow",
            "proto",
            "tcp",
            "from",
            self.from.as_deref().unwrap_or("any"),
        ]);
        words.extend(["to", "any", "port"]);
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.push(self.port.to_string());
        words
    }

    /// The rule as `iptables-save` prints it.
    pub(super) fn live(&self, family: Family) -> String {
        let (six, width) = if family == Family::V6 {
            ("6", 128)
        } else {
            ("", 32)
        };
        let chain = match self.path {
            Path::Input => "input",
            Path::Route => "forward",
        };
        let source = match &self.from {
            None => String::new(),
            Some(net) if net.contains('/') => format!("-s {net} "),
            Some(host) => format!("-s {host}/{width} "),
        };
        format!(
            "-A ufw{six}-user-{chain} {source}-p tcp -m tcp --dport {} -j ACCEPT",
            self.port
        )
    }
}

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
        Self {
            owner: owner.into(),
            path,
            rules,
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
        let present: Vec<(Family, Rule, Option<String>)> = tuples(&four, Family::V4)
            .into_iter()
            .chain(tuples(&six, Family::V6))
            .collect();
        let wanted = self.wanted(seen)?;
        let has = |rule: &Rule| {
            let families: &[Family] = match rule.family() {
                None => &[Family::V4, Family::V6],
                Some(Family::V4) => &[Family::V4],
                Some(Family::V6) => &[Family::V6],
            };
            families
                .iter()
                .all(|family| present.iter().any(|(f, r, _)| f == family && r == rule))
        };
        let missing = wanted.iter().filter(|rule| !has(rule)).cloned().collect();
        let mut stale: Vec<Rule> = present
            .iter()
            .filter(|(_, rule, comment)| {
                comment.as_deref() == Some(self.owner.as_str())
                    && rule.path == self.path
                    && !wanted.contains(rule)
            })
            .map(|(_, rule, _)| rule.clone())
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
        let file = |path: &str| Fact::File {
            path: path.to_owned(),
            content: Reveal::Always,
        };
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
        if setting(&conf, "ENABLED") != Some("yes") {
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
            .is_ok_and(|conf| conf.is_some_and(|conf| setting(&conf, "ENABLED") == Some("yes")));
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

/// The simple TCP allow rules of a user.rules file, with their comments.
fn tuples(text: &str, family: Family) -> Vec<(Family, Rule, Option<String>)> {
    let any = if family == Family::V6 {
        "::/0"
    } else {
        "0.0.0.0/0"
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("### tuple ### "))
        .filter_map(|tuple| {
            let fields: Vec<&str> = tuple.split(' ').collect();
            let [action, "tcp", port, to, "any", from, "in", rest @ ..] = fields.as_slice() else {
                return None;
            };
            let path = match *action {
                "allow" => Path::Input,
                "route:allow" => Path::Route,
                _ => return None,
            };
            if *to != any {
                return None;
            }
            let from = (*from != any).then(|| canonical(from));
            let comment = rest
                .iter()
                .find_map(|field| field.strip_prefix("comment="))
                .and_then(unhex);
            Some((
                family,
                Rule {
                    path,
                    port: port.parse().ok()?,
                    from,
                },
                comment,
            ))
        })
        .collect()
}

/// One spelling for one address.
fn canonical(source: &str) -> String {
    match source.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => source.to_owned(),
    }
}

fn unhex(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
*filter
### RULES ###

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT

### tuple ### route:allow tcp 8000 0.0.0.0/0 any 198.51.100.13 in comment=70726f766973696f6e20706f6c6c73
-A ufw-user-forward -p tcp --dport 8000 -s 198.51.100.13 -j ACCEPT

### tuple ### deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
";

    #[test]
    fn rules_are_read_from_ufws_own_file_with_their_comments() {
        let found = tuples(RULES, Family::V4);
        assert_eq!(found.len(), 2, "a deny rule lets nothing in");
        assert_eq!(
            found[0].1,
            Rule {
                path: Path::Input,
                port: 22,
                from: None
            }
        );
        let route = Rule {
            path: Path::Route,
            port: 8000,
            from: Some("198.51.100.13".into()),
        };
        assert_eq!(found[1].1, route);
        assert_eq!(found[1].2.as_deref(), Some("provision polls"));
    }

    #[test]
    fn settings_that_would_open_the_firewall_are_refused() {
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=no\n").is_none());
        assert!(unfit("IPV6=no\n").is_some());
        assert!(unfit("IPV6=yes\nMANAGE_BUILTINS=yes\n").is_some());
        assert_eq!(setting("A=\"x\"\nA='y'\n# A=z\n", "A"), Some("y"));
    }

    #[test]
    fn a_rule_is_known_in_the_words_of_iptables_save() {
        let rule = |from: Option<&str>| Rule {
            path: Path::Route,
            port: 8000,
            from: from.map(str::to_owned),
        };
        assert_eq!(
            rule(Some("198.51.100.13")).live(Family::V4),
            "-A ufw-user-forward -s 198.51.100.13/32 -p tcp -m tcp --dport 8000 -j ACCEPT"
        );
        assert_eq!(
            rule(None).live(Family::V6),
            "-A ufw6-user-forward -p tcp -m tcp --dport 8000 -j ACCEPT"
        );
    }
}

//! The rules that put the ports Docker publishes behind ufw.
//!
//! Docker rewrites a packet's destination before ufw's INPUT rules see it; DOCKER-USER is the
//! chain Docker leaves to its operator. The block sends what goes to one of Docker's own
//! subnets through ufw's route rules first and drops what they didn't let in. It stands in
//! `/etc/ufw/after.rules` between the marks that the ufw-docker project uses, so that its
//! block, or the older one of the tutorials, is replaced in place.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::fact::Family;
use super::ufw::Rule;
use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{line_diff, unknown};
use crate::event::{Line, State};
use crate::shell::{Cmd, Script};

const BEGIN: &str = "# BEGIN UFW AND DOCKER";
const END: &str = "# END UFW AND DOCKER";
const DAEMON: &str = "/etc/docker/daemon.json";
const CHECK: Script = Script(include_str!("sh/check-rules.sh"));

impl Family {
    fn file(self) -> &'static str {
        match self {
            Self::V4 => "/etc/ufw/after.rules",
            Self::V6 => "/etc/ufw/after6.rules",
        }
    }

    fn six(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6 => "6",
        }
    }
}

/// The rules of one family for these subnets, in the words of `iptables-save`.
fn rules(family: Family, subnets: &[IpNet]) -> Vec<String> {
    let six = family.six();
    let deny = format!("ufw{six}-docker-logging-deny");
    let mut rules = vec![
        format!("-A DOCKER-USER -j ufw{six}-user-forward"),
        "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN".to_owned(),
        "-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP".to_owned(),
        "-A DOCKER-USER -i docker0 -o docker0 -j ACCEPT".to_owned(),
    ];
    for net in subnets {
        rules.push(format!("-A DOCKER-USER -s {net} -j RETURN"));
    }
    for net in subnets {
        rules.push(format!(
            "-A DOCKER-USER -d {net} -m conntrack --ctstate NEW -j {deny}"
        ));
    }
    rules.push("-A DOCKER-USER -j RETURN".to_owned());
    rules.push(format!(
        "-A {deny} -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"[UFW DOCKER BLOCK] \""
    ));
    rules.push(format!("-A {deny} -j DROP"));
    rules
}

/// The block as it stands in the file, with its marks.
fn block(family: Family, subnets: &[IpNet]) -> String {
    let six = family.six();
    let mut text = format!(
        "{BEGIN}\n# Kept by provision: a port that Docker publishes is reached only through ufw route rules.\n\
         *filter\n:ufw{six}-user-forward - [0:0]\n:ufw{six}-docker-logging-deny - [0:0]\n:DOCKER-USER - [0:0]\n"
    );
    for rule in rules(family, subnets) {
        text.push_str(&rule);
        text.push('\n');
    }
    text.push_str("COMMIT\n");
    text.push_str(END);
    text.push('\n');
    text
}

/// `file` with the block in place of one that is there, or at its end. All else stays as it
/// is, byte for byte; a missing final newline is put first, since iptables-restore would
/// take the block's first line for the rest of the last one.
fn with_block(file: &str, block: &str) -> String {
    let mut before = String::new();
    let mut after = String::new();
    let mut inside = false;
    let mut found = false;
    for line in file.split_inclusive('\n') {
        let bare = line.trim();
        if bare == BEGIN && !inside {
            inside = true;
            found = true;
        } else if inside {
            inside = bare != END;
        } else if found {
            after.push_str(line);
        } else {
            before.push_str(line);
        }
    }
    if !before.is_empty() && !before.ends_with('\n') {
        before.push('\n');
    }
    format!("{before}{block}{after}")
}

/// Docker's subnets of one family: the pools it takes new networks from, and the networks it
/// has. `None` where Docker isn't there yet.
fn subnets(seen: &Observed, family: Family) -> Result<Option<Vec<IpNet>>, Unreadable> {
    let Some(docker) = seen.docker()? else {
        return Ok(None);
    };
    let mut names = docker.subnets();
    if let Some(text) = seen.text(DAEMON)? {
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| Unreadable {
            fact: format!("file {DAEMON}"),
            why: e.to_string(),
        })?;
        let pools = json["default-address-pools"]
            .as_array()
            .into_iter()
            .flatten();
        names.extend(
            pools
                .filter_map(|pool| pool["base"].as_str())
                .map(str::to_owned),
        );
    }
    let mut nets = BTreeSet::new();
    for name in names {
        let net: IpNet = name.parse().map_err(|_| Unreadable {
            fact: "Docker's networks".to_owned(),
            why: format!("{name:?} is not a network"),
        })?;
        if matches!(net, IpNet::V6(_)) == (family == Family::V6) {
            nets.insert(net.trunc());
        }
    }
    // A subnet inside another needs no rule of its own.
    let all: Vec<IpNet> = nets.into_iter().collect();
    let outer = |net: &IpNet| !all.iter().any(|other| other != net && other.contains(net));
    Ok(Some(all.iter().filter(|net| outer(net)).copied().collect()))
}

fn shared_facts() -> Vec<Fact> {
    vec![
        Fact::Docker,
        Fact::File {
            path: DAEMON.to_owned(),
            content: Reveal::Always,
        },
    ]
}

/// The block in `after.rules` or `after6.rules`.
#[derive(Clone, Debug)]
pub struct Block(pub Family);

impl Block {
    fn texts(&self, seen: &Observed) -> Result<Option<(String, String)>, Unreadable> {
        let Some(old) = seen.text(self.0.file())? else {
            return Ok(None);
        };
        let Some(subnets) = subnets(seen, self.0)? else {
            return Ok(None);
        };
        let new = with_block(&old, &block(self.0, &subnets));
        Ok(Some((old, new)))
    }
}

impl Resource for Block {
    fn id(&self) -> String {
        format!("block \"UFW AND DOCKER\" in {}", self.0.file())
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = shared_facts();
        facts.push(Fact::File {
            path: self.0.file().to_owned(),
            content: Reveal::Always,
        });
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some((old, new)) = self.texts(seen)? else {
            return Ok(unknown("docker"));
        };
        if old == new {
            return Ok(State::InSync);
        }
        let what = if old.contains(BEGIN) {
            "differs"
        } else {
            "missing"
        };
        Ok(State::Differs {
            what: what.to_owned(),
            lines: line_diff(&old, &new),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some((_, new))) = self.texts(seen) else {
            return Vec::new();
        };
        let restore = format!("ip{}tables-restore", self.0.six());
        vec![Op {
            what: format!("write {}", self.0.file()),
            action: Action::Put {
                path: self.0.file().to_owned(),
                content: Content::Text(new),
                mode: 0o640,
                owner: "root:root".to_owned(),
                check: Some(Cmd::script(CHECK, [restore])),
                pending: Vec::new(),
            },
        }]
    }

    fn guarded(&self) -> bool {
        true
    }
}

/// The same rules in the kernel, with the route rules that must let somebody through.
#[derive(Clone, Debug)]
pub struct Live {
    /// The route rules.
    pub routes: Vec<Rule>,
}

impl Live {
    fn missing(&self, seen: &Observed) -> Result<Option<Vec<String>>, Unreadable> {
        let mut missing = Vec::new();
        for family in [Family::V4, Family::V6] {
            let Some(subnets) = subnets(seen, family)? else {
                return Ok(None);
            };
            let Some(live) = seen.rules(family)? else {
                return Ok(None);
            };
            let ours = |rule: &&str| {
                rule.starts_with("-A DOCKER-USER ")
                    || rule.starts_with(&format!("-A ufw{}-docker-logging-deny ", family.six()))
            };
            let have: Vec<&str> = live.lines().filter(ours).collect();
            let want = rules(family, &subnets);
            // iptables-save groups rules by chain; inside a chain order is meaning.
            for chain in ["DOCKER-USER", "logging-deny"] {
                let of = |rule: &&str| rule.split(' ').nth(1).is_some_and(|c| c.ends_with(chain));
                let have: Vec<&str> = have.iter().copied().filter(|r| of(r)).collect();
                let want: Vec<&str> = want.iter().map(String::as_str).filter(|r| of(r)).collect();
                if have != want {
                    let lost: Vec<&&str> = want.iter().filter(|r| !have.contains(r)).collect();
                    if lost.is_empty() {
                        missing.push(format!("chain {chain} in its order"));
                    }
                    missing.extend(lost.into_iter().map(|rule| (*rule).to_owned()));
                }
            }
            for route in &self.routes {
                let six = route.from.as_ref().map(|from| from.contains(':'));
                let applies = six.is_none_or(|six| six == (family == Family::V6));
                let rule = route.live(family);
                if applies && !live.lines().any(|line| line == rule) {
                    missing.push(rule);
                }
            }
            let jump = "-A FORWARD -j DOCKER-USER";
            if family == Family::V4 && !live.lines().any(|line| line == jump) {
                missing.push(jump.to_owned());
            }
        }
        Ok(Some(missing))
    }
}

impl Resource for Live {
    fn id(&self) -> String {
        "live rules for Docker's ports".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = shared_facts();
        facts.extend([Fact::Rules(Family::V4), Fact::Rules(Family::V6)]);
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
        let jump_lost = seen
            .rules(Family::V4)
            .is_ok_and(|live| live.is_some_and(|live| !live.contains("-A FORWARD -j DOCKER-USER")));
        if jump_lost {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn the_block_is_appended_once_and_the_rest_stays_byte_for_byte() {
        let new = block(Family::V4, &[net("172.30.0.0/16")]);
        let old = "# mine\n*filter\nCOMMIT";
        let once = with_block(old, &new);
        assert_eq!(
            once,
            format!("{old}\n{new}"),
            "the missing final newline is put first"
        );
        assert_eq!(with_block(&once, &new), once);
    }

    #[test]
    fn an_older_block_is_replaced_where_it_stands() {
        let new = block(Family::V4, &[net("172.30.0.0/16")]);
        let old = format!("top\n{BEGIN}\n-A DOCKER-USER -j RETURN -s 10.0.0.0/8\n{END}\nmine\n");
        assert_eq!(with_block(&old, &new), format!("top\n{new}mine\n"));
    }

    #[test]
    fn new_connections_to_a_docker_subnet_are_dropped_unless_ufw_lets_them_through() {
        let rules = rules(Family::V4, &[net("172.30.0.0/16")]);
        let at = |part: &str| rules.iter().position(|rule| rule.contains(part)).unwrap();
        assert!(at("-j ufw-user-forward") < at("-j ufw-docker-logging-deny"));
        assert!(at("RELATED,ESTABLISHED") < at("-j ufw-docker-logging-deny"));
        assert!(rules.iter().all(|rule| !rule.contains("10.0.0.0/8")));
        assert_eq!(rules.last().unwrap(), "-A ufw-docker-logging-deny -j DROP");
    }
}

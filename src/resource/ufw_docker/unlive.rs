//! The removal of our rules from the kernel.

use std::collections::BTreeSet;

use super::content_of;
use super::edit::ours;
use super::locate::locate;
use super::text::{deny, rules};
use super::unblock::replaced;
use crate::event::{Level, Line, Remark, State};
use crate::resource::fact::{Docker, Family, Port};
use crate::resource::ufw::{CONF, is_on};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};
use crate::shell::Cmd;

const OPEN: &str = include_str!("../sh/docker-open.sh");

/// That the kernel has none of our rules for Docker's ports: DOCKER-USER is as Docker makes it
/// or, where an older block was put back into the rules file, as that one says.
#[derive(Clone, Debug)]
pub struct Unlive;

/// What a rules file and the kernel have, of one family.
struct Sight {
    family: Family,
    /// The blocks of others that are loaded from the file, and those that ours replaced.
    older: String,
    /// Our rules that are loaded.
    loaded: Vec<String>,
}

impl Sight {
    /// Whether a block of somebody else makes this chain.
    fn makes(&self, chain: &str) -> bool {
        let (declared, filled) = (format!(":{chain} "), format!("-A {chain} "));
        let mut lines = self.older.lines().map(str::trim);
        lines.any(|line| line.starts_with(&declared) || line.starts_with(&filled))
    }
}

/// The source networks of DOCKER-USER's rules, in order, in one spelling.
fn sources<'a>(rules: impl Iterator<Item = &'a str>) -> Vec<ipnet::IpNet> {
    let of_rule = |rule: &str| {
        let mut words = rule.split_whitespace();
        words.find(|word| *word == "-s")?;
        words.next()?.parse().ok()
    };
    rules.filter_map(of_rule).collect()
}

fn of_chain<'a>(text: &'a str, chain: &str) -> impl Iterator<Item = &'a str> + Clone {
    let begin = format!("-A {chain} ");
    text.lines()
        .map(str::trim)
        .filter(move |line| line.starts_with(&begin))
}

/// What both families have. What can't be understood in a file is the business of `Unblock`.
fn sights(seen: &Observed) -> Result<Vec<Sight>, Unreadable> {
    // With ufw off nobody loads an older block.
    let on = seen.text(CONF)?.is_some_and(|conf| is_on(&conf));
    let mut sights = Vec::new();
    for family in Family::BOTH {
        let file = seen.text(family.file())?.unwrap_or_default();
        let blocks = locate(family.file(), &file).unwrap_or_default();
        let older = match ours(&file, &blocks) {
            None if on => blocks.into_iter().map(|at| &file[at]).collect(),
            _ => String::new(),
        };
        let live = seen.rules(family)?.unwrap_or_default();
        let loaded = loaded(family, live, &older);
        sights.push(Sight {
            family,
            older,
            loaded,
        });
    }
    Ok(sights)
}

/// The rules of ours that the kernel has, where the file says what `older` does.
fn loaded(family: Family, live: &str, older: &str) -> Vec<String> {
    let deny = deny(family);
    let user: Vec<&str> = of_chain(live, "DOCKER-USER").collect();
    let chain = format!(":{deny} ");
    let has_deny = live.lines().any(|line| line.starts_with(&chain));
    let sight = Sight {
        family,
        older: older.to_owned(),
        loaded: Vec::new(),
    };
    let mut found: Vec<String> = Vec::new();
    if sight.makes("DOCKER-USER") {
        // ufw-docker's block differs from ours in its networks alone.
        let nets = sources(user.iter().copied());
        let all = rules(family, &nets);
        let same = all
            .iter()
            .filter(|rule| rule.starts_with("-A DOCKER-USER "));
        if same.eq(user.iter()) && nets != sources(of_chain(older, "DOCKER-USER")) {
            found.extend(user.iter().map(|rule| (*rule).to_owned()));
        }
    } else {
        let jumps = [deny.clone(), format!("ufw{}-user-forward", family.six())];
        let to_ours = |rule: &&&str| {
            let target = rule.rsplit_once(" -j ").map(|(_, target)| target);
            jumps.iter().any(|jump| target == Some(jump))
        };
        if user.iter().any(|rule| to_ours(&rule)) {
            let own = user
                .iter()
                .filter(|rule| **rule != "-A DOCKER-USER -j RETURN");
            found.extend(own.map(|rule| (*rule).to_owned()));
        }
    }
    if has_deny && !sight.makes(&deny) {
        found.push(format!("-N {deny}"));
        found.extend(of_chain(live, &deny).map(str::to_owned));
    }
    found
}

/// Whether somebody else's block holds IPv4's ports, or will once ours is out of the file.
fn held_by_another(seen: &Observed) -> Result<bool, Unreadable> {
    let path = Family::V4.file();
    let file = seen.text(path)?.unwrap_or_default();
    let blocks = locate(path, &file).unwrap_or_default();
    if ours(&file, &blocks).is_none() {
        return Ok(!blocks.is_empty());
    }
    Ok(!replaced(seen, Family::V4)?.blocks.is_empty())
}

/// "80/tcp of polls-app" for each port that Docker publishes to more than the host itself.
fn published(docker: Option<&Docker>) -> Vec<String> {
    let reached = |port: &Port| {
        let ip = port.ip.as_deref().and_then(|ip| ip.parse().ok());
        !ip.is_some_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    let mut ports = BTreeSet::new();
    for container in docker.into_iter().flat_map(|docker| &docker.containers) {
        let name = container.names.first().map_or("", String::as_str);
        for port in container.ports.iter().filter(|port| reached(port)) {
            if let Some(public) = port.public_port {
                let name = name.trim_start_matches('/');
                ports.insert((public, format!("{public}/{} of {name}", port.protocol)));
            }
        }
    }
    ports.into_iter().map(|(_, port)| port).collect()
}

impl Resource for Unlive {
    fn id(&self) -> String {
        "live rules for Docker's ports".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::Docker, content_of(CONF)];
        for family in Family::BOTH {
            facts.extend([family.file(), family.kept()].map(content_of));
        }
        facts.extend(Family::BOTH.map(Fact::Rules));
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let loaded: Vec<String> = sights(seen)?.into_iter().flat_map(|it| it.loaded).collect();
        if loaded.is_empty() {
            return Ok(State::InSync);
        }
        let ports = published(seen.docker()?);
        let what = if held_by_another(seen)? {
            "to be taken out of the kernel; the block before holds again".to_owned()
        } else if ports.is_empty() {
            "to be taken out of the kernel".to_owned()
        } else {
            format!(
                "to be taken out; the world then reaches {}",
                ports.join(", ")
            )
        };
        Ok(State::Differs {
            what,
            lines: loaded.into_iter().map(Line::Removed).collect(),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let sights = sights(seen).unwrap_or_default();
        let mut ops = Vec::new();
        if sights.iter().any(|sight| sight.makes("DOCKER-USER")) {
            ops.push(Op::run(
                "load the block that was there before",
                Cmd::new("ufw").arg("reload"),
            ));
        }
        for sight in sights {
            let deny = deny(sight.family);
            let how = if sight.makes("DOCKER-USER") {
                "leave"
            } else {
                "flush"
            };
            let deny = if sight.makes(&deny) { "" } else { &deny };
            let tool = format!("ip{}tables", sight.family.six());
            let what = format!("take our rules out of {tool}");
            ops.push(Op::script(what, OPEN, [&tool, deny, how]));
        }
        ops
    }

    fn remarks(&self, seen: &Observed) -> Vec<Remark> {
        let differs = matches!(self.compare(seen), Ok(State::Differs { .. }));
        let ports = published(seen.docker().ok().flatten());
        if !differs || ports.is_empty() || held_by_another(seen) == Ok(true) {
            return Vec::new();
        }
        vec![Remark {
            level: Level::Warning,
            rule: "docker-ports-open".to_owned(),
            what: format!("without these rules the world reaches {}", ports.join(", ")),
            why: "Docker publishes ports past ufw, whatever its other rules say".to_owned(),
            mend: "stop these containers first, or publish their ports on 127.0.0.1 alone"
                .to_owned(),
        }]
    }

    fn guarded(&self) -> bool {
        true
    }
}

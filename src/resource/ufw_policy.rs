//! What ufw's own rules say of a connection: what the operator of a server believes.
//!
//! Read from ufw's files and from nothing live, since what is live is what the belief is held
//! against. A rule stands in `user.rules` (IPv4) and `user6.rules` (IPv6) as a line
//! `### tuple ### ACTION PROTO DPORT DST SPORT SRC [DAPP SAPP] DIRECTION [comment=HEX]` (ufw's
//! `backend_iptables.py`, `_write_rules`); profiles of applications stand there with their ports.
//! The first rule that matches decides, else the default policy of /etc/default/ufw.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Fact, Observed, Op, Resource, Reveal, Unreadable};
use crate::event::State;

const USER_RULES: &str = "/etc/ufw/user.rules";
const USER6_RULES: &str = "/etc/ufw/user6.rules";
const CONF: &str = "/etc/ufw/ufw.conf";
const DEFAULTS: &str = "/etc/default/ufw";

/// What becomes of a connection by ufw's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is let in; `limit` counts as that too.
    Allowed,
    /// It is dropped or rejected.
    Denied,
    /// It depends on something that isn't known here.
    Unknown,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule, as ufw(8) would be told it: "allow 22/tcp".
    Rule(String),
    /// The default policy.
    Default,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To the host itself.
    Input,
    /// Through it, to a container.
    Route,
}

/// A TCP connection that comes in. What is `None` isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The source as the host sees it.
    pub from: Option<IpAddr>,
    /// The destination: the host's address; for [`Policy::route`] the container's.
    pub to: Option<IpAddr>,
    /// The destination's port.
    pub port: u16,
    /// The interface it comes in on.
    pub interface: Option<String>,
    /// Whether it is IPv6.
    pub six: bool,
}

/// The rules of a ufw that is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether ufw is on.
    pub enabled: bool,
    /// Whether incoming connections that no rule names are let in.
    pub open: bool,
    /// Whether it has rules for IPv6. Without, it accepts IPv6 on loopback alone.
    pub ipv6: bool,
    four: Vec<Rule>,
    six: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    fate: Fate,
    way: Way,
    /// Whether it can speak of TCP at all.
    tcp: bool,
    /// Empty is any.
    ports: Vec<(u16, u16)>,
    /// It is for certain source ports only.
    source_port: bool,
    from: Option<IpNet>,
    to: Option<IpNet>,
    /// The interface it comes in on.
    inward: Option<String>,
    /// It is for one interface that packets leave by.
    outward: bool,
    text: String,
}

/// Whether a rule speaks of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Maybe,
    Yes,
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

impl Policy {
    /// Reads the policy of a host; `None` where there is no ufw.
    ///
    /// # Errors
    /// If the files of [`Reading`] could not be read.
    pub fn of(seen: &Observed) -> Result<Option<Self>, Unreadable> {
        let (Some(conf), Some(four)) = (seen.text(CONF)?, seen.text(USER_RULES)?) else {
            return Ok(None);
        };
        let six = seen.text(USER6_RULES)?.unwrap_or_default();
        let defaults = seen.text(DEFAULTS)?.unwrap_or_default();
        Ok(Some(Self::parse(&conf, &defaults, &four, &six)))
    }

    /// Reads the policy from the texts of ufw.conf, /etc/default/ufw, user.rules and user6.rules.
    pub fn parse(conf: &str, defaults: &str, four: &str, six: &str) -> Self {
        let is =
            |text, key, value| setting(text, key).is_some_and(|v| v.eq_ignore_ascii_case(value));
        Self {
            enabled: is(conf, "ENABLED", "yes"),
            open: is(defaults, "DEFAULT_INPUT_POLICY", "accept"),
            ipv6: is(defaults, "IPV6", "yes"),
            four: rules(four),
            six: rules(six),
        }
    }

    /// What becomes of a connection to the host itself.
    pub fn input(&self, connection: &Connection) -> (Fate, Cause) {
        let default = if self.open && (self.ipv6 || !connection.six) {
            Fate::Allowed
        } else {
            Fate::Denied
        };
        self.decide(Way::Input, connection, default)
    }

    /// What becomes of a connection to a container, whose port this is, since DNAT comes first.
    ///
    /// Only a rule can let it in: the default policy for what is routed speaks of networks behind
    /// the host, and nobody opens a container's port by it.
    pub fn route(&self, connection: &Connection) -> (Fate, Cause) {
        self.decide(Way::Route, connection, Fate::Denied)
    }

    fn decide(&self, way: Way, connection: &Connection, default: Fate) -> (Fate, Cause) {
        let rules = match (connection.six, self.ipv6) {
            (false, _) => self.four.as_slice(),
            (true, true) => self.six.as_slice(),
            (true, false) => &[],
        };
        let mut doubtful: Vec<&Rule> = Vec::new();
        let mut decided = (default, Cause::Default);
        for rule in rules.iter().filter(|rule| rule.way == way) {
            match rule.speaks_of(connection) {
                Match::No => {}
                Match::Maybe => doubtful.push(rule),
                Match::Yes => {
                    decided = (rule.fate, Cause::Rule(rule.text.clone()));
                    break;
                }
            }
        }
        match doubtful.iter().find(|rule| rule.fate != decided.0) {
            Some(rule) => (Fate::Unknown, Cause::Rule(rule.text.clone())),
            None => decided,
        }
    }
}

impl Rule {
    fn speaks_of(&self, connection: &Connection) -> Match {
        let port = |range: &(u16, u16)| (range.0..=range.1).contains(&connection.port);
        let all = [
            Match::from(self.tcp),
            Match::from(self.ports.is_empty() || self.ports.iter().any(port)),
            lies_in(self.from, connection.from),
            lies_in(self.to, connection.to),
            match (&self.inward, &connection.interface) {
                (None, _) => Match::Yes,
                (Some(_), None) => Match::Maybe,
                (Some(wanted), Some(name)) => is_interface(wanted, name).into(),
            },
            // Which port and interface it is in the end nobody knows before.
            if self.source_port || self.outward {
                Match::Maybe
            } else {
                Match::Yes
            },
        ];
        all.into_iter().min().unwrap_or(Match::Yes)
    }
}

/// Whether an address lies in a network; no network is any.
fn lies_in(net: Option<IpNet>, address: Option<IpAddr>) -> Match {
    match (net, address) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Maybe,
        (Some(net), Some(address)) => net.contains(&address).into(),
    }
}

/// `eth+` stands for every name that begins so (iptables(8), `--in-interface`).
fn is_interface(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('+') {
        Some(start) => name.starts_with(start),
        None => wanted == name,
    }
}

/// The rules of a user.rules file. One that isn't understood speaks of everything, perhaps.
fn rules(text: &str) -> Vec<Rule> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("### tuple ###"))
        .filter_map(|tuple| {
            let words: Vec<&str> = tuple.split_whitespace().collect();
            let words: Vec<&str> = words
                .into_iter()
                .filter(|word| !word.starts_with("comment="))
                .collect();
            let direction = words.last().copied().unwrap_or_default();
            let routed = words.first().is_some_and(|word| word.starts_with("route:"));
            let outgoing = direction == "out" || direction.starts_with("out_");
            if outgoing && !routed {
                return None;
            }
            Some(rule(&words).unwrap_or_else(|| unclear(tuple.trim(), routed)))
        })
        .collect()
}

fn rule(words: &[&str]) -> Option<Rule> {
    let (action, proto, port, to, source_port, from, direction) = match words {
        [a, p, d, to, s, from, dir] | [a, p, d, to, s, from, _, _, dir] => {
            (*a, *p, *d, *to, *s, *from, *dir)
        }
        _ => return None,
    };
    let (way, action) = match action.strip_prefix("route:") {
        Some(action) => (Way::Route, action),
        None => (Way::Input, action),
    };
    // `allow_log`, `deny_log-all`: it is logged, too.
    let action = action.split('_').next().unwrap_or_default();
    let fate = match action {
        "allow" | "limit" => Fate::Allowed,
        "deny" | "reject" => Fate::Denied,
        _ => return None,
    };
    let mut inward = None;
    let mut outward = false;
    for side in direction.split('!') {
        match side.split_once('_') {
            Some(("in", name)) => inward = Some(name.to_owned()),
            Some(("out", _)) => outward = true,
            None if matches!(side, "in" | "out") => {}
            _ => return None,
        }
    }
    let mut rule = Rule {
        fate,
        way,
        tcp: matches!(proto, "any" | "tcp"),
        ports: ports(port)?,
        source_port: source_port != "any",
        from: network(from)?,
        to: network(to)?,
        inward,
        outward,
        text: String::new(),
    };
    rule.text = told(action, proto, port, &rule);
    Some(rule)
}

/// A rule in the words of ufw(8), as short as it is clear.
fn told(action: &str, proto: &str, port: &str, rule: &Rule) -> String {
    let mut text = match rule.way {
        Way::Input => action.to_owned(),
        Way::Route => format!("route {action}"),
    };
    if let Some(interface) = &rule.inward {
        text.push_str(&format!(" in on {interface}"));
    }
    if let Some(from) = rule.from {
        text.push_str(&format!(" from {}", short(from)));
    }
    if let Some(to) = rule.to {
        text.push_str(&format!(" to {}", short(to)));
    }
    match (port, proto) {
        ("any", "any") => text.push_str(" any port"),
        ("any", proto) => text.push_str(&format!(" proto {proto}")),
        (port, "any") => text.push_str(&format!(" port {port}")),
        (port, proto) => text.push_str(&format!(" port {port}/{proto}")),
    }
    text
}

/// A network; a single address without its length.
fn short(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        return net.addr().to_string();
    }
    net.to_string()
}

fn unclear(tuple: &str, routed: bool) -> Rule {
    Rule {
        fate: Fate::Unknown,
        way: if routed { Way::Route } else { Way::Input },
        tcp: true,
        ports: Vec::new(),
        source_port: true,
        from: None,
        to: None,
        inward: None,
        outward: false,
        text: tuple.to_owned(),
    }
}

/// "any", "80", "80:90", "22,80:90".
fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    if text == "any" {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect()
}

/// An address or a network; any of a family is `None`. The outer option is whether it was
/// understood.
fn network(text: &str) -> Option<Option<IpNet>> {
    if matches!(text, "any" | "0.0.0.0/0" | "::/0") {
        return Some(None);
    }
    let net = match text.split_once('/') {
        // ufw takes a mask in place of a length: 10.0.0.0/255.255.0.0.
        Some((address, mask)) if mask.contains('.') => {
            IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()?
        }
        Some(_) => text.parse().ok()?,
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
    };
    Some(Some(net))
}

/// A setting of a shell-like file; the last one counts.
fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']))
        .next_back()
}

/// Reads what [`Policy::of`] needs. It is never converged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading;

impl Resource for Reading {
    fn id(&self) -> String {
        "ufw's own rules".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        [CONF, DEFAULTS, USER_RULES, USER6_RULES]
            .map(|path| Fact::File {
                path: path.to_owned(),
                content: Reveal::Always,
            })
            .to_vec()
    }

    fn compare(&self, _seen: &Observed) -> Result<State, Unreadable> {
        Ok(State::InSync)
    }

    fn converge(&self, _seen: &Observed) -> Vec<Op> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;

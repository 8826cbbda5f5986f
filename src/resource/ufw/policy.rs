//! What ufw's own rules say of a connection: what the operator of a server believes.
//!
//! Read from ufw's files and from nothing live, since what is live is what the belief is held
//! against. The first rule that matches decides, else the default policy of /etc/default/ufw.

use std::net::IpAddr;

use ipnet::IpNet;

use super::settings::{Incoming, Settings};
use super::tuple::{Chain, Tuple, Unclear, tuples};
use super::{CONF, DEFAULTS, USER_RULES, USER6_RULES, file};
use crate::event::State;
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};

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
    four: Vec<Standing>,
    six: Vec<Standing>,
}

/// A rule that stands in a file, understood or not.
type Standing = Result<Tuple, Unclear>;

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
        let settings = Settings::of(conf, defaults);
        Self {
            enabled: settings.on,
            open: settings.incoming == Incoming::LetIn,
            ipv6: settings.ipv6,
            four: tuples(four, Family::V4),
            six: tuples(six, Family::V6),
        }
    }

    /// The rules that are understood, IPv4 first, each family's in the order they are asked.
    pub fn tuples(&self) -> impl Iterator<Item = &Tuple> {
        self.four.iter().chain(&self.six).flatten()
    }

    /// What becomes of a connection to the host itself.
    pub fn input(&self, connection: &Connection) -> (Fate, Cause) {
        let default = if self.open && (self.ipv6 || !connection.six) {
            Fate::Allowed
        } else {
            Fate::Denied
        };
        self.decide(Chain::Input, connection, default)
    }

    /// What becomes of a connection to a container, whose port this is, since DNAT comes first.
    ///
    /// Only a rule can let it in: the default policy for what is routed speaks of networks behind
    /// the host, and nobody opens a container's port by it.
    pub fn route(&self, connection: &Connection) -> (Fate, Cause) {
        self.decide(Chain::Forward, connection, Fate::Denied)
    }

    /// The rule that decides over a connection to the host. Those are left out that may speak of
    /// it but aren't sure to, as one for an interface where that isn't known.
    pub fn decider(&self, connection: &Connection) -> Option<&Tuple> {
        self.ask(Chain::Input, connection).1
    }

    fn decide(&self, chain: Chain, connection: &Connection, default: Fate) -> (Fate, Cause) {
        let (doubtful, decider) = self.ask(chain, connection);
        let decided = match decider {
            Some(rule) => (fate(rule), Cause::Rule(rule.told())),
            None => (default, Cause::Default),
        };
        for rule in doubtful {
            let (fate, text) = match rule {
                Ok(rule) => (fate(rule), rule.told()),
                Err(unclear) => (Fate::Unknown, unclear.text.clone()),
            };
            if fate != decided.0 {
                return (Fate::Unknown, Cause::Rule(text));
            }
        }
        decided
    }

    /// The first rule that is sure to speak of a connection, and those before it that may.
    fn ask(&self, chain: Chain, connection: &Connection) -> (Vec<&Standing>, Option<&Tuple>) {
        let rules = match (connection.six, self.ipv6) {
            (false, _) => self.four.as_slice(),
            (true, true) => self.six.as_slice(),
            (true, false) => &[],
        };
        let mut doubtful = Vec::new();
        for standing in rules {
            match standing {
                Ok(rule) if rule.chain == chain => match speaks_of(rule, connection) {
                    Match::No => {}
                    Match::Maybe => doubtful.push(standing),
                    Match::Yes => return (doubtful, Some(rule)),
                },
                Err(unclear) if unclear.chain == chain => doubtful.push(standing),
                Ok(_) | Err(_) => {}
            }
        }
        (doubtful, None)
    }
}

fn fate(rule: &Tuple) -> Fate {
    if rule.action.lets_in() {
        Fate::Allowed
    } else {
        Fate::Denied
    }
}

fn speaks_of(rule: &Tuple, connection: &Connection) -> Match {
    let all = [
        Match::from(rule.covers("tcp", connection.port)),
        lies_in(rule.from, connection.from),
        lies_in(rule.to, connection.to),
        match (&rule.inward, &connection.interface) {
            (None, _) => Match::Yes,
            (Some(_), None) => Match::Maybe,
            (Some(wanted), Some(name)) => is_interface(wanted, name).into(),
        },
        // Which port and interface it is in the end nobody knows before.
        if rule.source_ports.is_any() && rule.outward.is_none() {
            Match::Yes
        } else {
            Match::Maybe
        },
    ];
    all.into_iter().min().unwrap_or(Match::Yes)
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

/// Reads what [`Policy::of`] needs. It is never converged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading;

impl Resource for Reading {
    fn id(&self) -> String {
        "ufw's own rules".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        [CONF, DEFAULTS, USER_RULES, USER6_RULES].map(file).to_vec()
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

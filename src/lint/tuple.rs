//! ufw's rules as its own files hold them: a line `### tuple ### ACTION PROTO DPORT DST SPORT
//! SRC [DAPP SAPP] DIRECTION [comment=HEX]` each (ufw's `backend_iptables.py`, `_write_rules`).

use std::net::IpAddr;

use ipnet::IpNet;

use crate::resource::fact::Family;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    /// Lets in until it is too often: six connections in 30 seconds.
    Limit,
    /// `deny` and `reject`.
    Deny,
}

/// One rule, of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tuple {
    pub family: Family,
    /// To containers and beyond, not to the host itself.
    pub route: bool,
    pub action: Action,
    /// The action's word, "reject".
    word: String,
    /// "tcp", "udp", "any".
    pub protocol: String,
    /// "any", "22", "80,443", "6000:6010".
    pub port: String,
    /// The destination; `None` is any.
    to: Option<IpNet>,
    /// The source; `None` is any.
    pub from: Option<IpNet>,
    /// The source's ports.
    source_port: String,
    /// The application profile it was made from.
    app: Option<String>,
    /// "in", "in_eth0", "out".
    direction: String,
    /// Whether a run of this program made it.
    pub ours: bool,
}

impl Tuple {
    /// The rules of a file, in their order: the first that fits decides.
    pub fn all(text: &str, family: Family) -> Vec<Self> {
        let tuples = text
            .lines()
            .filter_map(|line| line.strip_prefix("### tuple ### "));
        tuples
            .filter_map(|tuple| Self::read(tuple, family))
            .collect()
    }

    fn read(tuple: &str, family: Family) -> Option<Self> {
        let mut fields: Vec<&str> = tuple.split_whitespace().collect();
        // `provision SITE`, in hexadecimal digits.
        let ours = fields
            .iter()
            .any(|field| field.starts_with("comment=70726f766973696f6e20"));
        fields.retain(|field| !field.starts_with("comment="));
        let [action, protocol, port, to, source_port, from, rest @ ..] = fields.as_slice() else {
            return None;
        };
        let (route, action) = match action.strip_prefix("route:") {
            Some(action) => (true, action),
            None => (false, *action),
        };
        // `allow_log`, `deny_log-all`.
        let word = action.split('_').next().unwrap_or_default();
        let action = match word {
            "allow" => Action::Allow,
            "limit" => Action::Limit,
            "deny" | "reject" => Action::Deny,
            _ => return None,
        };
        let (app, direction) = match rest {
            [direction] => (None, direction),
            [app, _, direction] => ((*app != "-").then(|| app.replace("%20", " ")), direction),
            _ => return None,
        };
        Some(Self {
            family,
            route,
            action,
            word: word.to_owned(),
            protocol: (*protocol).to_owned(),
            port: (*port).to_owned(),
            to: network(to)?,
            from: network(from)?,
            source_port: (*source_port).to_owned(),
            app,
            direction: (*direction).to_owned(),
            ours,
        })
    }

    /// Whether it is about what comes in over any interface, from any port, to any address.
    pub fn is_plain(&self) -> bool {
        self.direction == "in" && self.source_port == "any" && self.to.is_none()
    }

    /// Whether it is about every port.
    pub fn is_whole(&self) -> bool {
        self.port == "any" && self.protocol == "any" && self.source_port == "any"
    }

    /// Whether it is about this port of this protocol ("tcp", "udp").
    pub fn covers(&self, protocol: &str, port: u16) -> bool {
        let parse = |text: &str| text.parse::<u16>().ok();
        let within = |part: &str| match part.split_once(':') {
            Some((from, to)) => matches!(
                (parse(from), parse(to)),
                (Some(from), Some(to)) if (from..=to).contains(&port)
            ),
            None => parse(part) == Some(port),
        };
        (self.protocol == protocol || self.protocol == "any")
            && (self.port == "any" || self.port.split(',').any(within))
    }

    /// Whether it is about packets from this address; where it isn't known, from everywhere.
    pub fn takes(&self, from: Option<IpAddr>) -> bool {
        match (self.from, from) {
            (None, _) => true,
            (Some(network), Some(address)) => network.contains(&address),
            (Some(_), None) => false,
        }
    }

    /// What it is about: "9100/tcp", "every port", "22 (OpenSSH)".
    pub fn subject(&self) -> String {
        match (self.port.as_str(), self.protocol.as_str()) {
            ("any", "any") => "every port".to_owned(),
            ("any", protocol) => format!("every port of {protocol}"),
            (port, "any") => port.to_owned(),
            (port, protocol) => format!("{port}/{protocol}"),
        }
    }

    /// The command that takes it back.
    pub fn delete(&self) -> String {
        let route = if self.route { "route " } else { "" };
        if let Some(app) = self.app.as_ref().filter(|_| self.from.is_none()) {
            return format!("ufw {route}delete {} \"{app}\"", self.word);
        }
        let mut words = format!("ufw {route}delete {}", self.word);
        if self.direction != "in" {
            let direction = self.direction.replace('!', " ").replace('_', " on ");
            words.push_str(&format!(" {direction}"));
        }
        if self.protocol != "any" {
            words.push_str(&format!(" proto {}", self.protocol));
        }
        let any = || "any".to_owned();
        let from = self.from.map_or_else(any, |network| shown(&network));
        let to = self.to.map_or_else(any, |network| shown(&network));
        words.push_str(&format!(" from {from} to {to}"));
        if self.port != "any" {
            words.push_str(&format!(" port {}", self.port));
        }
        words
    }
}

/// A network; an address alone where it is no more than that.
fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

/// An address or network; `Some(None)` is any.
fn network(text: &str) -> Option<Option<IpNet>> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    Some((network.prefix_len() > 0).then(|| network.trunc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(text: &str) -> Tuple {
        let mut all = Tuple::all(&format!("### tuple ### {text}\n"), Family::V4);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0)
    }

    #[test]
    fn a_rule_is_about_the_ports_it_lists_and_about_their_ranges() {
        let rule = tuple("deny tcp 80,6000:6010 0.0.0.0/0 any 0.0.0.0/0 in");
        assert_eq!(rule.action, Action::Deny);
        for (port, covered) in [(80, true), (6000, true), (6010, true), (6011, false)] {
            assert_eq!(rule.covers("tcp", port), covered, "{port}");
        }
        assert!(!rule.covers("udp", 80));
        let any = tuple("limit any 22 0.0.0.0/0 any 0.0.0.0/0 in");
        assert!(any.covers("tcp", 22) && any.covers("udp", 22) && !any.covers("tcp", 23));
    }

    #[test]
    fn the_command_that_takes_a_rule_back_says_all_of_it() {
        for (text, command) in [
            (
                "deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
                "ufw delete deny proto tcp from any to any port 22",
            ),
            (
                "limit_log tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in",
                "ufw delete limit \"OpenSSH\"",
            ),
            (
                "route:allow any any 0.0.0.0/0 any 10.0.0.0/8 in comment=6d696e65",
                "ufw route delete allow from 10.0.0.0/8 to any",
            ),
            (
                "reject any any 0.0.0.0/0 any 192.0.2.7 in_eth1",
                "ufw delete reject in on eth1 from 192.0.2.7 to any",
            ),
        ] {
            assert_eq!(tuple(text).delete(), command);
        }
    }

    #[test]
    fn rules_that_a_run_made_are_known_by_their_comment() {
        let text = "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in";
        assert!(!tuple(text).ours);
        assert!(tuple(&format!("{text} comment=70726f766973696f6e20706f6c6c73")).ours);
    }
}

//! The rules that stand in ufw's own files.
//!
//! `user.rules` (IPv4) and `user6.rules` (IPv6) hold a line `### tuple ### ACTION PROTO DPORT DST
//! SPORT SRC [DAPP SAPP] DIRECTION [comment=HEX]` for each rule, in the order in which they are
//! asked (ufw's `backend_iptables.py`, `_write_rules`). Profiles of applications stand there with
//! their ports.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::resource::fact::Family;

/// Where packets go that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// To the host itself.
    Input,
    /// From the host itself.
    Output,
    /// Through it, to a container.
    Forward,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets in.
    Allow,
    /// Lets in until it is too often: six connections in 30 seconds.
    Limit,
    /// Drops.
    Deny,
    /// Refuses, and says so.
    Reject,
}

impl Action {
    /// Whether a connection can pass by it.
    pub fn lets_in(self) -> bool {
        matches!(self, Self::Allow | Self::Limit)
    }

    /// Its word in ufw(8).
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Limit => "limit",
            Self::Deny => "deny",
            Self::Reject => "reject",
        }
    }
}

/// Ports and ranges of ports: "any", "22", "80,6000:6010".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Whether it is all of them.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this port is among them.
    pub fn has(&self, port: u16) -> bool {
        self.is_any() || self.0.iter().any(|range| range.contains(&port))
    }

    /// The port, where it is no more than one.
    pub fn single(&self) -> Option<u16> {
        match self.0.as_slice() {
            [range] if range.start() == range.end() => Some(*range.start()),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "any" {
            return Some(Self::default());
        }
        let range = |part: &str| {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let range: RangeInclusive<u16> = first.parse().ok()?..=last.parse().ok()?;
            (!range.is_empty()).then_some(range)
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        for (at, range) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { "," } else { "" })?;
            write!(f, "{}", range.start())?;
            if range.start() != range.end() {
                write!(f, ":{}", range.end())?;
            }
        }
        Ok(())
    }
}

/// One rule, of one family. What is `None` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// The file it stands in.
    pub family: Family,
    /// What it is about.
    pub chain: Chain,
    /// What it does.
    pub action: Action,
    /// It writes what it sees into the log.
    pub logged: bool,
    /// "tcp", "udp", "esp".
    pub protocol: Option<String>,
    /// The destination's ports.
    pub ports: Ports,
    /// The destination.
    pub to: Option<IpNet>,
    /// The source's ports.
    pub source_ports: Ports,
    /// The source.
    pub from: Option<IpNet>,
    /// The application profile that the destination's ports come from: "Nginx Full".
    pub app: Option<String>,
    /// The one that the source's ports come from.
    pub source_app: Option<String>,
    /// The interface that packets come in on; `eth+` is every one that begins so.
    pub inward: Option<String>,
    /// The interface that they leave by.
    pub outward: Option<String>,
    /// What the operator, or a run, noted on it.
    pub comment: Option<String>,
}

/// A rule that isn't understood. It may be about anything in its chain, and do anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// What it is about.
    pub chain: Chain,
    /// The line, without its beginning.
    pub text: String,
}

/// The rules of a file, in their order: the first that fits decides.
pub fn tuples(text: &str, family: Family) -> Vec<Result<Tuple, Unclear>> {
    text.lines()
        .filter_map(|line| line.strip_prefix("### tuple ###"))
        .map(|tuple| Tuple::parse(tuple, family))
        .collect()
}

impl Tuple {
    /// Whether it can be about this port of this protocol ("tcp", "udp").
    pub fn covers(&self, protocol: &str, port: u16) -> bool {
        let mine = self.protocol.as_deref();
        mine.is_none_or(|mine| mine == protocol) && self.ports.has(port)
    }

    /// Whether a run of this program made it, for whatever site: such rules are commented
    /// "provision SITE".
    pub fn is_ours(&self) -> bool {
        let comment = self.comment.as_deref();
        comment.is_some_and(|comment| comment.starts_with("provision "))
    }

    fn parse(text: &str, family: Family) -> Result<Self, Unclear> {
        let (comments, words): (Vec<&str>, Vec<&str>) = text
            .split_whitespace()
            .partition(|word| word.starts_with("comment="));
        let direction = words.last().copied().unwrap_or_default();
        let chain = if words.first().is_some_and(|word| word.starts_with("route:")) {
            Chain::Forward
        } else if direction == "out" || direction.starts_with("out_") {
            Chain::Output
        } else {
            Chain::Input
        };
        let mut tuple = Self::read(&words, family, chain).ok_or_else(|| Unclear {
            chain,
            text: text.trim().to_owned(),
        })?;
        let hex = comments.iter().find_map(|it| it.strip_prefix("comment="));
        tuple.comment = hex.and_then(unhex);
        Ok(tuple)
    }

    fn read(words: &[&str], family: Family, chain: Chain) -> Option<Self> {
        let [action, protocol, ports, to, source_ports, from, rest @ ..] = words else {
            return None;
        };
        let (app, source_app, direction) = match rest {
            [direction] => (None, None, *direction),
            [app, source_app, direction] => (profile(app), profile(source_app), *direction),
            _ => return None,
        };
        // `allow_log`, `route:deny_log-all`.
        let action = action.strip_prefix("route:").unwrap_or(action);
        let (action, log) = action.split_once('_').unwrap_or((action, ""));
        let mut tuple = Self {
            family,
            chain,
            action: match action {
                "allow" => Action::Allow,
                "limit" => Action::Limit,
                "deny" => Action::Deny,
                "reject" => Action::Reject,
                _ => return None,
            },
            logged: !log.is_empty(),
            protocol: (*protocol != "any").then(|| (*protocol).to_owned()),
            ports: Ports::parse(ports)?,
            to: network(to)?,
            source_ports: Ports::parse(source_ports)?,
            from: network(from)?,
            app,
            source_app,
            inward: None,
            outward: None,
            comment: None,
        };
        // "in", "in_eth0", "out_eth1", "in_eth0!out_eth1".
        for side in direction.split('!') {
            match side.split_once('_') {
                Some(("in", name)) => tuple.inward = Some(name.to_owned()),
                Some(("out", name)) => tuple.outward = Some(name.to_owned()),
                None if matches!(side, "in" | "out") => {}
                _ => return None,
            }
        }
        Some(tuple)
    }
}

/// A profile's name, in which spaces are written `%20`; "-" is none.
fn profile(text: &str) -> Option<String> {
    (text != "-").then(|| text.replace("%20", " "))
}

/// An address or a network; any is `None`. The outer option is whether it was understood.
fn network(text: &str) -> Option<Option<IpNet>> {
    if text == "any" {
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
    // ufw takes the other family's any for any, too.
    Some((net.prefix_len() > 0).then(|| net.trunc()))
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

    fn tuple(text: &str) -> Tuple {
        let mut all = tuples(&format!("### tuple ### {text}\n"), Family::V4);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0).unwrap()
    }

    #[test]
    fn every_field_of_a_rule_is_read() {
        let rule = tuple(
            "route:limit_log-all udp 53,6000:6010 10.0.0.0/255.255.0.0 1024:65535 192.0.2.7 \
             Nginx%20Full - in_wg_0!out_eth1 comment=6d696e65",
        );
        assert_eq!((rule.chain, rule.action), (Chain::Forward, Action::Limit));
        assert!(rule.logged);
        assert_eq!(rule.protocol.as_deref(), Some("udp"));
        assert_eq!(rule.ports.to_string(), "53,6000:6010");
        assert_eq!(rule.to.unwrap().to_string(), "10.0.0.0/16");
        assert_eq!(rule.source_ports.to_string(), "1024:65535");
        assert_eq!(rule.from.unwrap().to_string(), "192.0.2.7/32");
        assert_eq!(rule.app.as_deref(), Some("Nginx Full"));
        assert_eq!(rule.source_app, None);
        assert_eq!(rule.inward.as_deref(), Some("wg_0"));
        assert_eq!(rule.outward.as_deref(), Some("eth1"));
        assert_eq!(rule.comment.as_deref(), Some("mine"));
    }

    #[test]
    fn a_field_may_be_any_in_the_spelling_of_either_family() {
        for any in ["any", "0.0.0.0/0", "::/0"] {
            let rule = tuple(&format!("allow any any {any} any {any} in"));
            assert_eq!((rule.to, rule.from, rule.protocol), (None, None, None));
            assert!(rule.ports.is_any() && rule.source_ports.is_any());
        }
    }

    #[test]
    fn the_direction_tells_the_chain() {
        for (ends, chain) in [
            ("in", Chain::Input),
            ("in_eth0", Chain::Input),
            ("out", Chain::Output),
            ("out_eth0 comment=6120", Chain::Output),
        ] {
            let text = format!("allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 {ends}");
            assert_eq!(tuple(&text).chain, chain, "{ends}");
            assert_eq!(tuple(&format!("route:{text}")).chain, Chain::Forward);
        }
    }

    #[test]
    fn a_line_that_is_not_understood_keeps_its_chain_and_its_words() {
        for (text, chain) in [
            ("forbid tcp 80 0.0.0.0/0 any 0.0.0.0/0 in", Chain::Input),
            ("allow tcp 90:80 0.0.0.0/0 any 0.0.0.0/0 out", Chain::Output),
            (
                "route:allow tcp 80 0.0.0.0/0 any nowhere in",
                Chain::Forward,
            ),
            (
                "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 aside_eth0",
                Chain::Input,
            ),
            (
                "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 a b c in",
                Chain::Input,
            ),
            ("allow tcp 80", Chain::Input),
        ] {
            let all = tuples(&format!("### tuple ### {text}\n"), Family::V4);
            let text = text.to_owned();
            assert_eq!(all, [Err(Unclear { chain, text })]);
        }
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
        assert_eq!((any.ports.single(), rule.ports.single()), (Some(22), None));
    }

    #[test]
    fn rules_that_a_run_made_are_known_by_their_comment() {
        let text = "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in";
        assert!(!tuple(text).is_ours());
        assert!(tuple(&format!("{text} comment=70726f766973696f6e20706f6c6c73")).is_ours());
    }
}

//! One port let in from one source.

use super::tuple::{Action, Chain, Tuple};
use super::words::shown;
use crate::resource::fact::Family;

/// Where a rule lets packets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// To the host itself (INPUT).
    Input,
    /// To a container (FORWARD); the port is the container's, since DNAT comes first.
    Route,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As ufw, iptables and Docker write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One port let in from one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Host or container.
    pub path: Path,
    /// Protocol.
    pub protocol: Protocol,
    /// Port.
    pub port: u16,
    /// An address or network; `None` is any source.
    pub from: Option<String>,
}

impl Rule {
    /// What stands in ufw's own files, if it says no more and no less than such a rule: one that
    /// also logs, or comes from a profile, is another one to ufw and to the kernel.
    pub(super) fn of(tuple: &Tuple) -> Option<Self> {
        let path = match tuple.chain {
            Chain::Input => Path::Input,
            Chain::Forward => Path::Route,
            Chain::Output => return None,
        };
        let narrow = tuple.to.is_some()
            || !tuple.source_ports.is_any()
            || [&tuple.app, &tuple.source_app]
                .iter()
                .any(|it| it.is_some())
            || [&tuple.inward, &tuple.outward]
                .iter()
                .any(|it| it.is_some());
        if narrow || tuple.logged || tuple.action != Action::Allow {
            return None;
        }
        let protocol = match tuple.protocol.as_deref() {
            Some("tcp") => Protocol::Tcp,
            Some("udp") => Protocol::Udp,
            _ => return None,
        };
        Some(Self {
            path,
            protocol,
            port: tuple.ports.single()?,
            from: tuple.from.as_ref().map(shown),
        })
    }

    pub(in crate::resource) fn family(&self) -> Option<Family> {
        self.from.as_ref().map(|from| {
            if from.contains(':') {
                Family::V6
            } else {
                Family::V4
            }
        })
    }

    /// The arguments that add it.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.path == Path::Route {
            words.push("route");
        }
        words.extend([
            "allow",
            "proto",
            self.protocol.as_str(),
            "from",
            self.from.as_deref().unwrap_or("any"),
        ]);
        words.extend(["to", "any", "port"]);
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.push(self.port.to_string());
        words
    }

    /// The rule as `iptables-save` prints it.
    pub(in crate::resource) fn live(&self, family: Family) -> String {
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
        let protocol = self.protocol.as_str();
        format!(
            "-A ufw{six}-user-{chain} {source}-p {protocol} -m {protocol} --dport {} -j ACCEPT",
            self.port
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tuple::tuples;
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

    /// The simple rules of a file, with their comments.
    fn found(text: &str) -> Vec<(Rule, Option<String>)> {
        let all = tuples(text, Family::V4).into_iter().map(Result::unwrap);
        all.filter_map(|tuple| Some((Rule::of(&tuple)?, tuple.comment)))
            .collect()
    }

    #[test]
    fn rules_are_read_from_ufws_own_file_with_their_comments() {
        let found = found(RULES);
        assert_eq!(found.len(), 2, "a deny rule lets nothing in");
        assert_eq!(
            found[0].0,
            Rule {
                path: Path::Input,
                protocol: Protocol::Tcp,
                port: 22,
                from: None
            }
        );
        let route = Rule {
            path: Path::Route,
            protocol: Protocol::Tcp,
            port: 8000,
            from: Some("198.51.100.13".into()),
        };
        assert_eq!(found[1].0, route);
        assert_eq!(found[1].1.as_deref(), Some("provision polls"));
    }

    #[test]
    fn a_port_of_udp_is_another_than_the_same_of_tcp() {
        let of = |protocol: &str| {
            let text = format!("### tuple ### allow {protocol} 443 ::/0 any ::/0 in\n");
            let mut found = found(&text);
            assert_eq!(found.len(), 1, "{protocol}");
            found.remove(0).0
        };
        assert_eq!(of("udp").protocol, Protocol::Udp);
        assert_eq!(of("tcp").protocol, Protocol::Tcp);
        assert_ne!(of("udp"), of("tcp"));
    }

    #[test]
    fn a_rule_that_says_more_or_less_is_another_one() {
        let same = "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in";
        assert_eq!(found(&format!("### tuple ### {same}\n")).len(), 1);
        for other in [
            "limit tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            "allow_log tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            "allow any 80 0.0.0.0/0 any 0.0.0.0/0 in",
            "allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 in",
            "allow tcp 80 198.51.100.1 any 0.0.0.0/0 in",
            "allow tcp 80 0.0.0.0/0 1024:65535 0.0.0.0/0 in",
            "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 WWW - in",
            "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in_eth0",
            "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 out",
        ] {
            assert_eq!(found(&format!("### tuple ### {other}\n")), [], "{other}");
        }
    }

    #[test]
    fn a_rule_is_known_in_the_words_of_iptables_save() {
        let rule = |from: Option<&str>| Rule {
            path: Path::Route,
            protocol: Protocol::Tcp,
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
        let udp = Rule {
            protocol: Protocol::Udp,
            path: Path::Input,
            port: 443,
            from: None,
        };
        assert_eq!(
            udp.live(Family::V6),
            "-A ufw6-user-input -p udp -m udp --dport 443 -j ACCEPT"
        );
        assert_eq!(
            udp.arguments().join(" "),
            "allow proto udp from any to any port 443"
        );
    }
}

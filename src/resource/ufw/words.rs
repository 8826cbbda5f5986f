//! A rule of ufw's in the words of ufw(8).

use ipnet::IpNet;

use super::tuple::{Chain, Tuple};

impl Tuple {
    /// What it says, as short as it is clear: "allow from 192.0.2.0/24 port 80/tcp".
    pub fn told(&self) -> String {
        let mut text = match self.chain {
            Chain::Forward => format!("route {}", self.action.word()),
            Chain::Input | Chain::Output => self.action.word().to_owned(),
        };
        if let Some(interface) = &self.inward {
            text.push_str(&format!(" in on {interface}"));
        }
        if let Some(from) = &self.from {
            text.push_str(&format!(" from {}", shown(from)));
        }
        if let Some(to) = &self.to {
            text.push_str(&format!(" to {}", shown(to)));
        }
        match (self.ports.is_any(), &self.protocol) {
            (true, None) => text.push_str(" any port"),
            (true, Some(protocol)) => text.push_str(&format!(" proto {protocol}")),
            (false, None) => text.push_str(&format!(" port {}", self.ports)),
            (false, Some(protocol)) => text.push_str(&format!(" port {}/{protocol}", self.ports)),
        }
        text
    }

    /// The command that takes it back.
    pub fn delete(&self) -> String {
        let route = if self.chain == Chain::Forward {
            "route "
        } else {
            ""
        };
        let mut words = format!("ufw {route}delete {}", self.action.word());
        match (&self.inward, &self.outward) {
            (None, None) if self.chain == Chain::Output => words.push_str(" out"),
            (inward, outward) => {
                for (word, interface) in [("in", inward), ("out", outward)] {
                    if let Some(interface) = interface {
                        words.push_str(&format!(" {word} on {interface}"));
                    }
                }
            }
        }
        let narrow = self.from.is_some() || self.to.is_some() || self.source_app.is_some();
        let source_port = !self.source_ports.is_any();
        if let (Some(app), false, false) = (&self.app, narrow, source_port) {
            words.push_str(&format!(" \"{app}\""));
            return words;
        }
        // A profile brings its protocol along.
        let profiled = self.app.is_some() || self.source_app.is_some();
        if let (Some(protocol), false) = (&self.protocol, profiled) {
            words.push_str(&format!(" proto {protocol}"));
        }
        for (word, network, app, ports) in [
            ("from", &self.from, &self.source_app, &self.source_ports),
            ("to", &self.to, &self.app, &self.ports),
        ] {
            let network = network.as_ref().map_or_else(|| "any".to_owned(), shown);
            words.push_str(&format!(" {word} {network}"));
            match app {
                Some(app) => words.push_str(&format!(" app \"{app}\"")),
                None if ports.is_any() => {}
                None => words.push_str(&format!(" port {ports}")),
            }
        }
        words
    }
}

/// A network; a single address without its length.
pub(super) fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tuple::tuples;
    use crate::resource::fact::Family;

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
                "deny tcp 22 0.0.0.0/0 any 192.0.2.0/24 OpenSSH - in",
                "ufw delete deny from 192.0.2.0/24 to any app \"OpenSSH\"",
            ),
            (
                "route:allow any any 0.0.0.0/0 any 10.0.0.0/8 in comment=6d696e65",
                "ufw route delete allow from 10.0.0.0/8 to any",
            ),
            (
                "reject any any 0.0.0.0/0 any 192.0.2.7 in_eth1",
                "ufw delete reject in on eth1 from 192.0.2.7 to any",
            ),
            (
                "route:allow udp 53 198.51.100.1 1024:65535 0.0.0.0/0 in_wg_0!out_eth1",
                "ufw route delete allow in on wg_0 out on eth1 proto udp from any port \
                 1024:65535 to 198.51.100.1 port 53",
            ),
            (
                "deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out",
                "ufw delete deny out proto tcp from any to any port 25",
            ),
        ] {
            let all = tuples(&format!("### tuple ### {text}\n"), Family::V4);
            assert_eq!(all[0].as_ref().unwrap().delete(), command);
        }
    }
}

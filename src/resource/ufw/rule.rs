//! One TCP port let in from one source.

use crate::resource::fact::Family;

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
        format!(
            "-A ufw{six}-user-{chain} {source}-p tcp -m tcp --dport {} -j ACCEPT",
            self.port
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

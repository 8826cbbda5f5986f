//! The rules for a list of subnets, and the block they make in a rules file.

use ipnet::IpNet;

use crate::resource::fact::Family;

/// The marks of the ufw-docker project.
pub(super) const BEGIN: &str = "# BEGIN UFW AND DOCKER";
pub(super) const END: &str = "# END UFW AND DOCKER";
/// Our block begins with it; nobody else's does.
const OURS: &str = "# Kept by provision:";

/// The chain that logs and drops.
pub(super) fn deny(family: Family) -> String {
    format!("ufw{}-docker-logging-deny", family.six())
}

/// The rules of one family for these subnets, in the words of `iptables-save`.
pub(super) fn rules(family: Family, subnets: &[IpNet]) -> Vec<String> {
    let six = family.six();
    let deny = deny(family);
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
pub(super) fn block(family: Family, subnets: &[IpNet]) -> String {
    let six = family.six();
    let mut text = format!(
        "{BEGIN}\n{OURS} a port that Docker publishes is reached only through ufw route rules.\n\
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

/// Whether a block is one that we wrote.
pub(super) fn is_ours(block: &str) -> bool {
    block.lines().any(|line| line.trim().starts_with(OURS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_connections_to_a_docker_subnet_are_dropped_unless_ufw_lets_them_through() {
        let rules = rules(Family::V4, &["172.30.0.0/16".parse().unwrap()]);
        let at = |part: &str| rules.iter().position(|rule| rule.contains(part)).unwrap();
        assert!(at("-j ufw-user-forward") < at("-j ufw-docker-logging-deny"));
        assert!(at("RELATED,ESTABLISHED") < at("-j ufw-docker-logging-deny"));
        assert!(rules.iter().all(|rule| !rule.contains("10.0.0.0/8")));
        assert_eq!(rules.last().unwrap(), "-A ufw-docker-logging-deny -j DROP");
    }
}

//! The way to a host in words, for those who look closely.

use crate::ssh::{Agent, Identity, Target, Via};

/// Whom, where, through what, and with which keys, in one line.
///
/// `agent`: whether `$SSH_AUTH_SOCK` leads to one.
pub(super) fn itinerary(target: &Target, agent: bool) -> String {
    let mut hops: Vec<String> = target.bastions().into_iter().map(whom).collect();
    let mut first = target;
    while let Via::Jump(bastion) = &first.via {
        first = bastion;
    }
    if let Via::Command(command) = &first.via {
        hops.insert(0, format!("`{command}`"));
    }
    let through = match hops.is_empty() {
        true => "directly".to_owned(),
        false => format!("through {}", hops.join(", then ")),
    };
    let keys = keys(&target.identity, agent);
    format!("{} {through}; tries {keys}", whom(target))
}

fn whom(target: &Target) -> String {
    format!("{}@{}", target.user, target.at())
}

/// What is tried, in no more words than needed: which of the files are there shows later.
fn keys(identity: &Identity, agent: bool) -> String {
    let mut all = Vec::new();
    if identity.keys {
        let certificates = &identity.certificates;
        all.extend(certificates.iter().map(|path| path.display().to_string()));
        let agent = match &identity.agent {
            Agent::Environment => agent.then(|| "the agent of $SSH_AUTH_SOCK".to_owned()),
            Agent::Socket(path) => Some(format!("the agent at {}", path.display())),
            Agent::Off => None,
        };
        let files: Vec<String> = match &identity.key {
            Some(key) => vec![key.display().to_string()],
            None => {
                let files = identity.files.iter();
                files.map(|path| path.display().to_string()).collect()
            }
        };
        let only = identity.only || identity.key.is_some();
        match (files.is_empty(), agent) {
            (true, agent) => {
                all.extend(agent.filter(|_| !only));
                all.push("the usual key files".to_owned());
            }
            (false, Some(agent)) if only => {
                all.push(format!("{} (also in {agent})", files.join(", ")));
            }
            (false, agent) => {
                all.extend(agent);
                all.extend(files);
            }
        }
    }
    if identity.interactive || identity.password {
        all.push("a password".to_owned());
    }
    match all.is_empty() {
        true => "nothing: all ways to log in are switched off".to_owned(),
        false => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::ssh::{Address, Family, Patience, Trust};

    fn target(user: &str, via: Via, identity: Identity) -> Target {
        Target {
            host: "app1".into(),
            address: Address::Ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            port: 22,
            family: Family::Any,
            via,
            alias: None,
            trust: Trust::default(),
            user: user.into(),
            identity,
            patience: Patience::default(),
        }
    }

    #[test]
    fn the_way_names_bastions_and_proxy_commands_from_here_on() {
        let plain = Identity::default();
        let direct = itinerary(&target("deploy", Via::Direct, plain.clone()), true);
        let (way, _) = direct.split_once(';').unwrap();
        assert_eq!(way, "deploy@192.0.2.1:22 directly");
        let command = Via::Command("nc -X 5 bastion 22".into());
        let outer = target("ops", command, plain.clone());
        let mut inner = target("deploy", Via::Jump(Box::new(outer)), plain.clone());
        inner.address = Address::Name("inner".into());
        let behind = itinerary(&target("root", Via::Jump(Box::new(inner)), plain), true);
        let (way, _) = behind.split_once(';').unwrap();
        assert_eq!(
            way,
            "root@192.0.2.1:22 through `nc -X 5 bastion 22`, then ops@192.0.2.1:22, then \
             deploy@inner:22"
        );
    }

    #[test]
    fn what_is_tried_is_named_in_its_order() {
        let told = |identity: Identity| {
            let told = itinerary(&target("deploy", Via::Direct, identity), true);
            told.split_once("tries ").unwrap().1.to_owned()
        };
        assert_eq!(
            told(Identity::default()),
            "the agent of $SSH_AUTH_SOCK, the usual key files, a password"
        );
        let named = Identity {
            key: Some("~/key".into()),
            agent: Agent::Socket("/run/agent".into()),
            password: false,
            interactive: false,
            ..Identity::default()
        };
        assert_eq!(
            told(named.clone()),
            "~/key (also in the agent at /run/agent)"
        );
        let files = Identity {
            key: None,
            files: vec!["~/.ssh/a".into(), "~/.ssh/b".into()],
            certificates: vec!["~/.ssh/a-cert.pub".into()],
            ..named.clone()
        };
        assert_eq!(
            told(files),
            "~/.ssh/a-cert.pub, the agent at /run/agent, ~/.ssh/a, ~/.ssh/b"
        );
        let told_without = itinerary(&target("deploy", Via::Direct, Identity::default()), false);
        assert!(told_without.ends_with("tries the usual key files, a password"));
        let nothing = Identity {
            keys: false,
            ..named
        };
        assert!(told(nothing).starts_with("nothing"));
    }
}

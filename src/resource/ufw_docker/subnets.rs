//! Which subnets are Docker's.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::content_of;
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Unreadable};

const DAEMON: &str = "/etc/docker/daemon.json";

/// What has to be read to know them.
pub(super) fn facts() -> Vec<Fact> {
    vec![Fact::Docker, content_of(DAEMON)]
}

/// Docker's subnets of one family: the pools it takes new networks from, and the networks it
/// has. `None` where Docker isn't there yet.
pub(super) fn subnets(seen: &Observed, family: Family) -> Result<Option<Vec<IpNet>>, Unreadable> {
    let Some(docker) = seen.docker()? else {
        return Ok(None);
    };
    let mut names = docker.subnets();
    if let Some(text) = seen.text(DAEMON)? {
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| Unreadable {
            fact: format!("file {DAEMON}"),
            why: e.to_string(),
        })?;
        let pools = json["default-address-pools"]
            .as_array()
            .into_iter()
            .flatten();
        names.extend(
            pools
                .filter_map(|pool| pool["base"].as_str())
                .map(str::to_owned),
        );
    }
    let mut nets = BTreeSet::new();
    for name in names {
        let net: IpNet = name.parse().map_err(|_| Unreadable {
            fact: "Docker's networks".to_owned(),
            why: format!("{name:?} is not a network"),
        })?;
        if matches!(net, IpNet::V6(_)) == (family == Family::V6) {
            nets.insert(net.trunc());
        }
    }
    // A subnet inside another needs no rule of its own.
    let all: Vec<IpNet> = nets.into_iter().collect();
    let outer = |net: &IpNet| !all.iter().any(|other| other != net && other.contains(net));
    Ok(Some(all.iter().filter(|net| outer(net)).copied().collect()))
}

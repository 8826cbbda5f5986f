//! Networks that are let in whole: by a RETURN or ACCEPT in DOCKER-USER, or by a rule of ufw's
//! without a port.
//!
//! The block of the tutorials trusts all of RFC 1918, and with it the neighbours on a provider's
//! private network (ufw-docker's issue 85). Docker's own subnets have to be trusted, or containers
//! could not talk to each other.

use ipnet::IpNet;

use super::host::Host;
use super::{list, remark};
use crate::event::{Level, Remark};
use crate::resource::fact::Family;
use crate::resource::ufw::tuple::{Chain, Tuple};

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    let docker = host.docker_networks();
    let live = host.live(Family::V4).chain(host.live(Family::V6));
    let mut trusted: Vec<IpNet> = Vec::new();
    for network in live.chain(host.after.lines()).filter_map(trusted_by) {
        if !trusted.contains(&network) && is_foreign(network, &docker) {
            trusted.push(network);
        }
    }
    for network in trusted {
        all.push(remark(
            Level::Warning,
            "trusted-subnet",
            format!("DOCKER-USER trusts {network}, {}", place(host, network)),
            "whoever has an address there reaches every port that containers publish, a \
             provider's other customers too where they share the network",
            format!(
                "let the block in /etc/ufw/after.rules trust {} alone, and `ufw route allow` \
                 single ports to single addresses; `provision run` writes it so",
                own(&docker)
            ),
        ));
    }
    let mut told: Vec<(bool, IpNet)> = Vec::new();
    for rule in host.policy.tuples() {
        let Some(network) = rule.from.filter(|_| lets_all_in(rule)) else {
            continue;
        };
        let route = rule.chain == Chain::Forward;
        if told.contains(&(route, network)) || !is_foreign(network, &docker) {
            continue;
        }
        told.push((route, network));
        let whom = if route { "containers" } else { "the host" };
        all.push(remark(
            Level::Warning,
            "trusted-subnet",
            format!(
                "ufw lets {network} in to every port of {whom}, {}",
                place(host, network)
            ),
            "whoever has an address there reaches all that listens, a provider's other \
             customers too where they share the network",
            format!(
                "`{}`, and allow single ports to single addresses",
                rule.delete()
            ),
        ));
    }
}

/// Whether it isn't one of Docker's, nor a single address.
fn is_foreign(network: IpNet, docker: &[IpNet]) -> bool {
    network.prefix_len() < network.max_prefix_len()
        && !docker.iter().any(|own| own.contains(&network))
}

/// Whether it lets something in, to every port.
fn lets_all_in(rule: &Tuple) -> bool {
    rule.chain != Chain::Output
        && rule.action.lets_in()
        && rule.protocol.is_none()
        && rule.ports.is_any()
        && rule.source_ports.is_any()
}

/// The network that a rule of DOCKER-USER lets through, whatever the port, as iptables-save
/// prints it or as it stands in a file.
fn trusted_by(rule: &str) -> Option<IpNet> {
    let rule = rule.trim().strip_prefix("-A DOCKER-USER ")?;
    let words: Vec<&str> = rule.split_whitespace().collect();
    let after = |names: [&str; 2]| {
        let at = words.iter().position(|word| names.contains(word))?;
        (at == 0 || words[at - 1] != "!").then_some(*words.get(at + 1)?)
    };
    let narrow = ["port", "ctstate", "--state", "-d", "-i", "-o", "--dst"];
    let is_narrow = words
        .iter()
        .any(|word| word.starts_with('-') && narrow.iter().any(|part| word.contains(part)));
    if is_narrow || !matches!(after(["-j", "--jump"])?, "RETURN" | "ACCEPT") {
        return None;
    }
    after(["-s", "--source"])?
        .parse::<IpNet>()
        .ok()
        .map(|n| n.trunc())
}

/// Whose a network is, as far as the host can tell.
fn place(host: &Host, network: IpNet) -> String {
    let neighbours = host.neighbours();
    let near: Vec<String> = neighbours
        .iter()
        .filter(|(_, near)| near.contains(&network) || network.contains(near))
        .map(|(name, near)| format!("{} ({}) lies in it", name, near.trunc()))
        .collect();
    if near.is_empty() {
        "which is none of Docker's networks".to_owned()
    } else {
        format!("and {}", list(&near))
    }
}

/// Docker's networks of IPv4, in words.
fn own(docker: &[IpNet]) -> String {
    let four = docker.iter().filter(|own| own.addr().is_ipv4());
    let mut names: Vec<String> = four.map(|own| own.trunc().to_string()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        "Docker's own networks".to_owned()
    } else {
        format!("Docker's own networks ({})", list(&names))
    }
}

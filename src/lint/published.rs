//! What containers publish beside what is wanted, and what they open on the host's own network.

use super::host::{Host, Published};
use super::{Wanted, list, remark};
use crate::event::{Level, Remark};
use crate::resource::ufw::tuple::{Chain, Tuple};

pub(super) fn look(host: &Host, wanted: &Wanted, all: &mut Vec<Remark>) {
    let others = host.published();
    let others = others
        .iter()
        .filter(|port| !wanted.has(&port.protocol, port.inner, port.outer));
    for port in others {
        all.push(other(host, port));
    }
    host_network(host, all);
}

fn other(host: &Host, port: &Published) -> Remark {
    let Published {
        container,
        inner,
        outer,
        protocol,
        addresses,
    } = port;
    let place = if addresses.iter().any(std::net::IpAddr::is_unspecified) {
        "all addresses".to_owned()
    } else {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        list(&addresses)
    };
    let what =
        format!("container {container} publishes {outer}/{protocol} (its port {inner}) on {place}");
    let local = format!("publish it on this machine alone: `127.0.0.1:{outer}:{inner}`");
    let open = host.policy.tuples().any(|rule| {
        rule.chain == Chain::Forward
            && rule.action.lets_in()
            && is_for_everybody(rule)
            && rule.covers(protocol, *inner)
    });
    if open {
        return remark(
            Level::Refusal,
            "published-open",
            what,
            format!(
                "a route rule of ufw's lets everybody through to port {inner} of any container, \
                 and so to this one"
            ),
            format!("{local}, or let it listen on another port than {inner}"),
        );
    }
    let unprobed = if protocol == "tcp" {
        ""
    } else {
        "; a proof doesn't try it, since over UDP silence says nothing"
    };
    remark(
        Level::Warning,
        "published",
        what,
        format!(
            "nothing here wants it published; only DOCKER-USER keeps others from it, and each \
             route rule to port {inner} lets them in{unprobed}"
        ),
        format!("{local}, or remove the container"),
    )
}

fn host_network(host: &Host, all: &mut Vec<Remark>) {
    let containers = host.engine().map(|docker| docker.containers.iter());
    let names: Vec<String> = containers
        .into_iter()
        .flatten()
        .filter(|container| {
            container.state == "running" && container.host_config.network_mode == "host"
        })
        .filter_map(|container| container.names.first())
        .map(|name| name.trim_start_matches('/').to_owned())
        .collect();
    let mut let_in: Vec<String> = host
        .policy
        .tuples()
        .filter(|rule| lets_in(rule, host.ssh))
        .map(|rule| match rule.from {
            None => subject(rule),
            Some(from) => format!("{} from {from}", subject(rule)),
        })
        .collect();
    let_in.sort();
    let_in.dedup();
    if names.is_empty() || let_in.is_empty() {
        return;
    }
    all.push(remark(
        Level::Warning,
        "host-network",
        format!(
            "container {} shares the host's network, and ufw lets in {}",
            list(&names),
            list(&let_in)
        ),
        "what such a container listens on is the host's own port: DOCKER-USER is not asked, and \
         Docker doesn't list it",
        "give it a network of its own and publish its ports, or see with `ss -ltnup` that it \
         opens no more than is meant to be let in",
    ));
}

/// Whether it is about whoever comes in over any interface, to any container.
fn is_for_everybody(rule: &Tuple) -> bool {
    let anywhere = rule.from.is_none() && rule.to.is_none() && rule.source_ports.is_any();
    anywhere && rule.inward.is_none() && rule.outward.is_none()
}

/// Whether a rule of the operator's lets something in beside SSH.
fn lets_in(rule: &Tuple, ssh: Option<u16>) -> bool {
    let is_ssh = ssh.is_some() && rule.ports.single() == ssh;
    rule.chain == Chain::Input && !rule.is_ours() && rule.action.lets_in() && !is_ssh
}

/// What a rule is about: "9100/tcp", "every port".
fn subject(rule: &Tuple) -> String {
    match (rule.ports.is_any(), &rule.protocol) {
        (true, None) => "every port".to_owned(),
        (true, Some(protocol)) => format!("every port of {protocol}"),
        (false, None) => rule.ports.to_string(),
        (false, Some(protocol)) => format!("{}/{protocol}", rule.ports),
    }
}

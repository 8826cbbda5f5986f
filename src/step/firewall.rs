//! `firewall`: Docker's published ports behind ufw, before anything is published.

use std::net::IpAddr;

use super::app::environment::{POSTGRES, REDIS};
use super::{Cx, Error, Resources, Step, app, proxy};
use crate::resource::fact::Family;
use crate::resource::leftover::Leftover;
use crate::resource::ufw::{Path, Protocol, Rule, Rules};
use crate::resource::ufw_docker::{Block, Forgotten, Live, Unblock, Unlive};
use crate::site::{Allow, Role, Target};

pub(super) const STEP: Step = Step {
    name: "firewall",
    summary: "Docker's ports behind ufw: the app answers to the proxy alone, the database to the app",
    reads: "/etc/ufw/after.rules, after6.rules and user rules, Docker's networks and address \
            pools, the live rules of both families",
    changes: "the block \"UFW AND DOCKER\" in after.rules and after6.rules (tested before use), \
              in place of an older one, which is kept below /var/lib/provision/ufw; ufw route \
              rules for each proxy to the container's port, and for each app server to a database \
              or a cache that is on another host; reloads ufw. With --remove all of \
              it is taken back, and the older block put back",
    guarded: true,
    resources,
};

/// The comment that marks our rules.
fn owner(cx: &Cx<'_>) -> String {
    format!("provision {}", cx.site.name)
}

/// Further rules of site.toml that apply to this host and lead to such a place.
fn allowed(cx: &Cx<'_>, to: Target, path: Path) -> Vec<Rule> {
    let here = |allow: &&Allow| allow.on.is_none_or(|role| cx.host.roles.contains(&role));
    let all = cx.site.firewall.allow.iter().filter(here);
    all.filter(|allow| allow.to == to)
        .flat_map(|allow| {
            let from: Vec<Option<String>> = match allow.from.as_slice() {
                [] => vec![None],
                some => some.iter().cloned().map(Some).collect(),
            };
            let port = allow.port;
            from.into_iter().map(move |from| tcp(path, port, from))
        })
        .collect()
}

/// Every address under which an app server may see a proxy: which one it is depends on the way
/// that the proxy's packets take, and that is not ours to choose.
fn proxies(cx: &Cx<'_>) -> Vec<IpAddr> {
    let told = &cx.site.firewall.proxy_addresses;
    if !told.is_empty() {
        return told.clone();
    }
    let mut all: Vec<IpAddr> = Vec::new();
    for proxy in cx.site.with_role(Role::Proxy) {
        // The one it comes by as a rule is the first that is met.
        let inner = proxy.inner_from(cx.host);
        all.push(inner);
        let others = proxy.public().into_iter().chain(proxy.private);
        all.extend(others.filter(|other| *other != inner));
    }
    all
}

/// Whether the app is published on this host, for proxies on others.
fn published_app(cx: &Cx<'_>) -> bool {
    cx.host.roles.contains(&Role::App) && !cx.site.alone(cx.host)
}

/// Who may come to the database and the cache on this host from another: each port, and the
/// address that the client comes under. PostgreSQL and Redis have the same port on the host as in
/// their containers.
fn data_clients(cx: &Cx<'_>) -> Vec<(u16, IpAddr)> {
    let mut all = Vec::new();
    for (role, port) in [(Role::Db, POSTGRES), (Role::Cache, REDIS)] {
        if cx.host.roles.contains(&role) {
            let clients = cx.site.data_clients(role).into_iter();
            all.extend(clients.map(|client| (port, client.inner_from(cx.host))));
        }
    }
    all
}

/// A rule for a port of TCP.
fn tcp(path: Path, port: u16, from: Option<String>) -> Rule {
    Rule {
        path,
        protocol: Protocol::Tcp,
        port,
        from,
    }
}

/// A rule for each port of the proxy, for everybody.
fn open(cx: &Cx<'_>, path: Path) -> impl Iterator<Item = Rule> {
    let ports = proxy::service::ports(cx.site).into_iter();
    ports.map(move |(protocol, port)| Rule {
        path,
        protocol,
        port,
        from: None,
    })
}

/// What is let in to the host itself, beside SSH.
fn inputs(cx: &Cx<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    // Over IPv6 Docker's own proxy program listens on the host, where INPUT decides; the port is
    // the published one then.
    if cx.host.roles.contains(&Role::Proxy) {
        rules.extend(open(cx, Path::Input));
    }
    // Where the app is published on a private IPv4 address alone, nothing is there to be reached.
    let published =
        app::service::private_only(cx.site, cx.host).is_none_or(|address| address.is_ipv6());
    if published_app(cx) && published {
        let over_ipv6 = proxies(cx).into_iter().filter(IpAddr::is_ipv6);
        let publish = cx.site.app.publish;
        rules.extend(over_ipv6.map(|proxy| tcp(Path::Input, publish, Some(proxy.to_string()))));
    }
    let clients = data_clients(cx).into_iter();
    let over_ipv6 = clients.filter(|(_, client)| client.is_ipv6());
    rules.extend(over_ipv6.map(|(port, client)| tcp(Path::Input, port, Some(client.to_string()))));
    rules.extend(allowed(cx, Target::Host, Path::Input));
    rules
}

/// What is let through to containers. Packets arrive there with the container's port.
fn routes(cx: &Cx<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    if cx.host.roles.contains(&Role::Proxy) {
        rules.extend(open(cx, Path::Route));
    }
    if published_app(cx) {
        let proxies = proxies(cx).into_iter();
        let port = cx.site.app.port;
        rules.extend(proxies.map(|proxy| tcp(Path::Route, port, Some(proxy.to_string()))));
    }
    let clients = data_clients(cx).into_iter();
    rules.extend(clients.map(|(port, client)| tcp(Path::Route, port, Some(client.to_string()))));
    rules.extend(allowed(cx, Target::Container, Path::Route));
    rules
}

/// The rules of the host's own ports, SSH with them.
pub(super) fn input_rules(cx: &Cx<'_>) -> Rules {
    Rules::new(owner(cx), Path::Input, inputs(cx)).and_ssh()
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let routes = routes(cx);
    Ok(vec![
        Box::new(Leftover),
        super::lint::lint(cx),
        Box::new(input_rules(cx)),
        // Where a file can't be changed, that is known before anything else is; and both are
        // there before they are loaded, so that a proxy is never shut out.
        Box::new(Block(Family::V4)),
        Box::new(Block(Family::V6)),
        Box::new(Rules::new(owner(cx), Path::Route, routes.clone())),
        Box::new(Live { routes }),
    ])
}

/// The removal: Docker's ports as Docker publishes them. ufw and the rules of the host's own
/// ports are `bootstrap`'s.
pub(super) fn removal(cx: &Cx<'_>) -> Resources {
    vec![
        Box::new(Leftover),
        Box::new(Unblock(Family::V4)),
        Box::new(Unblock(Family::V6)),
        Box::new(Unlive),
        // Last, so that the proxy is let through as long as anything is held back.
        Box::new(Rules::new(owner(cx), Path::Route, Vec::new())),
        Box::new(Forgotten),
    ]
}

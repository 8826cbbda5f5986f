//! `firewall`: Docker's published ports behind ufw, before anything is published.

use super::{Cx, Error, Resources, Step};
use crate::resource::fact::Family;
use crate::resource::leftover::Leftover;
use crate::resource::ufw::{Path, Rule, Rules};
use crate::resource::ufw_docker::{Block, Live};
use crate::site::Role;

pub(super) const STEP: Step = Step {
    name: "firewall",
    summary: "Docker's ports behind ufw: the app answers to the proxy alone",
    reads: "/etc/ufw/after.rules, after6.rules and user rules, Docker's networks and address \
            pools, the live rules of both families",
    changes: "the block \"UFW AND DOCKER\" in after.rules and after6.rules (tested before use); \
              ufw route rules for each proxy to the container's port; reloads ufw",
    guarded: true,
    resources,
};

/// The comment that marks our rules.
fn owner(cx: &Cx<'_>) -> String {
    format!("provision {}", cx.site.name)
}

/// What is let in to the host itself, beside SSH.
fn inputs(cx: &Cx<'_>) -> Vec<Rule> {
    let input = |port, from| Rule {
        path: Path::Input,
        port,
        from,
    };
    let mut rules = Vec::new();
    if cx.host.roles.contains(&Role::Proxy) {
        // Over IPv6 Docker's own proxy program listens on the host, where INPUT decides.
        rules.extend([input(80, None), input(443, None)]);
    }
    for allow in &cx.site.firewall.allow {
        if allow.on.is_some_and(|role| !cx.host.roles.contains(&role)) {
            continue;
        }
        if allow.from.is_empty() {
            rules.push(input(allow.port, None));
        }
        rules.extend(
            allow
                .from
                .iter()
                .map(|from| input(allow.port, Some(from.clone()))),
        );
    }
    rules
}

/// What is let through to containers. Packets arrive there with the container's port.
fn routes(cx: &Cx<'_>) -> Vec<Rule> {
    let route = |port, from| Rule {
        path: Path::Route,
        port,
        from,
    };
    let mut rules = Vec::new();
    if cx.host.roles.contains(&Role::Proxy) {
        rules.extend([route(80, None), route(443, None)]);
    }
    if cx.host.roles.contains(&Role::App) {
        let seen_as = &cx.site.firewall.proxy_addresses;
        let proxies: Vec<_> = if seen_as.is_empty() {
            let own = cx.site.with_role(Role::Proxy);
            own.map(|proxy| proxy.inner_from(cx.host)).collect()
        } else {
            seen_as.clone()
        };
        for proxy in proxies {
            rules.push(route(cx.site.app.port, Some(proxy.to_string())));
        }
    }
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
        Box::new(Rules::new(owner(cx), Path::Route, routes.clone())),
        Box::new(Block(Family::V4)),
        Box::new(Block(Family::V6)),
        Box::new(Live { routes }),
    ])
}

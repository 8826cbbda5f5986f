//! `verify`: what must be proven of the site, from outside.

use std::net::IpAddr;

use super::{Cx, Error, Resources, Step};
use crate::proof::{Check, Claim};
use crate::resource::sha256;
use crate::resource::task::Task;
use crate::site::{Role, Site};

pub(super) const STEP: Step = Step {
    name: "verify",
    summary: "The proof: who reaches what, over which address, and what the site answers",
    reads: "connections from here, from the proxy and from the sibling app servers; the page, the \
            redirect, the certificate, the renewal timer",
    changes: "leaves a receipt of the proof in /var/lib/provision/SITE",
    guarded: false,
    resources,
};

/// The vantage of the operator's machine.
pub const HERE: &str = "here";

/// What must be proven of a site.
pub fn checks(site: &Site) -> Vec<Check> {
    let mut checks = Vec::new();
    for host in site.hosts.values() {
        // Behind a bastion, SSH need not answer to the world.
        if !site.way(host).is_empty() {
            continue;
        }
        let claim = Claim::Open(host.port());
        checks.push(check(host.name.as_str(), HERE, Some(host.address), claim));
    }
    for app in site.with_role(Role::App) {
        let name = app.name.as_str();
        let blocked = || Claim::Blocked(site.app.publish);
        for public in app.public() {
            // The world has no way to an address of a private network.
            if site.way(app).is_empty() || !is_private(public) {
                checks.push(check(name, HERE, Some(public), blocked()));
            }
        }
        for proxy in site.with_role(Role::Proxy) {
            let page = Claim::Page {
                path: site.app.health.to_string(),
                status: 200,
            };
            checks.push(check(
                name,
                proxy.name.as_str(),
                Some(app.inner_from(proxy)),
                page,
            ));
        }
        for sibling in site
            .with_role(Role::App)
            .filter(|other| other.name != app.name)
        {
            let address = app.inner_from(sibling);
            checks.push(check(name, sibling.name.as_str(), Some(address), blocked()));
        }
    }
    for proxy in site.with_role(Role::Proxy) {
        front(site, proxy, &mut checks);
    }
    checks
}

/// An address that only a private network knows (RFC 1918, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// What the proxy must show to the world.
fn front(site: &Site, proxy: &crate::site::Host, checks: &mut Vec<Check>) {
    let name = proxy.name.as_str();
    let canonical = site.canonical();
    let path = site.app.health.to_string();
    for address in proxy.public() {
        let page = Claim::Page {
            path: path.clone(),
            status: 200,
        };
        checks.push(check(name, HERE, Some(address), page));
        let to = format!("https://{canonical}{path}");
        checks.push(check(name, HERE, Some(address), Claim::Redirect { to }));
        checks.push(check(name, HERE, Some(address), Claim::Ignored));
        checks.push(check(name, HERE, Some(address), Claim::NoCertificate));
    }
    let names = site.domains.iter().map(ToString::to_string).collect();
    let certificate = Claim::Certificate { names, margin: 0 };
    checks.push(check(name, HERE, Some(proxy.address), certificate));
    let servers = site
        .with_role(Role::App)
        .map(|app| app.name.to_string())
        .collect();
    checks.push(check(
        name,
        HERE,
        Some(proxy.address),
        Claim::Balanced(servers),
    ));
    checks.push(check(name, name, None, Claim::Timer));
}

fn check(host: &str, from: &str, address: Option<IpAddr>, claim: Claim) -> Check {
    Check {
        host: host.to_owned(),
        from: from.to_owned(),
        address: address.map(|address| address.to_string()),
        claim,
    }
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    // The receipt goes with the first change on the host, and comes back with a new proof.
    let depends = sha256(format!("{:?}", checks(cx.site)));
    let receipt = format!("{}/proof", cx.site.state());
    Ok(vec![Box::new(Task::new(
        "proof",
        receipt,
        depends,
        Vec::new(),
    ))])
}

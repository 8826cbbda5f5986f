//! `verify`: what must be proven of the site, from outside.

use std::collections::BTreeMap;

use super::matrix::{HERE, Vantage, cells, check};
use super::{Cx, Error, Resources, Step};
use crate::proof::{Check, Claim};
use crate::resource::sha256;
use crate::resource::task::Task;
use crate::site::{Role, Site};

pub(super) const STEP: Step = Step {
    name: "verify",
    summary: "The proof: who reaches what, over which address, and what the site answers",
    reads: "connections from here, from inside the proxy's container, from all other hosts and from \
            the servers of [verify]; what listens, what Docker publishes, what the deny rules have \
            dropped; the page, the redirect, the certificate, the renewal timer",
    changes: "leaves a receipt of the proof in /var/lib/provision/SITE",
    guarded: false,
    resources,
};

/// What must be proven of a site, as far as that is known before any host was looked at.
pub fn checks(site: &Site) -> Vec<Check> {
    let here = Vantage {
        name: HERE.to_owned(),
        addresses: Vec::new(),
    };
    let mut checks = cells(site, &BTreeMap::new(), &[here]);
    checks.extend(fronts(site));
    checks
}

/// What every proxy must show to the world.
pub fn fronts(site: &Site) -> Vec<Check> {
    let mut checks = Vec::new();
    for proxy in site.with_role(Role::Proxy) {
        front(site, proxy, &mut checks);
    }
    checks
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

//! `verify`: what must be proven of the site, from outside.

use std::collections::BTreeMap;

use super::matrix::{HERE, Vantage, cells, check};
use super::{Cx, Error, Resources, Step, certificate, proxy, renewal};
use crate::proof::{Check, Claim, Origin};
use crate::resource::sha256;
use crate::resource::task::Task;
use crate::shell::Cmd;
use crate::site::{Host, Mode, Role, Site};

pub(super) const STEP: Step = Step {
    name: "verify",
    summary: "The proof: who reaches what, over which address, and what the site answers",
    reads: "connections from here, from inside the proxy's container, from all other hosts and from \
            the servers of [verify]; what listens, what Docker publishes, what the deny rules have \
            dropped; the page, the redirect, the certificate, the renewal timer; `provision verify` \
            rehearses the renewal too",
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

/// Where the site's certificate comes from; `None` where there is none.
pub fn origin(site: &Site) -> Option<Origin> {
    match &site.tls.mode {
        Mode::Acme(acme) if acme.staging => Some(Origin::Staging),
        Mode::Acme(_) => Some(Origin::Acme),
        Mode::Provided(_) => Some(Origin::Provided),
        Mode::SelfSigned(_) => Some(Origin::SelfSigned),
        Mode::Off => None,
    }
}

/// What a proxy has for the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// nginx's container.
    pub container: String,
    /// The file on the host with the certificate that nginx is to serve, and maybe its key; `None`
    /// where there is no TLS.
    pub certificate: Option<String>,
}

/// What a proxy has for the world.
pub fn serving(site: &Site, host: &Host) -> Serving {
    let cx = Cx { site, host, now: 0 };
    Serving {
        container: proxy::container(&cx),
        certificate: certificate::wanted(&cx).map(|material| material.host),
    }
}

/// What rehearses the renewal on every proxy, where there is one.
pub fn rehearsals(site: &Site) -> Vec<(Check, Cmd)> {
    let mut all = Vec::new();
    for host in site.with_role(Role::Proxy) {
        let name = host.name.as_str();
        if let Some(cmd) = renewal::rehearsal(&Cx { site, host, now: 0 }) {
            all.push((check(name, name, None, Claim::Rehearsal), cmd));
        }
    }
    all
}

/// What the proxy must show to the world.
fn front(site: &Site, proxy: &Host, checks: &mut Vec<Check>) {
    let name = proxy.name.as_str();
    let canonical = site.canonical();
    let path = site.app.health.to_string();
    let origin = origin(site);
    for address in proxy.public() {
        let mut seen = |claim| checks.push(check(name, HERE, Some(address), claim));
        seen(Claim::Page {
            path: path.clone(),
            status: 200,
        });
        if origin.is_some() {
            let to = format!("https://{canonical}{path}");
            seen(Claim::Redirect { to });
        }
        seen(Claim::Ignored);
        if origin.is_some() {
            seen(Claim::NoCertificate);
        }
        if site.proxy.http3 {
            seen(Claim::Http3);
        }
    }
    let mut once = |claim| checks.push(check(name, HERE, Some(proxy.address), claim));
    if let Some(origin) = origin {
        let names = site.domains.iter().map(ToString::to_string).collect();
        once(Claim::Certificate { names, origin });
    }
    let servers = site
        .with_role(Role::App)
        .map(|app| app.name.to_string())
        .collect();
    once(Claim::Balanced(servers));
    if origin.is_some() {
        checks.push(check(name, name, None, Claim::Timer));
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

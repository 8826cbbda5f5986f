//! `verify`: what must be proven of the site, from outside.

use std::net::{IpAddr, SocketAddr};

use super::{Cx, Error, Resources, Step};
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

/// One thing that must be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The app's published port on `host` answers to the proxies, and to nobody else.
    OnlyForProxies {
        /// The app server.
        host: String,
        /// Where it must not answer to us.
        public: Vec<SocketAddr>,
        /// Where it must answer to the proxies and not to its siblings.
        inner: SocketAddr,
        /// The proxies' names.
        proxies: Vec<String>,
        /// The other app servers' names.
        siblings: Vec<String>,
    },
    /// sshd answers from here.
    Ssh {
        /// The host.
        host: String,
        /// Where.
        address: SocketAddr,
    },
    /// HTTP leads to HTTPS; HTTPS shows the page under a valid certificate; foreign names get
    /// nothing.
    Front {
        /// The proxy.
        host: String,
        /// Its public addresses.
        addresses: Vec<IpAddr>,
        /// The names it answers to.
        domains: Vec<String>,
        /// The path that answers 200.
        path: String,
        /// The nginx container, whose log says which app server answered.
        container: String,
        /// How many app servers must be seen to answer.
        upstreams: usize,
    },
    /// The renewal timer is armed.
    Timer {
        /// The proxy.
        host: String,
        /// The unit.
        unit: String,
    },
}

/// What must be proven of a site.
pub fn checks(site: &Site) -> Vec<Check> {
    let names = |role| site.with_role(role).map(|host| host.name.to_string());
    let proxies: Vec<String> = names(Role::Proxy).collect();
    let mut checks = Vec::new();
    for host in site.hosts.values() {
        let address = SocketAddr::new(host.address, host.port);
        checks.push(Check::Ssh {
            host: host.name.to_string(),
            address,
        });
    }
    for app in site.with_role(Role::App) {
        let port = site.app.publish;
        let inner = app.private.unwrap_or(app.address);
        checks.push(Check::OnlyForProxies {
            host: app.name.to_string(),
            public: app
                .public()
                .into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect(),
            inner: SocketAddr::new(inner, port),
            proxies: proxies.clone(),
            siblings: names(Role::App)
                .filter(|name| *name != app.name.as_str())
                .collect(),
        });
    }
    for proxy in site.with_role(Role::Proxy) {
        checks.push(Check::Front {
            host: proxy.name.to_string(),
            addresses: proxy.public(),
            domains: site.domains.iter().map(ToString::to_string).collect(),
            path: site.app.health.to_string(),
            container: format!("{}-proxy", site.name),
            upstreams: site.with_role(Role::App).count(),
        });
        checks.push(Check::Timer {
            host: proxy.name.to_string(),
            unit: format!("{}-renew.timer", site.name),
        });
    }
    checks
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let depends = sha256(format!("{:?}", checks(cx.site)));
    let receipt = format!("{}/proof", cx.site.state());
    Ok(vec![Box::new(Task::new(
        "proof",
        receipt,
        depends,
        Vec::new(),
    ))])
}

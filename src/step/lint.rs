//! Whether a host's firewall can hold at all; a part of every step that relies on it.

use super::{Cx, proxy};
use crate::lint::{Lint, Wanted};
use crate::resource::Resource;
use crate::resource::ufw::Protocol;
use crate::site::{Host, Role, Site, Target};

/// What every run looks at on a host.
pub(super) fn lint(cx: &Cx<'_>) -> Box<dyn Resource> {
    Box::new(Lint::new(wanted(cx.site, cx.host)))
}

/// The closer look of a verification, which takes its time and refuses nothing.
pub fn closely(site: &Site, host: &Host) -> Box<dyn Resource> {
    Box::new(Lint::new(wanted(site, host)).thorough())
}

/// What the containers of a site publish on a host.
fn wanted(site: &Site, host: &Host) -> Wanted {
    let mut wanted = Wanted::default();
    if host.roles.contains(&Role::App) {
        wanted = wanted.published(site.app.port, site.app.publish);
    }
    if host.roles.contains(&Role::Proxy) {
        for (protocol, port) in proxy::ports(site) {
            wanted = match protocol {
                Protocol::Tcp => wanted.published(port, port),
                Protocol::Udp => wanted.published_udp(port, port),
            };
        }
    }
    for allow in &site.firewall.allow {
        let here = allow.on.is_none_or(|role| host.roles.contains(&role));
        if here && allow.to == Target::Container {
            wanted = wanted.inner(allow.port);
        }
    }
    wanted
}

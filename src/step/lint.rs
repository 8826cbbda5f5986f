//! Whether a host's firewall can hold at all; a part of every step that relies on it.

use super::Cx;
use crate::lint::{Lint, Wanted};
use crate::resource::Resource;
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
        // Whatever it serves by: what it published until now is taken back by the run itself.
        wanted = wanted
            .published(80, 80)
            .published(443, 443)
            .published_udp(443, 443);
    }
    for allow in &site.firewall.allow {
        let here = allow.on.is_none_or(|role| host.roles.contains(&role));
        if here && allow.to == Target::Container {
            wanted = wanted.inner(allow.port);
        }
    }
    wanted
}

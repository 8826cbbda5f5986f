//! From an ACME authority: looked at from outside, rehearsed, then issued by webroot.

use crate::resource::certificate::{Certificate, Sight};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use crate::site::{Acme, Host, Profile, Role};
use crate::step::material::proxy_directory;
use crate::step::{Cx, Resources};

/// Where the extra authorities lie on the host, if there are any.
pub(in crate::step) fn ca_path(cx: &Cx<'_>) -> Option<String> {
    let directory = proxy_directory(cx);
    cx.site
        .tls
        .ca
        .as_ref()
        .map(|_| format!("{directory}/acme-ca.pem"))
}

pub(super) fn resources(cx: &Cx<'_>, acme: &Acme) -> Resources {
    let mut all: Resources = vec![Box::new(Image::pulled(acme.image.as_str()))];
    let work = Directory::new("/var/lib/letsencrypt", 0o755);
    let work = work.owner(cx.site.app.user.to_string());
    all.push(Box::new(work.whole()));
    if let (Some(path), Some(pem)) = (ca_path(cx), &cx.site.tls.ca) {
        all.push(Box::new(File::new(path, &pem.text)));
    }
    let proxies = cx.site.with_role(Role::Proxy);
    let look = acme.check.then(|| Sight {
        addresses: proxies.flat_map(Host::public).collect(),
        dns: cx.site.dns.check,
        resolver: cx.site.dns.resolver,
    });
    all.push(Box::new(Certificate {
        name: cx.site.canonical().to_string(),
        domains: cx.site.domains.iter().map(ToString::to_string).collect(),
        email: acme.email.to_string(),
        directory: acme.directory.clone(),
        key: super::key(acme.key),
        profile: acme.profile.map(Profile::as_str).map(str::to_owned),
        image: acme.image.to_string(),
        user: cx.site.app.user.to_string(),
        webroot: format!("{}/acme", proxy_directory(cx)),
        ca: ca_path(cx),
        refused: format!("{}/acme-refused", cx.site.state()),
        look,
        now: cx.now,
    }));
    all
}

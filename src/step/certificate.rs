//! `certificate`: rehearsed, then issued by webroot; then nginx in full.

use super::{Cx, Error, Resources, Step, proxy};
use crate::resource::certificate::Certificate;
use crate::resource::file::File;
use crate::resource::image::Image;

pub(super) const STEP: Step = Step {
    name: "certificate",
    summary: "The certificate: a dry run first, then for production, without questions",
    reads: "the certificate's names and end, its renewal configuration (which authority)",
    changes: "/etc/letsencrypt through certbot in a container; nginx's configuration, from HTTP \
              alone to HTTPS",
    guarded: false,
    resources,
};

/// Where the extra authorities lie on the host, if there are any.
pub(super) fn ca_path(cx: &Cx<'_>) -> Option<String> {
    cx.site
        .tls
        .ca
        .as_ref()
        .map(|_| format!("{}/acme-ca.pem", proxy::directory(cx)))
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let tls = &cx.site.tls;
    let mut all: Resources = vec![Box::new(Image::pulled(tls.image.as_str()))];
    if let (Some(path), Some(pem)) = (ca_path(cx), &tls.ca) {
        all.push(Box::new(File::new(path, &pem.text)));
    }
    all.push(Box::new(Certificate {
        name: cx.site.canonical().to_string(),
        domains: cx.site.domains.iter().map(ToString::to_string).collect(),
        email: tls.email.to_string(),
        directory: tls.directory.clone(),
        image: tls.image.to_string(),
        webroot: format!("{}/acme", proxy::directory(cx)),
        ca: ca_path(cx),
        now: cx.now,
    }));
    let (nginx, reload) = proxy::nginx(cx)?;
    all.push(Box::new(nginx));
    all.push(Box::new(reload));
    Ok(all)
}

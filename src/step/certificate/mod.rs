//! `certificate`: from an authority, from the operator or made on the proxy; then nginx in full.
//!
//! One of [`acme`], [`provided`] and [`self_signed`] brings the certificate. Until it is there,
//! nginx goes on with the one that was there before ([`candidates`]).

mod acme;
mod provided;
mod self_signed;

pub(super) use acme::ca_path;

use super::{Cx, Error, Resources, Step, proxy};
use crate::resource::certificate::lineage;
use crate::site::Mode;

pub(super) const STEP: Step = Step {
    name: "certificate",
    summary: "The certificate: a dry run first, then for production, without questions",
    reads: "the certificate's names and end, its renewal configuration (which authority)",
    changes: "/etc/letsencrypt through certbot in a container; nginx's configuration, from HTTP \
              alone to HTTPS",
    guarded: false,
    resources,
};

/// A certificate that nginx can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Material {
    /// The file on the host whose presence says that it is there.
    pub host: String,
    /// Where nginx finds the chain, in its container.
    pub chain: String,
    /// Where nginx finds the key.
    pub key: String,
}

/// Where certificates that aren't certbot's lie on the host: each a file of key and chain, so
/// that both are replaced at once.
pub(super) fn directory(cx: &Cx<'_>) -> String {
    format!("{}/tls", proxy::directory(cx))
}

/// Where nginx finds that directory.
pub(super) const INSIDE: &str = "/etc/nginx/tls";

/// Key and chain in one file of [`directory`].
fn joined(cx: &Cx<'_>, name: &str) -> Material {
    let inside = format!("{INSIDE}/{name}.pem");
    Material {
        host: format!("{}/{name}.pem", directory(cx)),
        chain: inside.clone(),
        key: inside,
    }
}

/// What nginx may serve, what site.toml asks for first; none where it asks for no TLS.
pub(super) fn candidates(cx: &Cx<'_>) -> Vec<Material> {
    let live = lineage(cx.site.canonical().as_str());
    let acme = Material {
        host: format!("{live}/fullchain.pem"),
        chain: format!("{live}/fullchain.pem"),
        key: format!("{live}/privkey.pem"),
    };
    let all = [acme, joined(cx, "provided"), joined(cx, "self-signed")];
    let first = match &cx.site.tls.mode {
        Mode::Acme(_) => 0,
        Mode::Provided(_) => 1,
        Mode::SelfSigned(_) => 2,
        Mode::Off => return Vec::new(),
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| *at != first);
    order.into_iter().map(|at| all[at].clone()).collect()
}

/// What site.toml asks for.
pub(super) fn wanted(cx: &Cx<'_>) -> Option<Material> {
    candidates(cx).into_iter().next()
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let mut all = match &cx.site.tls.mode {
        Mode::Acme(acme) => acme::resources(cx, acme),
        Mode::Provided(pair) => provided::resources(cx, pair),
        Mode::SelfSigned(own) => self_signed::resources(cx, own),
        Mode::Off => Vec::new(),
    };
    let (nginx, reload) = proxy::nginx(cx)?;
    all.push(Box::new(nginx));
    all.push(Box::new(reload));
    Ok(all)
}

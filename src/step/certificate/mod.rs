//! `certificate`: from an authority, from the operator or made on the proxy; then nginx in full.
//!
//! One of [`acme`], [`provided`] and [`self_signed`] brings the certificate. Until it is there,
//! nginx goes on with the one that was there before ([`until_then`]). What that one has left is
//! removed once nginx has read the new one; certbot's directory stays, so that going back to its
//! authority asks it for nothing.

mod acme;
mod provided;
pub(super) mod self_signed;

pub(super) use acme::ca_path;

use super::{Cx, Error, Resources, Step, proxy, reload};
use crate::resource::Resource;
use crate::resource::certificate::{Key, copy_of, lineage};
use crate::resource::retired::Retired;
use crate::site::{KeyType, Mode};

pub(super) const STEP: Step = Step {
    name: "certificate",
    summary: "The certificate: a dry run first, then for production, without questions",
    reads: "the certificate's names and end, its renewal configuration (which authority)",
    changes: "/etc/letsencrypt through certbot in a container, or /srv/SITE/proxy/tls; nginx's \
              configuration, from HTTP alone to HTTPS",
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

/// What nginx may serve once site.toml's certificate was brought, that one first; none where there
/// is to be no TLS.
pub(super) fn candidates(cx: &Cx<'_>) -> Vec<Material> {
    let (provided, own) = (joined(cx, "provided"), joined(cx, "self-signed"));
    match &cx.site.tls.mode {
        Mode::Acme(_) => vec![acme(cx), provided, own],
        Mode::Provided(_) => vec![provided, own, acme(cx)],
        Mode::SelfSigned(_) => vec![own, provided, acme(cx)],
        Mode::Off => Vec::new(),
    }
}

/// What nginx may serve until then: what an earlier mode brought goes on until the step removes
/// it. An authority's certificate comes last: it stays where it is when the mode changes, so it
/// may be long out of use, and out of date.
pub(super) fn until_then(cx: &Cx<'_>) -> Vec<Material> {
    let mut all = candidates(cx);
    let certbots = acme(cx);
    let place = |material: &Material| match &cx.site.tls.mode {
        _ if *material == certbots => 2,
        Mode::Provided(_) => u8::from(*material == joined(cx, "provided")),
        Mode::SelfSigned(_) => u8::from(*material == joined(cx, "self-signed")),
        Mode::Acme(_) | Mode::Off => 0,
    };
    all.sort_by_key(place);
    all
}

fn acme(cx: &Cx<'_>) -> Material {
    let live = lineage(cx.site.canonical().as_str());
    Material {
        host: format!("{live}/fullchain.pem"),
        chain: format!("{live}/fullchain.pem"),
        key: format!("{live}/privkey.pem"),
    }
}

/// The key that site.toml asks for.
fn key(kind: KeyType) -> Key {
    match kind {
        KeyType::Ecdsa => Key::Ecdsa,
        KeyType::Rsa(bits) => Key::Rsa(bits),
    }
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
    let (nginx, pending) = proxy::nginx(cx, &candidates(cx))?;
    all.push(Box::new(proxy::build(cx)));
    all.push(Box::new(nginx));
    all.push(Box::new(pending));
    all.extend(reload::served(cx).map(|served| Box::new(served) as Box<dyn Resource>));
    all.push(Box::new(left(cx)));
    Ok(all)
}

/// What another mode has left in [`directory`]. Only for the end of the step: until nginx has
/// read its new configuration, it may have to start with these files.
fn left(cx: &Cx<'_>) -> Retired {
    let unused = match &cx.site.tls.mode {
        Mode::Provided(_) => vec!["self-signed"],
        Mode::SelfSigned(_) => vec!["provided"],
        Mode::Acme(_) | Mode::Off => vec!["provided", "self-signed"],
    };
    let files = unused.into_iter().flat_map(|name| {
        let file = joined(cx, name).host;
        let copy = copy_of(&file);
        [file, copy]
    });
    Retired {
        what: "what an earlier certificate left".to_owned(),
        units: Vec::new(),
        files: files.collect(),
    }
}

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

use super::material::{candidates, joined};
use super::{Cx, Error, Resources, Step, proxy, reload};
use crate::resource::Resource;
use crate::resource::certificate::{Key, copy_of};
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

/// The key that site.toml asks for.
fn key(kind: KeyType) -> Key {
    match kind {
        KeyType::Ecdsa => Key::Ecdsa,
        KeyType::Rsa(bits) => Key::Rsa(bits),
    }
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

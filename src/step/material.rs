//! Certificates that nginx can serve, and where they and the rest of a proxy's files lie.

use super::Cx;
use crate::resource::certificate::lineage;
use crate::resource::file::Directory;
use crate::site::Mode;

/// Where the proxy's files lie.
pub(super) fn proxy_directory(cx: &Cx<'_>) -> String {
    format!("{}/proxy", cx.site.directory())
}

/// The nginx container's name.
pub(super) fn container(cx: &Cx<'_>) -> String {
    format!("{}-proxy", cx.site.name)
}

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
    format!("{}/tls", proxy_directory(cx))
}

/// That directory, for root and nginx alone. Files in it get nginx' group by themselves, and nginx,
/// which may read a key, can't put another in its place.
pub(super) fn keys(cx: &Cx<'_>) -> Directory {
    let group = cx.site.app.user.gid;
    let directory = Directory::new(directory(cx), 0o2750);
    directory.owner(format!("root:{group}")).whole()
}

/// Where nginx finds that directory.
pub(super) const INSIDE: &str = "/etc/nginx/tls";

/// Key and chain in one file of [`directory`].
pub(super) fn joined(cx: &Cx<'_>, name: &str) -> Material {
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

/// What site.toml asks for.
pub(super) fn wanted(cx: &Cx<'_>) -> Option<Material> {
    candidates(cx).into_iter().next()
}

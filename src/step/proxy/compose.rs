//! The proxy's compose.yaml.

use askama::Template;

use super::{Cx, locations, published};
use crate::resource::sha256;
use crate::step::material::{container, proxy_directory};

#[derive(Template)]
#[template(path = "proxy/compose.yaml")]
struct Compose<'a> {
    site: &'a str,
    project: &'a str,
    image: &'a str,
    directory: &'a str,
    /// "443:443/udp".
    ports: &'a [String],
    static_files: bool,
    /// Directories on the host, and where nginx finds each.
    places: &'a [(String, String)],
    digest: &'a str,
}

/// The text, and the digest that the container carries.
pub(super) fn text(cx: &Cx<'_>) -> Result<(String, String), askama::Error> {
    let site = cx.site;
    let locations = site.proxy.locations.iter().enumerate();
    let places: Vec<(String, String)> = locations
        .map(|(at, location)| (location.directory.to_string(), locations::inside(at)))
        .collect();
    let ports: Vec<String> = published(site)
        .into_iter()
        .map(|(protocol, port)| match protocol.as_str() {
            "tcp" => format!("{port}:{port}"),
            other => format!("{port}:{port}/{other}"),
        })
        .collect();
    let project = container(cx);
    let directory = proxy_directory(cx);
    let mut compose = Compose {
        site: site.name.as_str(),
        project: &project,
        image: site.proxy.image.as_str(),
        directory: &directory,
        ports: &ports,
        static_files: site.app.static_root.is_some(),
        places: &places,
        digest: "",
    };
    let digest = sha256(compose.render()?);
    let digest = digest.get(..12).unwrap_or_default().to_owned();
    compose.digest = &digest;
    let text = compose.render()?;
    Ok((text, digest))
}

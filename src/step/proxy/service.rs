//! nginx's service in its host's compose.yaml.

use askama::Template;

use super::locations;
use crate::resource::ufw::Protocol;
use crate::site::{Mode, Role, Site};
use crate::step::app::{serve, service::shared};
use crate::step::material::{container, proxy_directory};
use crate::step::stack::service::Service;
use crate::step::{Cx, Error};

/// The ports that the proxy serves on, each the same on the host and in the container.
pub(in crate::step) fn ports(site: &Site) -> Vec<(Protocol, u16)> {
    let mut ports = vec![(Protocol::Tcp, 80)];
    if !matches!(site.tls.mode, Mode::Off) {
        ports.push((Protocol::Tcp, 443));
        if site.proxy.http3 {
            ports.push((Protocol::Udp, 443));
        }
    }
    ports
}

/// What the container publishes: 443 also where nothing listens on it and the firewall keeps it
/// shut, since a container that publishes another port has to be made anew.
fn published(site: &Site) -> Vec<(Protocol, u16)> {
    let mut ports = ports(site);
    let tls = (Protocol::Tcp, 443);
    if !ports.contains(&tls) {
        ports.push(tls);
    }
    ports
}

#[derive(Template)]
#[template(path = "proxy/service.yaml")]
struct Block<'a> {
    image: &'a str,
    container: &'a str,
    user: &'a str,
    network: &'a str,
    directory: &'a str,
    /// "443:443/udp".
    ports: &'a [String],
    /// Directories on the host, and where nginx finds each.
    places: &'a [(String, String)],
    digest: &'a str,
}

/// The service, if the host is a proxy.
pub(in crate::step) fn service(cx: &Cx<'_>) -> Result<Option<Service>, Error> {
    if !cx.host.roles.contains(&Role::Proxy) {
        return Ok(None);
    }
    let site = cx.site;
    let directory = proxy_directory(cx);
    let shared = shared(cx);
    let locations = site.proxy.locations.iter().enumerate();
    let mut places: Vec<(String, String)> = Vec::new();
    if site.app.static_root.is_some() {
        let copied = || format!("{directory}/static");
        let from = shared.statics.unwrap_or_else(copied);
        places.push((from, "/srv/static".to_owned()));
    }
    places.extend(shared.media.map(|from| (from, "/srv/media".to_owned())));
    let sockets = serve::SOCKETS.to_owned();
    places.extend(shared.sockets.map(|from| (from, sockets)));
    places.extend(
        locations.map(|(at, location)| (location.directory.to_string(), locations::inside(at))),
    );
    let ports: Vec<String> = published(site)
        .into_iter()
        .map(|(protocol, port)| match protocol.as_str() {
            "tcp" => format!("{port}:{port}"),
            other => format!("{port}:{port}/{other}"),
        })
        .collect();
    let name = container(cx);
    let user = site.app.user.to_string();
    // Within one network a container doesn't get to what another one has published.
    let beside = cx.host.roles.contains(&Role::App) && !site.alone(cx.host);
    let service = Service::new("nginx", name.clone(), &[], |digest| {
        let block = Block {
            image: site.proxy.image.as_str(),
            container: &name,
            user: &user,
            network: if beside { "edge" } else { "frontend" },
            directory: &directory,
            ports: &ports,
            places: &places,
            digest,
        };
        block.render()
    })?;
    Ok(Some(service))
}

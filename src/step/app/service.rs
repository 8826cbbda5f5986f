//! The app's services in its host's compose.yaml, and what it shares with nginx there.

use std::net::IpAddr;

use askama::Template;

use super::{environment, serve};
use crate::resource::file::{Directory, File};
use crate::shell::Secret;
use crate::site::{App, Gpus, Host, Role, Site};
use crate::step::stack::service::Service;
use crate::step::{Cx, Error, Resources, env_file as lines, image};

#[derive(Template)]
#[template(path = "app/service.yaml")]
struct Block<'a> {
    app: &'a App,
    /// Whether it is for what is done once, and not for the app itself.
    once: bool,
    image: &'a str,
    container: &'a str,
    hostname: &'a str,
    command: &'a [String],
    env_file: &'a str,
    backend: bool,
    ports: &'a [String],
    mounts: &'a [String],
    gpus: Option<String>,
    pids: u32,
    digest: &'a str,
    health: &'a str,
}

/// Where the app's files lie.
pub(in crate::step) fn directory(cx: &Cx<'_>) -> String {
    format!("{}/app", cx.site.directory())
}

/// The container's name.
pub(in crate::step) fn container(cx: &Cx<'_>) -> String {
    format!("{}-app", cx.site.name)
}

/// What the app and nginx share on one host, each by its place on the host.
pub(in crate::step) struct Shared {
    /// What collectstatic fills and nginx serves.
    pub statics: Option<String>,
    /// What the app is given and nginx serves.
    pub media: Option<String>,
    /// The directory of the socket.
    pub sockets: Option<String>,
}

/// What they share on this host.
pub(in crate::step) fn shared(cx: &Cx<'_>) -> Shared {
    let app = &cx.site.app;
    let alone = cx.site.alone(cx.host);
    let place = |wanted: bool, name: &str| {
        (alone && wanted).then(|| format!("{}/{name}", cx.site.directory()))
    };
    Shared {
        statics: place(app.static_root.is_some() && app.collectstatic, "static"),
        media: place(app.media_root.is_some(), "media"),
        sockets: place(serve::over_socket(app), "run"),
    }
}

/// A health check that needs nothing in the image but the Python that runs Django.
pub(in crate::step) fn health(cx: &Cx<'_>) -> String {
    format!(
        "import sys, urllib.request as u; r = u.Request('http://127.0.0.1:{}{}', \
         headers={{'Host': '{}', 'X-Forwarded-Proto': 'https'}}); \
         sys.exit(u.urlopen(r, timeout=5).status != 200)",
        serve::health_port(&cx.site.app),
        cx.site.app.health,
        cx.site.canonical()
    )
}

/// The address that alone the app is published on: the private one, where every proxy comes in by
/// it.
pub(in crate::step) fn private_only(site: &Site, host: &Host) -> Option<IpAddr> {
    host.private.filter(|private| {
        let mut proxies = site.with_role(Role::Proxy);
        proxies.all(|proxy| host.inner_from(proxy) == *private)
    })
}

/// The host's side of the published port; none where nginx reaches the app without one.
pub(in crate::step) fn ports(cx: &Cx<'_>) -> Vec<String> {
    if cx.site.alone(cx.host) {
        return Vec::new();
    }
    let app = &cx.site.app;
    let port = format!("{}:{}", app.publish, app.port);
    vec![match private_only(cx.site, cx.host) {
        Some(IpAddr::V6(private)) => format!("[{private}]:{port}"),
        Some(private) => format!("{private}:{port}"),
        None => port,
    }]
}

pub(in crate::step) fn mounts(cx: &Cx<'_>) -> Vec<String> {
    let app = &cx.site.app;
    let Shared {
        statics,
        media,
        sockets,
    } = shared(cx);
    let mut all = Vec::new();
    if let (Some(from), Some(to)) = (statics, &app.static_root) {
        all.push(format!("{from}:{to}"));
    }
    if let (Some(from), Some(to)) = (media, &app.media_root) {
        all.push(format!("{from}:{to}"));
    }
    all.extend(sockets.map(|from| format!("{from}:{}", serve::SOCKETS)));
    if serve::speaks_uwsgi(app) {
        all.push(format!("{}/uwsgi.ini:{}:ro", directory(cx), serve::INI));
    }
    all
}

fn env(cx: &Cx<'_>) -> Secret {
    lines::render(environment::environment(cx).iter())
}

/// The app's variables, if it runs on this host.
pub(in crate::step) fn env_file(cx: &Cx<'_>) -> Resources {
    if !cx.host.roles.contains(&Role::App) {
        return Vec::new();
    }
    let directory = directory(cx);
    vec![
        Box::new(Directory::new(&directory, 0o755)),
        Box::new(File::secret(format!("{directory}/app.env"), env(cx))),
    ]
}

pub(in crate::step) fn failed(e: askama::Error) -> Error {
    Error {
        step: "app".to_owned(),
        what: e.to_string(),
    }
}

/// The services of this host: the app's, if it runs here, and the one for what is done once.
pub(in crate::step) fn services(cx: &Cx<'_>) -> Result<Vec<Service>, Error> {
    if !cx.host.roles.contains(&Role::App) {
        return Ok(Vec::new());
    }
    let app = &cx.site.app;
    let reference = image::reference(cx)?;
    let (ports, mounts) = (ports(cx), mounts(cx));
    let (container, health) = (container(cx), health(cx));
    let env_file = format!("{}/app.env", directory(cx));
    let command = serve::command(app);
    let here = |role| cx.host.roles.contains(&role);
    let block = |once: bool, digest: &str| {
        let block = Block {
            app,
            once,
            image: &reference,
            container: &container,
            hostname: cx.host.name.as_str(),
            command: &command,
            env_file: &env_file,
            backend: here(Role::Db) || here(Role::Cache),
            ports: &ports,
            mounts: &mounts,
            gpus: app.gpus.map(|gpus| match gpus {
                Gpus::All => "all".to_owned(),
                Gpus::Count(count) => count.to_string(),
            }),
            pids: serve::pids(app),
            digest,
            health: &health,
        };
        block.render()
    };
    let (env, ini) = (env(cx), serve::ini(cx.site).map_err(failed)?);
    let depends = [env.reveal(), ini.as_deref().unwrap_or_default()];
    Ok(vec![
        Service::new("app", container.clone(), &depends, |digest| {
            block(false, digest)
        })?,
        Service::new("manage", String::new(), &depends, |digest| {
            block(true, digest)
        })?,
    ])
}

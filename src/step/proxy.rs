//! `proxy`: nginx in a container, over HTTP alone until there is a certificate.

use std::net::IpAddr;

use askama::Template;

use super::certificate::Material;
use super::{Cx, Error, Resources, Step, certificate, image, reload};
use crate::resource::compose::{Project, compose_v2};
use crate::resource::file::{Directory, File};
use crate::resource::image::Image;
use crate::resource::nginx::Nginx;
use crate::resource::pending::Pending;
use crate::resource::task::Task;
use crate::resource::{Op, Resource, sha256};
use crate::site::Role;

pub(super) const STEP: Step = Step {
    name: "proxy",
    summary: "nginx in front of the app servers, tested before every reload",
    reads: "nginx's configuration, compose.yaml, the container's state, whether there is a \
            certificate",
    changes: "/srv/SITE/proxy (conf.d, compose.yaml, the ACME webroot); the container; reloads \
              nginx without a signal to the container",
    guarded: false,
    resources,
};

#[derive(Template)]
#[template(path = "proxy/nginx.conf")]
struct Conf<'a> {
    site: &'a str,
    upstreams: &'a [String],
    names: &'a str,
    canonical: &'a str,
    others: Option<&'a str>,
    certificate: Option<&'a Material>,
    hsts: u64,
    max_body: &'a str,
    static_url: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "proxy/compose.yaml")]
struct Compose<'a> {
    site: &'a str,
    project: &'a str,
    image: &'a str,
    directory: &'a str,
    static_files: bool,
    digest: &'a str,
}

/// Where the proxy's files lie.
pub(super) fn directory(cx: &Cx<'_>) -> String {
    format!("{}/proxy", cx.site.directory())
}

/// The nginx container's name.
pub(super) fn container(cx: &Cx<'_>) -> String {
    format!("{}-proxy", cx.site.name)
}

fn failed(e: askama::Error) -> Error {
    Error {
        step: "proxy".to_owned(),
        what: e.to_string(),
    }
}

/// nginx's configuration, as a resource that looks at which of these certificates there are.
pub(super) fn nginx(cx: &Cx<'_>, candidates: &[Material]) -> Result<(Nginx, Pending), Error> {
    let site = cx.site;
    let upstreams: Vec<String> = site
        .with_role(Role::App)
        .map(|app| match app.inner_from(cx.host) {
            IpAddr::V4(v4) => format!("{v4}:{}", site.app.publish),
            IpAddr::V6(v6) => format!("[{v6}]:{}", site.app.publish),
        })
        .collect();
    let names: Vec<&str> = site.domains.iter().map(|domain| domain.as_str()).collect();
    let others = names[1..].join(" ");
    let mut conf = Conf {
        site: site.name.as_str(),
        upstreams: &upstreams,
        names: &names.join(" "),
        canonical: site.canonical().as_str(),
        others: (names.len() > 1).then_some(others.as_str()),
        certificate: None,
        hsts: site.proxy.hsts.seconds,
        max_body: &site.proxy.max_body,
        static_url: site
            .app
            .static_root
            .as_ref()
            .map(|_| site.app.static_url.as_str()),
    };
    let plain = conf.render().map_err(failed)?;
    let mut certificates = Vec::new();
    for material in candidates {
        conf.certificate = Some(material);
        let text = conf.render().map_err(failed)?;
        certificates.push((material.host.clone(), text));
    }
    let pending = format!("{}/pending/nginx", site.state());
    let nginx = Nginx {
        path: format!("{}/conf.d/site.conf", directory(cx)),
        image: site.proxy.image.to_string(),
        tls: certificate::directory(cx),
        certificates,
        plain,
        pending: pending.clone(),
    };
    let reload = Pending::new("reload nginx", pending, reload::reload(cx));
    Ok((nginx, reload))
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let site = cx.site;
    let directory = directory(cx);
    let project = container(cx);
    let compose_path = format!("{directory}/compose.yaml");
    let mut compose = Compose {
        site: site.name.as_str(),
        project: &project,
        image: site.proxy.image.as_str(),
        directory: &directory,
        static_files: site.app.static_root.is_some(),
        digest: "",
    };
    let digest = sha256(compose.render().map_err(failed)?);
    let digest = digest.get(..12).unwrap_or_default().to_owned();
    compose.digest = &digest;
    let compose_text = compose.render().map_err(failed)?;
    let (nginx, reload) = nginx(cx, &certificate::until_then(cx))?;

    let mut all: Resources = vec![
        Box::new(compose_v2()),
        Box::new(Image::pulled(site.proxy.image.as_str())),
        Box::new(Directory::new(&directory, 0o755)),
        Box::new(Directory::new(format!("{directory}/conf.d"), 0o755)),
        Box::new(Directory::new(format!("{directory}/acme"), 0o755)),
        Box::new(Directory::new(certificate::directory(cx), 0o700)),
        Box::new(Directory::new("/etc/letsencrypt", 0o755)),
    ];
    all.extend(static_files(cx, &directory)?);
    all.push(Box::new(nginx));
    all.push(Box::new(File::new(&compose_path, compose_text)));
    all.push(Box::new(Project {
        name: project.clone(),
        file: compose_path,
        container: project,
        digest,
    }));
    all.push(Box::new(reload));
    Ok(all)
}

/// The static files that the image carries, copied out of it for nginx to serve.
fn static_files(cx: &Cx<'_>, directory: &str) -> Result<Resources, Error> {
    let Some(root) = &cx.site.app.static_root else {
        return Ok(Vec::new());
    };
    let reference = image::reference(cx)?;
    let target = format!("{directory}/static");
    let copy = Op::script(
        "copy the static files out of the image",
        include_str!("static.sh"),
        [reference.clone(), root.to_string(), target],
    );
    let depends = format!("{reference}\n{root}");
    let receipt = format!("{}/static", cx.site.state());
    Ok(vec![
        Box::new(image::image(cx)?) as Box<dyn Resource>,
        Box::new(Task::new(
            "static files",
            receipt,
            depends,
            vec![copy.long()],
        )),
    ])
}

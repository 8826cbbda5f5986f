//! `proxy`: nginx in a container, over HTTP alone until there is a certificate.
//!
//! | file | what it is about |
//! |---|---|
//! | [`conf`] | nginx's configuration |
//! | [`guideline`] | Mozilla's recommendations for TLS |
//! | [`locations`] | directories that nginx serves by itself |
//! | [`service`] | the container |

mod conf;
mod guideline;
mod locations;
pub(super) mod service;

use super::app::service::shared;
use super::material::{self, Material, proxy_directory};
use super::stack::{self, service::running};
use super::{Cx, Error, Resources, Step, image, reload};
use crate::resource::file::Directory;
use crate::resource::image::Image;
use crate::resource::nginx::Nginx;
use crate::resource::nginx_build::{NginxBuild, Texts};
use crate::resource::pending::Pending;
use crate::resource::retired::Retired;
use crate::resource::task::Task;
use crate::resource::{Op, Resource};
use crate::site::Mode;
use conf::Over;
use service::service;

pub(super) const STEP: Step = Step {
    name: "proxy",
    summary: "nginx in front of the app servers, tested before every reload",
    reads: "nginx's configuration, compose.yaml, the container's state, whether there is a \
            certificate, what the image's nginx was built with (asked once an image)",
    changes: "/srv/SITE/compose.yaml; /srv/SITE/proxy (conf.d, the ACME webroot); the container; \
              reloads nginx without a signal to the container; makes directories of `locations` that are \
              missing",
    guarded: false,
    resources,
};

fn failed(e: askama::Error) -> Error {
    Error {
        step: "proxy".to_owned(),
        what: e.to_string(),
    }
}

/// What the image's nginx can do, which [`nginx`] needs to know.
pub(super) fn build(cx: &Cx<'_>) -> NginxBuild {
    NginxBuild {
        image: cx.site.proxy.image.to_string(),
        user: cx.site.app.user.to_string(),
        receipt: format!("{}/nginx", cx.site.state()),
    }
}

/// nginx's configuration, as a resource that looks at which of these certificates there are.
pub(super) fn nginx(cx: &Cx<'_>, candidates: &[Material]) -> Result<(Nginx, Pending), Error> {
    let site = cx.site;
    let texts = |over: Over<'_>| conf::texts(cx, over).map_err(failed);
    let off = matches!(site.tls.mode, Mode::Off);
    let certificates: Result<Vec<(String, Texts)>, Error> = candidates
        .iter()
        .map(|material| Ok((material.host.clone(), texts(Over::Tls(material))?)))
        .collect();
    let pending = format!("{}/pending/nginx", site.state());
    let NginxBuild { image, receipt, .. } = build(cx);
    let nginx = Nginx {
        path: format!("{}/conf.d/site.conf", proxy_directory(cx)),
        image,
        build: receipt,
        user: site.app.user.to_string(),
        tls: material::directory(cx),
        certificates: certificates?,
        plain: texts(if off { Over::Http } else { Over::Challenge })?,
        open: if off { None } else { Some(texts(Over::Http)?) },
        http3: site.proxy.http3,
        pending: pending.clone(),
    };
    let reload = Pending::new("reload nginx", pending, reload::reload(cx));
    Ok((nginx, reload))
}

/// The directories that nginx and certbot, who are the same user, read and write. What an earlier
/// version left there was root's.
fn directories(cx: &Cx<'_>) -> Resources {
    let ids = cx.site.app.user;
    let directory = proxy_directory(cx);
    let at = |name: &str| format!("{directory}/{name}");
    let theirs = |path: String| Directory::new(path, 0o755).owner(ids.to_string());
    vec![
        Box::new(Directory::new(&directory, 0o755)),
        Box::new(Directory::new(at("conf.d"), 0o755)),
        Box::new(theirs(at("acme")).whole()),
        Box::new(theirs(at("acme/.well-known"))),
        Box::new(theirs(at("acme/.well-known/acme-challenge"))),
        Box::new(theirs(at("cache")).whole()),
        Box::new(material::keys(cx)),
        Box::new(theirs("/etc/letsencrypt".to_owned()).whole()),
    ]
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let directory = proxy_directory(cx);
    let (nginx, reload) = nginx(cx, &material::until_then(cx))?;

    let mut all: Resources = vec![
        Box::new(Image::pulled(cx.site.proxy.image.as_str())),
        Box::new(build(cx)),
    ];
    all.extend(directories(cx));
    all.extend(locations::resources(cx));
    all.extend(static_files(cx, &directory)?);
    all.push(Box::new(nginx));
    all.extend(stack::file(cx)?);
    if let Some(service) = service(cx)? {
        all.push(Box::new(running(cx, &service)));
    }
    all.push(Box::new(reload));
    all.push(Box::new(Retired {
        what: "the proxy's compose.yaml of an earlier version".to_owned(),
        units: Vec::new(),
        files: vec![format!("{directory}/compose.yaml")],
    }));
    Ok(all)
}

/// The static files that the image carries, copied out of it for nginx to serve.
fn static_files(cx: &Cx<'_>, directory: &str) -> Result<Resources, Error> {
    // Where collectstatic has a directory of the host's, it brings them.
    let copied = shared(cx).statics.is_none();
    let Some(root) = cx.site.app.static_root.as_ref().filter(|_| copied) else {
        return Ok(Vec::new());
    };
    let reference = image::reference(cx)?;
    let target = format!("{directory}/static");
    let copy = Op::script(
        "copy the static files out of the image",
        include_str!("../static.sh"),
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

//! `renewal`: a timer that keeps the certificate young, rehearsed before it is trusted.

use askama::Template;

use super::{Cx, Error, Resources, Step, certificate, proxy};
use crate::resource::Op;
use crate::resource::file::File;
use crate::resource::pending::Pending;
use crate::resource::task::Task;
use crate::resource::unit::Unit;
use crate::shell::Cmd;
use crate::site::Mode;

pub(super) const STEP: Step = Step {
    name: "renewal",
    summary: "A systemd timer renews the certificate twice a day if it is time; rehearsed once",
    reads: "the script, the units, the timer's state, the rehearsal's receipt",
    changes: "/srv/SITE/proxy/renew.sh, /etc/systemd/system/SITE-renew.service and .timer; \
              enables the timer",
    guarded: false,
    resources,
};

const SCRIPT: &str = include_str!("renew.sh");

#[derive(Template)]
#[template(path = "renew.service")]
struct Service<'a> {
    site: &'a str,
    certificate: &'a str,
    script: &'a str,
    image: &'a str,
    container: &'a str,
    webroot: &'a str,
    server: &'a str,
    ca: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "renew.timer")]
struct Timer<'a> {
    site: &'a str,
    certificate: &'a str,
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let failed = |e: askama::Error| Error {
        step: "renewal".to_owned(),
        what: e.to_string(),
    };
    let Mode::Acme(acme) = &cx.site.tls.mode else {
        return Ok(Vec::new());
    };
    let site = cx.site.name.as_str();
    let certificate = cx.site.canonical().as_str();
    let directory = proxy::directory(cx);
    let script = format!("{directory}/renew.sh");
    let container = proxy::container(cx);
    let webroot = format!("{directory}/acme");
    let ca = certificate::ca_path(cx);
    let image = acme.image.as_str();
    let service = Service {
        site,
        certificate,
        script: &script,
        image,
        container: &container,
        webroot: &webroot,
        server: &acme.directory,
        ca: ca.as_deref(),
    };
    let service = service.render().map_err(failed)?;
    let timer = Timer { site, certificate }.render().map_err(failed)?;
    let marker = format!("{}/pending/systemd", cx.site.state());
    let unit = |kind: &str| format!("/etc/systemd/system/{site}-renew.{kind}");

    let depends = format!(
        "{SCRIPT}\n{service}\n{}\n{:?}",
        acme.directory, cx.site.domains
    );
    Ok(vec![
        Box::new(File::new(&script, SCRIPT).mode(0o755)),
        Box::new(File::new(unit("service"), service).pending(&marker)),
        Box::new(File::new(unit("timer"), timer).pending(&marker)),
        Box::new(Pending::new(
            "let systemd read its units again",
            marker,
            Cmd::new("systemctl").arg("daemon-reload"),
        )),
        Box::new(Unit::new(format!("{site}-renew.timer"), "renewal")),
        Box::new(Task::new(
            "renewal rehearsal",
            format!("{}/renewal", cx.site.state()),
            depends,
            rehearsal(cx)
                .map(|cmd| Op::run("rehearse the renewal", cmd).long())
                .into_iter()
                .collect(),
        )),
    ])
}

/// What rehearses a renewal on the proxy and saves nothing; `None` where nobody is asked for one.
pub(super) fn rehearsal(cx: &Cx<'_>) -> Option<Cmd> {
    let Mode::Acme(acme) = &cx.site.tls.mode else {
        return None;
    };
    let directory = proxy::directory(cx);
    let cmd = Cmd::new(format!("{directory}/renew.sh"))
        .args([cx.site.canonical().as_str(), acme.image.as_str()])
        .args([proxy::container(cx), format!("{directory}/acme")])
        .arg(&acme.directory)
        .arg(certificate::ca_path(cx).unwrap_or_default())
        .arg("--dry-run");
    Some(cmd)
}

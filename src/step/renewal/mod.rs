//! `renewal`: a timer that keeps the certificate young, rehearsed before it is trusted.
//!
//! | mode | twice a day |
//! |---|---|
//! | letsencrypt | certbot renews it if it is time |
//! | self-signed | a new one is made when a third of its life is left |
//! | provided | it is watched |
//! | off | nothing: what an earlier mode left is removed |

use askama::Template;

use super::sandbox::{self, Setting};
use super::{Cx, Error, Resources, Step, certificate, material, reload};
use crate::resource::Op;
use crate::resource::certificate::SELF_SIGNED;
use crate::resource::file::File;
use crate::resource::packages::Packages;
use crate::resource::pending::Pending;
use crate::resource::retired::Retired;
use crate::resource::task::Task;
use crate::resource::unit::Unit;
use crate::shell::{Cmd, Script, Secret};
use crate::site::{Mode, OnFailure};

pub(super) const STEP: Step = Step {
    name: "renewal",
    summary: "A systemd timer renews the certificate twice a day if it is time, or watches it; \
              rehearsed once; who is told when it fails",
    reads: "the scripts, the units, the timer's state, the rehearsal's receipt",
    changes: "/srv/SITE/proxy/{renew,reload,self-signed,renew-failed}.sh and alert.conf, \
              /etc/systemd/system/SITE-renew.{service,timer} and SITE-renew-failed.service; \
              enables the timer; installs openssl, and curl for a webhook",
    guarded: false,
    resources,
};

const UNITS: &str = include_str!("units.sh");
const RENEW: &str = include_str!("renew.sh");
const FAILED: &str = include_str!("failed.sh");

#[derive(Template)]
#[template(path = "renew.service")]
struct Service<'a> {
    site: &'a str,
    certificate: &'a str,
    alert: bool,
    start: &'a [String],
    stop: &'a [String],
    sandbox: &'a [Setting],
}

#[derive(Template)]
#[template(path = "renew-failed.service")]
struct FailedService<'a> {
    site: &'a str,
    certificate: &'a str,
    start: &'a [String],
    sandbox: &'a [Setting],
}

#[derive(Template)]
#[template(path = "renew.timer")]
struct Timer<'a> {
    site: &'a str,
    certificate: &'a str,
}

/// Where all of it lies on the proxy.
struct Places {
    directory: String,
    state: String,
    site: String,
}

impl Places {
    fn of(cx: &Cx<'_>) -> Self {
        Self {
            directory: material::proxy_directory(cx),
            state: cx.site.state(),
            site: cx.site.name.to_string(),
        }
    }

    /// A file of the proxy's.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// The name of a unit.
    fn unit(&self, ending: &str) -> String {
        format!("{}-renew{ending}", self.site)
    }

    /// Where a unit's file lies.
    fn unit_file(&self, ending: &str) -> String {
        format!("/etc/systemd/system/{}", self.unit(ending))
    }

    fn pending(&self) -> String {
        format!("{}/pending/systemd", self.state)
    }

    fn rehearsal(&self) -> String {
        format!("{}/rehearsal", self.state)
    }
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let places = Places::of(cx);
    let Some(material) = material::wanted(cx) else {
        return Ok(vec![Box::new(Retired {
            what: "the certificate's renewal".to_owned(),
            units: [".timer", ".service", "-failed.service"]
                .map(|ending| places.unit(ending))
                .to_vec(),
            files: vec![
                places.rehearsal(),
                format!("{}/renewal", places.state),
                places.file("alert.conf"),
                places.file("renew-failed.sh"),
                places.file("self-signed.sh"),
                places.file("reload.sh"),
                places.file("renew.sh"),
            ],
        })]);
    };
    let site = cx.site.name.as_str();
    let certificate = cx.site.canonical().as_str();
    let script = places.file("renew.sh");
    let alert = cx.site.tls.on_failure.as_ref();

    let args = arguments(cx, &places, &material.host);
    let mut scripts = vec![("renew.sh", RENEW), ("reload.sh", reload::SCRIPT)];
    // What other modes left.
    let mut files = vec![];
    if matches!(cx.site.tls.mode, Mode::SelfSigned(_)) {
        scripts.push(("self-signed.sh", SELF_SIGNED));
    }
    if !matches!(cx.site.tls.mode, Mode::SelfSigned(_)) {
        files.push(places.file("self-signed.sh"));
    }
    if !matches!(cx.site.tls.mode, Mode::Acme(_)) {
        files.push(places.rehearsal());
    }
    let mut units = Vec::new();
    if alert.is_none() {
        units.push(places.unit("-failed.service"));
        files.push(places.file("renew-failed.sh"));
    }
    if !matches!(alert, Some(OnFailure::Webhook(_))) {
        files.push(places.file("alert.conf"));
    }

    let sandbox = sandbox_of(cx);
    let start: Vec<String> = [script.clone()].into_iter().chain(args).collect();
    let stop = [&script, "--ended", site, &places.state].map(str::to_owned);
    let service = Service {
        site,
        certificate,
        alert: alert.is_some(),
        start: &start,
        stop: &stop,
        sandbox: &sandbox,
    };
    let service = service.render().map_err(failed)?;
    let timer = Timer { site, certificate }.render().map_err(failed)?;

    let mut all: Resources = vec![Box::new(Packages::new(["openssl"]))];
    all.push(Box::new(Retired {
        what: "what an earlier way to renew left".to_owned(),
        units,
        files,
    }));
    for (name, text) in scripts {
        all.push(Box::new(File::new(places.file(name), text).mode(0o755)));
    }
    if let Some(alert) = alert {
        all.extend(told(cx, &places, &material.host, alert)?);
    }
    let marker = places.pending();
    let unit = |ending, text| File::new(places.unit_file(ending), text).pending(&marker);
    all.push(Box::new(unit(".service", service)));
    all.push(Box::new(unit(".timer", timer)));
    all.push(Box::new(Pending::new(
        "let systemd read its units again",
        &marker,
        Cmd::script(
            Script(UNITS),
            [format!("{}/renewal", places.state), places.unit(".service")],
        ),
    )));
    all.push(Box::new(Unit::new(places.unit(".timer"), "renewal")));
    if let Some(rehearsal) = rehearsal(cx) {
        let depends = format!("{RENEW}\n{rehearsal:?}\n{:?}", cx.site.domains);
        let op = Op::run("rehearse the renewal", rehearsal).long();
        let receipt = places.rehearsal();
        all.push(Box::new(Task::new(
            "renewal rehearsal",
            receipt,
            depends,
            vec![op],
        )));
    }
    Ok(all)
}

/// The arguments of the script for the certificate in this file on the host, by where it comes
/// from.
fn arguments(cx: &Cx<'_>, places: &Places, file: &str) -> Vec<String> {
    let mut args = vec![
        places.site.clone(),
        places.state.clone(),
        file.to_owned(),
        material::container(cx),
    ];
    match &cx.site.tls.mode {
        Mode::Acme(acme) => args.extend([
            "letsencrypt".to_owned(),
            cx.site.canonical().to_string(),
            acme.image.to_string(),
            cx.site.app.user.to_string(),
            places.file("acme"),
            acme.directory.clone(),
            certificate::ca_path(cx).unwrap_or_else(|| "-".to_owned()),
        ]),
        Mode::SelfSigned(own) => {
            args.push("self-signed".to_owned());
            let own = certificate::self_signed::wanted(cx, own);
            // Less its file, which every source of certificates has.
            args.extend(own.arguments().into_iter().skip(1));
        }
        Mode::Provided(_) | Mode::Off => args.push("provided".to_owned()),
    }
    args
}

/// What the script is let do, by where the certificate comes from.
fn sandbox_of(cx: &Cx<'_>) -> Vec<Setting> {
    let mut writes = vec!["/var/lib/provision".to_owned()];
    if matches!(cx.site.tls.mode, Mode::SelfSigned(_)) {
        writes.push(material::directory(cx));
    }
    // Certbot's directories aren't root's.
    let reads = matches!(cx.site.tls.mode, Mode::Acme(_));
    sandbox::renewal(writes, reads)
}

fn failed(e: askama::Error) -> Error {
    Error {
        step: STEP.name.to_owned(),
        what: e.to_string(),
    }
}

/// The unit that tells of a failure.
fn told(
    cx: &Cx<'_>,
    places: &Places,
    material: &str,
    alert: &OnFailure,
) -> Result<Resources, Error> {
    let certificate = cx.site.canonical().as_str();
    let script = places.file("renew-failed.sh");
    let mut start = vec![
        script.clone(),
        places.site.clone(),
        cx.host.name.to_string(),
        certificate.to_owned(),
        places.state.clone(),
        material.to_owned(),
    ];
    let mut all: Resources = vec![Box::new(File::new(script, FAILED).mode(0o755))];
    let sandbox = match alert {
        OnFailure::Command(words) => {
            start.push("command".to_owned());
            start.extend(words.iter().cloned());
            sandbox::command()
        }
        OnFailure::Webhook(url) => {
            let config = places.file("alert.conf");
            start.extend(["webhook".to_owned(), config.clone()]);
            // Whoever reads the URL can speak for the site: it stands in no command line.
            let text = format!("globoff\nurl = \"{}\"\n", url.reveal());
            all.push(Box::new(Packages::new(["curl"])));
            all.push(Box::new(File::secret(config, Secret::new(text))));
            sandbox::webhook()
        }
    };
    let service = FailedService {
        site: &places.site,
        certificate,
        start: &start,
        sandbox: &sandbox,
    };
    let service = service.render().map_err(failed)?;
    let file = File::new(places.unit_file("-failed.service"), service);
    all.push(Box::new(file.pending(places.pending())));
    Ok(all)
}

/// What rehearses a renewal on the proxy and saves nothing, in what the unit's own sandbox lets it
/// do; `None` where no authority is asked for one.
pub(super) fn rehearsal(cx: &Cx<'_>) -> Option<Cmd> {
    let (Mode::Acme(_), Some(material)) = (&cx.site.tls.mode, material::wanted(cx)) else {
        return None;
    };
    let places = Places::of(cx);
    let mut cmd = Cmd::new("systemd-run").args(["--quiet", "--collect", "--wait", "--pipe"]);
    for (name, value) in sandbox_of(cx) {
        cmd = cmd.arg(format!("--property={name}={value}"));
    }
    let script = [places.file("renew.sh"), "--rehearse".to_owned()];
    let words = script
        .into_iter()
        .chain(arguments(cx, &places, &material.host));
    // systemd-run(1) would put variables in place.
    Some(
        cmd.arg("--")
            .args(words.map(|word| word.replace('$', "$$"))),
    )
}

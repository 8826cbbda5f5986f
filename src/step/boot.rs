//! `boot`: SITE.service brings all containers of a host up at boot, and stops them.

use askama::Template;

use super::sandbox::{self, Setting};
use super::{Cx, Error, Resources, Step, stack};
use crate::resource::file::File;
use crate::resource::pending::Pending;
use crate::resource::unit::Unit;
use crate::shell::Cmd;

pub(super) const STEP: Step = Step {
    name: "boot",
    summary: "SITE.service: brings all containers of a host up at boot, and stops them",
    reads: "the unit's file and state",
    changes: "/etc/systemd/system/SITE.service, enabled and started; nothing is made anew by it",
    guarded: false,
    resources,
};

/// Units that a server needs itself: a site of that name would take their place.
const TAKEN: [&str; 14] = [
    "containerd",
    "cron",
    "dbus",
    "docker",
    "fail2ban",
    "getty",
    "networking",
    "nftables",
    "rsyslog",
    "ssh",
    "sshd",
    "sudo",
    "systemd",
    "ufw",
];

#[derive(Template)]
#[template(path = "boot.service")]
struct Boot<'a> {
    site: &'a str,
    directory: &'a str,
    sandbox: &'a [Setting],
}

fn failed(what: String) -> Error {
    Error {
        step: STEP.name.to_owned(),
        what,
    }
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let site = cx.site.name.as_str();
    if TAKEN.contains(&site) || site.starts_with("systemd-") {
        return Err(failed(format!(
            "{site}.service is the system's own; give the site another name"
        )));
    }
    let unit = format!("{site}.service");
    let text = Boot {
        site,
        directory: &cx.site.directory(),
        sandbox: &sandbox::composing(),
    };
    let text = text.render().map_err(|e| failed(e.to_string()))?;
    let marker = format!("{}/pending/boot", cx.site.state());
    let file = File::new(format!("/etc/systemd/system/{unit}"), text);
    let mut all = stack::file(cx)?;
    all.push(Box::new(file.pending(&marker)));
    all.push(Box::new(Pending::new(
        format!("let systemd read {unit} again"),
        marker,
        Cmd::new("systemctl").arg("daemon-reload"),
    )));
    all.push(Box::new(Unit::new(unit, STEP.name)));
    Ok(all)
}

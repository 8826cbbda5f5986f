//! `bootstrap`: from root and a key to a sudo user, and a firewall that lets SSH in.

use super::{Cx, Error, Resources, Step, firewall};
use crate::resource::file::File;
use crate::resource::leftover::Leftover;
use crate::resource::packages::Packages;
use crate::resource::ufw::Enabled;
use crate::resource::unit::Unit;
use crate::resource::user::User;
use crate::shell::Cmd;
use crate::site::UserName;

pub(super) const STEP: Step = Step {
    name: "bootstrap",
    summary: "The sudo user with a key, and ufw on with the SSH port in use let in",
    reads: "packages, the user and its keys, sudoers, ufw's configuration and live rules, \
            the port this connection came in on",
    changes: "installs sudo, ufw, curl and ca-certificates; makes the user, its authorized_keys \
              and /etc/sudoers.d/90-provision-USER; ufw: allow the SSH port, deny incoming, on",
    guarded: true,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let user = cx.site.ssh.user.as_str();
    let bootstrap = cx.site.ssh.bootstrap.as_ref();
    let bootstrap = bootstrap.map_or("root", UserName::as_str);
    let visudo = Cmd::new("visudo").args(["--check", "--quiet", "--file"]);
    let mut all: Resources = vec![
        Box::new(Leftover),
        Box::new(Packages::new(["sudo", "ufw", "curl", "ca-certificates"])),
    ];
    if user != "root" {
        // Sudo first: from the moment the user can log in, runs come in as that user, and one
        // that was killed in between could never go on without it.
        all.push(Box::new(
            File::new(
                format!("/etc/sudoers.d/90-provision-{user}"),
                format!("{user} ALL=(ALL) NOPASSWD:ALL\n"),
            )
            .mode(0o440)
            .check(visudo),
        ));
        all.push(Box::new(User::new(user, bootstrap)));
    }
    all.push(Box::new(firewall::input_rules(cx)));
    all.push(Box::new(Enabled));
    all.push(Box::new(Unit::new("ufw.service", "bootstrap")));
    Ok(all)
}

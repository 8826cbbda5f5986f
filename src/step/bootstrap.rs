//! `bootstrap`: from whoever a fresh server lets in to a sudo user with a key, a firewall that
//! lets SSH in, and an sshd that lets in nobody else.

use super::lint::lint;
use super::{Cx, Error, Resources, Step, firewall};
use crate::event::State;
use crate::resource::file::File;
use crate::resource::leftover::Leftover;
use crate::resource::packages::Packages;
use crate::resource::requirement::Requirement;
use crate::resource::sshd::Hardening;
use crate::resource::ufw::Enabled;
use crate::resource::unit::Unit;
use crate::resource::user::User;
use crate::resource::{Fact, Reveal};
use crate::shell::Cmd;
use crate::site::{Sudo, UserName};

pub(super) const STEP: Step = Step {
    name: "bootstrap",
    summary: "The sudo user with a key, ufw on with SSH let in, and sshd without root and passwords",
    reads: "packages, the user and its keys, sudoers, ufw's configuration and live rules, the \
            port this connection came in on and those sshd listens on, what sshd lets in",
    changes: "installs sudo, ufw, curl and ca-certificates; makes the user, its authorized_keys \
              and /etc/sudoers.d/90-provision-USER; ufw: allow the SSH ports, deny incoming, on; \
              with `harden`: /etc/ssh/sshd_config.d/00-provision.conf, and reloads sshd",
    guarded: true,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let ssh = &cx.site.ssh;
    let user = ssh.user.as_str();
    let mut all: Resources = vec![
        Box::new(Leftover),
        Box::new(Packages::new(["sudo", "ufw", "curl", "ca-certificates"])),
    ];
    if user != "root" {
        // Sudo first: from the moment the user can log in, runs come in as that user, and one
        // that was killed in between could never go on without it.
        let sudoers = format!("/etc/sudoers.d/90-provision-{user}");
        if ssh.sudo == Sudo::NoPassword {
            let visudo = Cmd::new("visudo").args(["--check", "--quiet", "--file"]);
            all.push(Box::new(
                File::new(sudoers, format!("{user} ALL=(ALL) NOPASSWD:ALL\n"))
                    .mode(0o440)
                    .check(visudo),
            ));
        } else {
            all.push(Box::new(asked_by_sudo(user, sudoers)));
        }
        let mut login = User::new(user).bootstrap(ssh.bootstrap.as_ref().map(UserName::as_str));
        login = if ssh.authorized_keys.is_empty() {
            login.or_keys(&ssh.operator_keys)
        } else {
            login.keys(&ssh.authorized_keys)
        };
        if ssh.sudo == Sudo::Password {
            login = login.of_the_operator();
        }
        all.push(Box::new(login));
    }
    // Here too, for a step that is run alone: what it would lock out by is not turned on.
    all.push(lint(cx));
    all.push(Box::new(firewall::input_rules(cx)));
    all.push(Box::new(Enabled));
    // Between two changes under a guard: the first is proven by a login of the sudo user before
    // root's is turned off.
    all.push(Box::new(Unit::new("ufw.service", "bootstrap")));
    all.push(Box::new(if ssh.harden {
        Hardening::on(user)
    } else {
        Hardening::off()
    }));
    Ok(all)
}

/// That no earlier run lets the user past sudo's question. To remove that file could leave
/// nobody who can become root: it is for somebody who knows that the password works.
fn asked_by_sudo(user: &str, sudoers: String) -> Requirement {
    let fact = Fact::File {
        path: sudoers.clone(),
        content: Reveal::Never,
    };
    let user = user.to_owned();
    Requirement::new("sudo asks for a password", vec![fact], move |seen| {
        Ok(match seen.file(&sudoers)? {
            None => State::InSync,
            Some(_) => State::Refused {
                what: format!("{sudoers} of an earlier run lets {user} use sudo without one"),
                mend: format!(
                    "give {user} a password (`passwd {user}`) and remove the file, or leave \
                     sudo = \"password\" out of site.toml"
                ),
            },
        })
    })
}

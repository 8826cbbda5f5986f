//! What the options of `[ssh]` make of the first step, and of the proof.

use provision::event::State;
use provision::plan::Selection;
use provision::resource::fact::{Observed, Printed};
use provision::resource::{Action, Content, Fact};

use crate::{SCALED, plan_of};

/// `bootstrap` on app1, a resource a line; what it makes of a bare host in short.
fn bootstrap(ssh: &str) -> String {
    let text = format!("{SCALED}\n[ssh]\n{ssh}\n");
    let plan = plan_of(
        &text,
        &Selection {
            hosts: vec!["app1".to_owned()],
            only: vec!["bootstrap".to_owned()],
            ..Selection::default()
        },
    )
    .unwrap();
    let mut lines = Vec::new();
    for resource in &plan.hosts[0].steps[0].resources {
        let id = resource.id();
        let other = ["guards", "packages", "soundness", "ufw", "unit"];
        if other.iter().any(|start| id.starts_with(start)) {
            continue;
        }
        let mut seen = Observed::default();
        for fact in resource.facts() {
            match fact {
                Fact::File { path, .. } => {
                    seen.files.insert(path, None);
                }
                Fact::Sh(script, args) => {
                    let text = "missing".to_owned();
                    let printed = Printed { status: 0, text };
                    seen.printed.insert((script, args), printed);
                }
                _ => {}
            }
        }
        let state = match resource.compare(&seen) {
            Ok(State::Refused { what, .. }) => format!("refused: {what}"),
            Ok(State::Differs { what, .. }) => what,
            Ok(State::InSync) => "in sync".to_owned(),
            other => format!("{other:?}"),
        };
        lines.push(format!("{id}: {state}"));
        if !id.starts_with("user") {
            continue;
        }
        for op in resource.converge(&seen) {
            let Action::Run { cmd, input, .. } = op.action else {
                continue;
            };
            let Content::Text(keys) = input else {
                panic!("{input:?}");
            };
            lines.push(format!("  {} <- {keys:?}", cmd.shown()));
        }
    }
    lines.join("\n")
}

#[test]
fn the_sudo_user_is_made_and_sshd_left_alone_unless_it_is_to_be_hardened() {
    insta::assert_snapshot!(bootstrap(""), @r#"
    file /etc/sudoers.d/90-provision-deploy: missing
    user deploy: missing
      sh … deploy '' sudo else <- ""
    sshd without passwords and root's login: in sync
    "#);
    insta::assert_snapshot!(bootstrap("bootstrap = \"ubuntu\"\nharden = true"), @r#"
    file /etc/sudoers.d/90-provision-deploy: missing
    user deploy: missing
      sh … deploy ubuntu sudo else <- ""
    sshd without passwords and root's login: refused: there is no /etc/ssh/sshd_config: this is not OpenSSH's server
    "#);
}

#[test]
fn listed_keys_go_over_stdin() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7a3vzd6sHrhPLDHhRBHqbg8pNMfnpHZMDxRDdpUPaV me";
    insta::assert_snapshot!(bootstrap(&format!("authorized_keys = [{key:?}]")), @r#"
    file /etc/sudoers.d/90-provision-deploy: missing
    user deploy: missing
      sh … deploy '' sudo all <- "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7a3vzd6sHrhPLDHhRBHqbg8pNMfnpHZMDxRDdpUPaV me\n"
    sshd without passwords and root's login: in sync
    "#);
}

#[test]
fn where_sudo_asks_for_a_password_nothing_of_sudo_is_changed() {
    insta::assert_snapshot!(bootstrap("sudo = \"password\""), @r#"
    sudo asks for a password: in sync
    user deploy: refused: there is no user deploy, and sudo is to ask it for a password
      sh … deploy '' - else <- ""
    sshd without passwords and root's login: in sync
    "#);
}

#[test]
fn root_needs_neither_user_nor_sudo() {
    insta::assert_snapshot!(bootstrap("user = \"root\""), @"sshd without passwords and root's login: in sync");
}

#[test]
fn behind_a_bastion_nothing_is_asked_of_the_world_that_it_can_not_see() {
    let seen = |text: &str| {
        let plan = plan_of(text, &Selection::default()).unwrap();
        let checks = plan.checks.into_iter().filter(|check| check.from == "here");
        let ours = checks.filter(|check| check.host == "app1" || check.host == "proxy");
        ours.map(|check| format!("{} {:?} {:?}", check.host, check.address, check.claim))
            .collect::<Vec<_>>()
    };
    let ssh = |seen: &[String], host: &str| {
        let open = |line: &&String| line.starts_with(host) && line.contains("Open(22)");
        seen.iter().filter(open).count()
    };
    let direct = seen(SCALED);
    assert_eq!((ssh(&direct, "app1"), ssh(&direct, "proxy")), (1, 1));
    let behind = SCALED.replace("[hosts.app1]", "[hosts.app1]\njump = \"proxy\"");
    let public = seen(&behind);
    assert_eq!((ssh(&public, "app1"), ssh(&public, "proxy")), (0, 1));
    assert_eq!(
        public.len() + 1,
        direct.len(),
        "that the app is closed is proven"
    );
    let private = seen(&behind.replace("198.51.100.11", "10.0.0.11"));
    let app1 = private.iter().filter(|line| line.starts_with("app1"));
    assert_eq!(app1.count(), 0, "a private address is out of sight");
}

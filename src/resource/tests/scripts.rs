//! The read-only scripts and the small ones, run for real by this machine's sh.

use std::fs;
use std::process::{Command, Output};

use crate::shell::{Cmd, Script};

fn run(cmd: &Cmd, environment: &[(&str, &str)]) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(cmd.to_shell())
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_operating_system_is_told_in_four_fields() {
    let script = Script(include_str!("../sh/os.sh"));
    let printed = text(&run(&Cmd::script(script, Vec::<String>::new()), &[]));
    let fields: Vec<&str> = printed.trim_end().split('|').collect();
    assert_eq!(fields.len(), 4, "{printed}");
    assert!(fields.iter().all(|field| !field.is_empty()), "{printed}");
}

#[test]
fn the_ssh_port_in_use_is_the_last_word_of_sshds_variable() {
    let script = Script(include_str!("../sh/ssh-port.sh"));
    let cmd = Cmd::script(script, Vec::<String>::new());
    for (connection, port) in [
        ("198.51.100.7 51000 198.51.100.11 22", "22\n"),
        ("2001:db8::7 51000 2001:db8::11 2222", "2222\n"),
    ] {
        let environment = [("PROVISION_SSH_CONNECTION", connection)];
        assert_eq!(text(&run(&cmd, &environment)), port);
    }
}

#[test]
fn a_user_that_is_missing_is_told_from_one_that_lacks_something() {
    // As in the probe of a host: without `set -e`.
    let probe = include_str!("../sh/user-probe.sh");
    let lacks = |name: &str| {
        let cmd = Cmd::new("sh").args(["-c", probe, "provision", name]);
        text(&run(&cmd, &[]))
    };
    assert_eq!(lacks("no-such-user-here"), "missing\n");
    assert_eq!(
        lacks("nobody"),
        "not in group sudo\nno key to log in with\n"
    );
}

#[test]
fn a_marker_goes_and_one_that_is_gone_is_no_error() {
    let script = Script(include_str!("../sh/clear.sh"));
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("a marker");
    fs::write(&marker, "").unwrap();
    let cmd = Cmd::script(script, [marker.display().to_string()]);
    for _ in 0..2 {
        text(&run(&cmd, &[]));
        assert!(!marker.exists());
    }
}

/// A directory with a `docker` in it that does what this script says.
fn fake_docker(script: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let docker = dir.path().join("docker");
    fs::write(&docker, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_project_that_does_not_come_up_fails_and_says_what_was_logged() {
    let script = Script(include_str!("../sh/compose-up.sh"));
    let cmd = Cmd::script(script, ["polls", "/srv/compose.yaml"]);
    let with = |docker: &str| {
        let dir = fake_docker(docker);
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        run(&cmd, &[("PATH", &path)])
    };
    assert!(with("exit 0").status.success());
    let failed = with(
        "case $* in *' up '*) echo 'container polls is unhealthy'; exit 17;; \
         *' logs '*) echo 'KeyError: DJANGO_SECRET_KEY';; esac",
    );
    assert_eq!(failed.status.code(), Some(17), "{failed:?}");
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(
        said.contains("is unhealthy") && said.contains("KeyError"),
        "{said}"
    );
}

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

/// A directory with a program in it that does what this script says.
fn fake(program: &str, script: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(program);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_project_that_does_not_come_up_fails_and_says_what_was_logged() {
    let script = Script(include_str!("../sh/compose-up.sh"));
    let cmd = Cmd::script(script, ["polls", "/srv/compose.yaml"]);
    let with = |docker: &str| {
        let dir = fake("docker", docker);
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

#[test]
fn guards_that_were_left_are_told_by_name_and_none_is_no_error() {
    let script = Script(include_str!("../sh/leftover-probe.sh"));
    let dir = tempfile::tempdir().unwrap();
    let guards = dir.path().join("guard");
    let cmd = Cmd::script(script, [guards.display().to_string()]);
    assert_eq!(text(&run(&cmd, &[])), "");
    fs::create_dir_all(guards.join("firewall/files")).unwrap();
    fs::create_dir(guards.join("bootstrap")).unwrap();
    fs::write(guards.join("no guard"), "").unwrap();
    assert_eq!(text(&run(&cmd, &[])), "bootstrap\nfirewall\n");
}

#[test]
fn a_guard_that_was_left_gives_the_old_state_back_once_and_only_if_it_was_armed() {
    let script = Script(include_str!("../sh/leftover.sh"));
    for (marks, restored) in [
        (&["armed"][..], true),
        (&["armed", "rolled-back"], false),
        (&[], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let guard = dir.path().join("guard/firewall");
        fs::create_dir_all(&guard).unwrap();
        for mark in marks {
            fs::write(guard.join(mark), "").unwrap();
        }
        let witness = dir.path().join("restored");
        fs::write(
            guard.join("restore"),
            "echo \"$1\" >\"$1/../../restored\"\n",
        )
        .unwrap();
        let guards = dir.path().join("guard").display().to_string();
        // A systemctl that knows no such unit.
        let tools = fake("systemctl", "exit 4");
        let path = format!("{}:/usr/bin:/bin", tools.path().display());
        text(&run(&Cmd::script(script, [guards]), &[("PATH", &path)]));
        assert_eq!(witness.exists(), restored, "{marks:?}");
        assert!(!guard.exists(), "{marks:?}");
    }
}

//! Packages, repositories, units, and what a host must be.

use super::{Seen, diff, ops, probe_of, state};
use crate::event::State;
use crate::resource::Fact;
use crate::resource::leftover::{GUARDS, Leftover};
use crate::resource::packages::Packages;
use crate::resource::repository::DOCKER;
use crate::resource::requirement::{OS, Os, Requirement};
use crate::resource::unit::Unit;
use crate::resource::{Op, differs};
use crate::shell::Cmd;

const TRIXIE: &str = "debian|13|trixie|amd64";

#[test]
fn only_packages_that_are_missing_are_installed() {
    let packages = Packages::new(["sudo", "ufw", "curl"]);
    let seen = Seen::default()
        .package("sudo", Some("1.9"))
        .package("ufw", None)
        .package("curl", None);
    assert_eq!(state(&packages, &seen), "differs: missing: ufw curl");
    assert_eq!(ops(&packages, &seen), "install ufw curl: sh … ufw curl");
    let all = seen.package("ufw", Some("0.36")).package("curl", Some("8"));
    assert_eq!(state(&packages, &all), "in sync");
    assert_eq!(
        state(&packages, &Seen::default().package("sudo", Some("1.9"))),
        "unreadable: package ufw: was not read on this host"
    );
}

#[test]
fn the_distribution_decides_which_packages_are_meant() {
    let packages = Packages::by_distribution(&["docker.io", "compose-v2"], |os: &Os| {
        if os.id == "ubuntu" {
            &["docker.io", "compose-v2"]
        } else {
            &["docker.io"]
        }
    });
    let seen = |os: &str| {
        Seen::default()
            .printed(OS, &[], 0, os)
            .package("docker.io", Some("26"))
            .package("compose-v2", None)
    };
    assert_eq!(state(&packages, &seen(TRIXIE)), "in sync");
    assert_eq!(
        state(&packages, &seen("ubuntu|24.04|noble|amd64")),
        "differs: missing: compose-v2"
    );
    assert_eq!(
        state(&packages, &seen("|||")),
        "unreadable: the operating system: /etc/os-release names none"
    );
    assert_eq!(
        state(&packages, &seen("")),
        "unreadable: the operating system: /etc/os-release names none"
    );
    assert_eq!(
        state(&packages, &Seen::default()),
        "unreadable: a script's output: was not read on this host"
    );
}

#[test]
fn the_repository_is_the_one_of_the_hosts_own_distribution() {
    const KEY: &str = "/etc/apt/keyrings/docker.asc";
    const SOURCES: &str = "/etc/apt/sources.list.d/docker.sources";
    let right = "Types: deb\nURIs: https://download.docker.com/linux/debian\nSuites: trixie\n\
                 Components: stable\nArchitectures: amd64\nSigned-By: /etc/apt/keyrings/docker.asc\n";
    let seen = || Seen::default().printed(OS, &[], 0, TRIXIE);
    for (seen, expected) in [
        (seen().absent(KEY).absent(SOURCES), "differs: missing"),
        (
            seen().digest(KEY, "key", 0o644).file(SOURCES, right),
            "in sync",
        ),
        (seen().absent(KEY).file(SOURCES, right), "differs: differs"),
        (
            seen()
                .digest(KEY, "key", 0o644)
                .file(SOURCES, &right.replace("trixie", "bookworm")),
            "differs: differs",
        ),
        (
            seen().absent(KEY),
            "unreadable: file /etc/apt/sources.list.d/docker.sources: was not read on this host",
        ),
    ] {
        assert_eq!(state(&DOCKER, &seen), expected);
    }
    let old = seen()
        .absent(KEY)
        .file(SOURCES, &right.replace("trixie", "bookworm"));
    assert!(diff(&DOCKER, &old).contains("- Suites: bookworm\n+ Suites: trixie"));
    let ops = ops(&DOCKER, &old);
    let [fetch, write, conflicts] = ops.lines().collect::<Vec<_>>()[..] else {
        panic!("{ops}")
    };
    assert!(
        fetch.ends_with(&format!(
            "https://download.docker.com/linux/debian/gpg {KEY}"
        )),
        "{fetch}"
    );
    assert!(write.contains("Suites: trixie"), "{write}");
    assert!(conflicts.starts_with("take away"), "{conflicts}");
}

#[test]
fn a_unit_is_enabled_and_running() {
    let unit = Unit::new("x.service", "docker");
    let seen = |load, enabled, active| Seen::default().unit("x.service", load, enabled, active);
    for (seen, expected) in [
        (seen("loaded", "enabled", "active"), "in sync"),
        (
            seen("loaded", "disabled", "active"),
            "differs: disabled → enabled",
        ),
        (
            seen("loaded", "enabled", "failed"),
            "differs: failed → active",
        ),
        (
            seen("loaded", "", "inactive"),
            "differs: not enabled → enabled, inactive → active",
        ),
        (seen("not-found", "", "inactive"), "unknown until docker"),
        (
            seen("masked", "masked", "inactive"),
            "refused: x.service is masked (systemctl unmask x.service)",
        ),
        (
            Seen::default(),
            "unreadable: unit x.service: systemd said nothing about it",
        ),
    ] {
        assert_eq!(state(&unit, &seen), expected);
    }
    assert_eq!(
        ops(&unit, &seen("loaded", "disabled", "inactive")),
        "enable and start x.service: systemctl enable --now -- x.service"
    );
}

#[test]
fn systemd_reads_a_changed_unit_file_again_before_the_unit_is_started() {
    let unit = Unit::new("x.timer", "renewal");
    let mut seen = Seen::default().unit("x.timer", "loaded", "enabled", "active");
    seen.0.units.get_mut("x.timer").unwrap().stale = true;
    assert_eq!(
        state(&unit, &seen),
        "differs: its file changed since systemd read it"
    );
    assert!(ops(&unit, &seen).starts_with("reload systemd: systemctl daemon-reload\n"));
}

#[test]
fn a_requirement_changes_nothing_but_may_be_waited_for() {
    let judge = |seen: &crate::resource::Observed| {
        Ok(match seen.package("x")? {
            Some(_) => State::InSync,
            None => differs("not yet"),
        })
    };
    let facts = || vec![Fact::Package("x".to_owned())];
    let rigid = Requirement::new("x", facts(), judge);
    let seen = Seen::default().package("x", None);
    assert_eq!(state(&rigid, &seen), "differs: not yet");
    assert_eq!(ops(&rigid, &seen), "");
    let patient =
        Requirement::new("x", facts(), judge).wait(|| Op::run("wait", Cmd::new("sleep").arg("1")));
    assert_eq!(ops(&patient, &seen), "wait: sleep 1");
    assert_eq!(
        state(&patient, &Seen::default()),
        "unreadable: package x: was not read on this host"
    );
}

#[test]
fn a_guard_that_an_earlier_run_left_is_settled_before_anything_else() {
    let probe = probe_of(&Leftover);
    let seen = |text| Seen::default().printed(probe, &[GUARDS], 0, text);
    for (seen, expected) in [
        (seen(""), "in sync"),
        (
            seen("firewall\nbootstrap"),
            "differs: a change was never confirmed: firewall, bootstrap",
        ),
        (
            Seen::default(),
            "unreadable: a script's output: was not read on this host",
        ),
    ] {
        assert_eq!(state(&Leftover, &seen), expected);
    }
    assert_eq!(
        ops(&Leftover, &seen("firewall")),
        format!("put firewall and sshd back as they were before: sh … {GUARDS}")
    );
}

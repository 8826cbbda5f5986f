//! The scripts of the guard, run for real by this machine's sh on a file system of their own:
//! what is saved, what comes back, and which mark counts at which moment.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]
#![cfg(target_os = "linux")]

#[path = "on_server/executable.rs"]
mod executable;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Output};

use provision::shell::{Cmd, Script};

const ARM: Script = Script(include_str!("../src/engine/sh/guard-arm.sh"));
const RESTORE: &str = include_str!("../src/engine/sh/guard-restore.sh");
const RENEW: Script = Script(include_str!("../src/engine/sh/guard-renew.sh"));
const DISARM: Script = Script(include_str!("../src/engine/sh/guard-disarm.sh"));

/// The filter table of a server where Docker runs and ufw is off.
const OFF: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j RETURN
COMMIT
";
/// The same with ufw on, its block, and a container that was started meanwhile.
const ON: &str = "\
*filter
:INPUT DROP [7:9]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:ufw-before-input - [0:0]
:ufw-user-forward - [0:0]
-A INPUT -j ufw-before-input
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -j ufw-user-forward
-A DOCKER -d 172.30.0.2/32 -p tcp -j ACCEPT
-A DOCKER-USER -j ufw-user-forward
-A ufw-before-input -i lo -j ACCEPT
COMMIT
";

/// A file system with ufw and sshd on it, tools that note their calls, and a guard.
struct Guarded {
    dir: tempfile::TempDir,
}

impl Guarded {
    fn new() -> Self {
        let guarded = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for (path, text) in [
            ("root/etc/ufw/ufw.conf", "ENABLED=no\n"),
            ("root/etc/ufw/user.rules", "none\n"),
            ("root/etc/default/ufw", "IPV6=yes\n"),
            ("root/etc/ssh/sshd_config", "Include\n"),
            ("root/etc/ssh/sshd_config.d/50-cloud-init.conf", "yes\n"),
            ("live", OFF),
            (
                "tools/iptables-save",
                "#!/bin/sh\ncat \"${CALLS%/*}/live\"\n",
            ),
            ("tools/ip6tables-save", "#!/bin/sh\n"),
            ("tools/systemd-run", "#!/bin/sh\n"),
            (
                "tools/iptables-restore",
                "#!/bin/sh\necho \"4 $*: $(cat)\" >>\"$CALLS\"\n",
            ),
            (
                "tools/ip6tables-restore",
                "#!/bin/sh\necho \"6 $*: $(cat)\" >>\"$CALLS\"\n",
            ),
            (
                "tools/systemctl",
                "#!/bin/sh\n[ $2 != is-active ] || exit 3\n[ $1 != stop ] || exit 5\necho \"$*\" >>\"$CALLS\"\n",
            ),
        ] {
            fs::create_dir_all(guarded.at(path).parent().unwrap()).unwrap();
            if path.starts_with("tools") {
                executable::write(&guarded.at(path), text);
                continue;
            }
            guarded.write(path, text);
            fs::set_permissions(guarded.at(path), fs::Permissions::from_mode(0o640)).unwrap();
        }
        guarded
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn try_sh(&self, cmd: &Cmd) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.at("tools").display());
        Command::new("sh")
            .args(["-c", &cmd.to_shell()])
            .env("PATH", path)
            .env("CALLS", self.at("calls"))
            .output()
            .unwrap()
    }

    /// What a command that ends well and complains of nothing prints.
    fn sh(&self, cmd: &Cmd) -> String {
        let done = self.try_sh(cmd);
        assert!(done.status.success(), "{done:?}");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "");
        String::from_utf8(done.stdout).unwrap()
    }

    fn arm_as(name: &str, seconds: &str, root: &str) -> Cmd {
        Cmd::script(ARM, [name, seconds, RESTORE, root])
    }

    fn root(&self) -> String {
        self.at("root").display().to_string()
    }

    fn arm(&self) {
        self.sh(&Self::arm_as("polls-firewall", "60", &self.root()));
    }

    /// The guard's own directory, or something in it.
    fn guard(&self, path: &str) -> PathBuf {
        self.at("root/var/lib/provision/guard/polls-firewall")
            .join(path)
    }

    fn boot(&self) -> PathBuf {
        self.at("root/etc/systemd/system/provision-restore-polls-firewall.service")
    }

    fn restoring(&self, when: &str) -> Cmd {
        let guard = self.guard("");
        let guard = guard.to_str().unwrap().trim_end_matches('/');
        let restore = format!("{guard}/restore");
        Cmd::new("sh").args([&restore, guard, &self.root(), when])
    }

    fn restore(&self, when: &str) {
        self.sh(&self.restoring(when));
    }

    fn ended(&self, how: &str) -> String {
        self.sh(&Cmd::script(DISARM, ["polls-firewall", how, &self.root()]))
    }

    /// The mark that counts.
    fn mark(&self) -> Vec<&str> {
        let mut marks = vec!["armed", "firing", "rolled-back"];
        marks.retain(|mark| self.guard(mark).exists());
        marks
    }

    /// Everything in /etc: name, mode, content.
    fn etc(&self) -> Vec<(String, u32, String)> {
        let mut all = Vec::new();
        let mut left = vec![self.at("root/etc"), self.at("root")];
        while let Some(path) = left.pop() {
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_dir() {
                let is_root = path == self.at("root");
                let below = fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path());
                left.extend(below.filter(|_| !is_root));
                String::new()
            } else {
                fs::read_to_string(&path).unwrap_or_default()
            };
            all.push((path.display().to_string(), meta.mode(), content));
        }
        all.sort();
        all
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.at("calls")).unwrap_or_default()
    }
}

#[test]
fn a_guard_puts_back_content_and_modes_and_removes_what_was_not_there() {
    let guarded = Guarded::new();
    // Where the unit for the next start will lie.
    fs::create_dir_all(guarded.at("root/etc/systemd/system/multi-user.target.wants")).unwrap();
    let before = guarded.etc();
    guarded.arm();
    let boot = guarded.at("root/etc/systemd/system/provision-restore-polls-firewall.service");
    assert!(
        fs::read_to_string(&boot).unwrap().contains("restore"),
        "the power may be cut"
    );
    guarded.write("root/etc/ufw/ufw.conf", "ENABLED=yes\n");
    guarded.write("root/etc/ufw/user6.rules", "new\n");
    guarded.write("root/etc/ssh/sshd_config.d/00-provision.conf", "no\n");
    guarded.write("root/etc/ssh/sshd_config.d/.provision.abcdef", "half\n");
    fs::remove_file(guarded.at("root/etc/ssh/sshd_config.d/50-cloud-init.conf")).unwrap();
    let config = guarded.at("root/etc/ssh/sshd_config");
    fs::set_permissions(config, fs::Permissions::from_mode(0o666)).unwrap();
    guarded.restore("now");
    assert_eq!(guarded.etc(), before);
    assert!(
        guarded
            .calls()
            .ends_with("\n--no-block try-reload-or-restart ssh.service\n"),
        "{}",
        guarded.calls()
    );
}

#[test]
fn a_guard_that_changed_nothing_of_sshd_leaves_it_alone_and_at_a_start_loads_nothing() {
    let guarded = Guarded::new();
    fs::remove_dir_all(guarded.at("root/etc/ssh/sshd_config.d")).unwrap();
    fs::create_dir_all(guarded.at("root/etc/systemd/system/multi-user.target.wants")).unwrap();
    let before = guarded.etc();
    guarded.arm();
    guarded.write("root/etc/ufw/user.rules", "more\n");
    guarded.restore("now");
    assert_eq!(guarded.etc(), before);
    assert!(!guarded.calls().contains("ssh"), "{}", guarded.calls());

    fs::remove_file(guarded.at("calls")).unwrap();
    guarded.arm();
    guarded.write("root/etc/ssh/sshd_config.d/00-provision.conf", "no\n");
    guarded.restore("boot");
    assert_eq!(guarded.etc(), before, "the directory is gone again too");
    assert_eq!(guarded.calls(), "", "ufw and sshd start after it");
}

#[test]
fn live_rules_go_back_to_ufw_off_and_what_docker_made_meanwhile_stays() {
    let guarded = Guarded::new();
    guarded.arm();
    guarded.write("live", ON);
    guarded.restore("now");
    assert_eq!(
        guarded.calls(),
        "4 -w 10 --noflush: *filter\n\
         :INPUT ACCEPT [0:0]\n\
         :FORWARD DROP [0:0]\n\
         :OUTPUT ACCEPT [0:0]\n\
         :DOCKER-USER - [0:0]\n\
         :ufw-before-input - [0:0]\n\
         :ufw-user-forward - [0:0]\n\
         -D INPUT -j ufw-before-input\n\
         -D FORWARD -j ufw-user-forward\n\
         -A DOCKER-USER -j RETURN\n\
         -X ufw-before-input\n\
         -X ufw-user-forward\n\
         COMMIT\n"
    );
}

#[test]
fn live_rules_come_back_where_a_reload_was_cut_off_in_the_middle() {
    let guarded = Guarded::new();
    guarded.write("live", ON);
    guarded.arm();
    guarded.write("live", OFF);
    guarded.restore("now");
    assert_eq!(
        guarded.calls(),
        "4 -w 10 --noflush: *filter\n\
         :INPUT DROP [0:0]\n\
         :FORWARD DROP [0:0]\n\
         :OUTPUT ACCEPT [0:0]\n\
         :DOCKER-USER - [0:0]\n\
         :ufw-before-input - [0:0]\n\
         :ufw-user-forward - [0:0]\n\
         -A INPUT -j ufw-before-input\n\
         -A FORWARD -j ufw-user-forward\n\
         -A DOCKER-USER -j ufw-user-forward\n\
         -A ufw-before-input -i lo -j ACCEPT\n\
         COMMIT\n"
    );
}

#[test]
fn a_firewall_that_was_empty_is_empty_again_but_for_what_is_dockers() {
    let guarded = Guarded::new();
    guarded.write("live", "");
    guarded.arm();
    guarded.write("live", ON);
    guarded.restore("now");
    let calls = guarded.calls();
    assert!(calls.contains(":INPUT ACCEPT"), "{calls}");
    assert!(calls.contains("-X ufw-before-input"), "{calls}");
    assert!(!calls.contains("172.30.0.2"), "Docker's stays: {calls}");
}

#[test]
fn a_snapshot_that_fails_half_way_arms_nothing_and_leaves_nothing() {
    for (tool, text) in [
        ("iptables-save", "#!/bin/sh\necho '*filter'\nexit 1\n"),
        ("ip6tables-save", "#!/bin/sh\nexit 4\n"),
        ("systemd-run", "#!/bin/sh\nexit 1\n"),
        (
            "cp",
            "#!/bin/sh\necho 'No space left on device' >&2; exit 1\n",
        ),
    ] {
        if tool == "ip6tables-save" && !std::path::Path::new("/proc/sys/net/ipv6").exists() {
            println!("left out: {tool}: this machine has no IPv6");
            continue;
        }
        let guarded = Guarded::new();
        fs::create_dir_all(guarded.at("root/etc/systemd/system/multi-user.target.wants")).unwrap();
        let before = guarded.etc();
        executable::write(&guarded.at("tools").join(tool), text);
        let done = guarded.try_sh(&Guarded::arm_as("polls-firewall", "60", &guarded.root()));
        assert!(!done.status.success(), "{tool}: {done:?}");
        assert!(!guarded.guard("").exists(), "{tool}");
        assert_eq!(
            guarded.etc(),
            before,
            "{tool}: nor a unit for the next start"
        );
    }
}

#[test]
fn what_can_t_be_put_back_is_told_and_all_the_rest_comes_back() {
    let guarded = Guarded::new();
    guarded.arm();
    guarded.write("root/etc/ufw/ufw.conf", "ENABLED=yes\n");
    guarded.write("root/etc/default/ufw", "IPV6=no\n");
    guarded.write("live", ON);
    // Part of the snapshot is lost, and iptables doesn't do as it is told.
    fs::remove_file(guarded.guard("files/etc/ufw/ufw.conf")).unwrap();
    guarded.write("tools/iptables-restore", "#!/bin/sh\nexit 1\n");
    let done = guarded.try_sh(&Cmd::script(
        DISARM,
        ["polls-firewall", "fire", &guarded.root()],
    ));
    let (told, said) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert_eq!(told, "provision:taken-back\n", "{done:?}");
    for part in [
        "could not put back /etc/ufw/ufw.conf: it is not in the snapshot",
        "could not put back the live rules (iptables)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let kept = fs::read_to_string(guarded.at("root/etc/ufw/ufw.conf")).unwrap();
    assert_eq!(kept, "ENABLED=yes\n", "never removed");
    let back = fs::read_to_string(guarded.at("root/etc/default/ufw")).unwrap();
    assert_eq!(back, "IPV6=yes\n");
}

#[test]
fn the_mark_alone_decides_whatever_else_a_power_cut_left() {
    let guarded = Guarded::new();
    fs::create_dir_all(guarded.at("root/etc/systemd/system/multi-user.target.wants")).unwrap();
    let before = guarded.etc();
    let changed = || guarded.write("root/etc/ufw/user.rules", "new\n");
    let is = || fs::read_to_string(guarded.at("root/etc/ufw/user.rules")).unwrap();
    // Cut while it was armed, or in the middle of a restore.
    for mark in ["armed", "firing"] {
        guarded.arm();
        changed();
        fs::rename(guarded.guard("armed"), guarded.guard(mark)).unwrap();
        let unit = fs::read_to_string(guarded.boot()).unwrap();
        let condition = format!("ConditionPathExists=|{}\n", guarded.guard(mark).display());
        assert!(unit.contains(&condition), "{unit}");
        guarded.restore("boot");
        assert_eq!(guarded.etc(), before, "{mark}");
        assert_eq!(guarded.mark(), ["rolled-back"]);
        // Once more changes nothing.
        changed();
        guarded.restore("boot");
        assert_eq!(is(), "new\n");
        assert_eq!(guarded.ended("forget"), "");
        guarded.write("root/etc/ufw/user.rules", "none\n");
        assert_eq!(guarded.etc(), before);
    }
    // Cut while it was disarmed: the mark is the first that goes.
    guarded.arm();
    changed();
    fs::remove_file(guarded.guard("armed")).unwrap();
    guarded.restore("boot");
    assert_eq!(is(), "new\n");
}

#[test]
fn a_guard_that_was_disarmed_can_t_fire_and_one_that_fired_can_t_be_disarmed() {
    let guarded = Guarded::new();
    guarded.arm();
    guarded.write("root/etc/ufw/user.rules", "new\n");
    let late = guarded.restoring("now");
    let script = fs::read_to_string(guarded.guard("restore")).unwrap();
    assert_eq!(guarded.ended("disarm"), "provision:disarmed\n");
    assert!(!guarded.guard("").exists() && !guarded.boot().exists());
    // Its answer may be lost on the way.
    assert_eq!(guarded.ended("disarm"), "provision:disarmed\n");
    // A timer that fires into this finds no mark.
    fs::create_dir_all(guarded.guard("")).unwrap();
    fs::write(guarded.guard("restore"), script).unwrap();
    guarded.sh(&late);
    let is = || fs::read_to_string(guarded.at("root/etc/ufw/user.rules")).unwrap();
    assert_eq!(is(), "new\n");
    fs::remove_dir_all(guarded.guard("")).unwrap();

    guarded.arm();
    guarded.write("root/etc/ufw/user.rules", "newer\n");
    guarded.restore("now");
    for _ in 0..2 {
        assert_eq!(
            guarded.ended("disarm"),
            "provision:rolled-back\n",
            "however often it is asked"
        );
    }
    assert_eq!(is(), "new\n");
    guarded.ended("forget");
    assert!(!guarded.guard("").exists());
}

#[test]
fn a_guard_that_is_renewed_keeps_its_snapshot_and_fires_later() {
    let guarded = Guarded::new();
    guarded.sh(&Guarded::arm_as("polls-firewall", "0", &guarded.root()));
    guarded.write("root/etc/ufw/user.rules", "half\n");
    let renew = |seconds: &str| Cmd::script(RENEW, ["polls-firewall", seconds, &guarded.root()]);
    let start = std::time::Instant::now();
    assert_eq!(guarded.sh(&renew("2")), "provision:renewed\n");
    guarded.write("root/etc/ufw/user.rules", "whole\n");
    guarded.restore("timer");
    assert!(start.elapsed().as_millis() >= 1000, "{:?}", start.elapsed());
    let is = fs::read_to_string(guarded.at("root/etc/ufw/user.rules")).unwrap();
    assert_eq!(is, "none\n");
    assert_eq!(guarded.sh(&renew("2")), "provision:rolled-back\n");
}

#[test]
fn two_guards_on_one_host_are_refused_and_the_same_one_keeps_its_snapshot() {
    let guarded = Guarded::new();
    guarded.arm();
    let other = guarded.try_sh(&Guarded::arm_as("shop-bootstrap", "60", &guarded.root()));
    assert_eq!(other.status.code(), Some(75), "{other:?}");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(said.contains("polls-firewall"), "{said}");
    guarded.write("root/etc/ufw/user.rules", "new\n");
    guarded.arm();
    guarded.restore("now");
    let is = fs::read_to_string(guarded.at("root/etc/ufw/user.rules")).unwrap();
    assert_eq!(is, "none\n", "as it was before any change");
    // One that is settled is in nobody's way.
    guarded.sh(&Guarded::arm_as("shop-bootstrap", "60", &guarded.root()));
}

#[test]
fn what_is_being_done_under_a_guard_ends_before_the_old_state_comes_back() {
    let guarded = Guarded::new();
    let mut lock = Command::new("sleep").arg("60").spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", lock.id())).unwrap();
    let began = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(19)
        .unwrap();
    guarded.write(
        "root/run/provision/holder",
        &format!("fence {} {began}\n", lock.id()),
    );
    guarded.arm();
    let turn = guarded.at("root/var/lib/provision/operation");
    let operation = Command::new("setsid")
        .args(["sh", "-c"])
        .arg(
            "exec 8>>\"$0\"; flock 8; read -r stat </proc/$$/stat; set -- ${stat##*) }; \
             printf 'reload\\nop %s %s %s\\n' $$ ${20} $3 >\"$0\"; sleep 30; echo late >\"$1\"",
        )
        .arg(&turn)
        .spawn();
    let mut operation = operation.unwrap();
    let start = std::time::Instant::now();
    while fs::read_to_string(&turn).unwrap_or_default().is_empty() {
        assert!(start.elapsed().as_secs() < 20, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    guarded.restore("now");
    assert!(operation.wait().unwrap().code().is_none(), "it was ended");
    assert!(start.elapsed().as_secs() < 20);
    assert!(
        !guarded.at("root/run/provision/holder").exists(),
        "and nothing more of that run is done"
    );
    assert!(
        lock.wait().unwrap().code().is_none(),
        "it holds the host no more"
    );

    // Another run's are its own.
    guarded.ended("forget");
    guarded.arm();
    guarded.write("root/run/provision/holder", "other 2 2\n");
    guarded.restore("now");
    assert!(guarded.at("root/run/provision/holder").exists());
}

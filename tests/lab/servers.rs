//! The lab's hosts as the scenarios need them.

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{Ended, PROGRAM, provision, succeeds};
use crate::site;

/// The hosts of site.toml.
pub const HOSTS: [&str; 3] = ["app1", "app2", "proxy"];
/// The app servers.
pub const APPS: [&str; 2] = ["app1", "app2"];

/// How long a host may take from its start until it is at rest.
const START: Duration = Duration::from_secs(120);

/// Keeps the lab up after the last scenario.
const KEEP: &str = "PROVISION_LAB_KEEP";

/// The suite of the lab that is up.
static UP: Mutex<Option<&str>> = Mutex::new(None);

/// Brings the lab up, once.
pub fn up() {
    up_with("trixie");
}

/// Brings a lab of this suite up, in place of another.
pub fn up_with(suite: &'static str) {
    let mut up = UP.lock().unwrap_or_else(PoisonError::into_inner);
    if *up == Some(suite) {
        return;
    }
    // Something is up from here on, even if not all of it comes up.
    *up = Some("");
    let args = ["lab", "up", "--install", "--suite", suite];
    let ended = provision(&args);
    // Either we had another suite's lab up, or one was left by somebody.
    if ended.stderr.contains("lab is up in") {
        succeeds(&["lab", "down"]);
        succeeds(&args);
    } else {
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    *up = Some(suite);
}

/// Installs what a lab needs, on the machine itself, without leaving one up.
pub fn install() {
    succeeds(&["lab", "up", "--install"]);
    succeeds(&["lab", "down"]);
}

/// Takes the lab down if it was brought up, unless it is to be kept. False when it can't be.
pub fn down() -> bool {
    let up = UP.lock().unwrap_or_else(PoisonError::into_inner);
    if up.is_none() {
        return true;
    }
    if std::env::var_os(KEEP).is_some_and(|keep| keep == "1") {
        eprintln!("the lab stays up ({KEEP}=1): `provision lab down` removes it");
        return true;
    }
    let ended = provision(&["lab", "down"]);
    if ended.code != Some(0) {
        eprintln!("the lab could not be taken down: {ended}");
    }
    ended.code == Some(0)
}

/// Makes all hosts and the database fresh servers.
pub fn reset() {
    succeeds(&["lab", "reset", "app1", "app2", "proxy", "db"]);
}

/// `provision run` with the lab's site.
pub fn run() -> Ended {
    run_with(&site::file())
}

/// `provision run` with another site.
pub fn run_with(file: &std::path::Path) -> Ended {
    let file = file.to_str().unwrap();
    provision(&["run", file, "--yes", "--json"])
}

/// `provision plan` with the lab's site.
pub fn plan() -> Ended {
    let file = site::file();
    let ended = provision(&["plan", file.to_str().unwrap(), "--json"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    ended
}

/// Makes sure that the lab's site stands, however the scenario before left it.
pub fn converged() {
    let ended = run();
    assert_eq!(ended.code, Some(0), "{ended}");
}

/// A command on a host's console, where root stands past firewall and SSH.
pub fn try_console(host: &str, argv: &[&str]) -> Ended {
    let mut all = vec!["lab", "console", host, "--"];
    all.extend(argv);
    provision(&all)
}

/// A shell script on a host's console; what it prints. It must end well.
pub fn console(host: &str, script: &str) -> String {
    let ended = try_console(host, &["sh", "-euc", script]);
    assert_eq!(ended.code, Some(0), "on {host}: {script}\n{ended}");
    ended.stdout
}

/// Waits until a host that was just started is at rest: systemd has started what it starts, and
/// Docker knows of each container whether it is healthy.
pub fn at_rest(host: &str) {
    let start = Instant::now();
    let script = "systemctl is-active --quiet multi-user.target; \
                  docker ps --filter health=starting --format '{{.Names}}'";
    loop {
        let left = try_console(host, &["sh", "-euc", script]);
        if left.code == Some(0) && left.stdout.trim().is_empty() {
            return;
        }
        assert!(
            start.elapsed() < START,
            "{host} is not at rest after {START:?}: {left}"
        );
        sleep(Duration::from_millis(500));
    }
}

/// A command in the stranger's network namespace.
pub fn outside(argv: &[&str]) -> Ended {
    let mut all = vec!["lab", "outside", "--"];
    all.extend(argv);
    provision(&all)
}

/// Whether the operator's own ssh gets in, with the lab's key.
pub fn try_login(host: &str, user: &str, port: u16) -> bool {
    let text = std::fs::read_to_string(site::file()).unwrap();
    let site: toml::Table = text.parse().unwrap();
    let address = site["hosts"][host]["address"].as_str().unwrap();
    let options = [
        format!("IdentityFile={}/id_ed25519", site::lab()),
        format!("UserKnownHostsFile={}/known_hosts", site::lab()),
        format!("HostKeyAlias={address}"),
        format!("Port={port}"),
        "IdentitiesOnly=yes".to_owned(),
        "BatchMode=yes".to_owned(),
        "ConnectTimeout=30".to_owned(),
    ];
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none"]);
    for option in options {
        ssh.args(["-o", &option]);
    }
    let done = ssh.arg(format!("{user}@{address}")).arg("true").output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() || said.contains("Permission denied"),
        "{user}@{host}: {said}"
    );
    done.status.success()
}

/// A digest of what a host has been made: all of /etc, its packages, its users' homes, what
/// we keep there, its firewall's rules, and what listens. Reading it changes nothing.
pub fn fingerprint(host: &str) -> String {
    console(
        host,
        "for dir in /etc /srv /home /root /var/lib/provision; do \
           [ ! -d $dir ] || find $dir -xdev -printf '%p %y %m %u %g %l\\n' | sort; \
           [ ! -d $dir ] || find $dir -xdev -type f -exec sha256sum {} + | sort; \
         done; \
         dpkg-query --show; ls /var/lib/apt/lists; \
         command -v iptables-save >/dev/null && { iptables-save; ip6tables-save; } | \
           sed 's/\\[[0-9:]*\\]//; /^#/d' || :; \
         ss -Hltn | awk '{ print $4 }' | sort",
    )
}

/// The fingerprints of all hosts.
pub fn fingerprints() -> Vec<String> {
    HOSTS.iter().map(|host| fingerprint(host)).collect()
}

/// Holds two sets of fingerprints to be the same, and shows where they aren't.
pub fn assert_untouched(before: &[String], after: &[String], what: &str) {
    for ((host, before), after) in HOSTS.iter().zip(before).zip(after) {
        let changes = similar::TextDiff::from_lines(before, after);
        let diff = changes.unified_diff().context_radius(0).to_string();
        assert!(diff.is_empty(), "{what}: {host} was changed\n{diff}");
    }
}

/// Posts to the lab's resolver.
pub fn tell_resolver(what: &str, body: &str) {
    let url = format!("http://{}:8055/{what}", provision::lab::GATEWAY,);
    let sent = Command::new("curl")
        .args(["-sS", "--fail", "--noproxy", "*", "--max-time", "10"])
        .args(["--data", body, &url])
        .status();
    assert!(sent.unwrap().success(), "{what} {body}");
}

/// The path of the binary, for commands that wrap it.
pub fn program() -> Command {
    Command::new(PROGRAM)
}

//! sshd without root and passwords: turned on and off under the guard, however sshd is started.

use std::time::Duration;

use crate::program::{Ended, provision, succeeds};
use crate::servers::{console, try_login};
use crate::site::{Variant, set};

const HOST: &str = "proxy";
/// The guard's time, in seconds.
const GUARD: u64 = 20;

fn guard_seconds(site: &mut toml::Table, seconds: u64) {
    let seconds = i64::try_from(seconds).unwrap();
    let firewall = site
        .entry("firewall")
        .or_insert_with(|| toml::Table::new().into());
    let firewall = firewall.as_table_mut().unwrap();
    firewall.insert("guard_seconds".to_owned(), seconds.into());
}

/// `bootstrap` on one host, hardened or not, reached on this port.
fn bootstrap(harden: bool, port: u16) -> Ended {
    let site = Variant::new(|site| {
        set(site, &["ssh", "harden"], harden);
        set(site, &["hosts", HOST, "port"], i64::from(port));
        guard_seconds(site, GUARD);
    });
    let file = site.file();
    let file = file.to_str().unwrap();
    provision(&["step", "bootstrap", file, "--host", HOST, "--yes", "--json"])
}

fn converges(harden: bool, port: u16) {
    let first = bootstrap(harden, port);
    assert_eq!(first.code, Some(0), "{first}");
    assert!(!first.changed().is_empty(), "{first}");
    let second = bootstrap(harden, port);
    assert_eq!(second.code, Some(0), "{second}");
    assert_eq!(second.changed(), [""; 0], "{second}");
}

/// Whether these users are let in.
fn lets_in(root: bool, deploy: bool, what: &str) {
    for (user, expected) in [("root", root), ("deploy", deploy)] {
        assert_eq!(try_login(HOST, user, 22), expected, "{what}: {user}");
    }
}

/// All of /etc/ssh, and the units that are there.
fn state() -> String {
    console(
        HOST,
        "cd /etc/ssh; find . -printf '%p %m %u %g\\n' | sort; find . -type f | sort | xargs sha256sum; \
         ls -R /etc/systemd/system",
    )
}

fn is_rolled_back(what: &str) {
    // It takes effect with the next reload, which is ours.
    console(
        HOST,
        "echo 'AllowUsers nobody root' >/etc/ssh/sshd_config.d/99-own.conf",
    );
    let before = state();
    let ended = bootstrap(true, 22);
    assert_eq!(ended.code, Some(5), "{what}: {ended}");
    assert!(
        ended.took < Duration::from_secs(GUARD + 60),
        "{what}: {ended}"
    );
    let told = ended.failures();
    assert!(told[0].2.contains("deploy is refused"), "{what}: {told:?}");
    lets_in(true, false, what);
    assert_eq!(state(), before, "{what}");
    assert_eq!(
        console(HOST, "ls -A /var/lib/provision/guard"),
        "",
        "{what}"
    );
    console(HOST, "rm /etc/ssh/sshd_config.d/99-own.conf");
}

pub fn on_and_off() {
    succeeds(&["lab", "reset", HOST]);
    // In one go, from a fresh server on.
    converges(true, 22);
    lets_in(false, true, "hardened");
    converges(false, 22);
    lets_in(true, true, "no longer hardened");
    is_rolled_back("a new login that is refused");

    // sshd with its sockets from systemd, on two ports.
    console(
        HOST,
        "mkdir -p /etc/systemd/system/ssh.socket.d; \
         printf '[Socket]\\nListenStream=2222\\n' >/etc/systemd/system/ssh.socket.d/own.conf; \
         systemctl daemon-reload; systemctl disable --now ssh.service; \
         systemctl enable --now ssh.socket",
    );
    converges(true, 22);
    lets_in(false, true, "hardened, with sockets from systemd");
    let second = bootstrap(true, 2222);
    assert_eq!(
        (second.code, second.changed()),
        (Some(0), Vec::new()),
        "{second}"
    );
    converges(false, 22);
    is_rolled_back("sockets from systemd");

    // sshd by itself again, on another port.
    console(
        HOST,
        "systemctl disable ssh.socket; systemctl stop ssh.socket ssh.service; \
         echo 'Port 2222' >/etc/ssh/sshd_config.d/10-own.conf; \
         systemctl enable --now ssh.service || { journalctl -u ssh.service | tail >&2; exit 1; }",
    );
    converges(true, 2222);
    assert!(try_login(HOST, "deploy", 2222) && !try_login(HOST, "root", 2222));
    let rules = console(HOST, "ufw status");
    let ports = |port: &str| rules.lines().any(|line| line.starts_with(port));
    assert!(ports("2222/tcp") && !ports("22/tcp"), "{rules}");
    succeeds(&["lab", "reset", HOST]);
}

pub fn power_cut() {
    succeeds(&["lab", "reset", HOST]);
    converges(false, 22);
    console(
        HOST,
        "echo 'AllowUsers nobody root' >/etc/ssh/sshd_config.d/99-own.conf",
    );
    let before = state();
    let site = Variant::new(|site| {
        set(site, &["ssh", "harden"], true);
        guard_seconds(site, 600);
    });
    let file = site.file();
    let args = [
        "step",
        "bootstrap",
        file.to_str().unwrap(),
        "--host",
        HOST,
        "--yes",
        "--json",
    ];
    let mut run = crate::program::Running::start(&args);
    assert!(run.until(|event| {
        event["event"] == "doing"
            && event["what"]
                .as_str()
                .is_some_and(|what| what.starts_with("let sshd"))
    }));
    std::thread::sleep(Duration::from_secs(2));
    succeeds(&["lab", "power-cut", HOST]);
    run.signal("KILL");
    let _killed = run.end();
    succeeds(&["lab", "start", HOST]);
    assert_eq!(state(), before, "put back at the start");
    lets_in(true, false, "after the power cut");
    // The next run finds the rest of the guard, and goes on.
    console(
        HOST,
        "rm /etc/ssh/sshd_config.d/99-own.conf; systemctl reload ssh.service",
    );
    converges(true, 22);
    lets_in(false, true, "hardened at last");
    succeeds(&["lab", "reset", HOST]);
}

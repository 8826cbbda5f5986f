//! First contact as operators have it: by a password, through the proxy, or as ssh_config says.

use std::net::IpAddr;
use std::process::Command;

use toml::{Table, Value};

use crate::program::{Ended, PROGRAM, Running, succeeds};
use crate::servers::{console, program, try_console};
use crate::site::{Variant, at, lab, set};

/// The password of root, and the variable that tells it.
const PASSWORD: &str = "battery-staple-7";
const VARIABLE: &str = "PROVISION_LAB_PASSWORD";

fn ends(mut command: Command) -> Ended {
    Running::of(command.env("NO_COLOR", "1")).end()
}

/// Holds a plan to have read hosts over one connection and by one command each.
fn read(ended: &Ended, hosts: u64) {
    assert_eq!(ended.code, Some(0), "{ended}");
    let summary = ended.summary();
    assert_eq!(summary["connections"], hosts, "{ended}");
    assert_eq!(summary["execs"], hosts, "{ended}");
}

pub fn by_a_root_password() {
    succeeds(&["lab", "reset", "app1"]);
    console(
        "app1",
        &format!(
            "echo root:{PASSWORD} | chpasswd; rm /root/.ssh/authorized_keys; \
             printf '%s yes\\n' PermitRootLogin PasswordAuthentication \
               >/etc/ssh/sshd_config.d/10-provider.conf; systemctl restart ssh.service"
        ),
    );
    let site = Variant::new(|site| {
        let from = Table::from_iter([("env".to_owned(), Value::from(VARIABLE))]);
        set(site, &["ssh", "password"], from);
    });
    let run = |verb: &[&str], password: &str| {
        let mut command = program();
        command.args(verb).arg(site.file());
        command.args(["--host", "app1", "--json", "-vvv"]);
        command.env(VARIABLE, password);
        let ended = ends(command);
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains(password), "{ended}");
        ended
    };
    let wrong = run(&["plan"], "not-this-one-3");
    assert_eq!(wrong.code, Some(3), "{wrong}");
    let failures = wrong.failures();
    assert_eq!(failures[0].1, "authenticate", "{wrong}");
    assert!(failures[0].2.contains("password"), "{wrong}");

    let ended = run(&["step", "bootstrap", "--yes"], PASSWORD);
    assert_eq!(ended.code, Some(0), "{ended}");
    // From here on it is the sudo user, with the operator's key.
    read(
        &run(&["plan", "--only", "bootstrap"], "no-longer-needed"),
        1,
    );
    succeeds(&["lab", "reset", "app1"]);
}

pub fn through_the_proxy() {
    succeeds(&["lab", "reset", "app1", "proxy"]);
    let private = |host: &str| {
        let text = console(
            host,
            "ip -4 -o addr show | sed -n 's|.* \\(10\\.[0-9.]*\\)/.*|\\1|p'",
        );
        let address: IpAddr = text.trim().parse().unwrap();
        address.to_string()
    };
    let (app1, proxy) = (private("app1"), private("proxy"));
    // sshd of app1 answers on the private network alone.
    console(
        "app1",
        &format!(
            "echo ListenAddress {app1} >/etc/ssh/sshd_config.d/listen.conf; \
             systemctl restart ssh.service"
        ),
    );
    let site = Variant::new(|site| {
        set(site, &["ssh", "jump"], "proxy");
        set(site, &["hosts", "app1", "private"], app1.as_str());
        set(site, &["hosts", "proxy", "private"], proxy.as_str());
    });
    let run = |verb: &[&str]| {
        let mut command = program();
        command.args(verb).arg(site.file());
        command.args(["--host", "app1", "--host", "proxy", "--json"]);
        ends(command)
    };
    // Both are bare: root is the way into the proxy and, through it, into app1.
    let ended = run(&["step", "bootstrap", "--yes"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    read(&run(&["plan", "--only", "bootstrap"]), 2);

    // A bastion that doesn't answer is told as such, and for both.
    let stopped = try_console("proxy", &["systemctl", "stop", "ssh.service", "ssh.socket"]);
    assert_eq!(stopped.code, Some(0), "{stopped}");
    let ended = run(&["plan", "--only", "bootstrap"]);
    assert_eq!(ended.code, Some(3), "{ended}");
    let failures = ended.failures();
    assert_eq!(failures.len(), 2, "{ended}");
    let behind = failures.iter().find(|failure| failure.0 == "app1").unwrap();
    assert!(behind.2.contains("through bastion proxy"), "{ended}");
    succeeds(&["lab", "reset", "app1", "proxy"]);
}

pub fn as_ssh_config_says() {
    succeeds(&["lab", "reset", "app1"]);
    console(
        "app1",
        "printf 'Port 22\\nPort 2022\\n' >/etc/ssh/sshd_config.d/port.conf; \
         systemctl restart ssh.service",
    );
    let mut address = String::new();
    let site = Variant::new(|site| {
        let key = at(site, &["ssh"]).remove("key").unwrap();
        assert!(key.as_str().unwrap().starts_with(&lab()));
        let app1 = at(site, &["hosts", "app1"]);
        app1.remove("host_key").unwrap();
        address = app1["address"].as_str().unwrap().to_owned();
        set(site, &["hosts", "app1", "ssh"], "first-app");
    });
    let (known, conf) = (site.dir().join("known"), site.dir().join("conf"));
    let shown = Command::new("ssh-keyscan")
        .args(["-T", "60", "-H", "-p", "2022", &address])
        .output()
        .unwrap();
    assert!(!shown.stdout.is_empty(), "{shown:?}");
    let text = format!(
        "Host first-*\n  Port 2022\n  HostName {address}\n  IdentityFile {}/id_ed25519\n  \
         UserKnownHostsFile {}\n  StrictHostKeyChecking no\n  UseKeychain yes\n",
        lab(),
        known.display()
    );
    std::fs::write(&conf, text).unwrap();
    let plan = || {
        let mut command = Command::new(PROGRAM);
        command.arg("plan").arg(site.file()).arg("-F").arg(&conf);
        command.args(["--host", "app1", "--only", "preflight", "--json"]);
        ends(command)
    };
    // Whatever StrictHostKeyChecking says, a key that nobody vouches for is refused.
    let ended = plan();
    assert_eq!(ended.code, Some(3), "{ended}");
    assert_eq!(ended.failures()[0].1, "host key", "{ended}");
    std::fs::write(&known, shown.stdout).unwrap();
    let ended = plan();
    assert_eq!(ended.code, Some(0), "{ended}");
    for word in ["StrictHostKeyChecking", "usekeychain"] {
        assert_eq!(ended.stderr.matches(word).count(), 1, "{ended}");
    }
    succeeds(&["lab", "reset", "app1"]);
}

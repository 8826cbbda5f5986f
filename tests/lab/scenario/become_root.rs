//! However a user comes to be root, and whatever shell they have: it costs one connection and,
//! where nothing has to be asked, one command. Who can't be root is told why.

use std::process::Command;

use toml::{Table, Value};

use crate::program::{Ended, PROGRAM, Running, succeeds, text};
use crate::servers::console;
use crate::site::{Variant, set};

/// The password of the users made here, and the variable that tells it.
const PASSWORD: &str = "correct-horse-9";
const VARIABLE: &str = "PROVISION_LAB_SUDO";

/// app1 as a fresh server.
fn reset() {
    succeeds(&["lab", "reset", "app1"]);
}

/// A user with a password, who comes in with the lab's key.
fn user(name: &str) {
    console(
        "app1",
        &format!(
            "useradd --create-home --shell /bin/bash {name}; echo {name}:{PASSWORD} | chpasswd; \
             install -d -m 700 -o {name} /home/{name}/.ssh; \
             install -m 600 -o {name} /root/.ssh/authorized_keys /home/{name}/.ssh/"
        ),
    );
}

/// What a user may do by sudo.
fn sudoers(line: &str) {
    console("app1", &format!("echo '{line}' >/etc/sudoers.d/lab"));
}

fn install(packages: &str) {
    console(
        "app1",
        &format!("apt-get update -qq; apt-get install -y -qq {packages} >/dev/null 2>&1"),
    );
}

/// The lab's site with other users.
fn site(user: &str, bootstrap: &str) -> Variant {
    Variant::new(|site| {
        set(site, &["ssh", "user"], user);
        set(site, &["ssh", "bootstrap"], bootstrap);
    })
}

/// The same, with a sudo password that comes from a variable.
fn site_with_password(user: &str, bootstrap: &str) -> Variant {
    Variant::new(|site| {
        set(site, &["ssh", "user"], user);
        set(site, &["ssh", "bootstrap"], bootstrap);
        let from = Table::from_iter([("env".to_owned(), Value::from(VARIABLE))]);
        set(site, &["ssh", "sudo_password"], from);
    })
}

/// A verb on app1, told a password. It must not show in what is told.
fn told(verb: &[&str], site: &Variant, password: &str) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.args(verb).arg(site.file());
    command.args(["--host", "app1", "--json"]);
    command.env(VARIABLE, password).env("NO_COLOR", "1");
    let ended = Running::of(&mut command).end();
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains(password), "{ended}");
    ended
}

fn plan(site: &Variant) -> Ended {
    told(&["plan"], site, PASSWORD)
}

/// Holds a plan to have read the host at this price.
fn read(ended: &Ended, connections: u64, execs: u64, what: &str) {
    assert_eq!(ended.code, Some(0), "{what}: {ended}");
    let summary = ended.summary();
    assert_eq!(summary["connections"], connections, "{what}: {ended}");
    assert_eq!(summary["execs"], execs, "{what}: {ended}");
}

/// Holds a plan to have failed on app1, at this stage, with these words.
fn refused_with(ended: &Ended, stage: &str, says: &[&str]) {
    assert_eq!(ended.code, Some(3), "{ended}");
    let failures = ended.failures();
    assert_eq!(failures.len(), 1, "one error\n{ended}");
    assert_eq!(failures[0].1, stage, "{ended}");
    for word in says.iter().chain(&["\"next\":"]) {
        assert!(
            failures[0].2.contains(word),
            "{word:?} in {}",
            failures[0].2
        );
    }
}

pub fn login_shells() {
    reset();
    user("carol");
    sudoers("carol ALL=(ALL) NOPASSWD:ALL");
    install("fish tcsh csh zsh");
    let site = site("carol", "carol");
    for (shell, file) in [
        ("/bin/bash", ".bashrc"),
        ("/usr/bin/fish", ".config/fish/config.fish"),
        ("/bin/tcsh", ".tcshrc"),
        ("/bin/bsd-csh", ".cshrc"),
        ("/bin/zsh", ".zshenv"),
        ("/bin/dash", ".nothing"),
    ] {
        // No end of line: what comes next must not hang on to it.
        console(
            "app1",
            &format!(
                "usermod --shell {shell} carol; cd /home/carol; mkdir -p .config/fish; \
                 {{ echo 'echo provision:welcome'; echo 'sh -c \"printf oops >&2; printf hello\"'; }} \
                 | cat - {file} >new 2>/dev/null || :; mv new {file}"
            ),
        );
        read(&plan(&site), 1, 1, shell);
    }
    console(
        "app1",
        "echo 'set -x' >/home/carol/.bashrc; usermod --shell /bin/bash carol",
    );
    read(&plan(&site), 1, 1, "a shell that traces");
    reset();
}

pub fn by_password() {
    reset();
    user("carol");
    sudoers("carol ALL=(ALL) ALL");
    console("app1", "rm /root/.ssh/authorized_keys");
    let site = site_with_password("deploy", "carol");
    // First without, then with the password.
    read(&plan(&site), 2, 2, "sudo");
    console(
        "app1",
        "printf 'Defaults %s\\n' use_pty lecture=always timestamp_timeout=0 >/etc/sudoers.d/more",
    );
    read(&plan(&site), 2, 2, "sudo with a pty and a lecture");

    // All of it: lock, files over stdin, guard.
    let ended = told(&["step", "bootstrap", "--yes"], &site, PASSWORD);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.told("guard_disarmed").len(), 1, "{ended}");
    let put = console("app1", "cat /etc/sudoers.d/90-provision-deploy");
    assert_eq!(put, "deploy ALL=(ALL) NOPASSWD:ALL\n");
    let left = console(
        "app1",
        "grep -rl correct-horse /etc /home /var/lib /var/log || :",
    );
    assert_eq!(left, "", "the password is in no file");
    reset();
}

pub fn wrong_password() {
    reset();
    user("carol");
    sudoers("carol ALL=(ALL) ALL");
    install("sudo-rs");
    let site = site_with_password("carol", "carol");
    for sudo in ["sudo", "sudo-rs"] {
        let since = console("app1", "date +%s");
        let ended = told(&["plan"], &site, "not-the-password");
        refused_with(&ended, "sudo", &["carol", "doesn't take the password"]);
        const FAILED: &str = "password check failed for user (carol)";
        let journal = format!("journalctl --quiet --output cat --since @{}", since.trim());
        // It comes to the journal in its own time, and a second one would come after it.
        console(
            "app1",
            &format!(
                "for _ in $(seq 60); do {journal} | grep -qF '{FAILED}' && break; sleep 1; done; sleep 1"
            ),
        );
        let log = console("app1", &journal);
        let failures = log.matches(FAILED).count();
        assert_eq!(failures, 1, "{sudo}: {log}");
        assert!(!log.contains("not-the-password"), "{sudo}: {log}");
        // The same password, once it is the right one.
        read(&plan(&site), 1, 2, sudo);
        console("app1", "ln -sf sudo-rs /usr/bin/sudo; ! pgrep -x sudo");
    }
    reset();
}

pub fn by_doas() {
    reset();
    user("carol");
    install("opendoas");
    console(
        "app1",
        "rm /usr/bin/sudo; echo 'permit nopass carol' >/etc/doas.conf",
    );
    let site = site("carol", "carol");
    read(&plan(&site), 1, 2, "doas");
    console("app1", "echo 'permit carol' >/etc/doas.conf");
    refused_with(
        &plan(&site),
        "sudo",
        &["doas wants a password", "permit nopass carol"],
    );
    console("app1", "rm /usr/bin/doas");
    refused_with(&plan(&site), "sudo", &["neither sudo nor doas"]);
    reset();
}

pub fn cloud_image() {
    reset();
    user("ubuntu");
    sudoers("ubuntu ALL=(ALL) NOPASSWD:ALL");
    // As cloud-init writes it (disable_root_opts).
    console(
        "app1",
        r#"sed -i 's/^/command="echo '"'"'Please login as the user \\"ubuntu\\" rather than the user \\"root\\".'"'"';echo;sleep 1;exit 142" /' /root/.ssh/authorized_keys"#,
    );
    let site = site("deploy", "root");
    let ended = plan(&site);
    read(&ended, 3, 1, "a cloud image");
    let users: Vec<String> = ended
        .told("connecting")
        .iter()
        .map(|e| text(&e["user"]))
        .collect();
    assert_eq!(users, ["deploy", "root", "ubuntu"], "{ended}");
    reset();
}

pub fn bootstrap_user() {
    reset();
    user("deploy");
    let site = site("deploy", "root");
    // deploy is let in and can't be root; root can, and mends it.
    let ended = plan(&site);
    read(&ended, 2, 1, "a sudo user without rights");
    reset();
}

pub fn refused() {
    reset();
    user("carol");
    let site = site("carol", "deploy");
    let both = "deploy is refused";
    sudoers("Defaults requiretty");
    refused_with(&plan(&site), "sudo", &["carol", "requiretty", both]);
    sudoers("");
    refused_with(&plan(&site), "sudo", &["without a password", both]);
    sudoers("carol ALL=(ALL) NOPASSWD:/bin/ls");
    refused_with(&plan(&site), "sudo", &["carol", both]);
    console("app1", "echo 'echo Bye; exit 3' >/home/carol/.bashrc");
    refused_with(
        &plan(&site),
        "exec",
        &["login shell ended (exit code 3)", "Bye", both],
    );
    console("app1", "rm /home/carol/.bashrc; chage --lastday 0 carol");
    refused_with(&plan(&site), "exec", &["change the password", both]);
    console(
        "app1",
        "chage --lastday 2026-01-01 carol; usermod --shell /bin/rbash carol",
    );
    refused_with(&plan(&site), "exec", &["unrestricted login shell", both]);
    reset();
}

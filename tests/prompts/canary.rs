//! No secret is to be seen: not in what is shown or logged, not in the process table of either
//! side, not in a file.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::home::{Home, said};
use crate::host::{Host, Setup};
use crate::sshd::Sshd;
use crate::terminal::Terminal;
use crate::watch::{Watch, in_files};

/// Everybody's secrets: those of a test are seen by the watch of another.
const PASSPHRASE: &str = "c4n4ry-passphrase";
const PASSWORD: &str = "c4n4ry-password";
const SUDO: &str = "c4n4ry-sudo";
const ALL: &[&str] = &[PASSPHRASE, PASSWORD, SUDO];

/// How it is called: with as much as it tells, and as it is logged.
const CALLS: [&[&str]; 3] = [&["plan", "-vvv"], &["plan", "-vvv", "--json"], &["plan"]];

struct Stage {
    sshd: Sshd,
    host: Host,
    home: Home,
}

/// A host behind a bastion whose key has a passphrase; the host wants a password, and so does
/// sudo on it.
fn stage() -> Option<Stage> {
    let sshd = Sshd::start("")?;
    let host = Host::start(Setup {
        password: Some(PASSWORD),
        sudo: SUDO,
        ..Setup::default()
    });
    let target = sshd.target("bastion");
    let home = Home::new(
        &format!(
            "key = \"locked\"\nknown_hosts = \"known_hosts\"\nuser = \"deploy\"\nbootstrap = \"deploy\"\n\
             jump = \"{}@127.0.0.1:{}\"",
            target.user, sshd.port
        ),
        &[("one", host.port, &host.fingerprint, "")],
    );
    let public = std::fs::read_to_string(sshd.dir.path().join("host_key")).unwrap();
    let public = russh::keys::PrivateKey::from_openssh(public).unwrap();
    let public = public.public_key().to_openssh().unwrap();
    let known = format!("[127.0.0.1]:{} {public}\n", sshd.port);
    home.write("known_hosts", &known);
    std::fs::create_dir(home.path().join("tmp")).unwrap();
    home.lock(&sshd.dir.path().join("key"), "locked", PASSPHRASE);
    Some(Stage { sshd, host, home })
}

impl Stage {
    fn temporary(&self) -> String {
        self.home.path().join("tmp").display().to_string()
    }

    fn is_used(&self, shown: &str) {
        assert_eq!(self.sshd.logins(), 1, "the passphrase: {shown}");
        assert_eq!(self.host.given(), [PASSWORD], "{shown}");
        assert!(self.host.ran() > 0, "the sudo password: {shown}");
    }

    fn keeps_it(&self, shown: &str) {
        assert!(!shown.contains("c4n4ry"), "{shown}");
        for dir in [self.home.path(), self.sshd.dir.path()] {
            assert_eq!(in_files(dir, ALL), [""; 0]);
        }
        let commands = self.host.commands.lock().unwrap().join("\n");
        assert!(!commands.contains("c4n4ry"), "{commands}");
    }
}

#[test]
fn no_secret_that_is_typed_or_fetched_is_seen_anywhere() {
    for call in CALLS {
        typed(call);
        fetched(call);
    }
}

/// At a terminal.
fn typed(call: &[&str]) {
    if call.contains(&"--json") {
        // Nobody is asked then.
        return;
    }
    let Some(stage) = stage() else { return };
    let watch = Watch::start(ALL);
    let arguments = call.join(" ");
    let temporary = stage.temporary();
    let more = [("TMPDIR", temporary.as_str())];
    let Some(mut terminal) = Terminal::call_with(stage.home.path(), &arguments, &more) else {
        return;
    };
    // With each secret in its hands it waits for the next.
    terminal.answers("locked: ", PASSPHRASE);
    terminal.shows("password of deploy on one: ");
    watch.whole_look();
    terminal.types_hidden(&format!("{PASSWORD}\n"));
    terminal.shows("sudo password of deploy on one: ");
    watch.whole_look();
    terminal.types_hidden(&format!("{SUDO}\n"));
    let ended = terminal.ends();
    let hits = watch.end();
    assert!(hits.is_empty(), "{hits:#?}");
    stage.is_used(&ended.screen);
    stage.keeps_it(&ended.screen);
    tells_its_depth(call, &ended.screen);
}

/// Through `$SSH_ASKPASS`, without a terminal.
fn fetched(call: &[&str]) {
    let Some(stage) = stage() else { return };
    // A password store of the operator's: nothing of ours.
    let store = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("locked", PASSPHRASE),
        ("password", PASSWORD),
        ("sudo", SUDO),
    ] {
        std::fs::write(store.path().join(name), secret).unwrap();
    }
    let program = stage.home.program(
        "askpass",
        &format!(
            "#!/bin/sh\ncd '{}' || exit 1\ncase $1 in\n*locked*) cat locked ;;\n*sudo*) cat sudo ;;\n\
             *) cat password ;;\nesac\n",
            store.path().display()
        ),
    );
    let watch = Watch::start(ALL);
    let temporary = stage.temporary();
    let output = stage.home.call(
        call,
        &[
            ("TMPDIR", &temporary),
            ("SSH_ASKPASS", &program),
            ("SSH_ASKPASS_REQUIRE", "force"),
        ],
    );
    let hits = watch.end();
    let shown = said(&output);
    assert!(hits.is_empty(), "{hits:#?}");
    stage.is_used(&shown);
    stage.keeps_it(&shown);
    tells_its_depth(call, &shown);
}

/// With -vvv the way and the commands are told: there was something to leak.
fn tells_its_depth(call: &[&str], shown: &str) {
    let deep = call.contains(&"-vvv");
    assert_eq!(shown.contains("sh -s → exit code 0, "), deep, "{shown}");
    assert_eq!(shown.contains(" through root@127.0.0.1:"), deep, "{shown}");
    let depth = shown.contains("\"depth\":3");
    assert_eq!(depth, deep && call.contains(&"--json"), "{shown}");
}

#[test]
fn the_watch_sees_a_secret_that_is_shown() {
    // Words of its own: the other test must not see them.
    const ARGUMENT: &str = "d3coy-argument";
    const VARIABLE: &str = "d3coy-variable";
    let watch = Watch::start(&[ARGUMENT, VARIABLE]);
    let mut children = [
        (
            "cmdline",
            Command::new("sh").args(["-c", "read x", ARGUMENT]),
        ),
        (
            "environ",
            Command::new("sh").args(["-c", "read x"]).env("X", VARIABLE),
        ),
    ]
    .map(|(what, command)| (what, command.stdin(Stdio::piped()).spawn().unwrap()));
    // A child may be looked at before it is what it is to be.
    std::thread::sleep(Duration::from_millis(200));
    watch.whole_look();
    for (_, child) in &mut children {
        drop(child.stdin.take());
        let _ = child.wait().unwrap();
    }
    let hits = watch.end();
    for (what, child) in &children {
        let begins = format!("{what} of {}: ", child.id());
        let found = hits.iter().any(|hit| hit.starts_with(&begins));
        assert!(found, "{begins}: {hits:#?}");
    }

    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("deep")).unwrap();
    std::fs::write(
        dir.path().join("deep/log"),
        format!("password {ARGUMENT}\n"),
    )
    .unwrap();
    std::fs::write(dir.path().join(format!("tmp-{VARIABLE}")), "").unwrap();
    std::fs::write(dir.path().join("harmless"), "d3coy").unwrap();
    assert_eq!(in_files(dir.path(), &[ARGUMENT, VARIABLE]).len(), 2);
}

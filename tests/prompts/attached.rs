//! Commands that somebody sits at, through OpenSSH's own sshd and a stand-in for Docker: what they
//! see of the terminal, what comes back, and that the terminal is left as it was.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::sshd::Sshd;
use crate::terminal::{Ended, Terminal};

const MIB: usize = 1024 * 1024;

/// `docker`, as far as it is called: the container is as the file `state` says, and what is
/// executed in it runs here.
const DOCKER: &str = r#"#!/bin/sh
here=${0%/*}
case $1 in
    container) cat "$here/state" ;;
    version) ;;
    compose) echo "$@" ; echo 'to stderr' >&2; trap 'echo ended >"$here/followed"; exit' TERM
        case "$*" in *--follow*) while :; do sleep 0.1; done ;; esac ;;
    exec)
        shift
        while :; do
            case $1 in
                --interactive) shift ;;
                --tty) tty -s || { echo 'the input device is not a TTY' >&2; exit 1; }; shift ;;
                --detach-keys) shift 2 ;;
                --env) export "${2?}"; shift 2 ;;
                *) break ;;
            esac
        done
        shift
        # A login shell may have set it otherwise.
        PATH=$here:$PATH
        exec "$@"
        ;;
esac
"#;

/// `python manage.py`, with commands for these tests.
const PYTHON: &str = r#"#!/bin/sh
here=${0%/*}
shift
case $1 in
    size) tty -s && echo "a terminal: $(stty size) $TERM."; exit 7 ;;
    keys) stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tx1; exit 0 ;;
    wait) echo ready; while :; do sleep 0.1; done ;;
    cut) echo ready; read -r _; kill -KILL "$PPID" ;;
    copy) echo 'to stderr' >&2; cat; exit 5 ;;
    patient) trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.1; done ;;
    much) echo "$$" >"$here/process"; while :; do echo 'a line of output'; done ;;
    *) printf '<%s>' "$@" ;;
esac
"#;

/// sudo without a password, where the tests don't run as root.
const SUDO: &str = "#!/bin/sh\nshift\nexec \"$@\"\n";

/// An sshd with the stand-ins, and a home whose site has its only host there.
fn there() -> Option<(Sshd, Home)> {
    let home = Home::new("", &[]);
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = home.path().join("bin");
    let sshd = Sshd::start(&format!("SetEnv PATH={}:{path}", bin.display()))?;
    for (name, text) in [("docker", DOCKER), ("python", PYTHON), ("sudo", SUDO)] {
        home.program(&format!("bin/{name}"), text);
    }
    home.write("bin/state", "running\n");
    let target = sshd.target("one");
    let site = Home::new(
        &format!("key = \"key\"\nuser = {:?}", target.user),
        &[("one", sshd.port, &target.trust.pinned.unwrap(), "")],
    );
    home.write(
        "site.toml",
        &std::fs::read_to_string(site.path().join("site.toml")).unwrap(),
    );
    std::fs::copy(sshd.dir.path().join("key"), home.path().join("key")).unwrap();
    Some((sshd, home))
}

fn is_left_as_it_was(ended: &Ended) {
    assert!(!ended.settings[0].is_empty());
    assert_eq!(ended.settings[0], ended.settings[1], "{}", ended.screen);
}

/// The process of the program that was called in this home.
fn process(home: &Path) -> u32 {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(30) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name();
            let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let link = |what| std::fs::read_link(entry.path().join(what)).unwrap_or_default();
            let home = home.canonicalize().unwrap();
            if link("cwd") == home && link("exe").ends_with("provision") {
                return process;
            }
        }
        sleep(Duration::from_millis(10));
    }
    panic!("it doesn't run");
}

fn signal(name: &str, process: u32) {
    let process = process.to_string();
    let sent = Command::new("kill").args(["-s", name, &process]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn the_program_has_a_terminal_of_the_same_size_and_its_exit_code_is_ours() {
    let Some((_sshd, home)) = there() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "manage size") else {
        return;
    };
    terminal.shows("a terminal: 40 120 xterm.");
    let ended = terminal.ends();
    assert_eq!(ended.code, 7, "{}", ended.screen);
    is_left_as_it_was(&ended);
}

#[test]
fn every_key_goes_to_the_program_ctrl_c_too() {
    let Some((_sshd, home)) = there() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "manage keys") else {
        return;
    };
    terminal.shows("ready");
    terminal.types("\u{3}\u{1a}");
    terminal.shows("03 1a");
    let ended = terminal.ends();
    assert_eq!(ended.code, 0, "{}", ended.screen);
    is_left_as_it_was(&ended);
}

#[test]
fn a_lost_connection_leaves_the_terminal_as_it_was() {
    let Some((_sshd, home)) = there() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "manage cut") else {
        return;
    };
    // sshd may end before it has passed that on: so it is told when.
    terminal.shows("ready");
    terminal.types("\r");
    terminal.shows("the connection was lost");
    let ended = terminal.ends();
    assert_eq!(ended.code, 3, "{}", ended.screen);
    is_left_as_it_was(&ended);
}

#[test]
fn a_signal_ends_it_there_too_and_leaves_the_terminal_as_it_was() {
    for (name, code) in [("TERM", 143), ("HUP", 129)] {
        let Some((_sshd, home)) = there() else { return };
        let Some(mut terminal) = Terminal::call(home.path(), "manage wait") else {
            return;
        };
        terminal.shows("ready");
        signal(name, process(home.path()));
        let ended = terminal.ends();
        // The stand-in dies of it, or is given up.
        assert_eq!(ended.code, code, "{name}: {}", ended.screen);
        is_left_as_it_was(&ended);
    }
}

#[test]
fn ctrl_c_while_it_connects_ends_it() {
    let Some((_sshd, home)) = there() else { return };
    // Nobody answers there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let site = std::fs::read_to_string(home.path().join("site.toml")).unwrap();
    let site: Vec<String> = site
        .lines()
        .map(|line| match line.starts_with("port") {
            true => format!("port = {port}"),
            false => line.to_owned(),
        })
        .collect();
    home.write("site.toml", &site.join("\n"));
    let Some(mut terminal) = Terminal::call(home.path(), "manage size -vv") else {
        return;
    };
    silent.set_nonblocking(true).unwrap();
    let begin = Instant::now();
    let connected = loop {
        match silent.accept() {
            Ok((stream, _)) => break stream,
            Err(e) => assert!(begin.elapsed() < Duration::from_secs(60), "{e}"),
        }
        sleep(Duration::from_millis(20));
    };
    terminal.types("\u{3}");
    let ended = terminal.ends();
    drop(connected);
    assert_eq!(ended.code, 130, "{}", ended.screen);
    is_left_as_it_was(&ended);
}

#[test]
fn without_a_terminal_all_bytes_go_there_and_come_back_as_they_are() {
    let Some((_sshd, home)) = there() else { return };
    let mut child = home
        .command(&["manage", "copy"], &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(40 * MIB).collect();
    let sent = bytes.clone();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut came = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut came).unwrap();
    writing.join().unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(came == bytes, "{} bytes of {}", came.len(), bytes.len());
    assert_eq!((output.status.code(), &*stderr), (Some(5), "to stderr\n"));
}

#[test]
fn arguments_arrive_as_they_are() {
    let Some((_sshd, home)) = there() else { return };
    let said = |arguments: &[&str]| {
        let output = home.call(arguments, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let odd = "a 'b' \"c\" $HOME `id` \\ ! é\nline";
    assert_eq!(
        said(&[
            "manage",
            "--site",
            "site.toml",
            "echo",
            odd,
            "--host",
            "-v",
            ""
        ]),
        format!("<echo><{odd}><--host><-v><>")
    );
    assert_eq!(said(&["manage", "--", "--version"]), "<--version>");
    assert_eq!(said(&["dbshell", "--", "-c", "x"]), "<dbshell><--><-c><x>");
}

#[test]
fn ctrl_c_without_a_terminal_reaches_the_program() {
    let Some((_sshd, home)) = there() else { return };
    let mut child = home
        .command(&["manage", "patient"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begun = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut begun)
        .unwrap();
    assert_eq!(&begun, b"ready\n");
    signal("INT", process(home.path()));
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "interrupted\n",
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(6), "{stderr}");
}

#[test]
fn output_that_nobody_reads_ends_the_program() {
    let Some((_sshd, home)) = there() else { return };
    let mut child = home
        .command(&["manage", "much"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 17];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut some)
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(141), ""));
    let process = std::fs::read_to_string(home.path().join("bin/process")).unwrap();
    let there = Path::new("/proc").join(process.trim());
    let begin = Instant::now();
    while there.exists() && begin.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(20));
    }
    assert!(!there.exists(), "it goes on without anybody");
}

#[test]
fn a_container_that_does_not_run_is_told_with_what_to_do() {
    let Some((_sshd, home)) = there() else { return };
    for (state, what) in [
        ("exited\n", "container polls-app is exited, not running"),
        ("", "container polls-app is in no known state"),
    ] {
        home.write("bin/state", state);
        let output = home.call(&["manage", "check"], &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(
            stderr.starts_with(&format!("one: check: {what}\n")),
            "{stderr}"
        );
        assert!(stderr.contains("\nnext: "), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_host_without_the_sites_compose_file_has_no_logs() {
    let Some((_sshd, home)) = there() else { return };
    let output = home.call(&["logs", "app"], &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("there is no /srv/polls/compose.yaml"),
        "{stderr}"
    );
    assert!(stderr.contains("`provision run`"), "{stderr}");
}

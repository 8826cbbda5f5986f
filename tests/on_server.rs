//! The scripts that change a server or judge it, run for real by this machine's sh in a
//! directory of their own. They are written for the servers' userland, which is GNU's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]
#![cfg(target_os = "linux")]

#[path = "on_server/backup.rs"]
mod backup;
#[path = "on_server/executable.rs"]
mod executable;
#[path = "on_server/renewal.rs"]
mod renewal;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use provision::resource::sha256;
use provision::shell::{Cmd, Script};

const PUT: Script = Script(include_str!("../src/engine/sh/put.sh"));

/// A file that is to be put, in a directory that goes away.
struct Put {
    dir: tempfile::TempDir,
    mode: &'static str,
    markers: Vec<String>,
    check: Vec<&'static str>,
}

impl Put {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            mode: "640",
            markers: Vec::new(),
            check: Vec::new(),
        }
    }

    /// A name that would fall apart if anything were not quoted.
    fn dest(&self) -> PathBuf {
        self.dir.path().join("a $(file) 'x'")
    }

    fn cmd(&self, dest: &Path, sum: &str) -> Command {
        // Whoever runs the tests may give a file to itself.
        let owner = fs::metadata(self.dir.path()).unwrap();
        let owner = format!("{}:{}", owner.uid(), owner.gid());
        let cmd = Cmd::script(PUT, [dest.to_str().unwrap(), self.mode, &owner, sum])
            .arg(self.markers.len().to_string())
            .args(self.markers.iter().cloned())
            .args(self.check.iter().copied());
        let mut sh = Command::new("sh");
        sh.arg("-c").arg(cmd.to_shell());
        sh
    }

    fn run_with(&self, dest: &Path, sum: &str, content: &[u8]) -> Output {
        let mut child = start(&mut self.cmd(dest, sum));
        child.stdin.take().unwrap().write_all(content).unwrap();
        child.wait_with_output().unwrap()
    }

    fn run(&self, content: &[u8]) -> Output {
        self.run_with(&self.dest(), &sha256(content), content)
    }

    /// Names in the directory, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn start(cmd: &mut Command) -> Child {
    cmd.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_file_is_put_byte_for_byte_with_its_mode_and_nothing_else_is_left() {
    let put = Put::new();
    for content in [&b"a\0b\xff\nno newline at the end"[..], b""] {
        let done = put.run(content);
        assert!(done.status.success(), "{done:?}");
        assert_eq!(fs::read(put.dest()).unwrap(), content);
        let mode = fs::metadata(put.dest()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(put.names(), ["a $(file) 'x'"]);
    }
}

#[test]
fn content_that_arrived_cut_off_leaves_the_old_file() {
    let put = Put::new();
    fs::write(put.dest(), "old").unwrap();
    let done = put.run_with(&put.dest(), &sha256("whole content"), b"whole con");
    assert_eq!(done.status.code(), Some(74), "{done:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(fs::read_to_string(put.dest()).unwrap(), "old");
    assert_eq!(put.names(), ["a $(file) 'x'"]);
}

#[test]
fn content_that_its_check_refuses_leaves_the_old_file_and_no_marker() {
    let mut put = Put::new();
    fs::write(put.dest(), "old").unwrap();
    put.markers = vec![put.dir.path().join("marker").display().to_string()];
    put.check = vec!["grep", "-q", "good"];
    let done = put.run(b"bad");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(fs::read_to_string(put.dest()).unwrap(), "old");
    assert_eq!(put.names(), ["a $(file) 'x'"]);
    assert!(put.run(b"a good one").status.success());
    assert_eq!(fs::read_to_string(put.dest()).unwrap(), "a good one");
    assert_eq!(put.names(), ["a $(file) 'x'", "marker"]);
}

#[test]
fn the_markers_are_there_before_the_file_is_replaced() {
    let mut put = Put::new();
    // A directory can't be replaced by a file: the last act fails.
    fs::create_dir(put.dest()).unwrap();
    let marker = |name: &str| put.dir.path().join("state/pending").join(name);
    let markers = [marker("one"), marker("two")];
    put.markers = markers.iter().map(|m| m.display().to_string()).collect();
    let done = put.run(b"new");
    assert!(!done.status.success(), "{done:?}");
    assert!(markers.iter().all(|marker| marker.exists()), "{done:?}");
    assert!(put.dest().is_dir());
    assert_eq!(
        put.names(),
        ["a $(file) 'x'", "state"],
        "nothing is left over"
    );
}

#[test]
fn a_missing_directory_is_made_and_a_link_is_replaced_not_followed() {
    let put = Put::new();
    let dest = put.dir.path().join("new/place/file");
    let done = put.run_with(&dest, &sha256("x"), b"x");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(fs::read_to_string(&dest).unwrap(), "x");
    let target = put.dir.path().join("target");
    fs::write(&target, "mine").unwrap();
    std::os::unix::fs::symlink(&target, put.dest()).unwrap();
    assert!(put.run(b"new").status.success());
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    assert!(fs::symlink_metadata(put.dest()).unwrap().is_file());
}

#[test]
fn a_run_that_is_killed_leaves_the_old_file_and_the_next_one_clears_up() {
    let put = Put::new();
    fs::write(put.dest(), "old").unwrap();
    let mut child = start(&mut put.cmd(&put.dest(), &sha256("new")));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"ne").unwrap();
    // Its temporary file shows that it is in the middle of it.
    let start = std::time::Instant::now();
    while put.names().len() < 2 {
        assert!(start.elapsed().as_secs() < 20, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    assert_eq!(fs::read_to_string(put.dest()).unwrap(), "old");
    assert_eq!(put.names().len(), 2, "{:?}", put.names());
    assert!(put.run(b"new").status.success());
    assert_eq!(fs::read_to_string(put.dest()).unwrap(), "new");
    assert_eq!(put.names(), ["a $(file) 'x'"]);
}

#[test]
fn a_secret_file_is_never_readable_for_others_while_it_is_written() {
    let mut put = Put::new();
    put.mode = "600";
    put.check = vec!["sh", "-c", "stat -c %a \"$0\"; exit 9"];
    let done = put.run(b"secret");
    assert_eq!(done.status.code(), Some(9));
    assert_eq!(done.stdout, b"600\n");
    let mut child = start(&mut put.cmd(&put.dest(), &sha256("secret")));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"sec").unwrap();
    let start = std::time::Instant::now();
    while put.names().is_empty() {
        assert!(start.elapsed().as_secs() < 20, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let half = put.dir.path().join(&put.names()[0]);
    let mode = fs::metadata(half).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
    drop(stdin);
    child.wait().unwrap();
}

const PREFLIGHT: &str = concat!(
    include_str!("../src/resource/sh/apt-holder.sh"),
    include_str!("../src/step/preflight.sh")
);

/// As in the probe of a host: without `set -e`.
fn preflight(script: &str) -> Vec<(String, String)> {
    let done = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn preflight_answers_everything_it_is_asked() {
    let answers = preflight(PREFLIGHT);
    let keys: Vec<&str> = answers.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        ["uid", "clock", "disk_mb", "cloud_init", "apt_lock", "ports"]
    );
    for key in ["uid", "clock", "disk_mb"] {
        let value = &answers.iter().find(|(k, _)| k == key).unwrap().1;
        assert!(value.parse::<u64>().is_ok(), "{key}={value}");
    }
}

#[test]
fn preflight_names_who_holds_apts_lock() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("lock");
    let lock = File::create(&place).unwrap();
    let script = PREFLIGHT.replace("/var/lib/dpkg/lock-frontend", place.to_str().unwrap());
    assert_ne!(script, PREFLIGHT);
    let holder = || {
        let answers = preflight(&script);
        let found = answers.into_iter().find(|(key, _)| key == "apt_lock");
        found.unwrap().1
    };
    let us = format!("(pid {})", std::process::id());
    assert!(!holder().contains(&us));
    lock.lock().unwrap();
    assert!(holder().ends_with(&us), "{}", holder());
}

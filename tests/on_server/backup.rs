//! The script that makes a backup, with a `docker` that does what the test says.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use provision::engine::life::archive;

use crate::executable;

/// What stands for Docker: it answers as PostgreSQL's programs would.
const DOCKER: &str = r#"#!/bin/sh
cd -- "$FAKE" || exit
echo "$*" >>called
case $* in
inspect*) cat running ;;
*psql*) echo 170002 ;;
*pg_dumpall*) echo "-- roles" ;;
*pg_dump*)
    head -c 300000 /dev/zero
    [ ! -e dump-hangs ] || { : >hangs; exec sleep 4; }
    [ ! -e dump-fails ] || { echo "pg_dump: error: no more" >&2; exit 1; }
    ;;
*--list*) cat >/dev/null; [ ! -e list-fails ] || { echo "pg_restore: error: not a dump" >&2; exit 1; } ;;
*--data-only*)
    cat >/dev/null
    printf 'COPY public.a (id) FROM stdin;\n1\n2\nCOPY x FROM stdin;\n\\.\n\n'
    printf 'COPY public."b (c" (id) FROM stdin;\n\\.\n'
    [ ! -e read-fails ] || { echo "pg_restore: error: unexpected end of file" >&2; exit 1; }
    ;;
esac
"#;

/// A server's directories, which go away.
struct Server(tempfile::TempDir);

impl Server {
    fn new() -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        for name in ["bin", "state/polls", "media"] {
            fs::create_dir_all(server.at(name)).unwrap();
        }
        executable::write(&server.at("bin/docker"), DOCKER);
        server.write("running", "running\n");
        server.write("media/a.png", "picture");
        let script = include_str!("../../src/step/backup/backup.sh");
        server.write("backup.sh", script);
        server
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// The names of all that lies among the backups, sorted.
    fn backups(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at("backups")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// A value of the record.
    fn record(&self, key: &str) -> Option<String> {
        let record = fs::read_to_string(self.at("state/polls/backup")).unwrap_or_default();
        let mut values = record.lines().filter_map(|line| line.split_once('='));
        let found = values.find(|(name, _)| *name == key);
        found.map(|(_, value)| value.to_owned())
    }

    fn command(&self, keep: &str) -> Command {
        let mut command = Command::new("sh");
        let path = std::env::var("PATH").unwrap();
        command
            .arg(self.path("backup.sh"))
            .args(["polls", &self.path("state/polls"), &self.path("backups")])
            .args([keep, "polls", "polls", &self.path("media")])
            .env("FAKE", self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin")))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, keep: &str) -> Output {
        self.command(keep).output().unwrap()
    }
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never holds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_backup_is_whole_for_its_owner_alone_and_what_is_noted_of_it_is_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::new();
    let done = server.run("3");
    assert!(done.status.success(), "{}", said(&done));
    let [name] = server.backups().try_into().unwrap();
    let file = server.at("backups").join(&name);
    let whole = archive::check(&file).unwrap();
    assert_eq!(whole.manifest.site, "polls");
    assert_eq!(whole.manifest.postgres, 17);
    // A row that looks like the beginning of a table is a row.
    assert_eq!((whole.manifest.tables, whole.manifest.rows), (2, 3));
    assert!(whole.manifest.has_media());
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(server.at("backups"))), (0o600, 0o700));
    assert_eq!(server.record("result").as_deref(), Some("ok"));
    assert_eq!(server.record("name"), Some(name));
    assert_eq!(server.record("sha256"), Some(whole.sha256));
    assert_eq!(server.record("bytes"), Some(whole.bytes.to_string()));
}

#[test]
fn what_fails_on_the_way_leaves_no_backup_and_says_why() {
    for (spoilt, why) in [
        ("dump-fails", "pg_dump: error: no more"),
        ("list-fails", "not a dump"),
        ("read-fails", "unexpected end of file"),
        ("stopped", "polls-postgres doesn't run"),
    ] {
        let server = Server::new();
        assert!(server.run("3").status.success());
        let before = server.backups();
        let made = server.record("name");
        server.write(spoilt, "");
        if spoilt == "stopped" {
            server.write("running", "exited\n");
        }
        let done = server.run("3");
        assert_eq!(done.status.code(), Some(1), "{spoilt}: {}", said(&done));
        assert!(said(&done).contains(why), "{spoilt}: {}", said(&done));
        assert_eq!(server.backups(), before, "{spoilt}");
        assert_eq!(server.record("result").as_deref(), Some("failed"));
        assert!(server.record("message").unwrap().contains(why), "{spoilt}");
        // The last good one is still known.
        assert_eq!(server.record("name"), made);
    }
}

#[test]
fn one_that_is_killed_in_the_middle_never_counts_and_goes_with_the_next() {
    let server = Server::new();
    server.write("dump-hangs", "");
    let mut child = server.command("3").spawn().unwrap();
    eventually(|| server.at("hangs").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let left = server.backups();
    assert!(!left.is_empty(), "it had begun");
    for name in &left {
        assert!(name.starts_with(".polls-"), "{name}");
        assert!(archive::check(&server.at("backups").join(name)).is_err());
    }
    fs::remove_file(server.at("dump-hangs")).unwrap();
    let done = server.run("3");
    assert!(done.status.success(), "{}", said(&done));
    let [name] = server.backups().try_into().unwrap();
    archive::check(&server.at("backups").join(name)).unwrap();
}

#[test]
fn so_many_whole_ones_are_kept_and_nothing_else_is_touched() {
    let server = Server::new();
    fs::create_dir_all(server.at("backups")).unwrap();
    // Another site's, a cut one under a whole one's name, and somebody's own.
    for name in [
        "polls-2-20200101T000000Z.tar",
        "polls-20200102T000000Z.tar",
        "polls-old.tar",
    ] {
        server.write(&format!("backups/{name}"), "x");
    }
    let mut made = Vec::new();
    for _ in 0..3 {
        let done = server.run("2");
        assert!(done.status.success(), "{}", said(&done));
        made.push(server.record("name").unwrap());
    }
    let mut expected = vec![
        "polls-2-20200101T000000Z.tar".to_owned(),
        "polls-20200102T000000Z.tar".to_owned(),
        "polls-old.tar".to_owned(),
    ];
    expected.extend(made[1..].iter().cloned());
    expected.sort();
    assert_eq!(server.backups(), expected);
}

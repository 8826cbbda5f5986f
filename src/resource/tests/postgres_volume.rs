//! The script that sees to PostgreSQL's volume, with a stand-in for Docker whose volumes are
//! directories: what is made, taken over, emptied, and left alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::shell::executable;

const VOLUME: &str = include_str!("../postgres/volume.sh");
const STARTED: &str = include_str!("../postgres/started.sh");

/// Runs what would run in a container, with the volume's directory for its mount.
const DOCKER: &str = r#"#!/bin/sh
volumes=$HERE/volumes
case "$1 $2" in
"volume ls") ls "$volumes" ;;
"volume inspect") cat "$volumes/$5/.device" 2>/dev/null || : ;;
"volume create") for name; do :; done; mkdir "$volumes/$name" ;;
"ps --all") ! [ -e "$HERE/container" ] || echo id ;;
"rm --force") rm "$HERE/container" ;;
"run --rm")
    while [ "$1" != --volume ]; do shift; done
    mount=$volumes/${2%%:*}
    shift 4
    script=$(printf '%s' "$1" | sed "s|/volume|$mount|g")
    shift 2
    for arg; do
        set -- "$@" "$(printf '%s' "$arg" | sed "s|^/volume|$mount|")"
        shift
    done
    sh -euc "$script" sh "$@"
    ;;
"inspect --format") cat "$HERE/restarts" ;;
"logs --tail") echo "what it logged" ;;
*) echo "docker $*: not known here" >&2; exit 64 ;;
esac
"#;

struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for directory in ["bin", "volumes"] {
            fs::create_dir(host.path(directory)).unwrap();
        }
        executable::write(&host.path("bin/docker"), DOCKER);
        host
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// What a script printed where it ended well, and else "refused: …".
    fn run(&self, script: &str, args: &[&str]) -> String {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let output = Command::new("sh")
            .args(["-euc", script, "provision"])
            .args(args)
            .env("PATH", path)
            .env("HERE", self.0.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match output.status.success() {
            true => text(&output.stdout),
            false => format!("refused: {}", text(&output.stderr)),
        }
    }

    fn volume(&self, version: &str) -> String {
        let name = format!("p-{version}");
        // Who runs this test owns its files already.
        let ids = Command::new("id").arg("-u").output().unwrap().stdout;
        let ids = String::from_utf8(ids).unwrap().trim().to_owned();
        let (state, marker) = (self.path("state/postgres"), self.path("state/postgres-new"));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (state, marker) = (text(&state), text(&marker));
        let args = [
            &name, version, "image", &ids, "p", &state, &marker, "polls", "",
        ];
        self.run(VOLUME, &args)
    }

    /// The volume in use, and whether its first start is still to come to its end.
    fn noted(&self) -> (Option<String>, bool) {
        let new = self.path("state/postgres-new").exists();
        (self.read("state/postgres"), new)
    }
}

fn noted(name: &str, new: bool) -> (Option<String>, bool) {
    (Some(format!("{name}\n")), new)
}

#[test]
fn a_volume_is_made_and_marked_until_its_first_start_has_come_to_its_end() {
    let host = Host::new();
    assert_eq!(host.volume("17"), "");
    assert_eq!(host.noted(), noted("p-17", true));
    assert!(host.path("volumes/p-17").is_dir());
    // Half of a first start: thrown away with its container.
    host.write("volumes/p-17/PG_VERSION", "17\n")
        .write("volumes/p-17/base/1", "")
        .write("container", "");
    let again = "the first start was cut off: beginning again with an empty volume";
    assert_eq!(host.volume("17"), again);
    assert_eq!(host.noted(), noted("p-17", true));
    assert!(!host.path("container").exists());
    let left = fs::read_dir(host.path("volumes/p-17")).unwrap().count();
    assert_eq!(left, 0);
    // Whole now.
    host.write("volumes/p-17/PG_VERSION", "17\n")
        .write("restarts", "0");
    let marker = host.path("state/postgres-new");
    host.run(STARTED, &["p", marker.to_str().unwrap()]);
    assert_eq!(host.noted(), noted("p-17", false));
    assert_eq!(host.volume("17"), "");
    assert!(host.path("volumes/p-17/PG_VERSION").exists());
}

#[test]
fn a_container_that_came_down_on_its_first_start_is_not_trusted() {
    let host = Host::new();
    host.volume("17");
    host.write("restarts", "1");
    let marker = host.path("state/postgres-new");
    let said = host.run(STARTED, &["p", marker.to_str().unwrap()]);
    assert!(
        said.starts_with("refused: p came down 1 times in its first start"),
        "{said}"
    );
    assert_eq!(host.noted(), noted("p-17", true));
}

#[test]
fn data_of_the_same_version_that_was_there_before_is_taken_over_unmarked() {
    for (version, file) in [("17", "PG_VERSION"), ("18", "18/docker/PG_VERSION")] {
        let host = Host::new();
        let file = format!("volumes/p-{version}/{file}");
        host.write(&file, &format!("{version}\n"));
        let said = host.volume(version);
        assert_eq!(said, format!("taking over the data in volume p-{version}"));
        assert_eq!(host.noted(), noted(&format!("p-{version}"), false));
        assert!(host.path(&file).exists());
    }
}

#[test]
fn what_is_somebody_elses_is_refused_and_left_as_it_is() {
    for (version, file, text, holds) in [
        ("17", "PG_VERSION", "15\n", "data of PostgreSQL 15"),
        ("18", "PG_VERSION", "18\n", "data of PostgreSQL 18"),
        (
            "18",
            "17/docker/PG_VERSION",
            "17\n",
            "data of PostgreSQL 17",
        ),
        ("17", "letters.txt", "x", "other files"),
    ] {
        let host = Host::new();
        let file = format!("volumes/p-{version}/{file}");
        host.write(&file, text);
        let words = format!(
            "refused: volume p-{version} was there before and holds {holds}; it is left as it is"
        );
        assert_eq!(host.volume(version), words);
        assert_eq!(host.noted(), (None, false));
        assert_eq!(host.read(&file).as_deref(), Some(text));
    }
}

#[test]
fn an_empty_volume_that_was_there_before_is_used() {
    let host = Host::new();
    fs::create_dir(host.path("volumes/p-17")).unwrap();
    assert_eq!(host.volume("17"), "");
    assert_eq!(host.noted(), noted("p-17", true));
}

#[test]
fn where_several_could_be_in_use_none_is_guessed() {
    let host = Host::new();
    host.write("volumes/p-17/PG_VERSION", "17\n")
        .write("volumes/p-17-20300101T000000Z/PG_VERSION", "17\n")
        .write("volumes/p-static/x", "");
    let said = host.volume("17");
    assert!(
        said.starts_with("refused: volume p-17-20300101T000000Z is there, and nothing says"),
        "{said}"
    );
    assert_eq!(host.noted(), (None, false));
    // Not even an empty one is made beside data of another version.
    let said = host.volume("18");
    assert!(said.starts_with("refused: volume p-17 is there"), "{said}");
    assert!(!host.path("volumes/p-18").exists());
}

#[test]
fn a_volume_in_use_that_is_gone_is_not_replaced_by_an_empty_one() {
    let host = Host::new();
    host.write("state/postgres", "p-17\n");
    assert_eq!(
        host.volume("17"),
        "refused: volume p-17, which holds the database's data, is gone"
    );
    assert!(!host.path("volumes/p-17").exists());
}

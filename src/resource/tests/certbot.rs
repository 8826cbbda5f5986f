//! The scripts around certbot's call, run by this machine's sh with a certbot that fails as told.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::shell::{Cmd, Script};

const CERTBOT: Script = Script(include_str!("../certificate/certbot.sh"));
const SET_ASIDE: Script = Script(include_str!("../certificate/set-aside.sh"));

const NONCE: &str = "An unexpected error occurred:\nJWS has an invalid anti-replay nonce: \"x\"";
const LIMIT: &str = "An unexpected error occurred:\ntoo many certificates (5) already issued for \
                     this exact set of identifiers in the last 168h0m0s, retry after 2026-11-22 \
                     13:00:00 UTC: see https://a.example";

/// Where certbot prints these, a text a call, and fails; after the last it does well.
struct Server(tempfile::TempDir);

impl Server {
    fn new(failures: &[&str]) -> Self {
        let server = Self(tempfile::tempdir().unwrap());
        for (at, failure) in failures.iter().enumerate() {
            fs::write(server.at(&format!("failure{at}")), failure).unwrap();
        }
        server
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self) -> Output {
        // It counts its calls by the lines that it adds to a file.
        let certbot = "n=$(wc -l <\"$1/calls\" 2>/dev/null || echo 0)\n\
                       echo \"$2\" >>\"$1/calls\"\n\
                       if [ -f \"$1/failure$n\" ]; then cat \"$1/failure$n\" >&2; exit 7; fi\n\
                       echo got it\n";
        let note = self.at("state/acme-refused").display().to_string();
        let cmd = Cmd::script(CERTBOT, [&note, "https://ca.example/dir", "a b", "0 0 0"])
            .args(["sh", "-c", certbot, "certbot"])
            .args([&self.0.path().display().to_string(), "an 'argument'"]);
        Command::new("sh")
            .arg("-c")
            .arg(cmd.to_shell())
            .output()
            .unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap();
        calls.lines().map(str::to_owned).collect()
    }

    fn note(&self) -> Option<String> {
        fs::read_to_string(self.at("state/acme-refused")).ok()
    }
}

/// A challenge of each of these kinds that failed, as certbot shows them.
fn challenges(failed: &[(&str, &str)]) -> String {
    let mut text = "Certbot failed to authenticate some domains".to_owned();
    for (kind, detail) in failed {
        text += &format!("\n  Domain: a\n  Type:   {kind}\n  Detail: {detail}\n");
    }
    text + "Some challenges have failed.\n"
}

#[test]
fn a_failure_that_passes_is_waited_out_and_what_was_printed_is_shown() {
    let servfail = challenges(&[("dns", "DNS problem: SERVFAIL looking up A for a")]);
    for failure in [
        NONCE,
        &servfail,
        "ValueError: Requesting ca.example/dir: Connection refused",
        "acme.errors.ClientError: <Response [503]>",
        "The server experienced an internal error :: x",
        "Another instance of Certbot is already running.",
    ] {
        let server = Server::new(&[failure, failure]);
        let done = server.run();
        assert!(done.status.success(), "{failure}: {done:?}");
        assert_eq!(server.calls(), ["an 'argument'"; 3], "{failure}");
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(
            said.contains(failure) && said.ends_with("got it\n"),
            "{said}"
        );
        let waits = said.matches("provision:waiting for the authority").count();
        assert_eq!(waits, 2, "{said}");
    }
}

#[test]
fn it_is_tried_four_times_in_all_and_ends_as_certbot_did() {
    let server = Server::new(&[NONCE; 9]);
    let done = server.run();
    assert_eq!(done.status.code(), Some(7), "{done:?}");
    assert_eq!(server.calls().len(), 4);
    assert_eq!(server.note(), None);
}

#[test]
fn what_does_not_pass_by_itself_is_not_tried_again() {
    let wrong = ("unauthorized", "192.0.2.1: Invalid response: 404");
    let mixed = challenges(&[("dns", "DNS problem: SERVFAIL looking up A for a"), wrong]);
    for failure in [
        &challenges(&[wrong]),
        &mixed,
        &challenges(&[(
            "connection",
            "192.0.2.1: Timeout during connect (likely firewall)",
        )]),
        &challenges(&[("dns", "DNS problem: NXDOMAIN looking up A for a")]),
        "archive directory exists for a",
        "",
    ] {
        let server = Server::new(&[failure; 2]);
        let done = server.run();
        assert_eq!(done.status.code(), Some(7), "{failure}: {done:?}");
        assert_eq!(server.calls().len(), 1, "{failure}");
        assert_eq!(server.note(), None, "{failure}");
    }
}

#[test]
fn a_refusal_is_noted_and_not_tried_again_and_its_note_goes_with_the_next_success() {
    let server = Server::new(&[LIMIT]);
    let done = server.run();
    assert_eq!(done.status.code(), Some(7), "{done:?}");
    assert_eq!(server.calls().len(), 1);
    let note = server.note().unwrap();
    let lines: Vec<&str> = note.lines().collect();
    let [at, directory, names, said] = lines.as_slice() else {
        panic!("{note}");
    };
    let at: u64 = at.strip_prefix("at=").unwrap().parse().unwrap();
    assert!(at > 1_700_000_000, "{note}");
    assert_eq!(
        (*directory, *names),
        ("directory=https://ca.example/dir", "names=a b")
    );
    assert!(said.starts_with("said=too many certificates (5)"), "{note}");
    let names: Vec<_> = fs::read_dir(server.at("state")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");

    assert!(server.run().status.success());
    assert_eq!(server.note(), None);
}

#[test]
fn what_is_left_of_a_certificate_is_moved_aside_whole_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for file in [
        "renewal/a.example.conf",
        "renewal/b.example.conf",
        "archive/a.example/privkey1.pem",
        "archive/a.example-0001/privkey1.pem",
    ] {
        fs::create_dir_all(at(file).parent().unwrap()).unwrap();
        fs::write(at(file), file).unwrap();
    }
    fs::create_dir(at("live")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("live/a.example")).unwrap();
    let run = || {
        let cmd = Cmd::script(SET_ASIDE, [dir.path().to_str().unwrap(), "a.example"]);
        let done = Command::new("sh").arg("-c").arg(cmd.to_shell()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    run();
    let aside = |name: &str| name.starts_with("aside-");
    let names = || {
        let entries = fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let found = names();
    assert_eq!(found.len(), 4, "{found:?}");
    let moved = at(found.iter().find(|name| aside(name)).unwrap());
    let key = fs::read_to_string(moved.join("archive/a.example/privkey1.pem")).unwrap();
    assert_eq!(key, "archive/a.example/privkey1.pem");
    assert!(moved.join("renewal/a.example.conf").exists());
    assert!(moved.join("live/a.example").is_symlink());
    assert!(!at("live/a.example").is_symlink() && !at("archive/a.example").exists());
    assert!(at("renewal/b.example.conf").exists());
    assert!(at("archive/a.example-0001/privkey1.pem").exists());
    run();
    assert_eq!(names(), found);
}

//! An application from a git repository, and a new revision rolled out while people use it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use toml::{Table, Value};

use crate::outside::{PROXY, page};
use crate::program::{Running, provision, text};
use crate::servers::{APPS, console, converged, run_with};
use crate::site::{Variant, lab, set};

/// A work tree with the example app, and the bare repository that it is pushed to.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Self(dir);
        let work = repository.work();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(format!("{}/polls", lab()))
            .arg(&work)
            .status();
        assert!(copied.unwrap().success());
        git(repository.0.path(), &["init", "--quiet", "--bare", "bare"]);
        git(&work, &["init", "--quiet", "--initial-branch=release"]);
        git(
            &work,
            &["remote", "add", "origin", repository.bare().as_str()],
        );
        repository
    }

    fn work(&self) -> std::path::PathBuf {
        self.0.path().join("work")
    }

    fn bare(&self) -> String {
        self.0.path().join("bare").to_str().unwrap().to_owned()
    }

    /// Commits the app with this text on its page, and pushes it; the commit.
    fn push(&self, mark: &str) -> String {
        let page = self.work().join("polls/templates/polls/base.html");
        let mut text = std::fs::read_to_string(&page).unwrap();
        text.push_str(&format!("<!-- {mark} -->\n"));
        std::fs::write(&page, text).unwrap();
        git(&self.work(), &["add", "--all"]);
        let who = ["-c", "user.name=lab", "-c", "user.email=lab@example.test"];
        let mut commit = who.to_vec();
        commit.extend(["commit", "--quiet", "-m", mark]);
        git(&self.work(), &commit);
        git(&self.work(), &["push", "--quiet", "origin", "release"]);
        git(&self.work(), &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The image that each app server runs.
fn images() -> BTreeMap<&'static str, String> {
    let running = "docker inspect --format '{{.Config.Image}}' polls-app";
    APPS.map(|host| (host, console(host, running).trim().to_owned()))
        .into()
}

pub fn rolled_out() {
    converged();
    let repository = Repository::new();
    let first = repository.push("revision one");
    let variant = Variant::new(|site| {
        let source: Table = [
            ("git".to_owned(), Value::from(repository.bare())),
            ("rev".to_owned(), Value::from("release")),
        ]
        .into_iter()
        .collect();
        set(site, &["app", "source"], source);
    });
    run_with(&variant.file()).proven();
    let image = |commit: &str| format!("polls:{}", &commit[..12]);
    assert_eq!(images(), APPS.map(|host| (host, image(&first))).into());
    assert!(page(PROXY[0]).body.contains("revision one"));

    let second = repository.push("revision two");
    let ended = Arc::new(AtomicBool::new(false));
    let visitor = {
        let ended = Arc::clone(&ended);
        thread::spawn(move || {
            let mut answers = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                let page = page(PROXY[answers.len() % 2]);
                answers.push((page.exit, page.status, page.body.contains("revision two")));
            }
            answers
        })
    };
    let file = variant.file();
    let file = file.to_str().unwrap();
    let mut running = Running::start(&["run", file, "--yes", "--json"]);
    // In the meantime somebody else tries the same.
    assert!(
        running.until(|event| event["event"] == "doing"),
        "{}",
        running.end()
    );
    let other = provision(&["run", file, "--yes", "--json"]);
    let rollout = running.end().proven();
    ended.store(true, Ordering::Relaxed);
    let answers = visitor.join().unwrap();

    assert_eq!(other.code, Some(6), "{other}");
    assert_eq!(other.changed(), [""; 0], "{other}");
    let held = other.failures();
    assert!(
        held.iter()
            .any(|(_, stage, all)| stage == "lock" && all.contains("pid")),
        "{other}"
    );

    assert_eq!(images(), APPS.map(|host| (host, image(&second))).into());
    let bad: Vec<_> = answers
        .iter()
        .filter(|(exit, status, _)| (*exit, *status) != (0, 200))
        .collect();
    assert!(
        bad.is_empty(),
        "{} of {} visits failed: {bad:?}",
        bad.len(),
        answers.len()
    );
    assert!(answers.len() > 30, "{} visits", answers.len());
    // Visitors saw both revisions, so they came in the middle of it.
    assert!(answers.iter().any(|a| a.2) && answers.iter().any(|a| !a.2));
    one_after_the_other(&rollout.events());
}

/// The second server's container was only touched when the first one's step had ended.
fn one_after_the_other(events: &[serde_json::Value]) {
    let app =
        |event: &serde_json::Value, kind: &str| event["event"] == kind && event["step"] == "app";
    let mut order = Vec::new();
    for event in events {
        if app(event, "doing") || app(event, "step_finished") {
            order.push(text(&event["host"]));
        }
    }
    order.dedup();
    assert_eq!(order, APPS, "one server after the other");
}

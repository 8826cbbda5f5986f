//! What happens to servers in the course of time leaves the matrix as it is.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::outside::{PROXY, curl, page};
use crate::program::{provision, succeeds, text};
use crate::servers::{APPS, HOSTS, console, converged};
use crate::site;

/// How long the site may take to answer again.
const LIMIT: Duration = Duration::from_secs(120);

/// A project that somebody starts beside the site.
const ANOTHER: &str = "services:\n  another:\n    image: nginx:1.28\n    ports: [\"8081:80\"]\n";

/// What is seen and how it is judged, without evidence: its counters and times go on.
fn matrix() -> Vec<String> {
    let file = site::file();
    let verify = provision(&["verify", file.to_str().unwrap(), "--json"]).proven();
    let mut all: Vec<String> = verify.told("found").iter().map(one).collect();
    all.sort();
    all
}

fn one(finding: &Value) -> String {
    let parts = [
        "host", "subject", "from", "address", "expected", "seen", "verdict",
    ];
    parts.map(|part| text(&finding[part])).join(" | ")
}

/// Holds the matrix to what it was.
fn assert_same(before: &[String], after: &[String], what: &str) {
    let changes = similar::TextDiff::from_slices(
        &before.iter().map(String::as_str).collect::<Vec<_>>(),
        &after.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let changes: Vec<String> = changes
        .iter_all_changes()
        .filter(|change| change.tag() != similar::ChangeTag::Equal)
        .map(|change| format!("{} {}", change.tag(), change.value()))
        .collect();
    assert!(changes.is_empty(), "{what}:\n{}", changes.join("\n"));
}

/// Waits until the site answers and its containers are well.
fn answers() {
    let start = Instant::now();
    let well = |host: &str| {
        let running = console(host, "docker ps --format '{{.Names}} {{.Status}}' || :");
        running.contains("polls") && !running.contains("starting)")
    };
    while !(PROXY.iter().all(|address| page(address).status == 200)
        && HOSTS.iter().all(|h| well(h)))
    {
        assert!(start.elapsed() < LIMIT, "no page after {LIMIT:?}");
        thread::sleep(Duration::from_millis(500));
    }
}

pub fn unchanged() {
    converged();
    answers();
    let before = matrix();
    for (what, script) in [
        ("ufw reload", "ufw reload"),
        ("a restart of Docker", "systemctl restart docker"),
        (
            "ufw off and on",
            "ufw --force disable && ufw --force enable",
        ),
    ] {
        for host in HOSTS {
            console(host, script);
        }
        answers();
        assert_same(&before, &matrix(), what);
    }

    let up = format!(
        "mkdir -p /root/another; cd /root/another; printf '{}' >compose.yaml; docker compose up -d 2>&1",
        ANOTHER.replace('\n', "\\n")
    );
    for app in APPS {
        console(app, &up);
        // It is there, by the host itself: what nobody else gets is kept from them.
        console(
            app,
            "curl -sS -o /dev/null --max-time 60 --retry 30 --retry-delay 1 --retry-all-errors \
             http://127.0.0.1:8081/",
        );
    }
    for address in ["198.51.100.11", "[2001:db8::12]"] {
        let url = format!("http://{address}:8081/");
        assert_eq!(curl(&["--max-time", "3", &url]).exit, 28, "{url}");
    }
    let with = matrix();
    let (more, rest): (Vec<String>, Vec<String>) = with
        .into_iter()
        .partition(|cell| cell.contains("| 8081/tcp |"));
    assert!(!more.is_empty(), "what Docker publishes is looked at");
    for cell in &more {
        assert!(
            cell.ends_with("| proven") && !cell.contains("| open |"),
            "{cell}"
        );
    }
    assert_same(&before, &rest, "another project's published port");
    for app in APPS {
        console(
            app,
            "cd /root/another; docker compose down 2>&1; rm -r /root/another",
        );
    }

    let mut cut = vec!["lab", "power-cut"];
    cut.extend(HOSTS);
    succeeds(&cut);
    let mut start = vec!["lab", "start"];
    start.extend(HOSTS);
    succeeds(&start);
    answers();
    assert_same(&before, &matrix(), "a power cut");
}

pub fn restarted() {
    converged();
    answers();
    let before = matrix();
    let boots = || HOSTS.map(|host| console(host, "cat /proc/sys/kernel/random/boot_id"));
    let ids = boots();
    let file = site::file();
    let file = file.to_str().unwrap();
    let verify = succeeds(&["verify", "--reboot", "--yes", file, "--json"]);
    for (old, new) in ids.iter().zip(boots()) {
        assert_ne!(*old, new, "a server was not restarted: {verify}");
    }
    let order: Vec<String> = verify
        .told("restarted")
        .iter()
        .map(|e| text(&e["host"]))
        .collect();
    assert_eq!(order, HOSTS, "the proxy is the last");
    for compared in verify.told("compared") {
        assert_eq!(
            compared["differences"].as_array().map(Vec::len),
            Some(0),
            "{compared}"
        );
        assert!(compared["same"].as_u64() > Some(10), "{compared}");
    }
    assert_eq!(verify.told("compared").len(), HOSTS.len());
    assert_same(&before, &matrix(), "a restart of every server");

    // A container that nothing starts again is told, and nothing else is restarted then.
    console(
        "app1",
        "docker run -d --name passing --restart no nginx:1.28 >/dev/null",
    );
    let verify = provision(&["verify", "--reboot", "--yes", "--host", "app1", file]);
    console("app1", "docker rm -f passing >/dev/null");
    assert_eq!(verify.code, Some(4), "{verify}");
    assert!(verify.stdout.contains("passing doesn't run"), "{verify}");
    assert!(verify.stdout.contains("NOT as before"), "{verify}");
}

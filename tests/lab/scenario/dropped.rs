//! The connection, the server or the program goes away in the middle of apt-get; it runs once,
//! and the run goes on.

use std::thread;
use std::time::{Duration, Instant};

use provision::lab::GATEWAY;
use serde_json::Value;

use crate::program::{Ended, Running, succeeds};
use crate::servers::console;
use crate::site;

const HOST: &str = "app2";
/// How long a connection that says nothing any more may go unnoticed.
const NOTICED: Duration = Duration::from_secs(30);

fn start() -> Running {
    let file = site::file();
    let file = file.to_str().unwrap();
    Running::start(&["step", "bootstrap", file, "--host", HOST, "--yes", "--json"])
}

/// A bare host whose packages are just being unpacked.
fn unpacking() -> Running {
    succeeds(&["lab", "reset", HOST]);
    let mut running = start();
    let unpacks = |event: &Value| {
        let line = event["line"].as_str().unwrap_or_default();
        event["event"] == "output" && line.starts_with("Unpacking")
    };
    assert!(running.until(unpacks), "it never began: {}", running.end());
    running
}

/// How often apt-get was told to install something.
fn installs() -> usize {
    let log = console(HOST, "cat /var/log/apt/history.log");
    let told = log.lines();
    told.filter(|line| line.starts_with("Commandline: apt-get install"))
        .count()
}

/// The run came to its end over this many breaks, and left nothing behind.
fn went_on(ended: &Ended, breaks: usize) {
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.told("reconnected").len(), breaks, "{ended}");
    let again = start().end();
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(again.summary()["changed"], 0, "{again}");
    let left = console(HOST, "ls -A /run/provision/job; pgrep -a apt-get || :");
    assert_eq!(left, "");
    succeeds(&["lab", "reset", HOST]);
}

/// No line that apt-get printed is told twice or left out.
fn told_once(ended: &Ended) {
    let told: Vec<String> = ended
        .told("output")
        .iter()
        .filter_map(|event| event["line"].as_str().map(str::to_owned))
        .filter(|line| line.starts_with("Unpacking") || line.starts_with("Setting up"))
        .collect();
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), told.len(), "{told:#?}");
    for what in ["Unpacking ufw ", "Setting up ufw "] {
        assert!(
            told.iter().any(|line| line.starts_with(what)),
            "{what}: {told:#?}"
        );
    }
}

/// sshd's side of the connection is killed.
pub fn by_the_server() {
    let running = unpacking();
    // The console is no session of sshd's: all of them are the run's.
    console(
        HOST,
        "kill -KILL $(pgrep -x 'sshd-session|sshd' | tail -n +2)",
    );
    let ended = running.end();
    assert_eq!(installs(), 1, "{ended}");
    told_once(&ended);
    went_on(&ended, 1);
}

/// Nothing gets through for a while, and nobody says so.
pub fn without_a_word() {
    let mut running = unpacking();
    // There are no iptables yet: no answer finds its way instead.
    let silence = |what| console(HOST, &format!("ip route {what} blackhole {GATEWAY}/32"));
    silence("add");
    let start = Instant::now();
    let noticed = running.until(|event| event["event"] == "reconnecting");
    assert!(noticed, "it never noticed: {}", running.end());
    assert!(start.elapsed() < NOTICED, "after {:?}", start.elapsed());
    silence("del");
    let ended = running.end();
    assert_eq!(installs(), 1, "{ended}");
    told_once(&ended);
    went_on(&ended, 1);
}

/// The server loses its power and boots: what it was doing is done again.
pub fn by_a_power_cut() {
    let running = unpacking();
    succeeds(&["lab", "power-cut", HOST]);
    thread::sleep(Duration::from_secs(1));
    let ended = running.end();
    assert_eq!(installs(), 2, "{ended}");
    went_on(&ended, 1);
}

/// The program is killed, and the next run doesn't start a second apt-get beside the first.
pub fn with_the_program() {
    let running = unpacking();
    running.signal("KILL");
    running.end();
    let mut next = start();
    let waits = |event: &Value| {
        let what = event["what"].as_str().unwrap_or_default();
        event["event"] == "waiting" && what.starts_with("install ufw is still being done")
    };
    assert!(next.until(waits), "it did not wait: {}", next.end());
    let ended = next.end();
    assert_eq!(installs(), 1, "{ended}");
    let changed = ended.changed();
    assert!(
        !changed.iter().any(|what| what.contains("packages")),
        "what the killed run did is read again: {changed:?}"
    );
    went_on(&ended, 0);
}

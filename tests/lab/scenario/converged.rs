//! A second run changes nothing and costs next to nothing.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::program::PROGRAM;
use crate::servers::{assert_untouched, converged, fingerprints, run};
use crate::site;

/// Kilobytes that a converged run may take, beside the pages of the program itself: those of this
/// unoptimised build are many times those of the one that is shipped, which the bench measures whole.
const MEMORY: u64 = 16 * 1024;

pub fn second_run() {
    converged();
    let before = fingerprints();
    let second = run();
    assert_eq!(second.code, Some(0), "{second}");
    let summary = second.summary();
    for (key, value) in [
        ("changed", 0),
        ("failed", 0),
        ("connections", 3),
        ("execs", 3),
    ] {
        assert_eq!(summary[key], value, "{key}: {second}");
    }
    assert!(summary["unchanged"].as_u64() > Some(90), "{second}");
    assert!(summary["proven_at"].as_u64().is_some(), "{second}");
    assert_untouched(&before, &fingerprints(), "a second run");

    let file = site::file();
    let peak = peak_memory(&["run", file.to_str().unwrap(), "--yes", "--json"]);
    assert!(peak > 1024 && peak < MEMORY, "{peak} kB");
}

/// The most memory of its own that the program was seen to hold, in kilobytes, as the kernel counts
/// it (RssAnon, proc_pid_status(5)).
fn peak_memory(args: &[&str]) -> u64 {
    let mut child = Command::new(PROGRAM)
        .args(args)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let mark = mark.and_then(|mark| mark.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(mark.unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
    peak
}

//! The whole program on the lab: what an operator would do, and what is then seen by others.
//!
//! Every scenario drives the built binary. What it claims is checked by other means: `curl`
//! in a stranger's network namespace, commands on the hosts' consoles, `/proc`.
//!
//! | file | what it is about |
//! |---|---|
//! | `program` | the built binary and its events |
//! | `servers` | the lab's hosts: fresh, converged, their consoles, their fingerprints |
//! | `site` | variants of the lab's site.toml |
//! | `outside` | the stranger: curl and pollers |
//! | `cmdlines` | what can be read in the process table |
//! | `scenario/` | one file a topic, in the order they run |
//!
//! Scenarios run one at a time and in order, since there is one lab. Each makes what it
//! needs, so that one alone can be asked for: `cargo test --test lab -- drift`. The lab is
//! brought up for the first of them and taken down after the last; with PROVISION_LAB_KEEP=1
//! it stays. They need Linux and root; elsewhere they are left out, and that is said.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(missing_docs, reason = "a test is no library")]

mod cmdlines;
mod outside;
mod program;
mod scenario;
mod servers;
mod site;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

/// Why scenarios can't run here.
fn reason() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("the lab needs Linux");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    (!root).then_some("the lab needs root")
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(outside::POLL) => {
            outside::poll(words);
            return ExitCode::SUCCESS;
        }
        Some(outside::SCAN) => {
            outside::scan(&words.next().unwrap());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let mut args = Arguments::from_args();
    args.test_threads = Some(1);
    let reason = reason();
    if let Some(reason) = reason
        && !args.list
    {
        eprintln!(
            "LEFT OUT: all {} lab scenarios ({reason}); they count as ignored, not as passed",
            scenario::ALL.len()
        );
    }
    let trials = scenario::ALL.iter().map(|&(name, scenario)| {
        Trial::ignorable_test(name, move || match reason {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => {
                servers::up();
                scenario();
                Ok(Completion::Completed)
            }
        })
    });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    if servers::down() {
        conclusion.exit_code()
    } else {
        ExitCode::FAILURE
    }
}

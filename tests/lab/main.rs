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
//! | `requests` | requests that run all the while, and the certificates they are shown |
//! | `authority` | ACME authorities of a scenario's own |
//! | `world` | labs side by side on one machine |
//! | `cmdlines` | what can be read in the process table |
//! | `scenario/` | one file a topic, in the order they run |
//!
//! Each scenario makes what it needs, so that one alone can be asked for: `cargo test --test
//! lab -- drift`. Several are shared out between two labs (PROVISION_LAB_WORLDS says how many),
//! each in a world of its own, and taken up in order. With PROVISION_LAB_KEEP=1 all run in one
//! lab on the machine itself, which stays up. They need Linux and root; elsewhere they are left
//! out, and that is said.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![allow(missing_docs, reason = "a test is no library")]

mod authority;
mod cmdlines;
mod outside;
mod program;
mod requests;
mod scenario;
mod servers;
mod site;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};

use crate::world::Worlds;

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
        Some(requests::ASK_ON) => {
            requests::ask_on(words);
            return ExitCode::SUCCESS;
        }
        Some(requests::ASK_ONCE) => {
            requests::ask_once(words);
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
    let worlds = match reason {
        None if !args.list => side_by_side(&mut args),
        _ => None,
    };
    let trials = scenario::ALL.iter().map(|&(name, scenario)| {
        let worlds = worlds.clone();
        Trial::ignorable_test(name, move || match (reason, worlds) {
            (Some(reason), _) => Ok(Completion::ignored_with(reason)),
            (None, Some(worlds)) => {
                worlds.scenario(name, scenario::is_about_time(name))?;
                Ok(Completion::Completed)
            }
            (None, None) => {
                servers::up();
                scenario();
                Ok(Completion::Completed)
            }
        })
    });
    let conclusion = libtest_mimic::run(&args, trials.collect());
    // In a world, the lab is for the next scenario, and goes with the world.
    if world::is_inside() || servers::down() {
        conclusion.exit_code()
    } else {
        ExitCode::FAILURE
    }
}

/// Worlds to run the scenarios in that are asked for, if that is worth while.
fn side_by_side(args: &mut Arguments) -> Option<Arc<Worlds>> {
    let asked = |name: &str| match &args.filter {
        Some(filter) if args.exact => name == filter,
        Some(filter) => name.contains(filter.as_str()),
        None => true,
    };
    let scenarios = scenario::ALL.iter().filter(|(name, _)| asked(name)).count();
    let (count, why) = world::wanted(scenarios);
    if count < 2 {
        if !why.is_empty() {
            eprintln!("one scenario at a time: {why}");
        }
        return None;
    }
    servers::install();
    // What a machine doesn't allow has been said by the panic.
    let Ok(worlds) = std::panic::catch_unwind(|| Worlds::make(count)) else {
        eprintln!("one scenario at a time: a second lab can't be made on this machine");
        return None;
    };
    eprintln!("{scenarios} scenarios, {count} at a time");
    args.test_threads = Some(count);
    Some(Arc::new(worlds))
}

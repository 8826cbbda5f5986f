//! Real SSH servers, one for each thing that an operator's sshd may be told, and what has to
//! come of each.
//!
//! - `row`: what a row of the table says; `algorithms`, `logins`, `hosts`, `limits`: the rows
//! - `kit`: the keys and files of a run; `start`: the script that starts the servers
//! - `check`: one row against its server
//!
//! The same table is held where a script can be run as root and its address reached: on a
//! server of the lab, of each suite, and in namespaces of this machine.

mod algorithms;
mod check;
mod hosts;
mod kit;
mod limits;
mod logins;
mod row;
mod start;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use kit::Kit;
use row::{Row, Server};
use start::{FIRST_PORT, end_of_log, log, start, stop};

/// Rows at once.
const AT_ONCE: usize = 8;
/// None of them takes longer.
const LONGEST: Duration = Duration::from_secs(400);

/// Names the rows to hold, by a part of their names; the servers of all are started.
const ONLY: &str = "PROVISION_TEST_ROWS";

/// Where the servers are started.
pub struct Place<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its address, as reached from here.
    pub address: IpAddr,
    /// Runs a script with `sh -eu` there, as root; what it prints. It must end well.
    pub root: &'a dyn Fn(&str) -> String,
    /// Whether packages may be installed there.
    pub installs: bool,
}

/// A row, and where its server listens.
struct Started {
    row: Row,
    port: u16,
}

/// All rows.
fn table() -> Vec<Row> {
    let parts = [
        algorithms::rows(),
        hosts::rows(),
        logins::rows(),
        limits::rows(),
    ];
    parts.into_iter().flatten().collect()
}

/// The version of OpenSSH there, `(9, 2)`.
fn version(place: &Place<'_>) -> (u32, u32) {
    let said = (place.root)("ssh -V 2>&1");
    let after = said.split("OpenSSH_").nth(1);
    let mut numbers = after
        .unwrap_or_else(|| panic!("{}: {said}", place.name))
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|digits| digits.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Starts every server, holds every row, and takes the servers down again.
pub fn hold(place: &Place<'_>) {
    let version = version(place);
    let install = match place.installs {
        true => {
            "command -v dropbear >/dev/null || { apt-get update -qq && \
                 apt-get install -y -qq dropbear-bin; } >&2; "
        }
        false => "",
    };
    let dropbear = format!("{install}command -v dropbear || :");
    let dropbear = !(place.root)(&dropbear).is_empty();
    let mut rows = Vec::new();
    for (port, row) in (FIRST_PORT..).zip(table()) {
        let why = match &row.server {
            Server::Dropbear { .. } if !dropbear => Some("there is no dropbear".to_owned()),
            _ if row.since > version => Some(format!("it takes OpenSSH {:?}", row.since)),
            _ => None,
        };
        match why {
            Some(why) => eprintln!("{}: left out: {}: {why}", place.name, row.name),
            None => rows.push(Started { row, port }),
        }
    }
    let must = place.installs || std::env::var_os("CI").is_some();
    assert!(dropbear || !must, "{}: no dropbear", place.name);
    let kit = Kit::new(place.address);
    (place.root)(&start(&kit, place.address, &rows));
    let servers = Stop(place);
    let began = Instant::now();
    // Large groups are slow to reckon with where nothing is optimised, and keep their thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(AT_ONCE + 2)
        .enable_all()
        .build()
        .unwrap();
    let rows = Arc::new(rows);
    let kit = Arc::new(kit);
    let mut failures = runtime.block_on(all(place, &rows, &kit));
    drop(runtime);
    for started in rows.iter() {
        let Some(words) = started.row.log_lacks else {
            continue;
        };
        let log = (place.root)(&log(started.port));
        if log.is_empty() || log.contains(words) {
            failures.push(format!("{}: {words:?} in its log: {log}", started.row.name));
        }
    }
    drop(servers);
    eprintln!(
        "{}: OpenSSH {version:?}: {} rows in {:.1} s",
        place.name,
        rows.len(),
        began.elapsed().as_secs_f32()
    );
    assert!(
        failures.is_empty(),
        "{}: {} of {} rows fail:\n{}",
        place.name,
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}

/// What is wrong, a line a row.
async fn all(place: &Place<'_>, rows: &Arc<Vec<Started>>, kit: &Arc<Kit>) -> Vec<String> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let only = std::env::var(ONLY).unwrap_or_default();
    let held = |row: &Row| row.name.contains(&only);
    for at in (0..rows.len()).filter(|at| held(&rows[*at].row)) {
        let (rows, kit, turns) = (Arc::clone(rows), Arc::clone(kit), Arc::clone(&turns));
        let address = place.address;
        running.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let began = Instant::now();
            let checking = check::check(&kit, address, &rows, at);
            let outcome = match tokio::time::timeout(LONGEST, checking).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("it takes longer than {LONGEST:?}")),
            };
            let took = began.elapsed();
            if took > Duration::from_secs(5) {
                eprintln!("{}: {:.1} s", rows[at].row.name, took.as_secs_f32());
            }
            let Started { row, port } = &rows[at];
            outcome
                .err()
                .map(|why| (*port, format!("{}: {why}", row.name)))
        });
    }
    let mut failures: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    failures.sort();
    let told = |(port, why)| format!("{why}\n{}", (place.root)(&end_of_log(port)));
    failures.into_iter().map(told).collect()
}

/// Ends the servers.
struct Stop<'a>(&'a Place<'a>);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        (self.0.root)(&stop());
    }
}

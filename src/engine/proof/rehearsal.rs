//! The renewal, rehearsed on the proxies. It takes longer than all other looks together, so it goes
//! on beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::engine::remote::{Remote, ms};
use crate::event::{Event, Finding};
use crate::proof::{Evidence, Rehearsed, judge};
use crate::shell::Cmd;
use crate::site::Site;
use crate::ssh::{Input, Status};
use crate::step;

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Lines that are kept of one that failed.
const TAIL: usize = 6;
/// How a script of ours ends that waited in vain for its turn (sysexits.h: EX_TEMPFAIL).
const NOT_NOW: u32 = 75;
/// What certbot says where another one is at work (certbot/_internal/lock.py).
const BUSY: &str = "Another instance of Certbot is already running";

/// Rehearses it on these hosts, as far as they are proxies; findings in the site's order.
pub(super) async fn findings(
    hosts: &BTreeSet<&str>,
    site: &Site,
    remotes: &BTreeMap<String, Remote>,
) -> Vec<Finding> {
    let mut all = step::rehearsals(site);
    all.retain(|(check, _)| hosts.contains(check.host.as_str()));
    let all = all.iter().map(|(check, cmd)| async move {
        let evidence = match remotes.get(&check.host) {
            Some(remote) => rehearse(remote, cmd).await,
            None => Evidence::Missing(format!("{} can't be asked over SSH", check.host)),
        };
        judge(check, &evidence)
    });
    join_all(all).await
}

async fn rehearse(remote: &Remote, cmd: &Cmd) -> Evidence {
    let start = Instant::now();
    remote.events.send(Event::Doing {
        host: remote.host.clone(),
        step: "verify".to_owned(),
        resource: "renewal".to_owned(),
        what: "rehearse the renewal".to_owned(),
    });
    let done = match remote.run("verify", cmd, Input::Empty, LIMIT).await {
        Ok(done) => done,
        Err(e) => return Evidence::Missing(e.to_string()),
    };
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    Evidence::Rehearsed(if done.status.success() {
        Rehearsed::Well { ms: ms(start) }
    } else if text.contains(BUSY) || done.status == Status::Code(NOT_NOW) {
        Rehearsed::Busy
    } else {
        let mut tail = tail(&remote.events.masked(&text));
        tail.push(done.status.to_string());
        Rehearsed::Failed(tail)
    })
}

/// How lines of certbot's begin that say nothing of the fault: where its log lies, which is gone
/// with its container, and where help is found.
const NOISE: [&str; 2] = ["Saving debug log", "Ask for help"];

/// The last lines that say something.
fn tail(text: &str) -> Vec<String> {
    let says = |line: &&str| {
        line.chars().any(char::is_alphanumeric)
            && !NOISE.iter().any(|noise| line.starts_with(noise))
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(says).collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_that_say_something_are_kept() {
        let text = "one\n\n- - - - -\n  two  \n3\n4\nSaving debug log to /var\n5\n6\n7\n\
                    Ask for help at https://example.com\n";
        assert_eq!(tail(text), ["two", "3", "4", "5", "6", "7"]);
        assert_eq!(tail(""), Vec::<String>::new());
    }
}

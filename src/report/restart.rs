//! What restarts did to the proof.

use super::failure;
use super::ledger::{Ledger, Restart};
use super::matrix::over;
use super::page::{Ink, Page, Row};
use super::words::{count, duration, list};
use crate::event::{Difference, Finding};

/// Width of "restarting" and a gap.
const WORDS: usize = 12;

/// "app1   restarting  the other app servers answer meanwhile".
pub(super) fn begun(ledger: &Ledger, host: &str, means: &str) -> Page {
    let mut page = Page::new();
    page.push(word(ledger, host, Ink::Change, "restarting").plain(means));
    page
}

/// A server is back: after how long, and what isn't.
pub(super) fn back(ledger: &Ledger, host: &str, ms: u64, missing: &[String]) -> Page {
    let mut page = Page::new();
    let containers = match missing {
        [] => "its containers run".to_owned(),
        missing => list(missing),
    };
    let ink = if missing.is_empty() {
        Ink::Good
    } else {
        Ink::Bad
    };
    let row = word(ledger, host, ink, "back");
    page.push(row.plain(format!("after {}; {containers}", duration(ms))));
    page
}

/// The proof was taken again.
pub(super) fn compared(
    ledger: &Ledger,
    host: &str,
    same: usize,
    differences: &[Difference],
) -> Page {
    let mut page = Page::new();
    if differences.is_empty() {
        let row = word(ledger, host, Ink::Good, "as before");
        page.push(row.plain(format!("all of {}", count(same, "look"))));
        return page;
    }
    let row = word(ledger, host, Ink::Bad, "differs");
    let all = same + differences.len();
    page.push(row.plain(format!("{} of {}", differences.len(), count(all, "look"))));
    let mut rows = Page::new();
    for difference in differences {
        rows.push(one(difference));
    }
    page.append(rows.indented(ledger.host_width()));
    page
}

/// "✗ app1 80/tcp from here (198.51.100.11): open, before: blocked".
fn one(difference: &Difference) -> Row {
    let Some(place) = difference.after.as_ref().or(difference.before.as_ref()) else {
        return Row::new();
    };
    let seen = |finding: &Option<Finding>| match finding {
        Some(finding) => finding.seen.clone(),
        None => "not looked at".to_owned(),
    };
    let name = format!("{} {} from {}", place.host, place.subject, place.from);
    Row::new()
        .ink(Ink::Bad, "✗ ")
        .ink(Ink::Strong, name)
        .plain(over(place))
        .plain(format!(
            ": {}, before: {}",
            seen(&difference.after),
            seen(&difference.before)
        ))
}

/// What all restarts came to.
pub(super) fn conclusion(ledger: &Ledger) -> Page {
    let mut page = Page::new();
    for host in &ledger.hosts {
        for failure in host.steps.iter().filter_map(|step| step.failure()) {
            let label = Row::new().ink(Ink::Strong, &host.name);
            let body = failure::page(failure);
            page.append(Page::labelled(label, ledger.host_width(), body));
        }
    }
    let held: Vec<&str> = restarted(ledger, Restart::is_as_before);
    let otherwise: Vec<&str> = restarted(ledger, |restart| !restart.is_as_before());
    let time = ledger.summary.as_ref().map(|s| s.ms);
    let time = time.map_or_else(String::new, |ms| format!(" · {}", duration(ms)));
    if let [first, ..] = otherwise.as_slice() {
        let why = match ledger
            .restarts
            .iter()
            .find(|restart| restart.host == *first)
        {
            Some(Restart { ms: None, .. }) => "it is not back",
            Some(Restart { same: None, .. }) => "the proof was not taken again",
            Some(restart) if restart.differences.is_empty() => "not all of its containers run",
            _ => "the matrix has changed",
        };
        let row = Row::new().ink(Ink::Bad, "NOT as before");
        page.push(
            row.plain(format!(" after a restart of {first}: {why}"))
                .plain(time),
        );
    } else if held.is_empty() {
        page.push(Row::new().plain("no server was restarted").plain(time));
    } else {
        let row = Row::new().ink(Ink::Good, "unchanged");
        let what = format!(
            ": the matrix is unchanged after a restart of {}",
            list(&held)
        );
        page.push(row.plain(what).plain(time));
    }
    page
}

fn restarted(ledger: &Ledger, is: impl Fn(&Restart) -> bool) -> Vec<&str> {
    let all = ledger.restarts.iter().filter(|restart| is(restart));
    all.map(|restart| restart.host.as_str()).collect()
}

fn word(ledger: &Ledger, host: &str, ink: Ink, word: &str) -> Row {
    let width = ledger.host_width();
    let row = Row::new().ink(Ink::Strong, host).to(width).ink(ink, word);
    row.to(width + WORDS)
}

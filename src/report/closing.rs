//! The last words of a run.

use super::failure;
use super::ledger::{Host, Ledger};
use super::page::{Ink, Page, Row};
use super::plan::cost;
use super::words::{ago, count, duration, exit_meaning, list};
use crate::event::{Mode, Outcome, Summary};

/// Width of "next: ".
const NEXT: usize = 6;

/// The summary of a run; `now` in seconds since 1970.
pub(super) fn page(ledger: &Ledger, summary: &Summary, now: u64) -> Page {
    let mut page = Page::new();
    if is_converged(ledger, summary) {
        page.push(
            Row::new()
                .ink(Ink::Strong, &ledger.site)
                .plain(": ")
                .ink(Ink::Good, "nothing to change")
                .plain(format!(" · {}", count(ledger.hosts.len(), "host")))
                .plain(format!(" · {} in sync", summary.unchanged))
                .plain(format!(" · {}", duration(summary.ms))),
        );
    } else {
        let width = ledger.host_width();
        for host in &ledger.hosts {
            let label = Row::new().ink(Ink::Strong, &host.name);
            page.append(Page::labelled(label, width, of_host(host)));
        }
        page.append(failures(ledger));
        page.gap();
        page.push(totals(ledger, summary));
    }
    if let Some(proven_at) = summary.proven_at {
        let when = ago(proven_at, now);
        page.push(Row::new().plain(format!("proven {when}; provision verify measures again")));
    }
    page.append(exit(summary));
    page
}

/// What is said when the events end without a summary.
pub(super) fn broken_off(ledger: &Ledger) -> Page {
    let mut page = Page::new();
    for host in &ledger.hosts {
        for step in &host.steps {
            if let Some(doing) = &step.doing {
                page.push(
                    Row::new()
                        .ink(Ink::Strong, &host.name)
                        .to(ledger.host_width())
                        .plain(&step.name)
                        .to(ledger.host_width() + ledger.step_width())
                        .ink(Ink::Change, "broken off")
                        .plain(format!(": {doing}")),
                );
            }
        }
    }
    page.push(
        Row::new()
            .ink(Ink::Strong, &ledger.site)
            .plain(": ")
            .ink(Ink::Bad, "stopped before the end")
            .plain(match ledger.mode {
                Some(Mode::Run) => "; run it again, it goes on from what it finds",
                _ => "; what stands above is not all",
            }),
    );
    page
}

/// "exit code 3: a host failed", unless all is well.
pub(super) fn exit(summary: &Summary) -> Page {
    let mut page = Page::new();
    if let Some(meaning) = exit_meaning(summary.exit_code) {
        let code = format!("exit code {}", summary.exit_code);
        page.push(Row::new().ink(Ink::Bad, code).plain(format!(": {meaning}")));
    }
    page
}

fn is_converged(ledger: &Ledger, summary: &Summary) -> bool {
    summary.changed == 0
        && summary.unknown == 0
        && summary.failed == 0
        && summary.blocked == 0
        && !ledger.failed()
        && ledger.hosts.iter().all(|host| host.changed() == 0)
}

/// "13 changed · 2 unchanged · 1 min 41 s".
fn of_host(host: &Host) -> Page {
    let mut parts = Vec::new();
    if host.changed() > 0 {
        parts.push(Row::new().ink(Ink::Change, format!("{} changed", host.changed())));
    }
    if host.unchanged() > 0 {
        parts.push(Row::new().plain(format!("{} unchanged", host.unchanged())));
    }
    if let Some(failure) = &host.failure {
        parts.push(
            Row::new()
                .ink(Ink::Bad, "failed")
                .plain(format!(" ({})", failure.stage)),
        );
    }
    let mut blocked = Vec::new();
    for step in &host.steps {
        match &step.outcome {
            Some(Outcome::Failed(_)) => {
                parts.push(
                    Row::new()
                        .ink(Ink::Bad, "failed")
                        .plain(format!(": {}", step.name)),
                );
            }
            Some(Outcome::RolledBack(_)) => {
                let row = Row::new().ink(Ink::Bad, "rolled back");
                parts.push(row.plain(format!(": {}", step.name)));
            }
            Some(Outcome::Blocked { .. }) => blocked.push(step.name.as_str()),
            Some(Outcome::Changed | Outcome::Unchanged) | None => {}
        }
    }
    if !blocked.is_empty() {
        let row = Row::new().ink(Ink::Change, "blocked");
        parts.push(row.plain(format!(": {}", list(&blocked))));
    }
    if parts.is_empty() {
        parts.push(Row::new().ink(Ink::Dim, "nothing was done"));
    }
    if host.ms() > 0 {
        parts.push(Row::new().plain(duration(host.ms())));
    }
    let mut row = Row::new();
    for (at, part) in parts.into_iter().enumerate() {
        row = if at == 0 {
            part
        } else {
            row.plain(" · ").row(part)
        };
    }
    let mut page = Page::new();
    page.push(row);
    page
}

/// Every failure once more, in a line, since its block may have scrolled away.
fn failures(ledger: &Ledger) -> Page {
    let mut page = Page::new();
    for host in &ledger.hosts {
        let steps = host
            .steps
            .iter()
            .map(|step| (Some(step.name.as_str()), step.failure()));
        for (step, failure) in steps.chain([(None, host.failure.as_ref())]) {
            let Some(failure) = failure else { continue };
            page.gap();
            let place = step.map_or_else(String::new, |step| format!("{step} on "));
            page.push(
                Row::new()
                    .ink(Ink::Bad, "✗ ")
                    .ink(Ink::Strong, format!("{place}{}", host.name))
                    .plain(format!(
                        ": {}",
                        failure.what.lines().next().unwrap_or_default()
                    )),
            );
            page.append(failure::next(failure, NEXT));
        }
    }
    let mut spaced = Page::new();
    if !page.is_empty() {
        spaced.push(Row::new());
        spaced.append(page);
    }
    spaced
}

/// "polls: 23 changed, 21 unchanged, 1 failed, 3 blocked · 2 min 3 s, 4 connections, 87 execs".
fn totals(ledger: &Ledger, summary: &Summary) -> Row {
    let mut row = Row::new()
        .ink(Ink::Strong, &ledger.site)
        .plain(": ")
        .ink(Ink::Change, format!("{} changed", summary.changed))
        .plain(format!(", {} unchanged", summary.unchanged));
    let troubles = [
        (summary.unknown, "not known"),
        (summary.failed, "failed"),
        (summary.blocked, "blocked"),
    ];
    for (n, word) in troubles.into_iter().filter(|(n, _)| *n > 0) {
        row = row.plain(", ").ink(Ink::Bad, format!("{n} {word}"));
    }
    row.plain(format!(" · {}", cost(summary)))
}

//! What would be done: in full for `plan`, in a line a host before a run.

use super::failure;
use super::ledger::{Host, Ledger, Step};
use super::page::{Ink, Page, Row};
use super::remarks;
use super::words::{count, duration, list};
use crate::event::{Line, State, Summary};

/// Names longer than this don't push the others' columns to the right.
const WIDEST_NAME: usize = 40;

/// "polls · django-scaled · 3 hosts".
pub(super) fn header(ledger: &Ledger) -> Row {
    Row::new().ink(Ink::Strong, &ledger.site).plain(format!(
        " · {} · {}",
        ledger.playbook,
        count(ledger.hosts.len(), "host")
    ))
}

/// The whole plan: hosts in the site's order, their steps in order, every difference.
pub(super) fn page(ledger: &Ledger) -> Page {
    let mut page = Page::new();
    page.push(header(ledger).plain(" · nothing will be changed"));
    page.gap();
    for host in &ledger.hosts {
        let label = Row::new().ink(Ink::Strong, &host.name);
        page.append(Page::labelled(
            label,
            ledger.host_width(),
            of_host(host, ledger),
        ));
    }
    let remarks = remarks::page(ledger, 0);
    if !remarks.is_empty() {
        page.gap();
        page.append(remarks);
    }
    if let Some(summary) = &ledger.summary {
        page.gap();
        page.push(closing(ledger, summary));
    }
    page
}

/// What one host needs, in a line; nothing if it needs nothing.
pub(super) fn short(ledger: &Ledger, host: &Host) -> Page {
    let mut page = Page::new();
    let mut steps = Vec::new();
    let (mut differ, mut unknown) = (0, 0);
    for step in &host.steps {
        let differing = step.count(|state| matches!(state, State::Differs { .. }));
        if differing > 0 {
            steps.push(format!("{} {differing}", step.name));
        }
        differ += differing;
        unknown += step.count(|state| matches!(state, State::Unknown { .. }));
    }
    let mut row = Row::new();
    if differ > 0 {
        row = row.ink(Ink::Change, format!("{differ} to change"));
        row = row.plain(format!(": {}", steps.join(", ")));
    }
    if unknown > 0 {
        let joint = if differ > 0 { " · " } else { "" };
        row = row
            .plain(joint)
            .ink(Ink::Unknown, format!("{unknown} not yet known"));
    }
    if row.width() > 0 {
        page.push(row);
    }
    for step in &host.steps {
        for (resource, state) in &step.seen {
            if let State::Refused { what, mend } = state {
                page.push(refused(
                    Row::new().ink(Ink::Bad, "✗ ").plain(resource).plain("  "),
                    what,
                    mend,
                ));
            }
        }
    }
    Page::labelled(
        Row::new().ink(Ink::Strong, &host.name),
        ledger.host_width(),
        page,
    )
}

/// What is to be done on one host, as the whole plan has it.
pub(super) fn listed(ledger: &Ledger, host: &Host) -> Page {
    let label = Row::new().ink(Ink::Strong, &host.name);
    Page::labelled(label, ledger.host_width(), of_host(host, ledger))
}

fn of_host(host: &Host, ledger: &Ledger) -> Page {
    let mut page = Page::new();
    for step in &host.steps {
        let mut body = of_step(step);
        if let Some(failure) = step.failure() {
            body.append(failure::page(failure));
        }
        page.append(Page::labelled(
            Row::new().plain(&step.name),
            ledger.step_width(),
            body,
        ));
    }
    if let Some(failure) = &host.failure {
        page.append(failure::page(failure));
    } else if page.is_empty() {
        page.push(Row::new().ink(Ink::Dim, "– nothing was looked at"));
    }
    page
}

fn of_step(step: &Step) -> Page {
    let mut page = Page::new();
    let named = step
        .seen
        .iter()
        .filter(|(_, state)| matches!(state, State::Differs { .. } | State::Refused { .. }));
    let widths = named.map(|(name, _)| name.chars().count());
    let column = 2
        + widths
            .filter(|width| *width <= WIDEST_NAME)
            .max()
            .unwrap_or(0)
        + 2;

    for (resource, state) in &step.seen {
        match state {
            State::Differs { what, lines } => {
                let row = Row::new().ink(Ink::Change, "~ ").plain(resource);
                page.push(row.to(column).plain(what));
                page.append(difference(lines));
            }
            State::Refused { what, mend } => {
                let row = Row::new().ink(Ink::Bad, "✗ ").plain(resource).to(column);
                page.push(refused(row, what, mend));
            }
            State::InSync | State::Unknown { .. } => {}
        }
    }
    for (until, resources) in unknown(step) {
        let row = Row::new().ink(Ink::Unknown, format!("? known after {until}"));
        page.push(row.ink(Ink::Dim, format!(": {}", list(&resources))));
    }
    let in_sync = step.count(|state| *state == State::InSync);
    if in_sync > 0 {
        page.push(
            Row::new()
                .ink(Ink::Good, "✓")
                .plain(format!(" {in_sync} in sync")),
        );
    }
    page
}

fn refused(row: Row, what: &str, mend: &str) -> Row {
    let row = row.ink(Ink::Bad, "refused").plain(format!(": {what}"));
    if mend.is_empty() {
        row
    } else {
        row.plain(format!(" ({mend})"))
    }
}

/// Resources that can't be known yet, by the step they wait for.
fn unknown(step: &Step) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (resource, state) in &step.seen {
        let State::Unknown { until } = state else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| known == until) {
            Some((_, resources)) => resources.push(resource),
            None => groups.push((until, vec![resource])),
        }
    }
    groups
}

fn difference(lines: &[Line]) -> Page {
    let mut page = Page::new();
    for line in lines {
        let (ink, mark, text) = match line {
            Line::Removed(text) => (Ink::Bad, "- ", text),
            Line::Added(text) => (Ink::Good, "+ ", text),
            Line::Context(text) => (Ink::Dim, "  ", text),
        };
        // Tabs are shown: a line that differs from another in them alone must look different.
        page.push(
            Row::new()
                .ink(ink, mark)
                .ink(ink, text.replace('\t', "⇥   ")),
        );
    }
    page.indented(2)
}

/// "2 to change, 1 not yet known, 41 in sync · 0.31 s, 3 connections, 3 execs".
fn closing(ledger: &Ledger, summary: &Summary) -> Row {
    let refused: usize = ledger
        .hosts
        .iter()
        .flat_map(|host| &host.steps)
        .map(|step| step.count(|state| matches!(state, State::Refused { .. })))
        .sum();
    let failed = ledger
        .hosts
        .iter()
        .filter(|host| host.failure.is_some())
        .count();

    let mut row = match summary.changed {
        0 => Row::new().plain("nothing to change"),
        n => Row::new().ink(Ink::Change, format!("{n} to change")),
    };
    if summary.unknown > 0 {
        row = row
            .plain(", ")
            .ink(Ink::Unknown, format!("{} not yet known", summary.unknown));
    }
    if refused > 0 {
        row = row.plain(", ").ink(Ink::Bad, format!("{refused} refused"));
    }
    if failed > 0 {
        row = row
            .plain(", ")
            .ink(Ink::Bad, format!("{} failed", count(failed, "host")));
    }
    row.plain(format!(
        ", {} in sync · {}",
        summary.unchanged,
        cost(summary)
    ))
}

/// "0.31 s, 3 connections, 3 execs".
pub(super) fn cost(summary: &Summary) -> String {
    [
        duration(summary.ms),
        count(summary.connections, "connection"),
        count(summary.execs, "exec"),
    ]
    .join(", ")
}

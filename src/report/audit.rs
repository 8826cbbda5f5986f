//! What an audit saw: remarks, the matrix, and what is exposed as the last thing.

use super::failure;
use super::ledger::Ledger;
use super::matrix::{self, ink, mark, over, sorted};
use super::page::{Ink, Page, Row};
use super::words::{count, duration};
use super::{proof, remarks};
use crate::event::{Remark, Verdict};

/// Width of "mend: ".
const LABELS: usize = 6;

/// The whole report.
pub(super) fn page(ledger: &Ledger) -> Page {
    let mut unsound = ledger.clone();
    unsound
        .remarks
        .retain(|(_, remark)| remark.rule != Remark::EXPOSED);
    let mut page = remarks::page(&unsound, 0);
    page.gap();
    page.append(matrix::page(ledger));
    page.append(proof::others(ledger));
    page.gap();
    for host in &ledger.hosts {
        if let Some(failure) = &host.failure {
            let label = Row::new().ink(Ink::Strong, &host.name);
            let body = failure::page(failure);
            page.append(Page::labelled(label, ledger.host_width(), body));
        }
    }
    page.append(conclusion(ledger));
    page
}

fn conclusion(ledger: &Ledger) -> Page {
    let mut exposed: Vec<&(String, Remark)> = ledger
        .remarks
        .iter()
        .filter(|(_, remark)| remark.rule == Remark::EXPOSED)
        .collect();
    exposed.sort_by_key(|(host, _)| ledger.place(host));
    let findings = sorted(ledger);
    let undecided = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Inconclusive);
    let failed = ledger.hosts.iter().filter(|host| host.failure.is_some());
    let failed = failed.count();
    let mut reasons = Vec::new();
    if !exposed.is_empty() {
        let mut hosts: Vec<&str> = exposed.iter().map(|(host, _)| host.as_str()).collect();
        hosts.dedup();
        reasons.push(format!(
            "{} on {}",
            count(exposed.len(), "port"),
            count(hosts.len(), "server")
        ));
    }
    if undecided.clone().count() > 0 {
        reasons.push(format!("{} inconclusive", undecided.clone().count()));
    }
    if failed > 0 {
        reasons.push(format!("{} not looked at", count(failed, "server")));
    }
    if findings.is_empty() {
        reasons.push("nothing was seen".to_owned());
    }
    if ledger.summary.is_none() {
        reasons.push("the look was broken off".to_owned());
    }
    let summary = ledger.summary.as_ref();
    let time = summary.map_or_else(String::new, |s| format!(" · {}", duration(s.ms)));
    let mut page = Page::new();
    if reasons.is_empty() {
        let what = format!(
            ": {} of {} looked at",
            count(findings.len(), "way"),
            count(ledger.hosts.len(), "server")
        );
        let row = Row::new().ink(Ink::Good, "nothing exposed");
        page.push(row.plain(what).plain(time));
        return page;
    }
    let word = match exposed.is_empty() {
        true => Row::new().ink(Ink::Unknown, "no exposure seen"),
        false => Row::new().ink(Ink::Bad, "EXPOSED"),
    };
    page.push(word.plain(format!(": {}", reasons.join(", "))).plain(time));
    for (host, remark) in exposed {
        let mut body = Page::new();
        let row = Row::new().ink(Ink::Bad, mark(Verdict::Failed));
        let row = row.ink(Ink::Strong, host);
        body.push(row.plain(format!(" {}", remark.what)));
        for (label, text) in [("why:", &remark.why), ("mend:", &remark.mend)] {
            let row = Row::new().to(2).ink(Ink::Dim, label);
            body.push(row.to(2 + LABELS).plain(text));
        }
        page.append(body.indented(2));
    }
    for finding in undecided {
        let place = format!("{} {} from {}", finding.host, finding.subject, finding.from);
        let row = Row::new().ink(ink(finding.verdict), mark(finding.verdict));
        let row = row.ink(Ink::Strong, place).plain(over(finding));
        let mut line = Page::new();
        line.push(row.plain(format!(": {}", finding.evidence)));
        page.append(line.indented(2));
    }
    page
}

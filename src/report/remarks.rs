//! What is unsound on the hosts, or worth knowing of them.

use super::ledger::Ledger;
use super::page::{Ink, Page, Row};
use super::words::list;
use crate::event::{Level, Remark};

/// Width of "unsound" and a gap.
const WORDS: usize = 9;
/// Width of "mend: ".
const LABELS: usize = 6;

/// Every remark from the `from`th on, the gravest first: one that several hosts share once, with
/// their names.
pub(super) fn page(ledger: &Ledger, from: usize) -> Page {
    let mut groups: Vec<(&Remark, Vec<&str>)> = Vec::new();
    for (host, remark) in ledger.remarks.iter().skip(from) {
        match groups.iter_mut().find(|(known, _)| *known == remark) {
            Some((_, hosts)) if hosts.contains(&host.as_str()) => {}
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((remark, vec![host])),
        }
    }
    for (_, hosts) in &mut groups {
        hosts.sort_by_key(|host| ledger.place(host));
    }
    // Hosts answer in any order; the report has one.
    groups.sort_by_key(|(remark, hosts)| {
        let first = hosts.first().map_or(usize::MAX, |host| ledger.place(host));
        (remark.level, first)
    });
    let mut page = Page::new();
    for (remark, hosts) in groups {
        page.append(one(remark, &hosts));
    }
    page
}

/// The hosts whose firewall can't hold, in the site's order.
pub(super) fn unsound(ledger: &Ledger) -> Vec<&str> {
    let all = ledger.remarks.iter();
    let grave = all.filter(|(_, remark)| remark.level == Level::Refusal);
    let mut hosts: Vec<&str> = grave.map(|(host, _)| host.as_str()).collect();
    hosts.sort_by_key(|host| ledger.place(host));
    hosts.dedup();
    hosts
}

fn one(remark: &Remark, hosts: &[&str]) -> Page {
    let word = match remark.level {
        Level::Refusal => Row::new().ink(Ink::Bad, "unsound"),
        Level::Warning => Row::new().ink(Ink::Change, "note"),
    };
    let mut body = Page::new();
    let what = Row::new().ink(Ink::Strong, list(hosts));
    body.push(what.plain(": ").plain(&remark.what));
    for (label, text) in [("why:", &remark.why), ("mend:", &remark.mend)] {
        if !text.is_empty() {
            body.push(Row::new().ink(Ink::Dim, label).to(LABELS).plain(text));
        }
    }
    Page::labelled(word, WORDS, body)
}

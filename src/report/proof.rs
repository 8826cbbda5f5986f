//! The proof: the matrix, what else was looked at, and what follows from it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use unicode_width::UnicodeWidthStr;

use super::failure;
use super::ledger::Ledger;
use super::matrix::{self, ink, is_closed, mark, over, port, sorted};
use super::page::{Ink, Page, Row};
use super::remarks;
use super::words::{count, duration, list};
use crate::event::{Finding, Mode, Verdict};

/// Everything that was seen from outside, and the conclusion as the last thing.
pub(super) fn page(ledger: &Ledger) -> Page {
    let mut page = matrix::page(ledger);
    page.append(others(ledger));
    // During a run failures are told when they happen, and once more at its end.
    if ledger.mode == Some(Mode::Verify) {
        for host in &ledger.hosts {
            let failures = host.steps.iter().filter_map(|step| step.failure());
            for failure in failures.chain(&host.failure) {
                let label = Row::new().ink(Ink::Strong, &host.name);
                let body = failure::page(failure);
                page.append(Page::labelled(label, ledger.host_width(), body));
            }
        }
    }
    if ledger.mode != Some(Mode::Run) {
        page.append(remarks::page(ledger, 0));
    }
    page.append(conclusion(ledger));
    page
}

/// What isn't a port: certificate, redirect, timer.
pub(super) fn others(ledger: &Ledger) -> Page {
    let findings: Vec<&Finding> = sorted(ledger)
        .into_iter()
        .filter(|finding| port(finding).is_none())
        .collect();
    let widest = |text: fn(&Finding) -> &str| {
        findings
            .iter()
            .map(|finding| text(finding).width())
            .max()
            .unwrap_or(0)
    };
    let subjects = 2 + widest(|finding| &finding.subject) + 3;
    let hosts = subjects + widest(|finding| &finding.host) + 3;

    let mut page = Page::new();
    let mut told: Vec<String> = Vec::new();
    for finding in findings {
        let sign = if finding.verdict == Verdict::Proven {
            "✓ "
        } else {
            mark(finding.verdict)
        };
        let row = Row::new()
            .ink(ink(finding.verdict), sign)
            .plain(&finding.subject);
        let row = row
            .to(subjects)
            .ink(Ink::Strong, &finding.host)
            .to(hosts)
            .row(seen(finding));
        let mut line = Page::new();
        line.push(row);
        // The same thing seen over several addresses is one line.
        let text = line.text(false);
        if !told.contains(&text) {
            told.push(text);
            page.append(line);
        }
    }
    page
}

/// "valid for polls.example.com · issued by …".
fn seen(finding: &Finding) -> Row {
    let mut row = Row::new().plain(&finding.seen);
    if finding.verdict != Verdict::Proven {
        row = row
            .plain(over(finding))
            .plain(format!(", must be: {}", finding.expected));
    }
    if finding.from != "here" && finding.from != finding.host {
        row = row.plain(format!(", from {}", finding.from));
    }
    let evidence = finding.evidence.trim();
    if evidence.is_empty() || evidence == finding.seen {
        return row;
    }
    row.ink(Ink::Dim, format!(" · {evidence}"))
}

fn conclusion(ledger: &Ledger) -> Page {
    let mut page = Page::new();
    let findings = sorted(ledger);
    let of = |verdict| {
        findings
            .iter()
            .copied()
            .filter(move |finding| finding.verdict == verdict)
    };
    let (failed, undecided) = (
        of(Verdict::Failed).count(),
        of(Verdict::Inconclusive).count(),
    );

    let mut reasons = Vec::new();
    if findings.is_empty() {
        reasons.push("nothing was looked at".to_owned());
    }
    if failed > 0 {
        reasons.push(format!("{failed} of {} failed", findings.len()));
    }
    if undecided > 0 {
        reasons.push(format!("{undecided} of {} inconclusive", findings.len()));
    }
    let unsound = remarks::unsound(ledger);
    if ledger.mode == Some(Mode::Verify) && !unsound.is_empty() {
        let verb = if unsound.len() == 1 { "is" } else { "are" };
        reasons.push(format!("{} {verb} unsound", list(&unsound)));
    }
    if ledger.failed() {
        reasons.push("a host failed".to_owned());
    }
    if ledger.summary.is_none() {
        reasons.push("the look was broken off".to_owned());
    }

    let time = match (&ledger.summary, ledger.mode) {
        (Some(summary), Some(Mode::Verify)) => {
            let rehearsal = summary.rehearsal_ms.map(duration);
            let rehearsal = rehearsal.map_or_else(String::new, |ms| format!(", rehearsal {ms}"));
            format!(" · {}{rehearsal}", duration(summary.ms))
        }
        _ => String::new(),
    };
    if reasons.is_empty() {
        let row = Row::new().ink(Ink::Good, "proven").plain(": ");
        page.push(row.plain(claim(&findings)).plain(time));
        page.append(view(ledger));
        return page;
    }
    let row = Row::new().ink(Ink::Bad, "NOT proven");
    page.push(row.plain(format!(": {}", reasons.join(", "))).plain(time));
    page.append(view(ledger));
    for trouble in troubles(of(Verdict::Failed).chain(of(Verdict::Inconclusive))) {
        page.append(trouble.page().indented(2));
    }
    page
}

/// Findings that don't hold, and for the same reason.
struct Trouble<'a> {
    first: &'a Finding,
    hosts: Vec<&'a str>,
    subjects: Vec<&'a str>,
    addresses: Vec<&'a str>,
}

/// Those that say the same of several ports or addresses are told once; where a vantage could not
/// look at all, of several hosts too.
fn troubles<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Trouble<'a>> {
    let mut all: Vec<Trouble<'a>> = Vec::new();
    for finding in findings {
        let alike = |trouble: &&mut Trouble<'a>| {
            let first = trouble.first;
            let same = first.verdict == finding.verdict
                && first.from == finding.from
                && first.seen == finding.seen
                && first.evidence == finding.evidence
                && port(first).is_some() == port(finding).is_some();
            let one = first.host == finding.host && first.expected == finding.expected;
            same && (one || finding.seen == UNSEEN)
        };
        let known = all.iter_mut().find(alike);
        let add = |list: &mut Vec<&'a str>, word: &'a str| {
            if !list.contains(&word) {
                list.push(word);
            }
        };
        let mut new = Trouble {
            first: finding,
            hosts: Vec::new(),
            subjects: Vec::new(),
            addresses: Vec::new(),
        };
        let is_new = known.is_none();
        let trouble = known.unwrap_or(&mut new);
        add(&mut trouble.hosts, &finding.host);
        add(&mut trouble.subjects, &finding.subject);
        if let Some(address) = &finding.address {
            add(&mut trouble.addresses, address);
        }
        if is_new {
            all.push(new);
        }
    }
    all
}

/// What is seen where nobody could look.
const UNSEEN: &str = "not looked at";

impl Trouble<'_> {
    fn page(&self) -> Page {
        let finding = self.first;
        let subject = match port(finding) {
            Some(_) => matrix::ports(&self.subjects),
            None => list(&self.subjects),
        };
        let hosts = list(&self.hosts);
        let place = format!("{hosts} {subject} from {}", finding.from);
        let addresses = match self.addresses.as_slice() {
            [] => String::new(),
            _ if self.hosts.len() > 1 => String::new(),
            addresses => format!(" ({})", addresses.join(", ")),
        };
        let wanted = match finding.seen.as_str() {
            UNSEEN if self.subjects.len() > 1 => String::new(),
            _ => format!(", must be: {}", finding.expected),
        };
        let mut body = Page::new();
        body.push(
            Row::new()
                .ink(ink(finding.verdict), mark(finding.verdict))
                .ink(Ink::Strong, place)
                .plain(addresses)
                .plain(format!(": {}{wanted}", finding.seen)),
        );
        if !finding.evidence.trim().is_empty() {
            body.push(Row::new().to(2).plain(&finding.evidence));
        }
        body
    }
}

/// Whose view it was not, where hosts trust this machine.
fn view(ledger: &Ledger) -> Page {
    let trusting: BTreeSet<&str> = ledger
        .remarks
        .iter()
        .filter(|(_, remark)| remark.rule == "trusted-vantage")
        .map(|(host, _)| host.as_str())
        .collect();
    let mut page = Page::new();
    if !trusting.is_empty() {
        let hosts: Vec<&str> = trusting.into_iter().collect();
        let verb = if hosts.len() == 1 { "trusts" } else { "trust" };
        let what = format!("{} {verb} this machine's address", list(&hosts));
        page.push(
            Row::new()
                .ink(Ink::Change, "! ")
                .plain(format!("from here is no stranger's view: {what}")),
        );
    }
    page
}

/// A port that is closed to others than these.
struct Alone<'a> {
    subject: &'a str,
    who: Vec<&'a str>,
    hosts: Vec<&'a str>,
}

/// What the findings, all of which hold, amount to. It claims no more than was looked at.
fn claim(findings: &[&Finding]) -> String {
    let mut alone: Vec<Alone> = Vec::new();
    let mut closed: Vec<&Finding> = Vec::new();
    let mut rows: Vec<(&str, &str)> = findings
        .iter()
        .map(|f| (f.host.as_str(), f.subject.as_str()))
        .collect();
    rows.dedup();
    for (host, subject) in rows {
        let of_row = || {
            findings
                .iter()
                .copied()
                .filter(|f| f.host == host && f.subject == subject)
        };
        if !of_row().any(|finding| port(finding).is_some() && finding.expected == "blocked") {
            continue;
        }
        let mut who: Vec<&str> = of_row()
            .filter(|f| !is_closed(f))
            .map(|f| f.from.as_str())
            .collect();
        who.dedup();
        if who.is_empty() || who.contains(&"here") {
            continue;
        }
        closed.extend(of_row().filter(|finding| is_closed(finding)));
        match alone
            .iter_mut()
            .find(|known| known.subject == subject && known.who == who)
        {
            Some(known) => known.hosts.push(host),
            None => alone.push(Alone {
                subject,
                who,
                hosts: vec![host],
            }),
        }
    }
    if alone.is_empty() {
        return format!(
            "{} of {} hold",
            findings.len(),
            count(findings.len(), "look")
        );
    }
    let claims: Vec<String> = alone
        .iter()
        .map(
            |Alone {
                 subject,
                 who,
                 hosts,
             }| {
                let verb = if hosts.len() == 1 {
                    "answers"
                } else {
                    "answer"
                };
                format!("{} {verb} to {} alone on {subject}", list(hosts), list(who))
            },
        )
        .collect();
    let families = families(&closed).map_or_else(String::new, |names| format!(" · {names}"));
    format!("{}{families}", claims.join(", "))
}

/// Over which families the closed ports were tried, if the findings say so.
fn families(closed: &[&Finding]) -> Option<&'static str> {
    let family = |finding: &Finding| {
        let address = finding.address.as_deref()?;
        let ip = address.parse::<IpAddr>().ok();
        let ip = ip.or_else(|| address.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
        ip.map(|ip| ip.is_ipv6())
    };
    let hosts_with = |six: bool| {
        let mut hosts: Vec<&str> = closed
            .iter()
            .filter(|finding| family(finding) == Some(six))
            .map(|finding| finding.host.as_str())
            .collect();
        hosts.dedup();
        hosts
    };
    match (hosts_with(false), hosts_with(true)) {
        (four, six) if four.is_empty() && six.is_empty() => None,
        (_, six) if six.is_empty() => Some("IPv4"),
        (four, _) if four.is_empty() => Some("IPv6"),
        (four, six) if four == six => Some("IPv4 and IPv6"),
        _ => Some("IPv4 and IPv6, each where a host has it"),
    }
}

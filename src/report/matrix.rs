//! The reachability matrix: who answers whom, with footnotes that say why to believe it.

use std::collections::BTreeMap;

use super::ledger::Ledger;
use super::page::{Ink, Page, Row};
use crate::event::{Finding, Verdict};

/// Spaces between columns.
const GAP: usize = 3;

/// Findings in the order they are read in, whatever the order they came in.
pub(super) fn sorted(ledger: &Ledger) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = ledger.findings.iter().collect();
    findings.sort_by_cached_key(|finding| {
        (
            (ledger.place(&finding.host), finding.host.clone()),
            (port(finding), finding.subject.clone()),
            vantage(ledger, &finding.from),
            finding.address.clone(),
            (finding.seen.clone(), finding.evidence.clone()),
        )
    });
    findings
}

/// The port, if a port is what was looked at: "80/tcp".
pub(super) fn port(finding: &Finding) -> Option<u16> {
    finding
        .subject
        .split_once('/')
        .and_then(|(number, _)| number.parse().ok())
}

/// Whether nothing was to answer here.
pub(super) fn is_closed(finding: &Finding) -> bool {
    finding.expected.starts_with("blocked")
}

/// "✗ ", "? " or nothing; what holds needs no mark inside of a table.
pub(super) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "",
        Verdict::Failed => "✗ ",
        Verdict::Inconclusive => "? ",
    }
}

/// The worst first.
fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Failed => 0,
        Verdict::Inconclusive => 1,
        Verdict::Proven => 2,
    }
}

/// The colour of a judgement.
pub(super) fn ink(verdict: Verdict) -> Ink {
    match verdict {
        Verdict::Proven => Ink::Good,
        Verdict::Failed => Ink::Bad,
        Verdict::Inconclusive => Ink::Unknown,
    }
}

/// The matrix of all ports, and its footnotes.
pub(super) fn page(ledger: &Ledger) -> Page {
    let mut rows: Vec<((&str, &str), Vec<&Finding>)> = Vec::new();
    let mut vantages = BTreeMap::new();
    for finding in sorted(ledger) {
        if port(finding).is_none() {
            continue;
        }
        vantages.insert(vantage(ledger, &finding.from), finding.from.as_str());
        let key = (finding.host.as_str(), finding.subject.as_str());
        match rows.last_mut() {
            Some((known, findings)) if *known == key => findings.push(finding),
            _ => rows.push((key, vec![finding])),
        }
    }
    if rows.is_empty() {
        return Page::new();
    }

    let mut notes = Notes::default();
    let mut table = vec![vec![Row::new(), Row::new()]];
    for from in vantages.values() {
        table[0].push(Row::new().ink(Ink::Dim, format!("from {from}")));
    }
    let mut above = "";
    for ((host, subject), findings) in &rows {
        let name = if *host == above {
            Row::new()
        } else {
            Row::new().ink(Ink::Strong, *host)
        };
        above = host;
        let mut row = vec![name, Row::new().plain(*subject)];
        for from in vantages.values() {
            let cell: Vec<&Finding> = findings
                .iter()
                .copied()
                .filter(|finding| finding.from == *from)
                .collect();
            row.push(of_cell(&cell, &mut notes));
        }
        table.push(row);
    }
    let mut page = aligned(table);
    page.append(notes.page());
    page
}

/// "here" first, then the site's hosts in order, then what else there is.
fn vantage(ledger: &Ledger, from: &str) -> (bool, usize, String) {
    (from != "here", ledger.place(from), from.to_owned())
}

/// What was seen in one cell, over all addresses.
fn of_cell(findings: &[&Finding], notes: &mut Notes) -> Row {
    let Some(first) = findings.first() else {
        return Row::new().ink(Ink::Dim, "–");
    };
    // Where addresses disagree, each thing seen stands once, the worst first; the notes and
    // the conclusion name the addresses, which would make the table too wide.
    let mut seen: Vec<(Verdict, &str)> = findings
        .iter()
        .map(|finding| (finding.verdict, finding.seen.as_str()))
        .collect();
    seen.sort_by_key(|(verdict, text)| (severity(*verdict), *text));
    seen.dedup();
    let mut row = Row::new();
    for (at, (verdict, text)) in seen.into_iter().enumerate() {
        let joint = if at == 0 { "" } else { ", " };
        row = row
            .plain(joint)
            .ink(ink(verdict), format!("{}{text}", mark(verdict)));
    }
    let alike = findings
        .iter()
        .all(|finding| finding.evidence == first.evidence);
    for finding in findings {
        let evidence = finding.evidence.trim();
        if evidence.is_empty() || evidence == finding.seen {
            continue;
        }
        let note = match &finding.address {
            Some(address) if !alike => format!("{address}: {evidence}"),
            _ => evidence.to_owned(),
        };
        let number = superscript(notes.number(note));
        if !row.ends_with(&number) {
            row = row.plain(" ").ink(Ink::Dim, number);
        }
    }
    row
}

/// " (198.51.100.11)", where it is known.
pub(super) fn over(finding: &Finding) -> String {
    finding
        .address
        .as_ref()
        .map_or_else(String::new, |address| format!(" ({address})"))
}

fn aligned(table: Vec<Vec<Row>>) -> Page {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            table
                .iter()
                .filter_map(|row| row.get(at))
                .map(Row::width)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut page = Page::new();
    for cells in table {
        let mut line = Row::new();
        let mut column = 0;
        for (cell, width) in cells.into_iter().zip(&widths) {
            line = if column == 0 {
                cell
            } else {
                line.to(column).row(cell)
            };
            column += width + GAP;
        }
        page.push(line);
    }
    page
}

/// Footnotes; equal ones share a number.
#[derive(Default)]
struct Notes {
    texts: Vec<String>,
}

impl Notes {
    /// The number of a note, from 1.
    fn number(&mut self, text: String) -> usize {
        match self.texts.iter().position(|known| *known == text) {
            Some(at) => at + 1,
            None => {
                self.texts.push(text);
                self.texts.len()
            }
        }
    }

    fn page(&self) -> Page {
        let mut page = Page::new();
        for (at, text) in self.texts.iter().enumerate() {
            page.push(
                Row::new()
                    .ink(Ink::Dim, superscript(at + 1))
                    .plain(" ")
                    .plain(text),
            );
        }
        page
    }
}

/// "¹²" for 12.
fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    number
        .to_string()
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .filter_map(|digit| DIGITS.get(digit as usize))
        .collect()
}

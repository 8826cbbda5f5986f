//! The reachability matrix: who answers whom, with footnotes that say why to believe it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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

/// Whether nothing was to answer here, or nothing did that might have.
pub(super) fn is_closed(finding: &Finding) -> bool {
    match finding.expected.as_str() {
        "open or blocked" => finding.seen != "open",
        expected => expected.starts_with("blocked") || expected == "closed",
    }
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

/// A line of the matrix.
struct Line<'a> {
    host: &'a str,
    subjects: Vec<&'a str>,
    findings: Vec<&'a Finding>,
}

impl<'a> Line<'a> {
    /// Whether there is nothing at all: no port that listens, and none that seems to.
    fn is_void(&self) -> bool {
        let void = |f: &&Finding| f.expected == "closed" && f.verdict == Verdict::Proven;
        self.findings.iter().all(void)
    }

    fn cell(&self, vantages: &[&str]) -> Vec<&'a Finding> {
        let of = |f: &&Finding| vantages.contains(&f.from.as_str());
        self.findings.iter().copied().filter(of).collect()
    }
}

/// "443, 5432, 6379/tcp".
pub(super) fn ports(subjects: &[&str]) -> String {
    let Some((last, before)) = subjects.split_last() else {
        return String::new();
    };
    let number = |subject: &&str| subject.split('/').next().unwrap_or_default().to_owned();
    let mut all: Vec<String> = before.iter().map(number).collect();
    all.push((*last).to_owned());
    all.join(", ")
}

/// The lines: one a port, and one a host for all ports with nothing behind them.
fn lines(ledger: &Ledger) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for finding in sorted(ledger) {
        if port(finding).is_none() {
            continue;
        }
        let (host, subject) = (finding.host.as_str(), finding.subject.as_str());
        match lines.last_mut() {
            Some(line) if line.host == host && line.subjects == [subject] => {
                line.findings.push(finding);
            }
            _ => lines.push(Line {
                host,
                subjects: vec![subject],
                findings: vec![finding],
            }),
        }
    }
    let mut merged: Vec<Line<'_>> = Vec::new();
    let mut void: Option<Line<'_>> = None;
    for line in lines {
        if void.as_ref().is_some_and(|void| void.host != line.host) {
            merged.extend(void.take());
        }
        match &mut void {
            Some(void) if line.is_void() => {
                void.subjects.extend(line.subjects);
                void.findings.extend(line.findings);
            }
            None if line.is_void() => void = Some(line),
            _ => merged.push(line),
        }
    }
    merged.extend(void);
    merged
}

/// More vantages than these, and those that saw the same share a column.
const COLUMNS: usize = 5;

/// The columns, each of one vantage or several.
fn columns<'a>(ledger: &'a Ledger, lines: &[Line<'a>]) -> Vec<Vec<&'a str>> {
    let mut vantages = BTreeMap::new();
    for finding in lines.iter().flat_map(|line| &line.findings) {
        vantages.insert(vantage(ledger, &finding.from), finding.from.as_str());
    }
    let many = vantages.len() > COLUMNS;
    let mut columns: Vec<Vec<&str>> = Vec::new();
    for from in vantages.into_values() {
        let alike = |column: &&mut Vec<&str>| {
            from != "here"
                && column.first() != Some(&"here")
                && lines.iter().all(|line| {
                    let (one, other) = (line.cell(column), line.cell(&[from]));
                    one.is_empty() || other.is_empty() || sights(&one) == sights(&other)
                })
        };
        match columns.iter_mut().filter(|_| many).find(alike) {
            Some(column) => column.push(from),
            None => columns.push(vec![from]),
        }
    }
    columns
}

/// What was seen in a cell, without its addresses.
fn sights<'a>(cell: &[&'a Finding]) -> BTreeSet<(u8, &'a str)> {
    let sight = |f: &&'a Finding| (severity(f.verdict), f.seen.as_str());
    cell.iter().map(sight).collect()
}

/// "from app1, app2, 26 more".
fn heading(column: &[&str]) -> String {
    const SHOWN: usize = 2;
    match column.len().checked_sub(SHOWN + 1) {
        None | Some(0) => format!("from {}", column.join(", ")),
        Some(more) => format!("from {}, {} more", column[..SHOWN].join(", "), more + 1),
    }
}

/// The matrix of all ports, and its footnotes.
pub(super) fn page(ledger: &Ledger) -> Page {
    let lines = lines(ledger);
    if lines.is_empty() {
        return Page::new();
    }
    let columns = columns(ledger, &lines);
    let mut notes = Notes::default();
    let mut table = vec![vec![Row::new(), Row::new()]];
    for column in &columns {
        table[0].push(Row::new().ink(Ink::Dim, heading(column)));
    }
    let mut above = "";
    for line in &lines {
        let name = if line.host == above {
            Row::new()
        } else {
            Row::new().ink(Ink::Strong, line.host)
        };
        above = line.host;
        let mut row = vec![name, Row::new().plain(ports(&line.subjects))];
        for column in &columns {
            row.push(of_cell(&line.cell(column), &mut notes));
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
    // Where addresses disagree, each thing seen stands once, the worst first, and says which kind
    // of address it was seen by; whole addresses would make the table too wide.
    let mut seen: BTreeMap<(u8, bool, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let text = finding.seen.as_str();
        // The page is what the others are beside.
        let key = (severity(finding.verdict), !text.starts_with("200 "), text);
        seen.entry(key).or_default().push(finding);
    }
    let disagree = seen.len() > 1;
    let mut row = Row::new();
    for (at, ((_, _, text), group)) in seen.into_iter().enumerate() {
        let joint = if at == 0 { "" } else { ", " };
        let verdict = group[0].verdict;
        let by = if disagree {
            kinds(&group)
        } else {
            String::new()
        };
        row = row
            .plain(joint)
            .ink(ink(verdict), format!("{}{by}{text}", mark(verdict)));
    }
    // Where all is well, it is enough to know why; else it matters by which address.
    let well = findings.iter().all(|f| f.verdict == Verdict::Proven);
    let first = split(&first.evidence).0;
    let alike = well || findings.iter().all(|f| split(&f.evidence).0 == first);
    let mut numbers = BTreeSet::new();
    for finding in findings {
        let evidence = finding.evidence.trim();
        if evidence.is_empty() || evidence == finding.seen {
            continue;
        }
        numbers.insert(match &finding.address {
            Some(address) if !alike => notes.number(&format!("{address}: {evidence}")),
            _ => notes.number(evidence),
        });
    }
    for number in numbers {
        row = row.plain(" ").ink(Ink::Dim, superscript(number));
    }
    row
}

/// "IPv6 ", "private " or nothing, which is public and IPv4.
fn kinds(findings: &[&Finding]) -> String {
    let kind = |finding: &&Finding| {
        let address = finding.address.as_ref()?.parse::<IpAddr>().ok()?;
        Some(match address {
            IpAddr::V4(address) if address.is_private() => "private ",
            IpAddr::V4(_) => "",
            IpAddr::V6(address) if address.is_unique_local() => "private ",
            IpAddr::V6(_) => "IPv6 ",
        })
    };
    let kinds: BTreeSet<&str> = findings.iter().filter_map(kind).collect();
    match kinds.first() {
        Some(&"") | None => String::new(),
        Some(_) => kinds.into_iter().collect::<Vec<_>>().join("and "),
    }
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

/// What a counter moved by is another number in every cell: it is told apart from the rest.
fn split(evidence: &str) -> (String, Option<u64>) {
    const COUNT: &str = "counter moved by ";
    let Some((before, rest)) = evidence.split_once(COUNT) else {
        return (evidence.to_owned(), None);
    };
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
    (format!("{before}{COUNT}#{after}"), number.parse().ok())
}

/// Footnotes; equal ones share a number, also where only a count differs.
#[derive(Default)]
struct Notes {
    texts: Vec<(String, BTreeSet<u64>)>,
}

impl Notes {
    /// The number of a note, from 1.
    fn number(&mut self, text: &str) -> usize {
        let (text, count) = split(text);
        let known = self.texts.iter().position(|(known, _)| *known == text);
        let at = known.unwrap_or_else(|| {
            self.texts.push((text, BTreeSet::new()));
            self.texts.len() - 1
        });
        self.texts[at].1.extend(count);
        at + 1
    }

    fn page(&self) -> Page {
        let mut page = Page::new();
        for (at, (text, counts)) in self.texts.iter().enumerate() {
            let count = match (counts.first(), counts.last()) {
                (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
                (Some(count), _) => count.to_string(),
                _ => "#".to_owned(),
            };
            page.push(
                Row::new()
                    .ink(Ink::Dim, superscript(at + 1))
                    .plain(" ")
                    .plain(text.replacen('#', &count, 1)),
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

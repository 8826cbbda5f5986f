//! How a site is doing, host by host, and what needs a hand as the last thing.

use super::failure;
use super::ledger::Ledger;
use super::page::{Ink, Page, Row};
use super::words::{ago, ahead, count, date, duration};
use crate::event::{Certificate, Container, Disk, LastBackup, Renewal, Standing};

/// Width of "next: ".
const LABELS: usize = 6;

/// The whole report; `now` in seconds since 1970.
pub(super) fn page(ledger: &Ledger, now: u64) -> Page {
    let mut page = Page::new();
    let hosts = count(ledger.hosts.len(), "host");
    let head = Row::new().ink(Ink::Strong, &ledger.site);
    page.push(head.plain(format!(" · {hosts}")));
    page.push(Row::new());
    let standings: Vec<&Standing> = ledger
        .hosts
        .iter()
        .filter_map(|host| ledger.standings.iter().find(|s| s.host == host.name))
        .collect();
    let names = standings.iter().flat_map(|s| &s.containers);
    let names = names.map(|container| container.name.chars().count());
    let subjects = names.max().unwrap_or(0).max("certificate".len()) + 3;
    for host in &ledger.hosts {
        let label = Row::new().ink(Ink::Strong, &host.name);
        let body = match (
            &host.failure,
            standings.iter().find(|s| s.host == host.name),
        ) {
            (Some(failure), _) => failure::page(failure),
            (None, Some(standing)) => of_host(standing, subjects, now),
            (None, None) => one(Row::new().ink(Ink::Dim, "not asked")),
        };
        page.append(Page::labelled(label, ledger.host_width(), body));
    }
    page.append(proven(&standings, now));
    page.append(conclusion(ledger, &standings));
    page
}

fn one(row: Row) -> Page {
    let mut page = Page::new();
    page.push(row);
    page
}

fn of_host(standing: &Standing, subjects: usize, now: u64) -> Page {
    let mut page = Page::new();
    let mut say = |subject: &str, row: Row| {
        page.push(Row::new().plain(subject).to(subjects).row(row));
    };
    for container in &standing.containers {
        say(&container.name, of_container(container));
    }
    if let Some(certificate) = &standing.certificate {
        say("certificate", of_certificate(certificate, now));
    }
    if let Some(renewal) = &standing.renewal {
        say("renewal", of_renewal(renewal, now));
    }
    if let Some(backup) = &standing.backup {
        say("backup", of_backup(backup, now));
    }
    let note = |text: String| Row::new().ink(Ink::Change, text);
    if let Some(who) = &standing.held_by {
        say("at work", note(format!("a run of {who}")));
    }
    for guard in &standing.guards {
        let what = match standing.held_by {
            Some(_) => format!("{guard}: of the run that is at work"),
            None => format!("{guard}: a change that was never confirmed; the next run settles it"),
        };
        say("guard", note(what));
    }
    if !standing.pending.is_empty() {
        let what = format!("{}; the next run does it", standing.pending.join(", "));
        say("still due", note(what));
    }
    if standing.reboot_required {
        say(
            "reboot",
            note("required: provision verify --reboot".to_owned()),
        );
    }
    for disk in &standing.low {
        say("disk", note(room(disk)));
    }
    if page.is_empty() {
        page.push(Row::new().ink(Ink::Dim, "no container of the site"));
    }
    page
}

/// "2 hours ago · polls-20260102T030405Z.tar · the next in 8 hours".
fn of_backup(backup: &LastBackup, now: u64) -> Row {
    let time = |at: i64| u64::try_from(at).unwrap_or(0);
    let mut row = Row::new();
    if backup.failure.is_some() {
        row = row.ink(Ink::Bad, "the last one failed").plain("; ");
    }
    row = match (backup.well.map(time), &backup.failure) {
        (Some(well), failure) => row
            .plain(if failure.is_some() {
                "a whole one "
            } else {
                ""
            })
            .plain(ago(well, now))
            .ink(Ink::Dim, format!(" · {}", backup.name)),
        (None, Some(_)) => row.plain("none is whole"),
        (None, None) => row.plain("none yet"),
    };
    let Some(timer) = &backup.timer else {
        return row;
    };
    match timer.next.map(time) {
        _ if !timer.armed => row.plain(" · ").ink(Ink::Bad, "the timer is not armed"),
        Some(next) if next > now => row.plain(format!(" · the next in {}", ahead(next - now))),
        _ => row.plain(" · the next now"),
    }
}

/// "running, healthy · 3 days · nginx:1.28".
fn of_container(container: &Container) -> Row {
    let health = container.health.as_deref();
    let mut state = container.state.clone();
    if let Some(health) = health {
        state.push_str(&format!(", {health}"));
    }
    let ink = match (container.state.as_str(), health) {
        ("running", Some("unhealthy")) => Ink::Bad,
        ("running", Some("starting")) => Ink::Unknown,
        ("running", _) => Ink::Good,
        _ => Ink::Bad,
    };
    let row = Row::new()
        .ink(ink, state)
        .plain(format!(" · {}", container.since));
    row.ink(Ink::Dim, format!(" · {}", container.image))
}

/// "60 days left (until 2027-02-18) · Let's Encrypt R12, ECDSA P-256 · a.example.com".
fn of_certificate(certificate: &Certificate, now: u64) -> Row {
    if certificate.mode == "off" {
        return Row::new().ink(Ink::Change, "none: HTTP alone, [tls] mode is \"off\"");
    }
    if let Some(why) = &certificate.unseen {
        return Row::new()
            .ink(Ink::Bad, "not seen")
            .plain(format!(": {why}"));
    }
    let end = u64::try_from(certificate.not_after).unwrap_or(0);
    let left = match end.checked_sub(now) {
        None | Some(0) => Row::new().ink(Ink::Bad, "ended"),
        Some(left) => {
            // In its last third it is due for its successor.
            let life = certificate.not_after.saturating_sub(certificate.not_before);
            let due = left < u64::try_from(life).unwrap_or(0) / 3;
            let ink = if due { Ink::Change } else { Ink::Good };
            Row::new().ink(ink, format!("{} left", ahead(left)))
        }
    };
    let mut row = left
        .plain(format!(" (until {})", date(end)))
        .plain(format!(" · {}", issuer(&certificate.issuer)));
    if !certificate.key.is_empty() {
        row = row.plain(format!(", {}", certificate.key));
    }
    row = row.plain(format!(" · {}", certificate.names.join(", ")));
    if certificate.mode != "letsencrypt" {
        row = row.ink(Ink::Change, format!(" · {}", certificate.mode));
    }
    if !certificate.trusted {
        row = row.ink(Ink::Change, " · not trusted here");
    }
    if certificate.on_file == Some(false) {
        row = row.ink(Ink::Bad, " · not the one on file");
    }
    row
}

/// Organisation and name out of a distinguished name: "C=US, O=Let's Encrypt, CN=R12".
fn issuer(name: &str) -> String {
    let part = |key: &str| {
        name.split(", ")
            .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
    };
    match (part("O"), part("CN")) {
        (Some(o), Some(cn)) if !cn.contains(o) => format!("{o} {cn}"),
        (_, Some(cn)) => cn.to_owned(),
        (Some(o), None) => o.to_owned(),
        (None, None) => name.to_owned(),
    }
}

/// "next run in 8 hours · last run 3 hours ago: not due".
fn of_renewal(renewal: &Renewal, now: u64) -> Row {
    let time = |at: i64| u64::try_from(at).unwrap_or(0);
    let mut row = match renewal.next.map(time) {
        Some(next) if renewal.armed => match next.checked_sub(now) {
            Some(left) => Row::new().plain(format!("next run in {}", ahead(left))),
            None => Row::new().plain("next run now"),
        },
        _ => Row::new().ink(Ink::Bad, "the timer is not armed"),
    };
    let Some(last) = renewal.last else {
        return row.ink(Ink::Dim, " · no run yet");
    };
    row = row.plain(format!(" · last run {}", ago(time(last), now)));
    let did = renewal.did.as_deref().unwrap_or_default();
    match &renewal.failure {
        Some(why) => {
            row = row
                .plain(": ")
                .ink(Ink::Bad, "failed")
                .plain(format!(", {why}"));
            if let Some(well) = renewal.well {
                row = row.ink(Ink::Dim, format!(" · ended well {}", ago(time(well), now)));
            }
            row
        }
        None if did.is_empty() => row,
        None => row.plain(format!(": {}", did.replace('-', " "))),
    }
}

/// "1.2 GiB left of 40 GiB on /".
fn room(disk: &Disk) -> String {
    let size = |kib: u64| match kib {
        0..1_048_576 => format!("{} MiB", kib / 1024),
        _ => format!(
            "{}.{} GiB",
            kib / 1_048_576,
            kib % 1_048_576 * 10 / 1_048_576
        ),
    };
    let (left, total) = (size(disk.left), size(disk.total));
    format!("{left} left of {total} on {}", disk.mount)
}

/// When the site was proven, by the oldest receipt.
fn proven(standings: &[&Standing], now: u64) -> Page {
    let mut page = Page::new();
    let all: Option<Vec<i64>> = standings.iter().map(|s| s.proven_at).collect();
    let oldest = all.and_then(|all| all.into_iter().min());
    match oldest {
        Some(at) => {
            let when = ago(u64::try_from(at).unwrap_or(0), now);
            page.push(Row::new().plain(format!("proven {when}")));
        }
        None if standings.is_empty() => {}
        None => page.push(
            Row::new()
                .ink(Ink::Change, "not proven since the last change")
                .plain(": provision run"),
        ),
    }
    page
}

fn conclusion(ledger: &Ledger, standings: &[&Standing]) -> Page {
    let mut page = Page::new();
    for standing in standings {
        for mend in &standing.mend {
            page.gap();
            let row = Row::new()
                .ink(Ink::Bad, "✗ ")
                .ink(Ink::Strong, &standing.host);
            page.push(row.plain(format!(": {}", mend.what)));
            let next = Row::new().to(2).ink(Ink::Dim, "next:").to(2 + LABELS);
            page.push(next.plain(&mend.next));
        }
    }
    let mut spaced = Page::new();
    if !page.is_empty() {
        spaced.push(Row::new());
        spaced.append(page);
    }
    let Some(summary) = &ledger.summary else {
        let row = Row::new().ink(Ink::Bad, "stopped before the end");
        spaced.push(row.plain("; what stands above is not all"));
        return spaced;
    };
    let meaning = match summary.exit_code {
        0 => return spaced,
        3 => "a host can't be read",
        4 => "something needs a hand",
        _ => "something unexpected happened",
    };
    let code = Row::new().ink(Ink::Bad, format!("exit code {}", summary.exit_code));
    spaced.push(code.plain(format!(": {meaning} · {}", duration(summary.ms))));
    spaced
}

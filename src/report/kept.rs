//! Backups, and what is said last where a site's data or the site itself was moved or removed.

use super::ledger::Ledger;
use super::page::{Ink, Page, Row};
use super::words::{ago, count};
use crate::event::{Kept, Mode, Saved, Summary};

/// The backups on a host; `now` in seconds since 1970.
pub(super) fn listed(host: &str, directory: &str, backups: &[Kept], now: u64) -> Page {
    let mut page = Page::new();
    let head = Row::new().ink(Ink::Strong, host);
    page.push(head.plain(match backups.len() {
        0 => format!(" has no backup in {directory}"),
        n => format!(" has {} in {directory}", count(n, "backup")),
    }));
    let names = backups.iter().map(|kept| kept.name.chars().count());
    let column = names.max().unwrap_or(0) + 4;
    for kept in backups {
        let row = Row::new().plain("  ").plain(&kept.name).to(column);
        let made = kept.made.and_then(|made| u64::try_from(made).ok());
        let age = made.map_or_else(|| "at an unknown time".to_owned(), |made| ago(made, now));
        let row = row.plain(age).to(column + 18).plain(size(kept.bytes));
        let row = row.to(column + 30);
        page.push(match &kept.lacks {
            Some(lacks) => row
                .ink(Ink::Bad, "not whole")
                .plain(format!(": it lacks {lacks}")),
            None => {
                let rows = kept.rows.unwrap_or_default();
                let version = kept.postgres.unwrap_or_default();
                let media = if kept.media { ", uploads" } else { "" };
                row.ink(Ink::Good, "whole").plain(format!(
                    " · PostgreSQL {version}, {} rows{media}",
                    thousands(rows)
                ))
            }
        });
    }
    page
}

/// "saved ./polls-20260102T030405Z.tar: 12.3 MB, 10,000 rows in 12 tables".
pub(super) fn saved(ledger: &Ledger, saved: &Saved) -> Page {
    let mut page = Page::new();
    let head = Row::new().ink(Ink::Strong, &ledger.site).plain(": ");
    let what = format!(
        ": {}, {} rows in {}",
        size(saved.bytes),
        thousands(saved.rows),
        count(saved.tables, "table")
    );
    match &saved.file {
        Some(file) => {
            page.push(head.ink(Ink::Good, "saved ").plain(file).plain(what));
            page.push(Row::new().ink(
                Ink::Dim,
                format!(
                    "it is kept on {} too, in {}; `provision restore {file}` puts it back",
                    saved.host, saved.directory
                ),
            ));
        }
        None => {
            let name = format!("{}/{}", saved.directory, saved.name);
            let head = head.ink(Ink::Good, "saved ").plain(name).plain(what);
            page.push(head.plain(format!(" on {}", saved.host)));
            page.push(Row::new().ink(
                Ink::Dim,
                format!("`provision backup --bring={}` brings it here", saved.name),
            ));
        }
    }
    page
}

/// What is to be known after the verb has ended well.
pub(super) fn last_word(ledger: &Ledger, summary: &Summary) -> Page {
    let mut page = Page::new();
    if summary.exit_code != 0 {
        return page;
    }
    let changed = summary.changed > 0;
    let text = match ledger.mode {
        Some(Mode::Down) => {
            "it stands still, and stays so after a reboot; all data is kept: \
                             `provision run` brings it back"
        }
        Some(Mode::Destroy) if changed => {
            "nothing of it is left but its backups, unless --backups was said; Docker, the firewall \
             and the sudo user stay"
        }
        Some(Mode::Destroy) => "nothing of it is left",
        Some(Mode::Restore) if changed && !forgot(ledger) => {
            "`provision run` migrates what is older than the app, and proves the site; \
             `provision restore --undo` goes back, `--forget` removes what served before"
        }
        _ => return page,
    };
    page.push(Row::new().plain(text));
    page
}

/// Whether what served before was removed, so that there is no way back.
fn forgot(ledger: &Ledger) -> bool {
    let steps = ledger.hosts.iter().flat_map(|host| &host.steps);
    let mut changes = steps.flat_map(|step| &step.changes);
    changes.any(|change| change.resource == "what served before")
}

/// A size for people: "12.3 MB".
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1000, "kB"),
    ];
    let unit = UNITS.iter().find(|(scale, _)| bytes >= *scale);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(scale, name)| {
            let tenths = bytes / (scale / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

/// "10,000".
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(10_004), "10,004");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(245_760), "245.7 kB");
    }

    #[test]
    fn a_list_says_age_size_and_what_is_cut_off() {
        let kept = |name: &str, lacks: Option<&str>| Kept {
            name: name.to_owned(),
            made: Some(1_767_323_045),
            bytes: 1_500_000,
            postgres: Some(17),
            rows: Some(10_000),
            media: true,
            lacks: lacks.map(str::to_owned),
        };
        let all = [kept("b.tar", None), kept("a.tar", Some("its manifest"))];
        let text = listed("db1", "/var/backups/polls", &all, 1_767_323_045 + 7200).text(false);
        assert_eq!(
            text,
            "db1 has 2 backups in /var/backups/polls\n  \
             b.tar  2 hours ago       1.5 MB      whole · PostgreSQL 17, 10,000 rows, uploads\n  \
             a.tar  2 hours ago       1.5 MB      not whole: it lacks its manifest\n"
        );
        let none = listed("db1", "/d", &[], 0).text(false);
        assert_eq!(none, "db1 has no backup in /d\n");
    }
}

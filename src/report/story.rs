//! Which page is due at which event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::ledger::Ledger;
use super::page::{Ink, Page, Row};
use super::words::{count, duration};
use super::{Verbosity, audit, closing, failure, kept, plan, proof, remarks, restart, status};
use crate::event::{Event, Failure, Mode, Outcome};

/// Width of "unchanged", the longest word a line may begin with, and a gap.
const WORDS: usize = 11;
/// Width of "12 changes" and a gap.
const COUNTS: usize = 12;

/// Turns events into the pages that are due, in order.
pub(super) struct Story {
    ledger: Ledger,
    verbosity: Verbosity,
    /// Whether operations are told as they begin; a terminal shows them otherwise.
    doings: bool,
    announced: bool,
    previewed: BTreeSet<String>,
    /// What each host was last said to wait for.
    waits: BTreeMap<String, String>,
    /// How many remarks of a run have been told.
    remarked: usize,
    ended: bool,
    /// The proof before restarts has been shown.
    measured: bool,
    /// Seconds since 1970.
    now: fn() -> u64,
}

impl Story {
    /// A story; with `doings`, each operation and each wait is told as it begins.
    pub(super) fn new(verbosity: Verbosity, doings: bool) -> Self {
        Self::at(verbosity, doings, || {
            // A clock before 1970 is a clock that isn't set.
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        })
    }

    /// A story told at a known time.
    pub(super) fn at(verbosity: Verbosity, doings: bool, now: fn() -> u64) -> Self {
        Self {
            ledger: Ledger::default(),
            verbosity,
            doings,
            announced: false,
            previewed: BTreeSet::new(),
            waits: BTreeMap::new(),
            remarked: 0,
            ended: false,
            measured: false,
            now,
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is to be printed at this event.
    pub(super) fn tell(&mut self, event: &Event) -> Page {
        self.ledger.note(event);
        let mut page = Page::new();
        match event {
            Event::Started { .. } => {
                self.announced = false;
                self.ended = false;
                self.measured = false;
                self.previewed.clear();
                self.waits.clear();
                self.remarked = 0;
            }
            Event::Measured(_) => {
                self.measured = true;
                page = proof::page(&self.ledger);
            }
            Event::Restarting { host, means } => page = restart::begun(&self.ledger, host, means),
            Event::Restarted { host, ms, missing } => {
                page = restart::back(&self.ledger, host, *ms, missing);
            }
            Event::Compared {
                host,
                same,
                differences,
            } => page = restart::compared(&self.ledger, host, *same, differences),
            Event::Backups {
                host,
                directory,
                backups,
            } => page = kept::listed(host, directory, backups, (self.now)()),
            Event::Saved(saved) => page = kept::saved(&self.ledger, saved),
            Event::Finished(_) => page = self.end(),
            Event::Output { host, step, line } if self.verbosity.output => {
                page.push(self.line(host, step).ink(Ink::Dim, format!("│ {line}")));
            }
            Event::Detail { host, depth, text } if *depth <= self.verbosity.depth => {
                let row = Row::new().ink(Ink::Strong, host);
                let row = row.to(self.ledger.host_width());
                page.push(row.ink(Ink::Dim, format!("· {text}")));
            }
            _ if self.ledger.mode.is_some_and(Mode::changes) => page = self.during_run(event),
            _ => {}
        }
        page
    }

    /// What is to be printed before the operator is asked.
    pub(super) fn preview(&mut self) -> Page {
        let remarks = self.remarks();
        let mut page = Page::new();
        for host in &self.ledger.hosts {
            if self.previewed.insert(host.name.clone()) {
                page.append(match self.ledger.mode {
                    Some(mode) if mode.removes() => plan::listed(&self.ledger, host),
                    _ => plan::short(&self.ledger, host),
                });
            }
        }
        self.announce(below(remarks, page))
    }

    /// What is to be printed when no more events come.
    pub(super) fn close(&mut self) -> Page {
        if self.ended || self.ledger.mode.is_none() {
            return Page::new();
        }
        let mut page = self.end();
        if self.ledger.mode == Some(Mode::Status) {
            return page;
        }
        page.gap();
        page.append(closing::broken_off(&self.ledger));
        page
    }

    fn end(&mut self) -> Page {
        self.ended = true;
        let mut page = match self.ledger.mode {
            None => self.remarks(),
            Some(mode) if mode.changes() => self.remarks(),
            _ => Page::new(),
        };
        page.gap();
        let ledger = &self.ledger;
        let exit = |page: &mut Page| {
            if let Some(summary) = &ledger.summary {
                page.append(closing::exit(summary));
            }
        };
        match ledger.mode {
            Some(Mode::Plan) => {
                page = plan::page(ledger);
                exit(&mut page);
            }
            Some(Mode::Audit) => {
                page.append(audit::page(ledger));
                exit(&mut page);
            }
            Some(Mode::Status) => page = status::page(ledger, (self.now)()),
            Some(Mode::Verify) if self.measured => {
                page.append(restart::conclusion(ledger));
                exit(&mut page);
            }
            Some(Mode::Verify) => {
                page.append(proof::page(ledger));
                exit(&mut page);
            }
            Some(Mode::Backup) => exit(&mut page),
            Some(Mode::Run | Mode::Restore | Mode::Down | Mode::Destroy) | None => {
                if self.announced {
                    page.push(Row::new());
                }
                if !ledger.findings.is_empty() {
                    page.append(proof::page(ledger));
                    page.push(Row::new());
                }
                if let Some(summary) = &ledger.summary {
                    page.append(closing::page(ledger, summary, (self.now)()));
                    page.append(kept::last_word(ledger, summary));
                }
            }
        }
        page
    }

    fn during_run(&mut self, event: &Event) -> Page {
        let mut page = Page::new();
        match event {
            Event::StepStarted { host, .. } => page = self.preview_of(host),
            Event::Doing {
                host, step, what, ..
            } => {
                page = self.preview_of(host);
                if self.doings {
                    page.push(self.word(host, step, Ink::Dim, "doing").plain(what));
                }
            }
            Event::Waiting { host, step, what } => {
                page = self.preview_of(host);
                // The same wait is reported again and again while it lasts.
                let wait = format!("{step}: {what}");
                let known = self.waits.insert(host.clone(), wait.clone());
                if self.doings && known.as_ref() != Some(&wait) {
                    page.push(self.word(host, step, Ink::Unknown, "waiting").plain(what));
                }
            }
            Event::Reconnecting {
                host,
                why,
                attempt: 1,
            } => {
                page = self.preview_of(host);
                let row = self.word(host, "", Ink::Unknown, "lost");
                page.push(row.plain(format!("{why}; making a new one")));
            }
            Event::Reconnected { host, ms } => {
                let row = self.word(host, "", Ink::Good, "back");
                page.push(row.plain(format!("connected again after {}", duration(*ms))));
            }
            Event::GuardArmed {
                host,
                step,
                seconds,
            } => {
                page = self.preview_of(host);
                let row = self.word(host, step, Ink::Unknown, "guarded");
                page.push(row.plain(format!(
                    "the old state comes back in {} unless a new connection gets through",
                    count(*seconds, "second"),
                )));
            }
            Event::GuardDisarmed { host, step } => {
                let row = self.word(host, step, Ink::Good, "held");
                page.push(row.plain("a new connection got through; the guard is disarmed"));
            }
            Event::StepFinished {
                host,
                step,
                outcome,
                ms,
            } => {
                page = self.finished(host, step, outcome, *ms);
            }
            Event::HostFailed { host, failure } => {
                let label = Row::new().ink(Ink::Strong, host);
                let body = failure::page(failure);
                page.append(Page::labelled(label, self.ledger.host_width(), body));
            }
            _ => {}
        }
        self.announce(page)
    }

    /// Says which run this is, before the first thing that is worth a line.
    fn announce(&mut self, page: Page) -> Page {
        if page.is_empty() || self.announced {
            return page;
        }
        self.announced = true;
        let mut whole = Page::new();
        whole.push(plan::header(&self.ledger));
        whole.append(page);
        whole
    }

    /// What the host needs, if it hasn't been told yet.
    fn preview_of(&mut self, host: &str) -> Page {
        let remarks = self.remarks();
        if !self.previewed.insert(host.to_owned()) {
            return remarks;
        }
        let known = self.ledger.hosts.iter().find(|known| known.name == host);
        let page = known.map_or_else(Page::new, |known| match self.ledger.mode {
            Some(Mode::Backup) => Page::new(),
            Some(mode) if mode.removes() => plan::listed(&self.ledger, known),
            _ => plan::short(&self.ledger, known),
        });
        below(remarks, page)
    }

    /// What has been remarked since this was last asked.
    fn remarks(&mut self) -> Page {
        let page = remarks::page(&self.ledger, self.remarked);
        self.remarked = self.ledger.remarks.len();
        page
    }

    fn finished(&self, host: &str, step: &str, outcome: &Outcome, ms: u64) -> Page {
        let mut page = Page::new();
        match outcome {
            Outcome::Unchanged => {}
            Outcome::Blocked { by } => {
                let row = self.word(host, step, Ink::Change, "blocked");
                page.push(row.plain(format!("by {by}")));
            }
            Outcome::Changed => {
                let changes = self.changes(host, step);
                let row = self.word(host, step, Ink::Change, "changed");
                page.push(timed(
                    row,
                    self.outcomes(),
                    &changes_count(changes.len()),
                    ms,
                ));
                let mut listed = Page::new();
                for (resource, what) in changes {
                    let row = Row::new().ink(Ink::Change, "~ ").plain(resource);
                    listed.push(row.plain(format!(": {what}")));
                }
                page.append(listed.indented(self.ledger.host_width()));
            }
            Outcome::Failed(failure) => {
                page = self.broken(host, step, "failed", failure, ms);
            }
            Outcome::RolledBack(failure) => {
                page = self.broken(host, step, "undone", failure, ms);
            }
        }
        page
    }

    fn broken(&self, host: &str, step: &str, word: &str, failure: &Failure, ms: u64) -> Page {
        let mut page = Page::new();
        let note = if word == "undone" {
            "the old state is back"
        } else {
            ""
        };
        page.push(timed(
            self.word(host, step, Ink::Bad, word),
            self.outcomes(),
            note,
            ms,
        ));
        page.append(failure::page(failure).indented(self.ledger.host_width()));
        page
    }

    fn changes(&self, host: &str, step: &str) -> Vec<(&str, &str)> {
        let Some(step) = self.ledger.step(host, step) else {
            return Vec::new();
        };
        step.changes
            .iter()
            .map(|c| (c.resource.as_str(), c.what.as_str()))
            .collect()
    }

    /// "app1   docker      ".
    fn line(&self, host: &str, step: &str) -> Row {
        let width = self.ledger.host_width();
        let row = Row::new().ink(Ink::Strong, host).to(width).plain(step);
        row.to(width + self.ledger.step_width())
    }

    /// "app1   docker      changed   ".
    fn word(&self, host: &str, step: &str, ink: Ink, word: &str) -> Row {
        self.line(host, step).ink(ink, word).to(self.outcomes())
    }

    /// The column behind the word.
    fn outcomes(&self) -> usize {
        self.ledger.host_width() + self.ledger.step_width() + WORDS
    }
}

/// One page below another, with a gap between them.
fn below(mut above: Page, page: Page) -> Page {
    if !page.is_empty() {
        above.gap();
    }
    above.append(page);
    above
}

fn changes_count(n: usize) -> String {
    if n == 0 {
        String::new()
    } else {
        count(n, "change")
    }
}

fn timed(row: Row, column: usize, note: &str, ms: u64) -> Row {
    row.plain(note)
        .to(column + COUNTS)
        .ink(Ink::Dim, duration(ms))
}

//! A terminal: results on standard output, and below them, on standard error, a line for
//! each host that says what is being done there now.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::page::{Page, harmless};
use super::story::Story;
use super::{Reporter, Verbosity};
use crate::event::Event;

/// The line that counts what was looked at from outside; no host can have this name.
const OUTSIDE: &str = "(outside)";

/// Shows the run on a terminal.
pub struct Terminal {
    story: Story,
    out: Box<dyn Write + Send>,
    colour: bool,
    bars: MultiProgress,
    lines: BTreeMap<String, ProgressBar>,
    /// What each host's line says, without what is being printed.
    doing: BTreeMap<String, String>,
    /// When each host that is guarded puts its old state back.
    guards: BTreeMap<String, Instant>,
}

impl Terminal {
    /// A reporter that writes results to `out` and progress to standard error.
    pub fn new(verbosity: Verbosity, out: Box<dyn Write + Send>) -> Self {
        let colour = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        let target = ProgressDrawTarget::stderr();
        Self::telling(Story::new(verbosity, false), out, colour, target)
    }

    pub(super) fn telling(
        story: Story,
        out: Box<dyn Write + Send>,
        colour: bool,
        target: ProgressDrawTarget,
    ) -> Self {
        Self {
            story,
            out,
            colour,
            bars: MultiProgress::with_draw_target(target),
            lines: BTreeMap::new(),
            doing: BTreeMap::new(),
            guards: BTreeMap::new(),
        }
    }

    fn print(&mut self, page: &Page) {
        if page.is_empty() {
            return;
        }
        let text = page.text(self.colour);
        let out = &mut self.out;
        // indicatif's own println swallows text when its target is hidden, and writes to
        // standard error; suspending does neither. A closed pipe must not stop the work.
        self.bars.suspend(|| {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }

    /// Puts the moving line of a host to what the event says.
    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { .. } | Event::Measured(_) | Event::Finished(_) => self.clear(),
            Event::Connecting {
                host,
                user,
                address,
            } => {
                self.set(host, format!("connecting to {address} as {user}"));
            }
            Event::Reconnecting { host, attempt, .. } => {
                self.set(host, format!("connection lost; trying again ({attempt})"));
            }
            Event::Reconnected { host, .. } => self.set(host, "connected again".to_owned()),
            Event::Connected { host, .. } => self.set(host, "reading its state".to_owned()),
            Event::Read {
                host, resources, ..
            } => {
                self.set(host, format!("{resources} resources read"));
            }
            Event::StepStarted { host, step } => self.set(host, format!("{step}: starting")),
            Event::Waiting { host, step, what } => {
                self.set(host, format!("{step}: waiting: {what}"));
            }
            Event::Doing {
                host, step, what, ..
            } => self.set(host, format!("{step}: {what}")),
            Event::Output { host, line, .. } => {
                if let (Some(bar), Some(doing)) = (self.lines.get(host), self.doing.get(host)) {
                    bar.set_message(harmless(&format!("{doing} │ {line}")));
                }
            }
            Event::GuardArmed {
                host,
                step,
                seconds,
            } => {
                let end = Instant::now() + Duration::from_secs(*seconds);
                self.guards.insert(host.clone(), end);
                self.set(host, format!("{step}: guarded"));
                self.restyle(host);
            }
            Event::GuardDisarmed { host, step } => {
                self.set(host, format!("{step}: held"));
                self.unguard(host);
            }
            Event::StepFinished { host, step, .. } => {
                self.set(host, format!("{step}: done"));
                self.unguard(host);
            }
            Event::HostFailed { host, .. } => self.remove(host),
            Event::Found(_) => {
                let count = self.story.ledger().findings.len();
                self.set(OUTSIDE, format!("{count} looked at"));
            }
            Event::Restarting { host, .. } => self.set(host, "restarting".to_owned()),
            Event::Restarted { host, .. } => self.set(host, "back; proving again".to_owned()),
            Event::Compared { .. } => self.clear(),
            Event::Seen { .. }
            | Event::Stands(_)
            | Event::Backups { .. }
            | Event::Saved(_)
            | Event::Remarked { .. }
            | Event::Changed { .. }
            | Event::Refused { .. }
            | Event::Detail { .. } => {}
        }
    }

    fn set(&mut self, host: &str, doing: String) {
        // The same wait is reported again and again; its seconds must go on counting.
        let same = self.doing.insert(host.to_owned(), doing.clone()).as_ref() == Some(&doing);
        let bar = match self.lines.get(host) {
            Some(bar) => bar,
            None => {
                let bar = self.add(host);
                self.lines.entry(host.to_owned()).or_insert(bar)
            }
        };
        bar.set_message(harmless(&doing));
        if !same {
            bar.reset_elapsed();
        }
    }

    /// Shows or hides the seconds that are left until the host puts its old state back.
    fn restyle(&self, host: &str) {
        if let Some(bar) = self.lines.get(host) {
            bar.set_style(style(self.colour, self.guards.get(host).copied()));
        }
    }

    fn unguard(&mut self, host: &str) {
        if self.guards.remove(host).is_some() {
            self.restyle(host);
        }
    }

    /// A new line, at the host's place in the site's order.
    fn add(&self, host: &str) -> ProgressBar {
        let ledger = self.story.ledger();
        let place = ledger.place(host);
        let above = self
            .lines
            .keys()
            .filter(|known| ledger.place(known) <= place)
            .count();
        let bar = self.bars.insert(above, ProgressBar::new_spinner());
        bar.set_style(style(self.colour, self.guards.get(host).copied()));
        let name = harmless(host);
        let width = ledger
            .host_width()
            .saturating_sub(2)
            .max(name.chars().count());
        bar.set_prefix(format!("{name:width$}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn remove(&mut self, host: &str) {
        self.doing.remove(host);
        self.guards.remove(host);
        if let Some(bar) = self.lines.remove(host) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn clear(&mut self) {
        let hosts: Vec<String> = self.lines.keys().cloned().collect();
        for host in hosts {
            self.remove(&host);
        }
    }
}

impl Reporter for Terminal {
    fn event(&mut self, event: &Event) {
        let page = self.story.tell(event);
        self.show(event);
        self.print(&page);
    }

    fn question(&mut self) {
        let page = self.story.preview();
        self.clear();
        self.print(&page);
    }

    fn pause(&mut self) {
        self.clear();
    }

    fn finish(&mut self) {
        let page = self.story.close();
        self.clear();
        self.print(&page);
    }
}

/// A spinner, the host, the seconds it has been at it, and what it is doing; under a guard that
/// fires then, how long that is from now.
fn style(colour: bool, fires: Option<Instant>) -> ProgressStyle {
    let template = match (colour, fires) {
        (true, None) => "{spinner:.cyan} {prefix:.bold}  {elapsed:>4.dim}  {wide_msg}",
        (false, None) => "{spinner} {prefix}  {elapsed:>4}  {wide_msg}",
        (true, Some(_)) => {
            "{spinner:.cyan} {prefix:.bold}  {elapsed:>4.dim}  {guard:.yellow} · {wide_msg}"
        }
        (false, Some(_)) => "{spinner} {prefix}  {elapsed:>4}  {guard} · {wide_msg}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let style = match fires {
        None => style,
        Some(fires) => style.with_key(
            "guard",
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let left = fires.saturating_duration_since(Instant::now());
                let _ = out.write_str(&countdown(left));
            },
        ),
    };
    style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

/// What becomes of a guarded host in this time.
pub(super) fn countdown(left: Duration) -> String {
    // Rounded up: what says 0 has come.
    match left.as_millis().div_ceil(1000) {
        0 => "the old state comes back".to_owned(),
        seconds => format!("old state back in {seconds} s"),
    }
}

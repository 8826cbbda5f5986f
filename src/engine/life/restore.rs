//! Puts a backup in place of the site's data, or what served before it, or forgets that.
//!
//! All of it is one operation on the server, which outlives the connection and changes nothing
//! before the new data is whole and counted (`step/backup/database.sh`). So it is a plan of one
//! resource, carried out like any other.

use std::path::PathBuf;

use super::carry::{Carrier, size};
use crate::engine::failure::failure;
use crate::engine::remote::ms;
use crate::engine::run::converge_and_prove;
use crate::engine::survey::Survey;
use crate::engine::{Events, Settings, exit};
use crate::event::{Event, Line, State, Summary};
use crate::plan::Plan;
use crate::resource::{Content, Fact, Observed, Op, Resource, Unreadable, differs};
use crate::site::{Role, Site};
use crate::step::backup::{self, STANDING};

use super::archive::Whole;

/// The name under which it is reported.
const STEP: &str = "restore";

/// What is wanted.
#[derive(Clone, Debug)]
pub enum Wish {
    /// This backup in place of what is there.
    Restore {
        /// Its file on this machine.
        file: PathBuf,
        /// What it is.
        whole: Box<Whole>,
    },
    /// What served before the one in use.
    Undo,
    /// What served before is removed for good.
    Forget,
}

/// What a host says of its volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    volume: Option<String>,
    kept: Vec<String>,
    undone: Option<String>,
    left: Vec<String>,
    /// KiB.
    room: u64,
}

impl Standing {
    fn parse(printed: &str) -> Self {
        let mut standing = Self::default();
        for line in printed.lines() {
            match line.split_once(' ') {
                Some(("volume", name)) => standing.volume = Some(name.to_owned()),
                Some(("kept", name)) => standing.kept.push(name.to_owned()),
                Some(("undone", note)) => standing.undone = Some(note.to_owned()),
                Some(("left", path)) => standing.left.push(path.to_owned()),
                Some(("room", room)) => standing.room = room.parse().unwrap_or_default(),
                _ => {}
            }
        }
        standing
    }
}

/// The major version of a volume, by its name: "polls-postgres-17-20260102T030405Z" → 17.
fn major(site: &Site, volume: &str) -> Option<u16> {
    let rest = volume.strip_prefix(&format!("{}-postgres-", site.name))?;
    rest.split('-').next()?.parse().ok()
}

/// The data of the site as it should be.
#[derive(Debug)]
struct Data {
    site: Site,
    wish: Wish,
    /// Names what is made: "20260102T030405Z".
    stamp: String,
    /// The compose.yaml for site.toml's version.
    compose: String,
    /// Whether uploads lie on this host.
    media: bool,
}

impl Data {
    fn version(&self) -> u16 {
        self.site.postgres.as_ref().map_or(0, |it| it.version)
    }

    /// The volume that a restore makes.
    fn volume(&self) -> String {
        format!("{}-postgres-{}-{}", self.site.name, self.version(), self.stamp)
    }

    fn standing(&self, seen: &Observed) -> Result<Standing, Unreadable> {
        let printed = seen.sh(STANDING, &backup::standing(&self.site))?;
        Ok(Standing::parse(&printed.text))
    }

    fn refused(what: impl Into<String>, mend: impl Into<String>) -> State {
        State::Refused {
            what: what.into(),
            mend: mend.into(),
        }
    }

    fn restore(&self, whole: &Whole, standing: &Standing, current: &str) -> State {
        if current == self.volume() {
            return State::InSync;
        }
        if major(&self.site, current) != Some(self.version()) {
            return Self::refused(
                format!("{current} serves, and site.toml asks for PostgreSQL {}", self.version()),
                "`provision run` upgrades it first",
            );
        }
        // The file itself, what it holds, and the database made from that.
        let needed = whole.bytes.saturating_mul(4) / 1024;
        if standing.room < needed {
            return Self::refused(
                format!(
                    "there is room for {} on it, and this may need {}",
                    size(standing.room * 1024),
                    size(needed * 1024)
                ),
                "make room; `provision restore --forget` removes what served before",
            );
        }
        let manifest = &whole.manifest;
        let mut lines = vec![
            Line::Removed(format!("{current}: what it holds now (kept for --undo)")),
            Line::Added(format!(
                "{}: {} rows in {} tables as of {}, from PostgreSQL {}",
                self.volume(),
                manifest.rows,
                manifest.tables,
                manifest.made,
                manifest.postgres
            )),
        ];
        lines.push(Line::Context(match (manifest.has_media(), self.media) {
            (true, true) => "what was uploaded is put back too".to_owned(),
            (true, false) => "what was uploaded isn't put back: this host has none".to_owned(),
            (false, _) => "the backup holds no uploads: those that are there stay".to_owned(),
        }));
        lines.push(Line::Context(
            "the site serves on meanwhile, but for the moment of the switch; what is written \
             from now on is not in it"
                .to_owned(),
        ));
        State::Differs {
            what: format!("{} → the backup of {}", current, manifest.made),
            lines,
        }
    }

    fn undo(&self, standing: &Standing, current: &str) -> State {
        if standing.undone.as_deref() == Some(&self.stamp) {
            return State::InSync;
        }
        let Some(before) = standing.kept.last() else {
            return Self::refused("nothing is kept that served before", "");
        };
        let theirs = major(&self.site, before).unwrap_or_default();
        if theirs != self.version() {
            return Self::refused(
                format!(
                    "{before} is of PostgreSQL {theirs}, and site.toml asks for {}",
                    self.version()
                ),
                format!("set version = {theirs} in [postgres] first"),
            );
        }
        State::Differs {
            what: format!("{current} → {before}"),
            lines: vec![
                Line::Removed(format!("{current}: what it holds now (kept for --undo)")),
                Line::Added(format!("{before}: as it was when it served last")),
            ],
        }
    }
}

impl Resource for Data {
    fn id(&self) -> String {
        match self.wish {
            Wish::Forget => "what served before".to_owned(),
            _ => format!("database {}", self.site.name),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(STANDING, backup::standing(&self.site))]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let standing = self.standing(seen)?;
        if let Wish::Forget = &self.wish {
            if standing.kept.is_empty() && standing.left.is_empty() {
                return Ok(State::InSync);
            }
            let gone = standing.kept.iter().chain(&standing.left);
            return Ok(State::Differs {
                what: "kept → removed for good".to_owned(),
                lines: gone.map(|name| Line::Removed(name.clone())).collect(),
            });
        }
        let Some(current) = &standing.volume else {
            return Ok(Self::refused(
                "there is no database of this site on it yet",
                "`provision run` makes it",
            ));
        };
        Ok(match &self.wish {
            Wish::Restore { whole, .. } => self.restore(whole, &standing, current),
            Wish::Undo => self.undo(&standing, current),
            Wish::Forget => differs(""),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let site = &self.site;
        let standing = self.standing(seen).unwrap_or_default();
        let op = match &self.wish {
            Wish::Restore { whole, .. } => {
                let media = if self.media { "yes" } else { "no" };
                let args = [
                    arrival(site, whole),
                    whole.sha256.clone(),
                    self.volume(),
                    media.to_owned(),
                ];
                let what = format!("restore the backup of {}", whole.manifest.made);
                backup::operation(site, what, "restore", args, Content::Empty)
            }
            Wish::Undo => {
                let before = standing.kept.last().cloned().unwrap_or_default();
                let current = standing.volume.unwrap_or_default();
                let input = match major(site, &before) == major(site, &current) {
                    true => Content::Empty,
                    false => Content::Text(self.compose.clone()),
                };
                let what = format!("go back to {before}");
                let args = [self.stamp.clone(), before];
                backup::operation(site, what, "undo", args, input)
            }
            Wish::Forget => {
                let what = "remove what served before";
                backup::operation(site, what, "forget", [], Content::Empty)
            }
        };
        op.into_iter().collect()
    }
}

/// Where the file lies on the server until it is unpacked.
fn arrival(site: &Site, whole: &Whole) -> String {
    let sum = whole.sha256.get(..16).unwrap_or_default();
    format!("{}/.{}-restore-{sum}.tar", site.backup.directory, site.name)
}

/// What is to be done on the host with the database. `stamp` names what is made: the time in UTC.
///
/// # Errors
/// If the host's compose.yaml can't be rendered.
pub fn restore_plan(
    site: &Site,
    wish: &Wish,
    stamp: &str,
) -> Result<Plan, crate::step::Error> {
    let Some(host) = site.with_role(Role::Db).next() else {
        return Ok(super::plan_of(site, STEP, std::iter::empty(), |_| Vec::new()));
    };
    let compose = backup::compose(site, host)?;
    let media = backup::media(site, host) != "-";
    Ok(super::plan_of(site, STEP, std::iter::once(host), |_| {
        vec![Box::new(Data {
            site: site.clone(),
            wish: wish.clone(),
            stamp: stamp.to_owned(),
            compose: compose.clone(),
            media,
        })]
    }))
}

/// Whether there is something to be done, and nothing that keeps it from being done.
pub fn is_due(survey: &Survey) -> bool {
    survey.counts.differ > 0 && survey.counts.refused + survey.counts.failed_hosts == 0
}

/// Does it; a backup is brought to the server first.
pub async fn restore(
    mut survey: Survey,
    settings: &Settings,
    events: &Events,
    wish: &Wish,
) -> Summary {
    let host = settings.site.with_role(Role::Db).next();
    let surveyed = survey.hosts.first_mut().map(|surveyed| &mut surveyed.state);
    if let (Wish::Restore { file, whole }, Some(host), Some(Ok((remote, _)))) =
        (wish, host, surveyed)
    {
        let name = host.name.to_string();
        let start = survey.start;
        let to = arrival(&settings.site, whole);
        let mut carrier = Carrier {
            settings,
            host,
            dialer: &survey.dialer,
            roots: &survey.roots,
            events,
            remote: remote.clone(),
            connections: 0,
            execs: 0,
            step: STEP,
        };
        events.send(Event::StepStarted {
            host: name.clone(),
            step: STEP.to_owned(),
        });
        events.send(Event::Doing {
            host: name.clone(),
            step: STEP.to_owned(),
            resource: "file".to_owned(),
            what: format!("take {} to the server", size(whole.bytes)),
        });
        let pushed = carrier.push(file, &to, whole.bytes).await;
        survey.connections += carrier.connections;
        *remote = carrier.remote;
        if let Err(mut failed) = pushed {
            failed
                .next
                .get_or_insert_with(|| "run it again: nothing was changed".to_owned());
            events.send(Event::HostFailed {
                host: name,
                failure: failed,
            });
            let summary = Summary {
                failed: 1,
                ms: ms(start),
                connections: survey.connections,
                exit_code: exit::FAILED,
                ..Summary::default()
            };
            events.send(Event::Finished(summary.clone()));
            return summary;
        }
    }
    if survey.hosts.is_empty() {
        let what = "no host of the site has a database";
        events.send(Event::HostFailed {
            host: settings.site.name.to_string(),
            failure: failure("check", what, ""),
        });
    }
    converge_and_prove(survey, settings, events).await
}

//! Puts a backup in place of the site's data, or what served before it, or forgets that.
//!
//! All of it is one operation on the server, which outlives the connection and changes nothing
//! before the new data is whole and counted (`step/backup/database.sh`). So it is a plan of one
//! resource, carried out like any other.

use std::path::PathBuf;

use super::archive::Whole;
use super::carry::{Carrier, size};
use crate::engine::remote::ms;
use crate::engine::run::converge_and_prove;
use crate::engine::survey::Survey;
use crate::engine::{Events, Settings, exit};
use crate::event::{Event, Line, State, Summary};
use crate::plan::{HostPlan, Plan, StepPlan};
use crate::resource::retired::Retired;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};
use crate::site::{Host, Role, Site};
use crate::step::backup::{self, Moves, STANDING};

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

/// The data of the site as it should be.
#[derive(Debug)]
struct Data {
    site: String,
    moves: Moves,
    standing: Vec<String>,
    wish: Wish,
    /// Where the file lies on the server until it is unpacked.
    arrival: String,
    /// Names what is made: "20260102T030405Z".
    stamp: String,
    /// Whether uploads lie on this host.
    media: bool,
}

fn refused(what: impl Into<String>, mend: impl Into<String>) -> State {
    State::Refused {
        what: what.into(),
        mend: mend.into(),
    }
}

impl Data {
    /// The volume that a restore makes.
    fn volume(&self) -> String {
        let version = self.moves.version();
        format!("{}-postgres-{version}-{}", self.site, self.stamp)
    }

    fn standing(&self, seen: &Observed) -> Result<Standing, Unreadable> {
        let printed = seen.sh(STANDING, &self.standing)?;
        Ok(Standing::parse(&printed.text))
    }

    fn restored(&self, whole: &Whole, standing: &Standing, current: &str) -> State {
        if current == self.volume() {
            return State::InSync;
        }
        let version = self.moves.version();
        if self.moves.major(current) != Some(version) {
            return refused(
                format!("{current} serves, and site.toml asks for PostgreSQL {version}"),
                "`provision run` upgrades it first",
            );
        }
        // The file itself, what it holds, and the database made from that.
        let needed = whole.bytes.saturating_mul(4) / 1024;
        if standing.room < needed {
            return refused(
                format!(
                    "there is room for {} on it, and this may need {}",
                    size(standing.room * 1024),
                    size(needed * 1024)
                ),
                "make room; `provision restore --forget` removes what served before",
            );
        }
        let manifest = &whole.manifest;
        let uploads = match (manifest.has_media(), self.media) {
            (true, true) => "what was uploaded is put back too",
            (true, false) => "what was uploaded isn't put back: it lies on another host",
            (false, _) => "the backup holds no uploads: those that are there stay",
        };
        let lines = vec![
            Line::Removed(format!("{current}: what it holds now, kept for --undo")),
            Line::Added(format!(
                "{}: {} rows in {} tables as of {}, from PostgreSQL {}",
                self.volume(),
                manifest.rows,
                manifest.tables,
                manifest.made,
                manifest.postgres
            )),
            Line::Context(uploads.to_owned()),
            Line::Context(
                "the site serves on until the moment of the switch; what is written to it from \
                 now on is not in it then"
                    .to_owned(),
            ),
        ];
        State::Differs {
            what: format!("{current} → the backup of {}", manifest.made),
            lines,
        }
    }

    fn undone(&self, standing: &Standing, current: &str) -> State {
        if standing.undone.as_deref() == Some(&self.stamp) {
            return State::InSync;
        }
        let Some(before) = standing.kept.last() else {
            return refused("nothing is kept that served before", "");
        };
        let theirs = self.moves.major(before).unwrap_or_default();
        let version = self.moves.version();
        if theirs != version {
            return refused(
                format!("{before} is of PostgreSQL {theirs}, and site.toml asks for {version}"),
                format!("write version = {theirs} in [postgres] first"),
            );
        }
        State::Differs {
            what: format!("{current} → {before}"),
            lines: vec![
                Line::Removed(format!("{current}: what it holds now, kept for --undo")),
                Line::Added(format!("{before}: what it held when it served last")),
            ],
        }
    }

    fn operation(&self, seen: &Observed) -> Result<Op, Unreadable> {
        let moves = &self.moves;
        match &self.wish {
            Wish::Restore { whole, .. } => {
                let media = if self.media { "yes" } else { "no" };
                let more = [self.arrival.clone(), whole.sha256.clone(), media.to_owned()];
                let what = format!("restore the backup of {}", whole.manifest.made);
                moves.operation(seen, what, "restore", &self.volume(), more)
            }
            Wish::Undo => {
                let standing = self.standing(seen)?;
                let before = standing.kept.last().cloned().unwrap_or_default();
                let what = format!("go back to {before}");
                moves.operation(seen, what, "undo", &before, [self.stamp.clone()])
            }
            Wish::Forget => {
                let current = moves.volume(seen)?.unwrap_or_default();
                let what = "remove what served before";
                moves.operation(seen, what, "forget", &current, [])
            }
        }
    }
}

impl Resource for Data {
    fn id(&self) -> String {
        match self.wish {
            Wish::Forget => "what served before".to_owned(),
            Wish::Restore { .. } | Wish::Undo => format!("data of {}", self.site),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut all = self.moves.facts();
        all.push(Fact::Sh(STANDING, self.standing.clone()));
        all
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let standing = self.standing(seen)?;
        let Some(current) = self.moves.volume(seen)? else {
            return Ok(refused(
                "there is no database of this site on it yet",
                "`provision run` makes it",
            ));
        };
        Ok(match &self.wish {
            Wish::Restore { whole, .. } => self.restored(whole, &standing, &current),
            Wish::Undo => self.undone(&standing, &current),
            Wish::Forget if standing.kept.is_empty() && standing.left.is_empty() => State::InSync,
            Wish::Forget => {
                let gone = standing.kept.iter().chain(&standing.left);
                State::Differs {
                    what: "kept → removed for good".to_owned(),
                    lines: gone.map(|name| Line::Removed(name.clone())).collect(),
                }
            }
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        self.operation(seen).into_iter().collect()
    }
}

/// Where the file lies on the server until it is unpacked.
fn arrival(site: &Site, wish: &Wish) -> String {
    let sum = match wish {
        Wish::Restore { whole, .. } => whole.sha256.get(..16).unwrap_or_default(),
        Wish::Undo | Wish::Forget => "",
    };
    format!("{}/.{}-restore-{sum}.tar", site.backup.directory, site.name)
}

/// What is to be done on the host with the database. `now` names what is made.
pub fn restore_plan(site: &Site, wish: &Wish, now: u64) -> Plan {
    let data = |host: &Host| -> Vec<Box<dyn Resource>> {
        let moves = Moves::of(site, host);
        let data = moves.map(|moves| Data {
            site: site.name.to_string(),
            moves,
            standing: backup::standing(site),
            wish: wish.clone(),
            arrival: arrival(site, wish),
            stamp: backup::stamp(now),
            media: backup::media(site, host) != "-",
        });
        data.into_iter().map(|data| Box::new(data) as _).collect()
    };
    let mut plan = super::plan_of(site, STEP, site.with_role(Role::Db), data);
    // What was done once for other data is due again; the script has seen to its own host.
    let first = site.with_role(Role::App).next();
    let elsewhere = first.filter(|host| !host.roles.contains(&Role::Db));
    if let (Some(app), false) = (elsewhere, matches!(wish, Wish::Forget)) {
        let receipts = ["migrate", "superuser"].map(|name| format!("{}/{name}", site.state()));
        let after = site.with_role(Role::Db);
        plan.hosts.push(HostPlan {
            host: app.clone(),
            steps: vec![StepPlan {
                name: STEP.to_owned(),
                resources: vec![Box::new(Retired {
                    what: "receipts of the data that served before".to_owned(),
                    units: Vec::new(),
                    files: receipts.to_vec(),
                })],
                after: after.map(|db| (db.name.clone(), STEP.to_owned())).collect(),
            }],
        });
    }
    plan
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
        let to = arrival(&settings.site, wish);
        let pushed = carrier.push(file, &to, whole.bytes).await;
        survey.connections += carrier.connections;
        *remote = carrier.remote;
        if let Err(mut failed) = pushed {
            let next = "run it again: nothing was changed";
            failed.next.get_or_insert_with(|| next.to_owned());
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
    converge_and_prove(survey, settings, events).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_says_what_is_kept_and_what_room_there_is() {
        let said = "kept polls-postgres-15\nkept polls-postgres-17\nundone x\n\
                    left /srv/polls/media-left-y\nroom 1000\n";
        let standing = Standing::parse(said);
        assert_eq!(standing.kept.last().unwrap(), "polls-postgres-17");
        assert_eq!(standing.undone.as_deref(), Some("x"));
        assert_eq!(standing.left, ["/srv/polls/media-left-y"]);
        assert_eq!(standing.room, 1000);
        assert_eq!(Standing::parse(""), Standing::default());
    }
}

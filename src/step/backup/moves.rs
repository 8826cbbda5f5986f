//! From one volume with the site's data to another: a backup put in place, what served before, a
//! new major version. Each is one operation that outlives its connection, and changes nothing
//! before the other volume is whole.

use std::time::Duration;

use super::super::{Cx, postgres};
use super::{BACKUP, DATABASE, arguments};
use crate::event::{Line, State};
use crate::resource::postgres::{Data, Database, Postgres};
use crate::resource::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use crate::shell::Cmd;
use crate::site::{Host, Site};

/// How long one may take.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// The volumes of a site on the host with its database.
#[derive(Clone, Debug)]
pub struct Moves {
    postgres: Postgres,
    role: Database,
    database: String,
    user: String,
    /// What makes a backup before an upgrade.
    backup: [String; 7],
}

impl Moves {
    /// Those of this host; `None` if it has no database of the site's own.
    pub fn of(site: &Site, host: &Host) -> Option<Self> {
        let cx = Cx { site, host, now: 0 };
        let wanted = site.postgres.as_ref()?;
        Some(Self {
            postgres: postgres::service::of(&cx)?,
            role: postgres::service::database(&cx)?,
            database: wanted.database.clone(),
            user: wanted.user.clone(),
            backup: arguments(site, host)?,
        })
    }

    /// What is read to make an operation.
    pub fn facts(&self) -> Vec<Fact> {
        self.postgres.files_facts()
    }

    /// The name of the volume in use, if there is one.
    ///
    /// # Errors
    /// If that was not read.
    pub fn volume(&self, seen: &Observed) -> Result<Option<String>, Unreadable> {
        self.postgres.noted(seen)
    }

    /// The major version that site.toml wants.
    pub fn version(&self) -> u16 {
        self.postgres.version
    }

    /// The major version of a volume, by its name.
    pub fn major(&self, volume: &str) -> Option<u16> {
        let rest = volume.strip_prefix(&self.postgres.container())?;
        rest.strip_prefix('-')?.split('-').next()?.parse().ok()
    }

    /// A verb of `database.sh` with this volume.
    ///
    /// # Errors
    /// If what it needs was not read.
    pub fn operation<I: IntoIterator<Item = String>>(
        &self,
        seen: &Observed,
        what: impl Into<String>,
        verb: &str,
        volume: &str,
        more: I,
    ) -> Result<Op, Unreadable> {
        let it = &self.postgres;
        let [env, conf] = it.files_on(seen, volume)?;
        let data = it.data.clone().unwrap_or_else(|| "-".to_owned());
        let cmd = Cmd::script(DATABASE, [verb, &it.site, &it.state, &it.directory])
            .args([&self.database, &self.user, &it.image, &it.ids, &data])
            .args([&env, &conf, volume])
            .args(more);
        Ok(Op {
            what: what.into(),
            action: Action::Run {
                cmd,
                input: Content::Secret(self.role.on(volume)),
                limit: LONGEST,
                advice: None,
            },
        })
    }
}

/// The file that names what served before.
fn kept(postgres: &Postgres) -> String {
    format!("{}.kept", postgres.volume_file())
}

/// The data, of the major version that site.toml wants.
#[derive(Clone, Debug)]
struct Upgrade {
    moves: Moves,
    /// Names the new volume, if its plain name is taken.
    stamp: String,
}

/// What upgrades the data of this host to the major version that site.toml wants, by dump and
/// restore: a backup is made while writes wait, put into a new volume and counted, and then that
/// volume takes the place of the old one, which is kept. If any of it fails, the old one serves on.
pub(in crate::step) fn upgrade(cx: &Cx<'_>) -> Option<Box<dyn Resource>> {
    let mut moves = Moves::of(cx.site, cx.host)?;
    // What was uploaded doesn't change by this.
    "-".clone_into(&mut moves.backup[6]);
    let stamp = stamp(cx.now);
    Some(Box::new(Upgrade { moves, stamp }))
}

impl Upgrade {
    fn volume(&self, seen: &Observed) -> String {
        let it = &self.moves.postgres;
        let plain = format!("{}-{}", it.container(), it.version);
        // One that served before is kept under the plain name.
        let kept = seen.text(&kept(it)).ok().flatten().unwrap_or_default();
        match kept.lines().any(|name| name == plain) {
            true => format!("{plain}-{}", self.stamp),
            false => plain,
        }
    }
}

impl Resource for Upgrade {
    fn id(&self) -> String {
        format!("PostgreSQL {}", self.moves.version())
    }

    fn facts(&self) -> Vec<Fact> {
        let mut all = self.moves.facts();
        all.push(Fact::File {
            path: kept(&self.moves.postgres),
            content: Reveal::Always,
        });
        all
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Data::Older(is) = self.moves.postgres.data(seen)? else {
            return Ok(State::InSync);
        };
        let version = self.moves.version();
        let old = self.moves.volume(seen)?.unwrap_or_default();
        let line = |text: &str| Line::Context(text.to_owned());
        Ok(State::Differs {
            what: format!("{is} → {version} by dump and restore; the old volume {old} stays"),
            lines: vec![
                line("a backup is made first, and kept with the others"),
                line("pages that only read are served meanwhile, what writes waits; the site"),
                line(
                    "stands still for the moment of the switch. If it fails, the old one serves on",
                ),
            ],
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let volume = self.volume(seen);
        let what = format!("upgrade to PostgreSQL {}", self.moves.version());
        let more = [BACKUP.0.to_owned()].into_iter();
        let more = more.chain(self.moves.backup.clone());
        let op = self.moves.operation(seen, what, "upgrade", &volume, more);
        op.into_iter().collect()
    }
}

/// Seconds since 1970 as "20260102T030405Z".
pub fn stamp(now: u64) -> String {
    let (days, second) = (now / 86_400, now % 86_400);
    // The Gregorian calendar, the year taken to begin in March.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_stamp() {
        for (now, said) in [
            (0, "19700101T000000Z"),
            (951_868_799, "20000229T235959Z"),
            (1_767_323_045, "20260102T030405Z"),
            (1_798_761_599, "20261231T235959Z"),
        ] {
            assert_eq!(stamp(now), said);
        }
    }
}

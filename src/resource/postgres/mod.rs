//! PostgreSQL in a container, its data on a volume that no run removes.
//!
//! | file | it holds |
//! |---|---|
//! | [`tuning`] | memory, and the settings that follow from it |
//! | `settings` | what only the host knows: .env beside compose.yaml, postgresql.conf |
//! | `cluster` | the volume and the container; a first start that was cut off begins again |
//! | `database` | the app's role and the database that it owns |
//! | `scram` | a password as PostgreSQL keeps it |
//!
//! Three files in the site's state on the host say how things stand, so that no probe has to ask
//! the server itself: `postgres` names the volume in use and is the only truth about that;
//! `postgres-new` is there while the volume holds nothing but a first start that hasn't come to
//! its end; `postgres-role` is the receipt of role and database.

mod cluster;
mod database;
mod scram;
mod settings;
pub mod tuning;

use super::{Fact, Observed, Reveal, Unreadable};
use crate::event::State;
use crate::resource::requirement::Requirement;
use crate::shell::Script;

pub use cluster::Cluster;
pub use database::Database;
pub use settings::{File, Settings};
use tuning::Tuning;

/// Prints the host's memory in kB.
const MEMORY: Script = Script(include_str!("memory.sh"));

/// Where PostgreSQL keeps its data inside of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where its volume is mounted.
    pub mount: &'static str,
    /// Whether each major version has a directory of its own below that.
    versioned: bool,
}

impl Layout {
    /// That of a major version: the official image has moved it with 18, and refuses the older
    /// mount from then on.
    pub fn of(version: u16) -> Self {
        if version >= 18 {
            Self {
                mount: "/var/lib/postgresql",
                versioned: true,
            }
        } else {
            Self {
                mount: "/var/lib/postgresql/data",
                versioned: false,
            }
        }
    }

    /// The directory of the data, PGDATA.
    pub fn data(self, version: u16) -> String {
        if self.versioned {
            format!("{}/{version}/docker", self.mount)
        } else {
            self.mount.to_owned()
        }
    }
}

/// How the data on the host stands to the version that site.toml wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is none yet, or none that a run knows of.
    Absent,
    /// It is of this version.
    Same,
    /// It is of an older one: an upgrade by dump and restore.
    Older(u16),
    /// It is of a newer one.
    Newer(u16),
}

/// The PostgreSQL of a site on its host.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// The site's name.
    pub site: String,
    /// The major version that is wanted.
    pub version: u16,
    /// Its image.
    pub image: String,
    /// User and group it runs as, as numbers.
    pub ids: String,
    /// The site's directory on the host.
    pub directory: String,
    /// The directory of the site's receipts and markers on the host.
    pub state: String,
    /// The directory on the host that holds the data, instead of a volume of Docker's own.
    pub data: Option<String>,
    /// How much memory it may have, in megabytes; `None`: what the host's size suggests.
    pub memory: Option<u64>,
    /// Whether the host is there for the database alone.
    pub alone: bool,
    /// postgresql.conf for these settings.
    pub conf: fn(&Self, &Tuning) -> Result<String, String>,
}

impl Postgres {
    /// Its container's name.
    pub fn container(&self) -> String {
        format!("{}-postgres", self.site)
    }

    /// The file that names the volume in use.
    pub fn volume_file(&self) -> String {
        format!("{}/postgres", self.state)
    }

    fn marker(&self) -> String {
        format!("{}/postgres-new", self.state)
    }

    /// The directory of its own files on the host.
    pub fn own(&self) -> String {
        format!("{}/postgres", self.directory)
    }

    /// The file from which Compose takes what only the host knows.
    pub fn env_file(&self) -> String {
        format!("{}/.env", self.directory)
    }

    /// postgresql.conf on the host.
    pub fn conf_file(&self) -> String {
        format!("{}/postgresql.conf", self.own())
    }

    /// What [`Postgres::volume`] and [`Postgres::data`] need.
    pub fn volume_fact(&self) -> Fact {
        Fact::File {
            path: self.volume_file(),
            content: Reveal::Always,
        }
    }

    /// The name of the volume in use; `None` where there is none yet.
    ///
    /// # Errors
    /// If the file that names it was not read.
    pub fn noted(&self, seen: &Observed) -> Result<Option<String>, Unreadable> {
        let text = seen.text(&self.volume_file())?;
        Ok(text.map(|text| text.trim_end().to_owned()))
    }

    /// The name of the volume in use, or of the one that will be made.
    ///
    /// # Errors
    /// If the file that names it was not read.
    pub fn volume(&self, seen: &Observed) -> Result<String, Unreadable> {
        let made = || format!("{}-{}", self.container(), self.version);
        Ok(self.noted(seen)?.unwrap_or_else(made))
    }

    /// How the data stands to the wanted version. Volumes carry theirs in their name:
    /// SITE-postgres-MAJOR or SITE-postgres-MAJOR-STAMP.
    ///
    /// # Errors
    /// If the file that names the volume was not read, or names none of ours.
    pub fn data(&self, seen: &Observed) -> Result<Data, Unreadable> {
        let Some(volume) = self.noted(seen)? else {
            return Ok(Data::Absent);
        };
        let own = format!("{}-", self.container());
        let rest = volume.strip_prefix(&own);
        let major = rest.and_then(|rest| rest.split('-').next()?.parse().ok());
        let major: u16 = major.ok_or_else(|| Unreadable {
            fact: self.volume_file(),
            why: format!("{volume:?} is not the name of a volume of this site"),
        })?;
        Ok(match major.cmp(&self.version) {
            std::cmp::Ordering::Equal => Data::Same,
            std::cmp::Ordering::Less => Data::Older(major),
            std::cmp::Ordering::Greater => Data::Newer(major),
        })
    }

    /// The directory on the host that a volume stands for, if it isn't one of Docker's own.
    fn device(&self, volume: &str) -> Option<String> {
        let own = format!("{}-", self.container());
        let name = volume.strip_prefix(&own).unwrap_or(volume);
        self.data.as_ref().map(|data| format!("{data}/{name}"))
    }

    /// That the data is of no newer version than site.toml wants. It comes before anything is written:
    /// a container of another version must never be brought up on it.
    pub fn version(&self) -> Requirement {
        let it = self.clone();
        let id = format!("data of PostgreSQL {}", self.version);
        Requirement::new(id, vec![self.volume_fact()], move |seen| {
            let wanted = it.version;
            Ok(match it.data(seen)? {
                // An upgrade comes next.
                Data::Absent | Data::Same | Data::Older(_) => State::InSync,
                Data::Newer(is) => State::Refused {
                    what: format!(
                        "the data is PostgreSQL {is}'s, which {wanted} of site.toml can't read"
                    ),
                    mend: format!("write version = {is} in [postgres]"),
                },
            })
        })
    }
}

//! What compose.yaml and PostgreSQL need and only the host knows: its memory, and the volume in
//! use. compose.yaml itself follows from site.toml alone; any step may write it without moving
//! the database to another version or volume.

use super::tuning::{Tuning, settled, share};
use super::{Layout, MEMORY, Postgres};
use crate::event::State;
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, file, sha256};

/// The name in .env under which the host's memory is noted, in megabytes.
const NOTED: &str = "POSTGRES_HOST_MEMORY";

/// What was worked out for a host.
struct Worked {
    env: String,
    conf: String,
    digest: String,
}

impl Postgres {
    pub(super) fn settings_facts(&self) -> Vec<Fact> {
        let content = Reveal::Always;
        let path = self.env_file();
        vec![
            self.volume_fact(),
            Fact::File { path, content },
            Fact::Sh(MEMORY, Vec::new()),
        ]
    }

    /// What the container was made from, as far as the host has a say in it.
    pub(super) fn settings(&self, seen: &Observed) -> Result<String, Unreadable> {
        Ok(self.worked(seen)?.digest)
    }

    fn worked(&self, seen: &Observed) -> Result<Worked, Unreadable> {
        self.worked_on(seen, &self.volume(seen)?)
    }

    /// What [`Postgres::files_on`] needs.
    pub fn files_facts(&self) -> Vec<Fact> {
        self.settings_facts()
    }

    /// `.env` and postgresql.conf as a run writes them where this volume is in use.
    ///
    /// # Errors
    /// If the host's memory could not be read.
    pub fn files_on(&self, seen: &Observed, volume: &str) -> Result<[String; 2], Unreadable> {
        let worked = self.worked_on(seen, volume)?;
        Ok([worked.env, worked.conf])
    }

    fn worked_on(&self, seen: &Observed, volume: &str) -> Result<Worked, Unreadable> {
        let host = self.host_memory(seen)?;
        let tuning = Tuning::of(self.memory.unwrap_or_else(|| share(host, self.alone)));
        let conf = (self.conf)(self, &tuning).map_err(|why| Unreadable {
            fact: self.conf_file(),
            why,
        })?;
        let own = format!(
            "POSTGRES_IMAGE={}\nPOSTGRES_VOLUME={}\nPOSTGRES_MOUNT={}\nPOSTGRES_MEMORY={}m\n\
             POSTGRES_SHM={}m\n",
            self.image,
            volume,
            Layout::of(self.version).mount,
            tuning.memory,
            tuning.shm,
        );
        let digest = sha256(format!("{own}{conf}"));
        let digest = digest.get(..12).unwrap_or_default().to_owned();
        let env = format!(
            "# Written by provision for {}: what compose.yaml takes from this host. What is\n\
             # changed here is undone by the next run.\n\
             {own}POSTGRES_SETTINGS={digest}\n\
             # The host's memory in MB that this was worked out from.\n\
             {NOTED}={host}\n",
            self.site
        );
        Ok(Worked { env, conf, digest })
    }

    /// The host's memory in megabytes, as it was noted or as it is.
    fn host_memory(&self, seen: &Observed) -> Result<u64, Unreadable> {
        let printed = seen.sh(MEMORY, &[])?;
        let kilobytes: u64 = printed.text.trim().parse().map_err(|_| Unreadable {
            fact: "the host's memory".to_owned(),
            why: "/proc/meminfo names none".to_owned(),
        })?;
        let noted = seen.text(&self.env_file())?.and_then(|text| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(NOTED)?.strip_prefix('=')?.parse().ok())
        });
        Ok(settled(noted, kilobytes / 1024))
    }
}

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `.env` beside compose.yaml.
    Env,
    /// postgresql.conf.
    Conf,
}

/// A file that follows from the host too.
#[derive(Clone, Debug)]
pub struct Settings {
    postgres: Postgres,
    file: File,
}

impl Settings {
    /// One of them.
    pub fn new(postgres: Postgres, file: File) -> Self {
        Self { postgres, file }
    }

    fn path(&self) -> String {
        match self.file {
            File::Env => self.postgres.env_file(),
            File::Conf => self.postgres.conf_file(),
        }
    }

    fn wanted(&self, seen: &Observed) -> Result<file::File, Unreadable> {
        let worked = self.postgres.worked(seen)?;
        let text = match self.file {
            File::Env => worked.env,
            File::Conf => worked.conf,
        };
        Ok(file::File::new(self.path(), text))
    }
}

impl Resource for Settings {
    fn id(&self) -> String {
        format!("file {}", self.path())
    }

    fn facts(&self) -> Vec<Fact> {
        let mut all = self.postgres.settings_facts();
        if self.file == File::Conf {
            let (path, content) = (self.path(), Reveal::Always);
            all.push(Fact::File { path, content });
        }
        all
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        self.wanted(seen)?.compare(seen)
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        self.wanted(seen)
            .map_or_else(|_| Vec::new(), |file| file.converge(seen))
    }
}

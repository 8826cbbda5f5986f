//! Makes a backup on the server of the database, and brings it here.
//!
//! It is made under the lock of operations, by the same script as the timer's. The lock of runs
//! isn't needed: nothing of the site changes, and the proof still stands.

use std::path::PathBuf;
use std::time::Duration;

use super::carry::Carrier;
use super::record::{Record, listed};
use super::save::Coming;
use crate::engine::failure::failure;
use crate::engine::job::{Ended, Job};
use crate::engine::link::{self, LOSSES};
use crate::engine::lock::RUN;
use crate::engine::remote::ms;
use crate::engine::survey::Survey;
use crate::engine::token::no_token;
use crate::engine::{Events, Settings, exit};
use crate::event::{Event, Failure, Kept, Outcome, Saved, State, Summary};
use crate::plan::Plan;
use crate::resource::{Action, Content, Fact, Observed, Op, Resource, Unreadable};
use crate::shell::{Cmd, Script};
use crate::site::{Role, Site};
use crate::step;

const LIST: Script = Script(include_str!("sh/list.sh"));

/// The name under which it is reported.
const STEP: &str = "backup";
/// How long making one may take.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// How long summing one may take.
const SUMMING: Duration = Duration::from_secs(1800);

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To see which there are.
    List,
    /// A new one; brought here, or left on the server alone.
    Make {
        /// Where to, if it is brought here: a file or a directory.
        bring: Option<Option<PathBuf>>,
    },
    /// One that is there, by its name, or the newest.
    Bring {
        /// Its name.
        name: Option<String>,
        /// Where to.
        output: Option<PathBuf>,
    },
}

/// What lies on a host.
#[derive(Clone, Debug)]
struct Listed(Vec<String>);

impl Resource for Listed {
    fn id(&self) -> String {
        "the backups on the server".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(LIST, self.0.clone())]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        seen.sh(LIST, &self.0).map(|_| State::InSync)
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        Vec::new()
    }
}

fn asked(site: &Site) -> Listed {
    Listed(vec![
        site.name.to_string(),
        site.backup.directory.to_string(),
    ])
}

/// What is read of the host with the database.
pub fn backup_plan(site: &Site) -> Plan {
    let hosts = site.with_role(Role::Db);
    super::plan_of(site, STEP, hosts, |_| vec![Box::new(asked(site))])
}

/// Does what is wanted.
pub async fn backup(survey: Survey, settings: &Settings, events: &Events, wish: &Wish) -> Summary {
    let mut summary = Summary {
        connections: survey.connections,
        execs: survey.summary().execs,
        ..Summary::default()
    };
    let mut hosts = survey.hosts;
    let host = settings.site.with_role(Role::Db).next();
    let surveyed = hosts.pop().and_then(|surveyed| surveyed.state.ok());
    if let (Some(host), Some((remote, seen))) = (host, surveyed) {
        let mut carrier = Carrier {
            settings,
            host,
            dialer: &survey.dialer,
            roots: &survey.roots,
            events,
            remote,
            connections: 0,
            execs: 0,
            step: STEP,
        };
        let name = host.name.to_string();
        events.send(Event::StepStarted {
            host: name.clone(),
            step: STEP.to_owned(),
        });
        let ended = carry_out(&mut carrier, &seen, wish).await;
        summary.connections += carrier.connections;
        summary.execs = carrier.execs + carrier.remote.session.execs();
        let outcome = match ended {
            Ok(made) => {
                summary.changed = usize::from(made);
                summary.exit_code = exit::DONE;
                match made {
                    true => Outcome::Changed,
                    false => Outcome::Unchanged,
                }
            }
            Err(failure) => {
                summary.failed = 1;
                summary.exit_code = exit::FAILED;
                Outcome::Failed(failure)
            }
        };
        events.send(Event::StepFinished {
            host: name,
            step: STEP.to_owned(),
            outcome,
            ms: ms(survey.start),
        });
    } else {
        // The survey has said why.
        summary.failed = 1;
        summary.exit_code = exit::FAILED;
    }
    summary.ms = ms(survey.start);
    events.send(Event::Finished(summary.clone()));
    summary
}

/// Whether something was made.
async fn carry_out(
    carrier: &mut Carrier<'_>,
    seen: &Observed,
    wish: &Wish,
) -> Result<bool, Failure> {
    let site = &carrier.settings.site;
    let directory = site.backup.directory.to_string();
    let printed = seen
        .sh(LIST, &asked(site).0)
        .map_err(|e| crate::engine::failure::unreadable(&e))?;
    let there = listed(&printed.text);
    match wish {
        Wish::List => {
            carrier.events.send(Event::Backups {
                host: carrier.host.name.to_string(),
                directory,
                backups: there,
            });
            Ok(false)
        }
        Wish::Make { bring } => {
            let record = make(carrier).await?;
            let mut saved = Saved {
                host: carrier.host.name.to_string(),
                name: record.name.clone(),
                bytes: record.bytes,
                sha256: record.sha256.clone(),
                tables: record.tables,
                rows: record.rows,
                file: None,
                directory,
            };
            if let Some(output) = bring {
                self::bring(carrier, output.as_deref(), &mut saved).await?;
            }
            carrier.events.send(Event::Saved(saved));
            Ok(true)
        }
        Wish::Bring { name, output } => {
            let kept = chosen(&there, name.as_deref(), &directory).map_err(|it| *it)?;
            let mut saved = Saved {
                host: carrier.host.name.to_string(),
                name: kept.name.clone(),
                bytes: kept.bytes,
                directory,
                ..Saved::default()
            };
            saved.sha256 = sum(carrier, &saved).await?;
            bring(carrier, output.as_deref(), &mut saved).await?;
            carrier.events.send(Event::Saved(saved));
            Ok(true)
        }
    }
}

fn chosen<'a>(there: &'a [Kept], name: Option<&str>, at: &str) -> Result<&'a Kept, Box<Failure>> {
    let whole = |kept: &&Kept| kept.lacks.is_none();
    let found = match name {
        Some(name) => there.iter().find(|kept| kept.name == name),
        None => there.iter().find(whole),
    };
    let refused = |what: String| {
        let mut failed = failure("read", what, "");
        failed.next = Some("`provision backup --list` shows what is there".to_owned());
        Box::new(failed)
    };
    match (found, name) {
        (Some(kept), _) => match &kept.lacks {
            None => Ok(kept),
            Some(lacks) => Err(refused(format!(
                "{} is not whole: it lacks {lacks}",
                kept.name
            ))),
        },
        (None, Some(name)) => Err(refused(format!("there is no {name} in {at}"))),
        (None, None) => Err(refused(format!("there is no backup in {at}"))),
    }
}

/// Makes one on the server.
async fn make(carrier: &mut Carrier<'_>) -> Result<Record, Failure> {
    let site = carrier.settings.site.clone();
    let Some(args) = step::backup::arguments(&site, carrier.host) else {
        return Err(failure("change", "the site has no database of its own", ""));
    };
    let cmd = Cmd::script(step::backup::BACKUP, ["--held".to_owned()]).args(args);
    let op = Op {
        what: "make a backup".to_owned(),
        action: Action::Run {
            cmd,
            input: Content::Empty,
            limit: LONGEST,
            advice: None,
        },
    };
    carrier.events.send(Event::Doing {
        host: carrier.host.name.to_string(),
        step: STEP.to_owned(),
        resource: "database".to_owned(),
        what: op.what.clone(),
    });
    let job = Job::new(&op).map_err(|e| no_token(&e))?;
    let Some(mut job) = job else {
        return Err(failure("change", "it is no job", ""));
    };
    let cache = carrier.settings.cache.clone();
    let mut ended = job.start(&carrier.remote, STEP, "-", &cache).await;
    let mut losses = 0;
    loop {
        match ended {
            Ok(Ended::Well) => break,
            Ok(Ended::Badly(failed)) => return Err(failed),
            Ok(Ended::Gone) => {
                let what = "the server restarted, or what made the backup was killed";
                let mut failed = failure("change", what, "");
                failed.next = Some("make it again: what was cut off doesn't count".to_owned());
                return Err(failed);
            }
            Err(failed) => {
                losses = if job.came_on() { 1 } else { losses + 1 };
                let broken = link::is_broken(&carrier.remote.session, &failed).await;
                if losses > LOSSES || !broken {
                    return Err(failed);
                }
                carrier.again(&failed.what).await?;
                ended = job.follow(&carrier.remote, STEP).await;
            }
        }
    }
    let id = format!("{RUN}/job/{}", job.id());
    let forget = Cmd::new("rm").args(["-rf", "--", &id]);
    // Left there, it goes with the next run.
    let _ = carrier.exec(&forget, &[], Duration::from_secs(30)).await;
    let path = format!("{}/backup", site.state());
    let read = Cmd::new("cat").args(["--", &path]);
    let read = carrier.exec(&read, &[], Duration::from_secs(30)).await?;
    let record = Record::parse(&String::from_utf8_lossy(&read.stdout));
    if record.name.is_empty() || record.sha256.is_empty() {
        return Err(failure(
            "read",
            format!("{path} doesn't say what was made"),
            "",
        ));
    }
    Ok(record)
}

/// The sum of a backup on the server.
async fn sum(carrier: &mut Carrier<'_>, saved: &Saved) -> Result<String, Failure> {
    let path = format!("{}/{}", saved.directory, saved.name);
    let cmd = Cmd::new("sha256sum").args(["--", &path]);
    let done = carrier.exec(&cmd, &[], SUMMING).await?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    match text.split_once(' ') {
        Some((sum, _)) if done.status.success() => Ok(sum.to_owned()),
        _ => Err(carrier.remote.failed("read the backup", &cmd, &done)),
    }
}

/// Brings it here.
async fn bring(
    carrier: &mut Carrier<'_>,
    output: Option<&std::path::Path>,
    saved: &mut Saved,
) -> Result<(), Failure> {
    let left = |mut failed: Failure| {
        let next = failed.next.take().unwrap_or_default();
        let again = format!("`provision backup --bring={}` brings it here", saved.name);
        let space = if next.is_empty() { "" } else { "; " };
        failed.next = Some(format!("{next}{space}it lies whole on the server: {again}"));
        failed
    };
    let coming = Coming::begin(output, &saved.name).map_err(|it| left(*it))?;
    carrier.events.send(Event::Doing {
        host: carrier.host.name.to_string(),
        step: STEP.to_owned(),
        resource: "file".to_owned(),
        what: format!("bring {} here", saved.name),
    });
    let from = format!("{}/{}", saved.directory, saved.name);
    let pulled = carrier.pull(&from, saved.bytes, coming.file()).await;
    pulled.map_err(&left)?;
    let sum = saved.sha256.clone();
    let kept = tokio::task::spawn_blocking(move || coming.keep(&sum)).await;
    let kept = kept.unwrap_or_else(|e| Err(Box::new(failure("check", e.to_string(), ""))));
    let (file, whole) = kept.map_err(|it| left(*it))?;
    saved.file = Some(file.display().to_string());
    saved.tables = whole.manifest.tables;
    saved.rows = whole.manifest.rows;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_backup_is_taken_unless_one_is_named() {
        let kept = |name: &str, lacks: Option<&str>| Kept {
            name: name.to_owned(),
            lacks: lacks.map(str::to_owned),
            ..Kept::default()
        };
        let there = [
            kept("c", Some("its manifest")),
            kept("b", None),
            kept("a", None),
        ];
        assert_eq!(chosen(&there, None, "/d").unwrap().name, "b");
        assert_eq!(chosen(&there, Some("a"), "/d").unwrap().name, "a");
        let said = chosen(&there, Some("c"), "/d").unwrap_err().what;
        assert!(said.contains("not whole"), "{said}");
        assert!(chosen(&there, Some("d"), "/d").is_err());
        assert!(chosen(&there[..1], None, "/d").is_err());
    }
}

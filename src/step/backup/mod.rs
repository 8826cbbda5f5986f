//! `backup`: a timer that makes backups of the site's database on its server.
//!
//! | file | what it is |
//! |---|---|
//! | `backup.sh` | makes one backup, whole or not at all; `provision backup` runs the same text |
//! | `calendar.sh` | whether systemd understands when |
//! | `moves` | which volume serves, and what changes that; upgrades to a new major version |
//! | `database.sh` | puts a backup, or what served before, in place; a new major version |
//! | `standing.sh` | which volume serves, and which served before |

mod moves;

use askama::Template;

pub(super) use moves::upgrade;
pub use moves::{Moves, stamp};

use super::sandbox::{self, Setting};
use super::{Cx, Error, Resources, Step};
use crate::resource::file::{Directory, File};
use crate::resource::pending::Pending;
use crate::resource::retired::Retired;
use crate::resource::unit::Unit;
use crate::shell::{Cmd, Script};
use crate::site::{Host, Role, Site};

pub(super) const STEP: Step = Step {
    name: "backup",
    summary: "A systemd timer makes backups of the database on its server, if [backup] says when",
    reads: "the script, the units, the timer's state",
    changes: "/srv/SITE/backup.sh, /etc/systemd/system/SITE-backup.{service,timer}, the directory \
              of backups; enables the timer",
    guarded: false,
    resources,
};

/// Makes a backup on the server; see the head of the file for its arguments.
pub const BACKUP: Script = Script(include_str!("backup.sh"));

/// Changes which volume serves; see the head of the file for its verbs and arguments.
pub const DATABASE: Script = Script(include_str!("database.sh"));

/// Prints which volume serves (`volume`), which served before (`kept`), what was undone last
/// (`undone`) and how much room there is (`room`, in KiB).
pub const STANDING: Script = Script(include_str!("standing.sh"));

const CALENDAR: Script = Script(include_str!("calendar.sh"));

#[derive(Template)]
#[template(path = "backup.service")]
struct Service<'a> {
    site: &'a str,
    start: &'a [String],
    stop: &'a [String],
    sandbox: &'a [Setting],
}

#[derive(Template)]
#[template(path = "backup.timer")]
struct Timer<'a> {
    site: &'a str,
    at: &'a str,
}

/// The names of the units.
pub fn units(site: &Site) -> [String; 2] {
    [".timer", ".service"].map(|ending| format!("{}-backup{ending}", site.name))
}

/// The arguments of [`BACKUP`] after its options; `None` for a site without a database of its own.
pub fn arguments(site: &Site, host: &Host) -> Option<[String; 7]> {
    let postgres = site.postgres.as_ref()?;
    Some([
        site.name.to_string(),
        site.state(),
        site.backup.directory.to_string(),
        site.backup.keep.to_string(),
        postgres.database.clone(),
        postgres.user.clone(),
        media(site, host),
    ])
}

/// The arguments of [`STANDING`].
pub fn standing(site: &Site) -> Vec<String> {
    vec![site.name.to_string(), site.state(), site.directory()]
}

/// Where uploaded files lie on a host: a directory, or "-" for nowhere.
pub fn media(site: &Site, host: &Host) -> String {
    if site.app.media_root.is_none() || !host.roles.contains(&Role::App) {
        return "-".to_owned();
    }
    format!("{}/media", site.directory())
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let script = format!("{}/backup.sh", cx.site.directory());
    let units = units(cx.site);
    let (Some(at), Some(args)) = (&cx.site.backup.at, arguments(cx.site, cx.host)) else {
        return Ok(vec![Box::new(Retired {
            what: "the timer of backups".to_owned(),
            units: units.to_vec(),
            files: vec![script],
        })]);
    };
    let site = cx.site.name.as_str();
    let directory = cx.site.backup.directory.to_string();
    let writes = vec!["/var/lib/provision".to_owned(), directory.clone()];
    // Uploads are the app's user's.
    let sandbox = sandbox::renewal(writes, true);
    let start: Vec<String> = [script.clone()].into_iter().chain(args).collect();
    let stop = [&script, "--ended", site, &cx.site.state()].map(str::to_owned);
    let service = Service {
        site,
        start: &start,
        stop: &stop,
        sandbox: &sandbox,
    };
    let service = service.render().map_err(failed)?;
    let timer = Timer { site, at }.render().map_err(failed)?;
    let marker = format!("{}/pending/backup", cx.site.state());
    let unit = |name: &String, text| {
        File::new(format!("/etc/systemd/system/{name}"), text).pending(&marker)
    };
    let [timer_name, service_name] = &units;
    Ok(vec![
        Box::new(Directory::new(directory, 0o700)),
        Box::new(File::new(script, BACKUP.0).mode(0o755)),
        Box::new(unit(service_name, service)),
        Box::new(unit(timer_name, timer).check(Cmd::script(CALENDAR, [at.as_str()]))),
        Box::new(Pending::new(
            "let systemd read the backup's units again",
            &marker,
            Cmd::new("systemctl").arg("daemon-reload"),
        )),
        Box::new(Unit::new(timer_name, "backup")),
    ])
}

fn failed(e: askama::Error) -> Error {
    Error {
        step: STEP.name.to_owned(),
        what: e.to_string(),
    }
}

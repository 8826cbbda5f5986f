//! From the command line to a plan and everything the engine needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Error, SiteArgs};
use crate::engine::Settings;
use crate::plan::{self, Plan, Selection};
use crate::playbook::{self, Playbook};
use crate::site::{self, Site};
use crate::step;

/// A site and its playbook, checked.
pub(super) fn load(file: &Path) -> Result<(Site, Playbook), Error> {
    let mut site = site::load(file)?;
    let base = site.file.parent().map_or_else(PathBuf::new, Path::to_owned);
    let playbook = playbook::load(&site.playbook, &base, &step::names())?;
    site::resolve_git(&mut site.app.source)?;
    Ok((site, playbook))
}

/// The plan for what the command line selects.
pub(super) fn plan(args: &SiteArgs) -> Result<(Plan, Settings), Error> {
    let (site, playbook) = load(&args.file)?;
    for warning in &site.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    let selection = Selection {
        hosts: args.host.clone(),
        only: args.only.clone(),
        skip: args.skip.clone(),
        from: args.from.clone(),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let plan = plan::plan(&site, &playbook, &selection, now)?;
    let settings = Settings {
        site: Arc::new(site),
        owner: owner(),
        cache: cache(),
    };
    Ok((plan, settings))
}

/// That these hosts are in site.toml.
pub(super) fn known_hosts(settings: &Settings, names: &[String]) -> Result<(), Error> {
    for name in names {
        if !settings.site.hosts.keys().any(|host| host.as_str() == name) {
            let known = settings
                .site
                .hosts
                .keys()
                .map(ToString::to_string)
                .collect();
            return Err(plan::Error::UnknownHost {
                name: name.clone(),
                known,
            }
            .into());
        }
    }
    Ok(())
}

/// Who runs this, for other runs that find a host held.
fn owner() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok());
    format!(
        "{}@{}, pid {}",
        user.unwrap_or_else(|_| "somebody".to_owned()),
        machine
            .as_deref()
            .map_or("a machine without a name", str::trim),
        std::process::id()
    )
}

/// Where clones of repositories are kept on this machine.
fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("provision")
}

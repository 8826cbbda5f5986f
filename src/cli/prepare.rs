//! From the command line to a plan and everything the engine needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::vault::Opener;
use super::{Error, SiteArgs, SshArgs};
use crate::engine::{Routes, Settings};
use crate::plan::{self, Plan, Selection};
use crate::playbook::{self, Playbook};
use crate::site::{self, Site};
use crate::ssh::Keys;
use crate::ssh::config::{Config, Source};
use crate::step;

/// A site and its playbook, checked.
pub(super) fn load(file: &Path) -> Result<(Site, Playbook), Error> {
    let mut site = site::load(file, &Opener::default())?;
    let base = site.file.parent().map_or_else(PathBuf::new, Path::to_owned);
    let playbook = playbook::load(&site.playbook, &base, &step::names())?;
    site::resolve_git(&mut site.app.source)?;
    Ok((site, playbook))
}

/// The plan for what the command line selects.
pub(super) fn plan(args: &SiteArgs) -> Result<(Plan, Settings), Error> {
    let (site, playbook) = load(&args.file)?;
    let (site, routes) = reach(site, &args.ssh)?;
    for warning in &site.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    let selection = Selection {
        hosts: args.host.clone(),
        only: args.only.clone(),
        skip: args.skip.clone(),
        from: args.from.clone(),
        remove: args.remove,
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let plan = plan::plan(&site, &playbook, &selection, now)?;
    warn(&routes);
    let settings = Settings {
        site,
        routes,
        owner: owner(),
        cache: cache(),
    };
    Ok((plan, settings))
}

/// What is needed to look at the hosts of a site, without any plan. Where nobody says whom to log
/// in as, it is whom ssh would take.
pub(super) fn settings(site: Site, ssh: &SshArgs) -> Result<Settings, Error> {
    let (site, routes) = reach(site, ssh)?;
    warn(&routes);
    Ok(Settings {
        site,
        routes,
        owner: owner(),
        cache: cache(),
    })
}

/// The ways to the hosts of a site.
pub(super) fn routes(site: &Arc<Site>, args: &SshArgs) -> Routes {
    let source = match &args.config {
        None => Source::Default,
        Some(file) if file.as_os_str() == "none" => Source::None,
        Some(file) => Source::File(file.clone()),
    };
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    Routes::new(Arc::clone(site), Config::new(source, home))
}

/// Says what of the SSH configuration isn't honoured.
pub(super) fn warn(routes: &Routes) {
    for warning in routes.warnings() {
        anstream::eprintln!("warning: {warning}");
    }
}

/// What the SSH configuration and the operator's keys add to a site: the ports of its hosts,
/// and the keys that the sudo user is let in with.
fn reach(site: Site, args: &SshArgs) -> Result<(Arc<Site>, Routes), Error> {
    let site = Arc::new(site);
    let routes = routes(&site, args);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let (ports, users, keys) = runtime.block_on(async {
        let ports = site.hosts.values().map(|host| routes.port(host));
        let ports = futures_util::future::try_join_all(ports).await?;
        // A host without a role is none of a site's, which would say whom to log in as.
        let users = site.hosts.values().map(|host| async {
            match &host.user {
                None if host.roles.is_empty() => routes.usual_user(host).await.map(Some),
                known => Ok(known.clone()),
            }
        });
        let users = futures_util::future::try_join_all(users).await?;
        let mut keys = Vec::new();
        if let (true, Some(first)) = (
            site.ssh.authorized_keys.is_empty(),
            site.hosts.values().next(),
        ) {
            let target = routes.target(first, site.ssh.user.as_str()).await?;
            keys = Keys::from_env().public_keys(&target.identity).await;
        }
        Ok::<_, Error>((ports, users, keys))
    })?;
    let mut known = Site::clone(&site);
    for (host, (port, user)) in known.hosts.values_mut().zip(ports.into_iter().zip(users)) {
        host.port = Some(port);
        host.user = user;
    }
    if known.ssh.authorized_keys.is_empty() {
        known.ssh.operator_keys = keys;
    }
    let known = Arc::new(known);
    let routes = routes.of(Arc::clone(&known));
    Ok((known, routes))
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

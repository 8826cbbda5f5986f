//! Disposable servers on this machine, to rehearse on: four Debian machines with their own
//! systemd, sshd and addresses, a registry mirror, an ACME directory, a resolver, and a
//! stranger's vantage. Linux and root only.
//!
//! | file | what it is about |
//! |---|---|
//! | `topology` | names and addresses |
//! | `layout` | paths and file writing |
//! | `requirements` | what this machine must have |
//! | `network` | bridges, namespaces, the way out |
//! | `tree` | base trees, cached |
//! | `host`, `cgroup` | one machine: tree, boot, end |
//! | `process` | programs that outlive this one |
//! | `image`, `oci` | the mirror's images |
//! | `service` | registry, resolver, ACME directory |
//! | `database` | PostgreSQL on `db` |
//! | `site_file`, `example` | site.toml, the app's environment, the app |
//! | `access` | ways in: SSH, console, the stranger |
//! | `state` | the record and the lock |
//! | `up` | all of it in order |
//!
//! There is one lab at a time: names and addresses are fixed.

mod access;
mod cgroup;
mod command;
mod database;
mod error;
pub mod example;
mod host;
mod image;
mod layout;
mod network;
mod oci;
mod process;
mod requirements;
mod service;
mod site_file;
mod state;
mod status;
mod topology;
mod tree;
mod up;

use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use error::Error;
pub use image::names as image_names;
pub use status::{HostStatus, ServiceStatus, Status, status};
pub use topology::{
    ACME_PORT, DNS_PORT, DOMAIN, GATEWAY, GATEWAY6, MACHINES, Machine, PROXY, Purpose,
    REGISTRY_PORT, STRANGER, STRANGER6,
};

use layout::Layout;

/// The Debian release the hosts run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Debian 13: Docker 26, Compose 2.
    #[default]
    Trixie,
    /// Debian 12: Docker 20.10, Compose 1 only.
    Bookworm,
}

impl Suite {
    /// Its name in Debian's archive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Bookworm => "bookworm",
        }
    }

    /// Packages that rehearsals install, fetched into the base tree's archive.
    fn fetched(self) -> &'static [&'static str] {
        match self {
            Self::Trixie => &[
                "ufw",
                "docker.io",
                "docker-cli",
                "docker-compose",
                "docker-buildx",
            ],
            Self::Bookworm => &["ufw", "docker.io", "docker-compose"],
        }
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "trixie" => Ok(Self::Trixie),
            "bookworm" => Ok(Self::Bookworm),
            _ => Err(Error::UnknownSuite(name.to_owned())),
        }
    }
}

/// What kind of lab, and where.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The hosts' release.
    pub suite: Suite,
    /// Install missing Debian packages on this machine.
    pub install: bool,
    /// The lab's state; default /var/lib/provision-lab. `down` removes it.
    pub directory: Option<PathBuf>,
    /// Base trees and images; default /var/cache/provision-lab. It stays.
    pub cache: Option<PathBuf>,
    /// The app that site.toml names; default: the embedded example.
    pub app_source: Option<PathBuf>,
    /// The hosts that `up` boots; none named: all of them. The others are there, switched
    /// off.
    pub only: Vec<String>,
}

/// One line about what has been done or is being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// A fragment such as `app1 is up at 198.51.100.11`.
    pub what: String,
}

/// A lab that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    /// The hosts' release.
    pub suite: Suite,
    /// Its state.
    pub directory: PathBuf,
    /// The ready site.toml.
    pub site: PathBuf,
    /// The operator's private key, root's on each host.
    pub key: PathBuf,
    /// The certificates that make the site's HTTPS and the ACME directory trusted.
    pub ca: PathBuf,
}

/// Brings the lab up: whatever is missing is made, what runs is left alone. The first time
/// takes minutes, later ones seconds.
///
/// # Errors
/// [`Error::Requirements`] when the machine lacks something, [`Error::UnknownHost`],
/// [`Error::OtherSuite`] when a lab of another suite is up, [`Error::Busy`] when another
/// program is at it, or what failed.
pub fn up(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Lab, Error> {
    up::up(options, progress)
}

/// Removes the lab: processes, mounts, namespaces, bridges, rules, files. The cache stays.
/// Works from what it finds, so also after a crash or a reboot.
///
/// # Errors
/// What could not be removed.
pub fn down(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    up::down(options, progress)
}

/// Makes hosts fresh servers again, with the SSH host keys they had.
///
/// # Errors
/// [`Error::NotUp`], [`Error::UnknownHost`], or what failed.
pub fn reset(
    options: &Options,
    hosts: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    up::reset(options, hosts, progress)
}

/// Cuts hosts' power; [`start`] boots them again with their disks as they were at that moment.
///
/// # Errors
/// [`Error::NotUp`], [`Error::UnknownHost`], or what failed.
pub fn power_cut(
    options: &Options,
    hosts: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    up::power_cut(options, hosts, progress)
}

/// Boots hosts that don't run and waits for their SSH servers.
///
/// # Errors
/// [`Error::NotUp`], [`Error::UnknownHost`], [`Error::NotReady`], or what failed.
pub fn start(
    options: &Options,
    hosts: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    up::start(options, hosts, progress)
}

/// OpenSSH to a host as `user`, with the lab's key and the host's key pinned. Arguments
/// added to it are the remote command.
///
/// # Errors
/// [`Error::NotUp`], [`Error::UnknownHost`].
pub fn ssh_command(options: &Options, host: &str, user: &str) -> Result<Command, Error> {
    access::ssh(&Layout::new(options)?, Machine::named(host)?, user)
}

/// A provider's console: arguments added to it run as root inside the host, past firewall
/// and SSH. Needs root here.
///
/// # Errors
/// [`Error::UnknownHost`], [`Error::NotRunning`].
pub fn console_command(options: &Options, host: &str) -> Result<Command, Error> {
    access::console(&Layout::new(options)?, Machine::named(host)?)
}

/// The stranger's vantage: arguments added to it run in the stranger's network namespace.
/// Needs root here.
pub fn outside_command() -> Command {
    access::outside()
}

//! What of the lab is there and runs.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::layout::Layout;
use super::state::State;
use super::topology::MACHINES;
use super::{Error, Options, Suite, host, service};

/// The lab at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The hosts' release.
    pub suite: Suite,
    /// The ready site.toml.
    pub site: PathBuf,
    /// The hosts, in their order.
    pub hosts: Vec<HostStatus>,
    /// The services on this machine.
    pub services: Vec<ServiceStatus>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStatus {
    /// Its name.
    pub name: &'static str,
    /// Its public address.
    pub address: Ipv4Addr,
    /// Its process 1 as this machine numbers it; none when it doesn't run.
    pub pid: Option<u32>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: &'static str,
    /// Its port on the lab's gateway address.
    pub port: u16,
    /// Its process; none when it doesn't run.
    pub pid: Option<u32>,
}

/// What is there and runs.
///
/// # Errors
/// [`Error::NotUp`] when there is no lab; [`Error::File`] when its record can't be read,
/// which takes root.
pub fn status(options: &Options) -> Result<Status, Error> {
    let layout = Layout::new(options)?;
    let state = State::load(&layout)?.ok_or(Error::NotUp)?;
    Ok(Status {
        suite: state.suite,
        site: layout.site(),
        hosts: MACHINES
            .iter()
            .map(|machine| HostStatus {
                name: machine.name,
                address: machine.address(),
                pid: host::init(&layout, machine).map(|process| process.pid),
            })
            .collect(),
        services: service::SERVICES
            .iter()
            .map(|&(name, port)| ServiceStatus {
                name,
                port,
                pid: service::running(&layout, name).map(|process| process.pid),
            })
            .collect(),
    })
}

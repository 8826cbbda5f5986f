//! Ways into the lab's machines for people and tests.

use std::process::Command;

use super::layout::{self, Layout};
use super::topology::{Machine, OUTSIDE};
use super::{Error, host};

/// OpenSSH to a machine as `user`, with the lab's key and the host's key pinned. Add a
/// command's arguments to run one.
pub(super) fn ssh(layout: &Layout, machine: &Machine, user: &str) -> Result<Command, Error> {
    if !layout.key().exists() {
        return Err(Error::NotUp);
    }
    let mut command = Command::new("ssh");
    command
        // No file of the operator's plays a part.
        .args([
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "StrictHostKeyChecking=yes",
        ])
        .arg("-o")
        .arg(format!(
            "UserKnownHostsFile=\"{}\"",
            layout.known_hosts().display()
        ))
        .args([
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            "ConnectTimeout=10",
            "-i",
        ])
        .arg(layout.key())
        .arg(format!("{user}@{}", machine.address()));
    Ok(command)
}

/// A provider's console: runs the arguments that are added as root inside a machine,
/// whatever its firewall and SSH server say.
pub(super) fn console(layout: &Layout, machine: &Machine) -> Result<Command, Error> {
    let init =
        host::init(layout, machine).ok_or_else(|| Error::NotRunning(machine.name.to_owned()))?;
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &init.pid.to_string()])
        .args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
        ])
        .args(["--", "env", "-i"])
        .args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        .args(["HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb"]);
    Ok(command)
}

/// The stranger's vantage: runs the arguments that are added in its network namespace.
pub(super) fn outside() -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", OUTSIDE]);
    command
}

/// Writes known_hosts for every address of these machines.
pub(super) fn write_known_hosts(layout: &Layout, machines: &[Machine]) -> Result<(), Error> {
    let mut lines = String::new();
    for machine in machines {
        let (key, _) = host::host_key(layout, machine)?;
        let addresses = machine
            .addresses()
            .map(|address| address.to_string())
            .join(",");
        lines.push_str(&format!("{addresses} {key}\n"));
    }
    layout::write(&layout.known_hosts(), 0o644, lines)
}

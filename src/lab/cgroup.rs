//! A control group for each machine: two systemds in one group would manage, and kill,
//! each other's processes. It also names every process of a machine when its record is lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::Error;
use super::command::run;
use super::layout;
use super::topology::Machine;

/// How long killed processes may take to be reaped.
const REAPED: Duration = Duration::from_secs(30);

/// Where a machine's main process starts.
pub(super) struct Place {
    /// Control groups it enters.
    pub groups: Vec<PathBuf>,
    /// What comes before its command.
    pub prefix: Vec<String>,
}

/// Makes a machine's place. Where systemd is process 1 the groups are its own business: the
/// machine then gets a scope unit.
pub(super) fn place(machine: &Machine) -> Result<Place, Error> {
    if Path::new("/run/systemd/system").is_dir() {
        let prefix = [
            "systemd-run",
            "--scope",
            "--quiet",
            "--collect",
            "--property=Delegate=yes",
        ];
        let mut prefix = prefix.map(String::from).to_vec();
        prefix.push(format!("--unit=provision-{}", machine.namespace()));
        return Ok(Place {
            groups: Vec::new(),
            prefix,
        });
    }
    let groups = groups(machine)?;
    for group in &groups {
        layout::dir(group)?;
    }
    Ok(Place {
        groups,
        prefix: Vec::new(),
    })
}

/// Kills what is left in a machine's groups and removes them.
pub(super) fn clear(machine: &Machine) -> Result<(), Error> {
    for group in groups(machine)? {
        if !group.is_dir() {
            continue;
        }
        // A killed process stays in its group until it is reaped. What was started by a
        // program that has ended is reaped by process 1, and some of those take seconds.
        let end = Instant::now() + REAPED;
        while Instant::now() < end {
            for pid in members(&group) {
                // It may have ended since it was listed.
                let _ = run("kill", &["-s", "KILL", &pid]);
            }
            if remove(&group).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(30));
        }
        remove(&group).map_err(Error::file("remove", &group))?;
    }
    Ok(())
}

fn groups(machine: &Machine) -> Result<Vec<PathBuf>, Error> {
    let mounts = layout::read(Path::new("/proc/self/mountinfo"))?;
    let name = format!("provision-{}", machine.namespace());
    Ok(hierarchies(&mounts)
        .into_iter()
        .map(|root| root.join(&name))
        .collect())
}

/// The hierarchies that systemd uses: the unified one, and on version 1 its named one.
fn hierarchies(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            let mut words = source.split(' ');
            let wanted = match words.next()? {
                "cgroup2" => true,
                "cgroup" => words
                    .nth(1)?
                    .split(',')
                    .any(|option| option == "name=systemd"),
                _ => false,
            };
            wanted.then(|| PathBuf::from(point))
        })
        .collect()
}

fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

fn members(group: &Path) -> Vec<String> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<String> = own.lines().map(String::from).collect();
    for child in children(group) {
        all.extend(members(&child));
    }
    all
}

fn remove(group: &Path) -> io::Result<()> {
    if !group.is_dir() {
        return Ok(());
    }
    for child in children(group) {
        remove(&child)?;
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_and_the_named_hierarchy_are_found_and_controllers_left_alone() {
        let info = "30 24 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
                    31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                    32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    33 24 0:29 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";
        assert_eq!(
            hierarchies(info),
            [
                Path::new("/sys/fs/cgroup/unified"),
                Path::new("/sys/fs/cgroup/systemd")
            ]
        );
    }
}

//! What a host said of how it is doing.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::life::record::Record;
use crate::engine::served::Served;
use crate::event::{Container, Disk, LastBackup, Standing};
use crate::proof::{Timed, Timer};

/// With less room than this, and less than [`SHARE`] of it, a file system is told (KiB).
const ROOM: u64 = 5 * 1024 * 1024;
/// One part of so many.
const SHARE: u64 = 10;
/// With less room than this, it is told however small it is (KiB).
const LEAST: u64 = 512 * 1024;

/// What a host said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub standing: Standing,
    /// Why its containers aren't known, if so.
    pub silent: Option<String>,
    /// Of a proxy.
    pub served: Served,
    /// Of its timers.
    pub timers: BTreeMap<Timed, Timer>,
}

impl Said {
    /// What `status.sh` printed.
    pub(super) fn parse(host: &str, printed: &str) -> Self {
        let mut said = Self {
            silent: Some("there is no Docker".to_owned()),
            ..Self::default()
        };
        let standing = &mut said.standing;
        host.clone_into(&mut standing.host);
        let mut backup = String::new();
        for line in printed.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim();
            match word {
                "proven" => standing.proven_at = rest.parse().ok(),
                "pending" => standing.pending.push(rest.to_owned()),
                "guard" => standing.guards.push(rest.to_owned()),
                "held" => standing.held_by = Some(rest.to_owned()),
                "backup" => {
                    backup.push_str(rest);
                    backup.push('\n');
                }
                "reboot" => standing.reboot_required = true,
                "disk" => standing.low.extend(disk(rest).filter(is_low)),
                "docker" => match containers(rest) {
                    Ok(all) => {
                        standing.containers = all;
                        said.silent = None;
                    }
                    Err(why) => said.silent = Some(why),
                },
                _ => {}
            }
        }
        if !backup.is_empty() {
            let record = Record::parse(&backup);
            said.standing.backup = Some(LastBackup {
                well: record.well,
                name: record.name,
                bytes: record.bytes,
                failure: record.failure,
                timer: None,
            });
        }
        said
    }
}

fn disk(words: &str) -> Option<Disk> {
    let (left, rest) = words.split_once(' ')?;
    let (total, mount) = rest.split_once(' ')?;
    Some(Disk {
        mount: mount.to_owned(),
        left: left.parse().ok()?,
        total: total.parse().ok()?,
    })
}

fn is_low(disk: &Disk) -> bool {
    disk.left < LEAST || (disk.left < ROOM && disk.left < disk.total / SHARE)
}

/// A container as Docker lists it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
}

fn containers(json: &str) -> Result<Vec<Container>, String> {
    let all: Option<Vec<Listed>> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let all = all.ok_or("Docker doesn't answer")?;
    let mut all: Vec<Container> = all.into_iter().map(container).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn container(listed: Listed) -> Container {
    let name = listed.names.first().map(String::as_str).unwrap_or_default();
    // "Up 3 days (healthy)", "Up 2 seconds (health: starting)", "Exited (1) 5 minutes ago".
    let (since, health) = match listed.status.strip_prefix("Up ") {
        Some(up) => match up.split_once(" (") {
            Some((since, health)) => {
                let health = health.trim_end_matches(')');
                let health = health.strip_prefix("health: ").unwrap_or(health);
                (since.to_owned(), Some(health.to_owned()))
            }
            None => (up.to_owned(), None),
        },
        None => (listed.status, None),
    };
    Container {
        name: name.trim_start_matches('/').to_owned(),
        state: listed.state,
        health,
        since,
        image: listed.image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_says_is_read() {
        let said = Said::parse(
            "proxy",
            "proven 1700000000\npending nginx\nguard firewall, armed\nheld alice@laptop, pid 8\n\
             reboot\nbackup ok=9\nbackup bytes=7\nbackup result=failed\n\
             backup message=no room\ndisk 400000 500000 /\ndisk 90000000 100000000 /var/lib/docker\n\
             disk 4000000 100000000 /a b\n\
             docker [{\"Names\":[\"/polls-proxy\"],\"Image\":\"nginx:1.28\",\"State\":\"running\",\
             \"Status\":\"Up 3 days (health: starting)\"},{\"Names\":[\"/polls-app\"],\
             \"Image\":\"polls:1\",\"State\":\"exited\",\"Status\":\"Exited (1) 5 minutes ago\"}]",
        );
        assert_eq!(said.silent, None);
        let standing = said.standing;
        assert_eq!(standing.proven_at, Some(1_700_000_000));
        assert_eq!(standing.pending, ["nginx"]);
        assert_eq!(standing.guards, ["firewall, armed"]);
        assert_eq!(standing.held_by.as_deref(), Some("alice@laptop, pid 8"));
        assert!(standing.reboot_required);
        let backup = standing.backup.unwrap();
        assert_eq!(backup.failure.as_deref(), Some("no room"));
        assert_eq!((backup.well, backup.bytes), (Some(9), 7));
        let low: Vec<&str> = standing.low.iter().map(|d| d.mount.as_str()).collect();
        assert_eq!(low, ["/", "/a b"]);
        let told = |c: &Container| {
            let health = c.health.clone().unwrap_or_default();
            format!("{} {} {health} {}", c.name, c.state, c.since)
        };
        let told: Vec<String> = standing.containers.iter().map(told).collect();
        assert_eq!(
            told,
            [
                "polls-app exited  Exited (1) 5 minutes ago",
                "polls-proxy running starting 3 days"
            ]
        );
    }

    #[test]
    fn a_docker_that_is_silent_is_no_empty_list() {
        assert!(Said::parse("a", "").silent.is_some());
        assert!(Said::parse("a", "docker null").silent.is_some());
        assert!(Said::parse("a", "docker {").silent.is_some());
        assert_eq!(Said::parse("a", "docker []").silent, None);
    }
}

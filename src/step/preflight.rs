//! `preflight`: is every host fit, before anything is changed on any of them.

use super::lint::lint;
use super::{Cx, Error, Resources, Step};
use crate::event::State;
use crate::resource::requirement::{OS, Os, Requirement};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable, differs};
use crate::shell::Script;
use crate::site::Role;

pub(super) const STEP: Step = Step {
    name: "preflight",
    summary: "Is every host fit: system, rights, disk, clock, cloud-init, apt lock, ports, DNS, \
              and whether its firewall can hold",
    reads: "/etc/os-release, df, the clock, cloud-init's marks, apt's locks, listening ports; \
            what ufw and Docker are told and what else loads rules; whether the database's data \
            lie where its role isn't any more; from here: the domains' addresses",
    changes: "nothing; waits for cloud-init and for apt's locks, naming who holds them",
    guarded: false,
    resources,
};

const PROBE: Script = Script(concat!(
    include_str!("../resource/sh/apt-holder.sh"),
    include_str!("preflight.sh")
));
const LEFT: Script = Script(include_str!("preflight-left.sh"));
const WAIT: &str = concat!(
    include_str!("../resource/sh/apt-holder.sh"),
    include_str!("preflight-wait.sh")
);

/// Megabytes that images, packages and logs need at the least.
const DISK_MB: u64 = 2_000;
/// Seconds by which a host's clock may differ: certificates and apt refuse more.
const CLOCK: u64 = 300;

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let facts = || vec![Fact::Sh(PROBE, Vec::new())];
    let now = cx.now;
    let mut all: Resources = vec![
        Box::new(Requirement::new("rights", facts(), rights)),
        Box::new(Requirement::new(
            "operating system",
            vec![Fact::Sh(OS, Vec::new())],
            system,
        )),
        Box::new(Requirement::new("disk space", facts(), disk)),
        Box::new(Requirement::new("clock", facts(), move |seen| {
            clock(seen, now)
        })),
        Box::new(Requirement::new("cloud-init", facts(), cloud_init).wait(wait)),
        Box::new(Requirement::new("apt lock", facts(), apt_lock).wait(wait)),
    ];
    if cx.host.roles.contains(&Role::Proxy) || cx.host.roles.contains(&Role::App) {
        all.push(Box::new(Requirement::new(
            "ports 80 and 443",
            facts(),
            ports,
        )));
    }
    all.extend(left_behind(cx));
    all.push(lint(cx));
    Ok(all)
}

/// That no data of the site's database lie on a host that its role has moved away from: the new one
/// would begin empty, and nobody would be told.
fn left_behind(cx: &Cx<'_>) -> Option<Box<dyn Resource>> {
    cx.site.postgres.as_ref()?;
    let now = cx.site.with_role(Role::Db).next()?.name.to_string();
    if now == cx.host.name.as_str() || cx.host.left_behind {
        return None;
    }
    let (site, host) = (cx.site.name.to_string(), cx.host.name.to_string());
    let args = vec![cx.site.state()];
    let facts = vec![Fact::Sh(LEFT, args.clone())];
    Some(Box::new(Requirement::new(
        "data of the database",
        facts,
        move |seen| {
            let volume = seen.sh(LEFT, &args)?.text.trim();
            if volume.is_empty() {
                return Ok(State::InSync);
            }
            Ok(refused(
                format!(
                    "the database of {site} is here, in the volume {volume}, and [hosts] has its \
                     role on {now}, where it would begin empty"
                ),
                format!(
                    "give the role back to {host}, `provision backup`, and move it again with \
                     `left_behind = true` in [hosts.{host}]; then run, and `provision restore` the \
                     backup"
                ),
            ))
        },
    )))
}

fn wait() -> Op {
    Op::script("wait until the host is ready", WAIT, Vec::<String>::new()).long()
}

/// The value that preflight.sh printed for a key.
fn value<'a>(seen: &'a Observed, key: &str) -> Result<&'a str, Unreadable> {
    let printed = seen.sh(PROBE, &[])?;
    printed
        .text
        .lines()
        .find_map(|line| {
            line.strip_prefix(key)
                .and_then(|rest| rest.strip_prefix('='))
        })
        .ok_or_else(|| Unreadable {
            fact: key.to_owned(),
            why: "preflight found nothing to read".to_owned(),
        })
}

fn number(seen: &Observed, key: &str) -> Result<u64, Unreadable> {
    let text = value(seen, key)?;
    text.parse().map_err(|_| Unreadable {
        fact: key.to_owned(),
        why: format!("{text:?} is not a number"),
    })
}

fn refused(what: impl Into<String>, mend: impl Into<String>) -> State {
    State::Refused {
        what: what.into(),
        mend: mend.into(),
    }
}

fn rights(seen: &Observed) -> Result<State, Unreadable> {
    Ok(match value(seen, "uid")? {
        "0" => State::InSync,
        uid => refused(
            format!("commands run as uid {uid}, not as root"),
            "give the user sudo",
        ),
    })
}

fn system(seen: &Observed) -> Result<State, Unreadable> {
    let os = Os::of(seen)?;
    let major: u32 = os
        .version
        .split('.')
        .next()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    let oldest = match os.id.as_str() {
        "debian" => 12,
        "ubuntu" => 22,
        _ => u32::MAX,
    };
    Ok(if major >= oldest {
        State::InSync
    } else {
        refused(
            format!("{} {} is not supported", os.id, os.version),
            "install Debian 12 or later, or Ubuntu 22.04 or later",
        )
    })
}

fn disk(seen: &Observed) -> Result<State, Unreadable> {
    let free = number(seen, "disk_mb")?;
    Ok(if free >= DISK_MB {
        State::InSync
    } else {
        refused(
            format!("{free} MB free under /var, {DISK_MB} MB are needed"),
            "free some space or take a larger disk",
        )
    })
}

fn clock(seen: &Observed, here: u64) -> Result<State, Unreadable> {
    let off = number(seen, "clock")?.abs_diff(here);
    Ok(if off <= CLOCK {
        State::InSync
    } else {
        refused(
            format!("its clock is {off} seconds off ours"),
            "set the clock (timedatectl set-ntp true); certificates depend on it",
        )
    })
}

fn cloud_init(seen: &Observed) -> Result<State, Unreadable> {
    Ok(match value(seen, "cloud_init")? {
        "running" => differs("still sets the host up"),
        _ => State::InSync,
    })
}

fn apt_lock(seen: &Observed) -> Result<State, Unreadable> {
    Ok(match value(seen, "apt_lock")? {
        "" => State::InSync,
        holder => differs(format!("held by {holder}")),
    })
}

fn ports(seen: &Observed) -> Result<State, Unreadable> {
    Ok(match value(seen, "ports")? {
        "" => State::InSync,
        "unknown" => {
            return Err(Unreadable {
                fact: "what listens on ports 80 and 443".to_owned(),
                why: "there is no ss on the host: install iproute2".to_owned(),
            });
        }
        taken => refused(
            format!("taken by something that isn't ours: {taken}"),
            "stop and disable it, or move it to another port",
        ),
    })
}

//! Site × Playbook → Plan: which resources each host needs, in which order, and what waits
//! for what. Pure: the same site and playbook give the same plan.

use std::collections::BTreeSet;

use crate::playbook::{Playbook, Rollout};
use crate::resource::Resource;
use crate::site::{Host, HostName, Site};
use crate::step::{self, Check, Cx};

/// What is to be done for a site.
#[derive(Debug)]
pub struct Plan {
    /// The site's name.
    pub site: String,
    /// The playbook's name.
    pub playbook: String,
    /// The hosts that take part, in the order of their names.
    pub hosts: Vec<HostPlan>,
    /// What is proven at the end, if `verify` is part of the plan.
    pub checks: Vec<Check>,
    /// Whether the domains are looked up before anything is changed.
    pub lookups: Vec<Lookup>,
}

/// A name that must lead to the proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The name.
    pub domain: String,
    /// The addresses it may stand for.
    pub addresses: Vec<std::net::IpAddr>,
    /// The host whose preflight it belongs to.
    pub host: HostName,
}

/// What is to be done on one host.
#[derive(Debug)]
pub struct HostPlan {
    /// The host.
    pub host: Host,
    /// Its steps, in order.
    pub steps: Vec<StepPlan>,
}

/// One step on one host.
#[derive(Debug)]
pub struct StepPlan {
    /// The step's name.
    pub name: &'static str,
    /// What it needs, in order.
    pub resources: Vec<Box<dyn Resource>>,
    /// Steps, each on a host, that must be done before.
    pub after: Vec<(HostName, &'static str)>,
}

/// Which part of a plan is wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these hosts; empty means all.
    pub hosts: Vec<String>,
    /// Only these steps; empty means all.
    pub only: Vec<String>,
    /// Not these steps.
    pub skip: Vec<String>,
    /// Not the steps before this one.
    pub from: Option<String>,
}

/// A plan can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A role that a step runs on has no host.
    #[error("step {step} runs on role {role:?}, and no host in site.toml has it")]
    NoHost {
        /// The step.
        step: String,
        /// The role.
        role: String,
    },
    /// A host that was selected doesn't exist.
    #[error("there is no host {name:?} in site.toml; it has {}", .known.join(", "))]
    UnknownHost {
        /// As given.
        name: String,
        /// The hosts there are.
        known: Vec<String>,
    },
    /// A step that was selected isn't part of the playbook.
    #[error("step {name:?} is not part of this playbook; {hint}it has {}", .known.join(", "))]
    UnknownStep {
        /// As given.
        name: String,
        /// "did you mean …? ", or nothing.
        hint: String,
        /// The steps there are.
        known: Vec<String>,
    },
    /// The proof was asked for, and the rest of the selection leaves it out.
    #[error("the proof needs every host: leave out --host and --skip verify")]
    NoProof,
    /// A step can't say what it needs.
    #[error(transparent)]
    Step(#[from] step::Error),
}

/// Makes the plan. `now` is in seconds since 1970.
///
/// # Errors
/// If a host or step is selected that doesn't exist, a role has no host, or the proof is asked
/// for and left out at once.
pub fn plan(
    site: &Site,
    playbook: &Playbook,
    selection: &Selection,
    now: u64,
) -> Result<Plan, Error> {
    check_selection(site, playbook, selection)?;
    let mut entries = Vec::new();
    let mut started = selection.from.is_none();
    for entry in &playbook.steps {
        started |= selection.from.as_deref() == Some(entry.step.as_str());
        let listed = selection.only.is_empty() || selection.only.contains(&entry.step);
        if !started || !listed || selection.skip.contains(&entry.step) {
            continue;
        }
        // The proof needs every host: one that is left out can't be asked for its controls.
        if entry.step == "verify" && !selection.hosts.is_empty() {
            continue;
        }
        let Some(step) = step::find(&entry.step) else {
            continue;
        };
        for role in &entry.on {
            if site.with_role(*role).next().is_none() {
                let (step, role) = (entry.step.clone(), role.as_str().to_owned());
                return Err(Error::NoHost { step, role });
            }
        }
        entries.push((entry, step));
    }
    let proves = entries.iter().any(|(_, step)| step.name == "verify");
    if !proves && selection.only.iter().any(|name| name == "verify") {
        // Nothing looked at would otherwise count as nothing found.
        return Err(Error::NoProof);
    }
    let chosen = |host: &Host| {
        selection.hosts.is_empty()
            || selection
                .hosts
                .iter()
                .any(|name| name == host.name.as_str())
    };
    let runs_on = |entry: &crate::playbook::Entry, host: &Host| {
        entry.on.is_empty() || entry.on.iter().any(|role| host.roles.contains(role))
    };
    let mut hosts = Vec::new();
    for host in site.hosts.values().filter(|host| chosen(host)) {
        let cx = Cx { site, host, now };
        let mut steps = Vec::new();
        for (entry, step) in entries.iter().filter(|(entry, _)| runs_on(entry, host)) {
            let mut after = BTreeSet::new();
            for name in &entry.after {
                let earlier = entries.iter().find(|(other, _)| other.step == *name);
                let Some((earlier, earlier_step)) = earlier else {
                    continue;
                };
                for other in site
                    .hosts
                    .values()
                    .filter(|h| chosen(h) && runs_on(earlier, h))
                {
                    after.insert((other.name.clone(), earlier_step.name));
                }
            }
            if entry.rollout == Rollout::OneByOne {
                let before = site
                    .hosts
                    .values()
                    .filter(|other| chosen(other) && runs_on(entry, other))
                    .take_while(|other| other.name != host.name)
                    .last();
                after.extend(before.map(|before| (before.name.clone(), step.name)));
            }
            let resources = (step.resources)(&cx)?;
            steps.push(StepPlan {
                name: step.name,
                resources,
                after: after.into_iter().collect(),
            });
        }
        hosts.push(HostPlan {
            host: host.clone(),
            steps,
        });
    }
    let has = |name: &str| entries.iter().any(|(_, step)| step.name == name);
    let checks = if has("verify") {
        step::checks(site)
    } else {
        Vec::new()
    };
    let lookups = if has("preflight") && site.dns.check {
        lookups(site)
    } else {
        Vec::new()
    };
    Ok(Plan {
        site: site.name.to_string(),
        playbook: playbook.name.clone(),
        hosts,
        checks,
        lookups,
    })
}

fn check_selection(site: &Site, playbook: &Playbook, selection: &Selection) -> Result<(), Error> {
    for name in &selection.hosts {
        if !site.hosts.keys().any(|host| host.as_str() == name) {
            let known = site.hosts.keys().map(ToString::to_string).collect();
            return Err(Error::UnknownHost {
                name: name.clone(),
                known,
            });
        }
    }
    for name in selection
        .only
        .iter()
        .chain(&selection.skip)
        .chain(&selection.from)
    {
        if !playbook.steps.iter().any(|entry| entry.step == *name) {
            let known: Vec<String> = playbook
                .steps
                .iter()
                .map(|entry| entry.step.clone())
                .collect();
            let close = known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .filter(|(distance, _)| *distance <= 3)
                .min();
            let hint =
                close.map_or_else(String::new, |(_, known)| format!("did you mean {known}? "));
            return Err(Error::UnknownStep {
                name: name.clone(),
                hint,
                known,
            });
        }
    }
    Ok(())
}

fn lookups(site: &Site) -> Vec<Lookup> {
    use crate::site::Role;
    let addresses: Vec<_> = site.with_role(Role::Proxy).flat_map(Host::public).collect();
    let Some(host) = site.with_role(Role::Proxy).next() else {
        return Vec::new();
    };
    site.domains
        .iter()
        .map(|domain| Lookup {
            domain: domain.to_string(),
            addresses: addresses.clone(),
            host: host.name.clone(),
        })
        .collect()
}

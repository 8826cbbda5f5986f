//! Site × Playbook → Plan: which resources each host needs, in which order, and what waits
//! for what. Pure: the same site and playbook give the same plan.

use std::collections::BTreeSet;

use crate::playbook::{Entry, Playbook, Rollout};
use crate::resource::Resource;
use crate::site::{Host, HostName, Role, Site};
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
    pub name: String,
    /// What it needs, in order.
    pub resources: Vec<Box<dyn Resource>>,
    /// Steps, each on a host, that must be done before.
    pub after: Vec<(HostName, String)>,
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
    /// What the selected steps made is to be taken back, instead of made.
    pub remove: bool,
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
    /// No selected step runs on a selected host.
    #[error("{} has no part in {}: give another --host, or leave it out", .hosts.join(", "), .steps.join(", "))]
    Elsewhere {
        /// The hosts.
        hosts: Vec<String>,
        /// The steps.
        steps: Vec<String>,
    },
    /// The proof was asked for, and the rest of the selection leaves it out.
    #[error("the proof needs every host: leave out --host and --skip verify")]
    NoProof,
    /// A step whose work is asked to be taken back, and that can't do so.
    #[error("step {0} can't be taken back; firewall can: `provision step firewall --remove`")]
    NoRemoval(String),
    /// A step can't say what it needs.
    #[error(transparent)]
    Step(#[from] step::Error),
}

/// Makes the plan. `now` is in seconds since 1970.
///
/// # Errors
/// If a host or step is selected that doesn't exist, a role has no host, none of the selected steps
/// runs on a selected host, or the proof is asked for and left out at once.
pub fn plan(
    site: &Site,
    playbook: &Playbook,
    selection: &Selection,
    now: u64,
) -> Result<Plan, Error> {
    check_selection(site, playbook, selection)?;
    let entries = entries(site, playbook, selection)?;
    let proves = entries.iter().any(|entry| entry.step == "verify");
    if !proves && selection.only.iter().any(|name| name == "verify") {
        // Nothing looked at would otherwise count as nothing found.
        return Err(Error::NoProof);
    }
    let everybody = Everybody {
        site,
        selection,
        entries: &entries,
    };
    let mut hosts = Vec::new();
    for host in site.hosts.values().filter(|host| everybody.chosen(host)) {
        let cx = Cx { site, host, now };
        let mut steps = Vec::new();
        for entry in entries.iter().filter(|entry| runs_on(entry, host)) {
            steps.push(StepPlan {
                name: entry.step.clone(),
                resources: if selection.remove {
                    removal(entry, &cx)?
                } else {
                    resources(entry, &cx)?
                },
                after: everybody.after(entry, host).into_iter().collect(),
            });
        }
        // A host that no selected step runs on has no part in this.
        if !steps.is_empty() {
            hosts.push(HostPlan {
                host: host.clone(),
                steps,
            });
        }
    }
    if hosts.is_empty() && !selection.hosts.is_empty() && !selection.only.is_empty() {
        return Err(Error::Elsewhere {
            hosts: selection.hosts.clone(),
            steps: selection.only.clone(),
        });
    }
    let has = |name: &str| entries.iter().any(|entry| entry.step == name);
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

/// The entries of the playbook that are selected, each with a host to run on.
fn entries<'a>(
    site: &Site,
    playbook: &'a Playbook,
    selection: &Selection,
) -> Result<Vec<&'a Entry>, Error> {
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
        let without = |role: &Role| site.with_role(*role).next().is_none();
        let named = selection.only.contains(&entry.step);
        if entry.optional && !named && entry.on.iter().any(without) {
            continue;
        }
        if let Some(role) = entry.on.iter().find(|role| without(role)) {
            let (step, role) = (entry.step.clone(), role.as_str().to_owned());
            return Err(Error::NoHost { step, role });
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// What a step of the playbook needs on a host.
fn resources(entry: &Entry, cx: &Cx<'_>) -> Result<step::Resources, step::Error> {
    match (&entry.own, step::find(&entry.step)) {
        (Some(own), _) => step::own::resources(&entry.step, own, cx),
        (None, Some(step)) => (step.resources)(cx),
        (None, None) => Err(step::Error {
            step: entry.step.clone(),
            what: "there is no such step".to_owned(),
        }),
    }
}

/// What takes a step of the playbook back on a host.
fn removal(entry: &Entry, cx: &Cx<'_>) -> Result<step::Resources, Error> {
    match step::removal(&entry.step) {
        Some(removal) if entry.own.is_none() => Ok(removal(cx)),
        _ => Err(Error::NoRemoval(entry.step.clone())),
    }
}

fn runs_on(entry: &Entry, host: &Host) -> bool {
    entry.on.is_empty() || entry.on.iter().any(|role| host.roles.contains(role))
}

/// All hosts and steps that take part.
struct Everybody<'a> {
    site: &'a Site,
    selection: &'a Selection,
    entries: &'a [&'a Entry],
}

impl Everybody<'_> {
    fn chosen(&self, host: &Host) -> bool {
        let names = &self.selection.hosts;
        names.is_empty() || names.iter().any(|name| name == host.name.as_str())
    }

    /// The hosts that a step runs on, in the order of their names.
    fn hosts<'s>(&'s self, entry: &'s Entry) -> impl Iterator<Item = &'s Host> {
        self.site
            .hosts
            .values()
            .filter(|host| self.chosen(host) && runs_on(entry, host))
    }

    /// What a step waits for on a host.
    fn after(&self, entry: &Entry, host: &Host) -> BTreeSet<(HostName, String)> {
        let mut after = BTreeSet::new();
        for name in &entry.after {
            let earlier = self.entries.iter().find(|other| other.step == *name);
            if let Some(earlier) = earlier {
                let hosts = self.hosts(earlier);
                after.extend(hosts.map(|other| (other.name.clone(), earlier.step.clone())));
            }
        }
        if entry.rollout == Rollout::OneByOne {
            let before = self
                .hosts(entry)
                .take_while(|other| other.name != host.name)
                .last();
            after.extend(before.map(|before| (before.name.clone(), entry.step.clone())));
        }
        after
    }
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

//! Connects to all hosts at once, reads each in one exec, and compares. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::failure::{failure, unreadable};
use super::link;
use super::login::Entrance;
use super::look::leads;
use super::remote::{Remote, ms};
use super::root::Roots;
use super::token::token;
use super::{Events, Settings};
use crate::event::{Event, Failure, Level, Remark, State};
use crate::plan::{HostPlan, Lookup, Plan};
use crate::resource::fact::Observed;
use crate::resource::gather::Gather;
use crate::resource::{Resource, Unreadable};
use crate::ssh::Dialer;

/// What all hosts are like before anything is done.
pub struct Survey {
    pub(super) hosts: Vec<Surveyed>,
    pub(super) plan: Plan,
    pub(super) dialer: Dialer,
    pub(super) roots: Roots,
    pub(super) connections: usize,
    /// When it began.
    pub(super) start: Instant,
    /// Hosts whose preflight fails by what is seen from here.
    pub(super) refused: BTreeMap<String, Failure>,
    /// How many resources there are in each state.
    pub counts: Counts,
}

/// Resources by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they should be.
    pub in_sync: usize,
    /// Not as they should be.
    pub differ: usize,
    /// Not to be known yet.
    pub unknown: usize,
    /// On hosts or with values that we can't work with.
    pub refused: usize,
    /// Hosts that could not be reached or read.
    pub failed_hosts: usize,
    /// Reasons why a host's firewall can't hold.
    pub unsound: usize,
}

/// One host after the survey.
pub(super) struct Surveyed {
    pub host: String,
    pub state: Result<(Remote, Observed), Failure>,
}

impl Survey {
    /// Whether something that was seen keeps all of it from being done.
    pub fn is_hindered(&self) -> bool {
        self.counts.refused + self.counts.failed_hosts > 0
    }

    /// Whether nothing at all has to be done.
    pub fn is_converged(&self) -> bool {
        let Counts {
            differ,
            unknown,
            refused,
            failed_hosts,
            ..
        } = self.counts;
        differ + unknown + refused + failed_hosts == 0
    }
}

/// Connects, reads, compares; emits what was seen, host by host as they answer.
pub async fn survey(plan: Plan, settings: &Settings, dialer: Dialer, events: &Events) -> Survey {
    let start = Instant::now();
    let roots = Roots::new(Arc::clone(dialer.ask()));
    let mut tasks = JoinSet::new();
    for (at, host) in plan.hosts.iter().enumerate() {
        let gather = gather(host.steps.iter().flat_map(|step| &step.resources));
        let (settings, dialer, events) = (settings.clone(), dialer.clone(), events.clone());
        let roots = roots.clone();
        let host = host.host.clone();
        tasks.spawn(async move {
            let name = host.name.to_string();
            let mut entrance = Entrance::new(&settings, &host, &dialer, &events, &roots);
            let state = async {
                let gather = gather.map_err(|e| unreadable(&e))?;
                let mut again = true;
                loop {
                    let remote = entrance.first().await?;
                    let failure = match read(&remote, &gather).await {
                        Ok(seen) => return Ok((remote, seen)),
                        Err(failure) => failure,
                    };
                    if std::mem::take(&mut again)
                        && link::is_broken(&remote.session, &failure).await
                    {
                        entrance.once_more();
                        continue;
                    }
                    if let Some(failure) = entrance.turned_away(&remote, failure) {
                        return Err(failure);
                    }
                }
            }
            .await;
            let connections = entrance.connections();
            (at, Surveyed { host: name, state }, connections)
        });
    }
    let lookups = look_up(&plan.lookups, settings);
    let hosts = async {
        let mut hosts: Vec<Option<Surveyed>> = plan.hosts.iter().map(|_| None).collect();
        let mut connections = 0;
        while let Some(joined) = tasks.join_next().await {
            if let Ok((at, surveyed, made)) = joined {
                connections += made;
                hosts[at] = Some(surveyed);
            }
        }
        // A task that panicked brought nothing; its host has failed like any other.
        let broken = |host: &HostPlan| Surveyed {
            host: host.host.name.to_string(),
            state: Err(failure("read", "provision itself failed", "")),
        };
        let all = hosts.into_iter().zip(&plan.hosts);
        let hosts: Vec<Surveyed> = all
            .map(|(got, host)| got.unwrap_or_else(|| broken(host)))
            .collect();
        (hosts, connections)
    };
    let ((hosts, connections), refused) = tokio::join!(hosts, lookups);
    let counts = count(&plan.hosts, &hosts, &refused, events);
    Survey {
        hosts,
        plan,
        dialer,
        roots,
        connections,
        start,
        refused,
        counts,
    }
}

/// One script for the facts of these resources, with a nonce nobody can guess.
pub(super) fn gather<'a>(
    resources: impl IntoIterator<Item = &'a Box<dyn Resource>>,
) -> Result<Gather, Unreadable> {
    let nonce = token().map_err(|e| Unreadable {
        fact: "random numbers".to_owned(),
        why: e.to_string(),
    })?;
    Ok(Gather::new(
        nonce,
        resources.into_iter().flat_map(|resource| resource.facts()),
    ))
}

/// Reads a host in one exec.
pub(super) async fn read(remote: &Remote, gather: &Gather) -> Result<Observed, Failure> {
    let start = Instant::now();
    let printed = remote.feed(gather.script()).await?;
    let seen = gather.parse(&printed).map_err(|e| unreadable(&e))?;
    let (host, ms) = (remote.host.clone(), ms(start));
    remote.events.send(Event::Read {
        host,
        resources: gather.len(),
        ms,
    });
    Ok(seen)
}

/// Emits the state of every resource and counts them.
fn count(
    plans: &[HostPlan],
    hosts: &[Surveyed],
    refused_hosts: &BTreeMap<String, Failure>,
    events: &Events,
) -> Counts {
    let mut counts = Counts::default();
    for (plan, surveyed) in plans.iter().zip(hosts) {
        let host = surveyed.host.clone();
        let (_, seen) = match &surveyed.state {
            Ok(state) => state,
            Err(failure) => {
                counts.failed_hosts += 1;
                events.send(Event::HostFailed {
                    host,
                    failure: failure.clone(),
                });
                continue;
            }
        };
        if let Some(failure) = refused_hosts.get(&host) {
            counts.refused += 1;
            let (what, mend) = (
                failure.what.clone(),
                failure.next.clone().unwrap_or_default(),
            );
            events.send(Event::Seen {
                host: host.clone(),
                step: "preflight".to_owned(),
                resource: "DNS".to_owned(),
                state: State::Refused { what, mend },
            });
        }
        // A thing that two steps need, as nginx's configuration, is one difference: it is told
        // with the first of them.
        let mut told = BTreeSet::new();
        let mut remarked: Vec<Remark> = Vec::new();
        for step in &plan.steps {
            for resource in &step.resources {
                for remark in resource.remarks(seen) {
                    // Two steps may look at the same thing.
                    if !remarked.contains(&remark) {
                        remarked.push(remark.clone());
                        counts.unsound += usize::from(remark.level == Level::Refusal);
                        let host = host.clone();
                        events.send(Event::Remarked { host, remark });
                    }
                }
                let state = match resource.compare(seen) {
                    Ok(state) => state,
                    Err(e) => State::Refused {
                        what: e.to_string(),
                        mend: "see what keeps it from being read on the server".to_owned(),
                    },
                };
                if state != State::InSync && !told.insert(resource.id()) {
                    continue;
                }
                match &state {
                    State::InSync => counts.in_sync += 1,
                    State::Differs { .. } => counts.differ += 1,
                    State::Unknown { .. } => counts.unknown += 1,
                    State::Refused { .. } => counts.refused += 1,
                }
                events.send(Event::Seen {
                    host: host.clone(),
                    step: step.name.clone(),
                    resource: resource.id(),
                    state,
                });
            }
        }
    }
    counts
}

/// Looks the domains up; what doesn't lead to the proxies is a failure of theirs.
async fn look_up(lookups: &[Lookup], settings: &Settings) -> BTreeMap<String, Failure> {
    let mut refused = BTreeMap::new();
    for lookup in lookups {
        let resolver = settings.site.dns.resolver;
        let found = leads(&lookup.domain, &lookup.addresses, resolver).await;
        let Err(astray) = found else {
            continue;
        };
        let mut failure = failure("check", astray.what, "");
        failure.next = Some(astray.mend);
        refused.insert(lookup.host.to_string(), failure);
    }
    refused
}

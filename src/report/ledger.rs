//! What the events said, kept in order, with answers to what a report asks.

use crate::event::{
    Difference, Event, Failure, Finding, Mode, Outcome, Remark, Standing, State, Summary,
};

/// A change that was made and confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The resource.
    pub resource: String,
    /// What differed before.
    pub what: String,
    /// Milliseconds it took.
    pub ms: u64,
}

/// A step on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Resources and their states before anything was done, in the order they were seen.
    pub seen: Vec<(String, State)>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// What is being done, or waited for, at this moment.
    pub doing: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Milliseconds it took.
    pub ms: u64,
}

impl Step {
    /// How many resources satisfy a condition.
    pub fn count(&self, condition: impl Fn(&State) -> bool) -> usize {
        self.seen
            .iter()
            .filter(|(_, state)| condition(state))
            .count()
    }

    /// Resources that were as they should be and weren't changed.
    pub fn unchanged(&self) -> usize {
        let in_sync = self
            .seen
            .iter()
            .filter(|(_, state)| *state == State::InSync);
        in_sync
            .filter(|(name, _)| self.changes.iter().all(|c| c.resource != *name))
            .count()
    }

    /// Why it failed or was rolled back, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Some(Outcome::Failed(failure) | Outcome::RolledBack(failure)) => Some(failure),
            _ => None,
        }
    }
}

/// A host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its steps, in the order they were first heard of.
    pub steps: Vec<Step>,
    /// Why it left the run outside of any step.
    pub failure: Option<Failure>,
}

impl Host {
    /// Milliseconds spent in its steps.
    pub fn ms(&self) -> u64 {
        self.steps.iter().map(|step| step.ms).sum()
    }

    /// Resources that were changed.
    pub fn changed(&self) -> usize {
        self.steps.iter().map(|step| step.changes.len()).sum()
    }

    /// Resources that were as they should be.
    pub fn unchanged(&self) -> usize {
        self.steps.iter().map(Step::unchanged).sum()
    }

    fn step(&mut self, name: &str) -> &mut Step {
        let at = match self.steps.iter().position(|step| step.name == name) {
            Some(at) => at,
            None => {
                self.steps.push(Step {
                    name: name.to_owned(),
                    ..Step::default()
                });
                self.steps.len() - 1
            }
        };
        &mut self.steps[at]
    }
}

/// A server that was restarted, and what was seen after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// Its name.
    pub host: String,
    /// Milliseconds until it was back; `None` if it isn't.
    pub ms: Option<u64>,
    /// Containers that don't run again.
    pub missing: Vec<String>,
    /// How much was seen as before; `None` before the proof was taken again.
    pub same: Option<usize>,
    /// What was seen otherwise.
    pub differences: Vec<Difference>,
}

impl Restart {
    /// Whether all is as it was before.
    pub fn is_as_before(&self) -> bool {
        self.same.is_some() && self.missing.is_empty() && self.differences.is_empty()
    }
}

/// The record of one run. Events of different hosts may come interleaved in any way: the
/// record is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The site's name.
    pub site: String,
    /// The playbook's name.
    pub playbook: String,
    /// What was asked for; `None` before the run has started.
    pub mode: Option<Mode>,
    /// Hosts, in the site's order.
    pub hosts: Vec<Host>,
    /// What should be known of hosts, by their names, in the order it was remarked.
    pub remarks: Vec<(String, Remark)>,
    /// What was seen from outside.
    pub findings: Vec<Finding>,
    /// How hosts are doing, in the order they were heard of.
    pub standings: Vec<Standing>,
    /// Servers that were restarted, in order. What is found from the first of them on is held
    /// against [`Self::findings`] and not added to them.
    pub restarts: Vec<Restart>,
    /// The counts the run ended with; `None` while it runs, or if it broke off.
    pub summary: Option<Summary>,
}

impl Ledger {
    /// Takes an event down. [`Event::Started`] opens a new page.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Started {
                site,
                playbook,
                mode,
                hosts,
            } => {
                *self = Self {
                    site: site.clone(),
                    playbook: playbook.clone(),
                    mode: Some(*mode),
                    ..Self::default()
                };
                for host in hosts {
                    self.host(host);
                }
            }
            Event::Connecting { host, .. }
            | Event::Connected { host, .. }
            | Event::Reconnecting { host, .. }
            | Event::Reconnected { host, .. }
            | Event::Read { host, .. } => {
                self.host(host);
            }
            Event::Seen {
                host,
                step,
                resource,
                state,
            } => {
                let seen = &mut self.host(host).step(step).seen;
                match seen.iter_mut().find(|(name, _)| name == resource) {
                    Some((_, known)) => known.clone_from(state),
                    None => seen.push((resource.clone(), state.clone())),
                }
            }
            Event::StepStarted { host, step } => {
                self.host(host).step(step).doing = Some("starting".to_owned());
            }
            Event::Waiting { host, step, what } => {
                self.host(host).step(step).doing = Some(format!("waiting: {what}"));
            }
            Event::Doing {
                host, step, what, ..
            } => {
                self.host(host).step(step).doing = Some(what.clone());
            }
            Event::Changed {
                host,
                step,
                resource,
                what,
                ms,
            } => {
                let change = Change {
                    resource: resource.clone(),
                    what: what.clone(),
                    ms: *ms,
                };
                self.host(host).step(step).changes.push(change);
            }
            Event::StepFinished {
                host,
                step,
                outcome,
                ms,
            } => {
                let step = self.host(host).step(step);
                step.doing = None;
                step.outcome = Some(outcome.clone());
                step.ms = *ms;
            }
            Event::HostFailed { host, failure } => {
                let host = self.host(host);
                host.failure = Some(failure.clone());
                for step in &mut host.steps {
                    step.doing = None;
                }
            }
            Event::Output { .. }
            | Event::Detail { .. }
            | Event::GuardArmed { .. }
            | Event::GuardDisarmed { .. }
            | Event::Backups { .. }
            | Event::Saved(_)
            // It comes before there is anything to report on.
            | Event::Refused { .. } => {}
            Event::Remarked { host, remark } => {
                self.host(host);
                self.remarks.push((host.clone(), remark.clone()));
            }
            Event::Found(finding) if self.restarts.is_empty() => {
                self.findings.push(finding.clone());
            }
            Event::Found(_) => {}
            Event::Stands(standing) => {
                self.host(&standing.host);
                self.standings.push(Standing::clone(standing));
            }
            Event::Measured(summary) => self.summary = Some(summary.clone()),
            Event::Restarting { host, .. } => {
                self.summary = None;
                let host = self.host(host).name.clone();
                self.restarts.push(Restart {
                    host,
                    ..Restart::default()
                });
            }
            Event::Restarted { host, ms, missing } => {
                for step in &mut self.host(host).steps {
                    step.doing = None;
                }
                if let Some(restart) = self.restarts.last_mut() {
                    restart.ms = Some(*ms);
                    restart.missing.clone_from(missing);
                }
            }
            Event::Compared {
                same, differences, ..
            } => {
                if let Some(restart) = self.restarts.last_mut() {
                    restart.same = Some(*same);
                    restart.differences.clone_from(differences);
                }
            }
            Event::Finished(summary) => self.summary = Some(summary.clone()),
        }
    }

    /// What is recorded of a step on a host.
    pub fn step(&self, host: &str, step: &str) -> Option<&Step> {
        let host = self.hosts.iter().find(|known| known.name == host)?;
        host.steps.iter().find(|known| known.name == step)
    }

    /// Whether any host or step failed or was rolled back.
    pub fn failed(&self) -> bool {
        self.hosts.iter().any(|host| {
            host.failure.is_some() || host.steps.iter().any(|step| step.failure().is_some())
        })
    }

    /// A host's place in the site's order; those that aren't the site's come last.
    pub fn place(&self, host: &str) -> usize {
        self.hosts
            .iter()
            .position(|known| known.name == host)
            .unwrap_or(usize::MAX)
    }

    /// The width of the column that holds the hosts' names, in characters.
    pub fn host_width(&self) -> usize {
        self.hosts
            .iter()
            .map(|host| host.name.chars().count())
            .max()
            .unwrap_or(0)
            + 2
    }

    /// The width of the column that holds the steps' names, in characters.
    pub fn step_width(&self) -> usize {
        let steps = self.hosts.iter().flat_map(|host| &host.steps);
        steps
            .map(|step| step.name.chars().count())
            .max()
            .unwrap_or(0)
            + 2
    }

    fn host(&mut self, name: &str) -> &mut Host {
        let at = match self.hosts.iter().position(|host| host.name == name) {
            Some(at) => at,
            None => {
                self.hosts.push(Host {
                    name: name.to_owned(),
                    ..Host::default()
                });
                self.hosts.len() - 1
            }
        };
        &mut self.hosts[at]
    }
}

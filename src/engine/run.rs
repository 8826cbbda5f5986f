//! From the survey to the summary: converge all hosts at once, then prove.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::act::act;
use super::converge::{Tally, Work, converge};
use super::failure::failure;
use super::gates::{Gates, Part};
use super::link;
use super::login::Entrance;
use super::proof::prove_site;
use super::remote::{Remote, ms};
use super::survey::Survey;
use super::{Events, Settings, exit};
use crate::event::{Event, Outcome, State, Summary};
use crate::plan::StepPlan;

impl Survey {
    /// What a plan comes to: nothing is done.
    pub fn summary(&self) -> Summary {
        let failed = self.counts.failed_hosts + self.counts.refused;
        Summary {
            changed: self.counts.differ,
            unchanged: self.counts.in_sync,
            unknown: self.counts.unknown,
            failed,
            ms: ms(self.start),
            connections: self.connections,
            execs: self.execs(),
            exit_code: if failed > 0 { exit::FAILED } else { exit::DONE },
            ..Summary::default()
        }
    }

    /// When the site was proven, by the oldest receipt; `None` if `verify` is not in the plan.
    fn proven_at(&self) -> Option<u64> {
        let receipt = format!("/var/lib/provision/{}/proof", self.plan.site);
        self.hosts
            .iter()
            .filter_map(|host| host.state.as_ref().ok())
            .filter_map(|(_, seen)| seen.file(&receipt).ok().flatten())
            .map(|file| file.modified)
            .min()
    }

    fn execs(&self) -> usize {
        self.hosts
            .iter()
            .filter_map(|host| host.state.as_ref().ok())
            .map(|(remote, _)| remote.session.execs())
            .sum()
    }
}

/// Converges what the survey found to differ, then proves the site if the plan asks for it
/// and it isn't proven already.
pub async fn converge_and_prove(survey: Survey, settings: &Settings, events: &Events) -> Summary {
    if survey.is_converged() {
        // Nothing to do, and the proof since the last change still stands.
        let mut summary = survey.summary();
        summary.proven_at = survey.proven_at();
        events.send(Event::Finished(summary.clone()));
        return summary;
    }
    let Survey {
        hosts,
        plan,
        dialer,
        roots,
        connections,
        start,
        mut refused,
        ..
    } = survey;
    let plan = Arc::new(plan);
    let work = Arc::new(Work {
        settings: settings.clone(),
        dialer,
        roots,
        gates: Arc::new(Gates::new(&plan)),
        changed: Arc::new(AtomicBool::new(false)),
    });
    let mut summary = Summary {
        connections,
        ..Summary::default()
    };
    let mut proven_already = true;
    let mut tasks: JoinSet<(Remote, Tally)> = JoinSet::new();
    let mut names = HashMap::new();
    for (at, host) in hosts.into_iter().enumerate() {
        match host.state {
            Err(_) => {
                work.gates.leave(&host.host);
                summary.failed += 1;
            }
            Ok((remote, seen)) => {
                let receipts = plan.hosts[at]
                    .steps
                    .iter()
                    .filter(|step| step.name == "verify");
                for receipt in receipts.flat_map(|step| &step.resources) {
                    proven_already &= matches!(receipt.compare(&seen), Ok(State::InSync));
                }
                let (work, plan) = (Arc::clone(&work), Arc::clone(&plan));
                let refused = refused.remove(&host.host);
                let part = Part {
                    gates: Arc::clone(&work.gates),
                    host: host.host.clone(),
                };
                let name = host.host.clone();
                let task = tasks.spawn(async move {
                    let _part = part;
                    converge(&work, &plan.hosts[at], remote, seen, refused).await
                });
                names.insert(task.id(), name);
            }
        }
    }
    let mut remotes = BTreeMap::new();
    let (mut rolled_back, mut locked) = (false, false);
    while let Some(joined) = tasks.join_next().await {
        let (remote, tally) = match joined {
            Ok(done) => done,
            Err(panic) => {
                // The panic itself has been reported on stderr.
                let what = format!("provision itself failed: {panic}");
                let mut failure = failure("change", what, "");
                failure.next = Some("run again; if it comes back, report it".to_owned());
                let host = names.get(&panic.id()).cloned().unwrap_or_default();
                events.send(Event::HostFailed { host, failure });
                summary.failed += 1;
                continue;
            }
        };
        summary.changed += tally.changed;
        summary.unchanged += tally.unchanged;
        summary.failed += tally.failed;
        summary.blocked += tally.blocked;
        summary.connections += tally.connections;
        summary.execs += tally.execs;
        rolled_back |= tally.rolled_back;
        locked |= tally.locked;
        remotes.insert(remote.host.clone(), remote);
    }
    let changed = work.changed.load(Ordering::Relaxed);
    if !plan.checks.is_empty() && (changed || !proven_already) {
        let verify = || {
            plan.hosts
                .iter()
                .flat_map(|host| &host.steps)
                .filter(is_verify)
        };
        if summary.failed + summary.blocked > 0 {
            let by = "what failed before".to_owned();
            for host in &plan.hosts {
                if host.steps.iter().any(|step| is_verify(&step)) {
                    let outcome = Outcome::Blocked { by: by.clone() };
                    let host = host.host.name.to_string();
                    let step = "verify".to_owned();
                    events.send(Event::StepFinished {
                        host,
                        step,
                        outcome,
                        ms: 0,
                    });
                }
            }
            summary.blocked += verify().count();
        } else {
            for host in &plan.hosts {
                // It may have ended while this host waited for others.
                let Some(remote) = remotes.get_mut(host.host.name.as_str()) else {
                    continue;
                };
                let entrance = || {
                    let (dialer, roots) = (&work.dialer, &work.roots);
                    Entrance::new(settings, &host.host, dialer, events, roots)
                };
                if let Some(new) = link::renew(remote, entrance).await {
                    summary.connections += new.connections;
                    summary.execs += new.execs;
                }
            }
            // The step that sets the renewal up has rehearsed it.
            let proof = prove_site(
                &plan.checks,
                settings,
                &remotes,
                &work.dialer,
                events,
                false,
            )
            .await;
            (summary.proven, summary.unproven) = (proof.proven, proof.unproven);
            if summary.unproven == 0 {
                leave_receipts(&plan.hosts, &remotes, settings).await;
            }
        }
    }
    summary.ms = ms(start);
    summary.execs += execs(&remotes);
    summary.connections += further(&remotes);
    summary.exit_code = if rolled_back {
        exit::ROLLED_BACK
    } else if locked {
        exit::LOCKED
    } else if summary.failed + summary.blocked > 0 {
        exit::FAILED
    } else if summary.unproven > 0 {
        exit::EXPOSED
    } else {
        exit::DONE
    };
    events.send(Event::Finished(summary.clone()));
    summary
}

/// Proves the site as it stands; with `rehearse`, the renewal of its certificate too.
pub async fn prove_only(
    survey: Survey,
    settings: &Settings,
    events: &Events,
    rehearse: bool,
) -> Summary {
    let mut summary = Summary {
        connections: survey.connections,
        ..Summary::default()
    };
    let start = survey.start;
    let unsound = survey.counts.unsound;
    let mut remotes = BTreeMap::new();
    for host in survey.hosts {
        match host.state {
            Ok((remote, _)) => {
                remotes.insert(host.host, remote);
            }
            Err(_) => summary.failed += 1,
        }
    }
    let plan = survey.plan;
    let proof = prove_site(
        &plan.checks,
        settings,
        &remotes,
        &survey.dialer,
        events,
        rehearse,
    )
    .await;
    (summary.proven, summary.unproven) = (proof.proven, proof.unproven);
    // What is rehearsed beside it has a time of its own.
    let looked = proof.looked.duration_since(start).as_millis();
    summary.ms = u64::try_from(looked).unwrap_or(u64::MAX);
    summary.rehearsal_ms = proof.rehearsal_ms;
    summary.execs = execs(&remotes);
    summary.connections += further(&remotes);
    // What was seen to be closed may not stay so on a host whose rules can't hold.
    summary.exit_code = match (summary.unproven + unsound, summary.failed) {
        (0, 0) => exit::DONE,
        (0, _) => exit::FAILED,
        _ => exit::EXPOSED,
    };
    events.send(Event::Finished(summary.clone()));
    summary
}

/// Connections that servers with few sessions each took beside the first.
fn further(remotes: &BTreeMap<String, Remote>) -> usize {
    let all = remotes.values();
    all.map(|remote| remote.session.connections().saturating_sub(1))
        .sum()
}

fn execs(remotes: &BTreeMap<String, Remote>) -> usize {
    let all = remotes.values();
    all.map(|remote| remote.session.execs()).sum()
}

fn is_verify(step: &&StepPlan) -> bool {
    step.name == "verify"
}

/// Notes on every host that the site was proven after its last change.
async fn leave_receipts(
    hosts: &[crate::plan::HostPlan],
    remotes: &BTreeMap<String, Remote>,
    settings: &Settings,
) {
    for host in hosts {
        let Some(remote) = remotes.get(host.host.name.as_str()) else {
            continue;
        };
        let receipts = host
            .steps
            .iter()
            .filter(is_verify)
            .flat_map(|step| &step.resources);
        for op in receipts.flat_map(|receipt| receipt.converge(&Default::default())) {
            // A receipt that could not be left only means that the next run proves again.
            let _left = act(remote, "verify", &op, None, &settings.cache).await;
        }
    }
}

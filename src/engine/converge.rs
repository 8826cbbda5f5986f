//! The steps of one host, in order: each resource compared, converged, and confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Settings;
use super::act::act;
use super::failure::{failure, unreadable};
use super::gates::{Ended, Gates};
use super::guard::{self, Guard, Lapsed, Stopped};
use super::job::{Ended as JobEnded, Job};
use super::link::{self, LOSSES};
use super::lock::{self, Lock};
use super::login::Entrance;
use super::remote::{Remote, ms};
use super::root::Roots;
use super::survey::{gather, read};
use super::token::no_token;
use crate::event::{Event, Failure, Outcome, State};
use crate::plan::{HostPlan, StepPlan};
use crate::resource::fact::Observed;
use crate::resource::{Op, Resource};
use crate::ssh::Dialer;

/// How long a host of a roll-out is given before the next one is changed: more than nginx's
/// `fail_timeout`.
const SETTLE: Duration = Duration::from_secs(2);

/// What came of a host.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub changed: usize,
    pub unchanged: usize,
    pub failed: usize,
    pub blocked: usize,
    pub connections: usize,
    /// Commands on connections that broke.
    pub execs: usize,
    pub rolled_back: bool,
    pub locked: bool,
}

/// What a host's steps share.
pub(super) struct Work {
    pub settings: Settings,
    pub dialer: Dialer,
    pub roots: Roots,
    pub gates: Arc<Gates>,
    /// Whether anything was changed on any host.
    pub changed: Arc<AtomicBool>,
}

/// A host in the middle of its steps.
struct Host<'a> {
    work: &'a Work,
    plan: &'a HostPlan,
    remote: Remote,
    lock: Option<Lock>,
    /// What was read last, and whether something was changed since.
    seen: Observed,
    stale: bool,
    /// How often the connection broke since something came of it.
    losses: usize,
    tally: Tally,
}

/// Why a step did not end well.
enum Stop {
    Failed(Failure),
    /// A failure that no other connection mends: not tried again.
    Final(Failure),
    RolledBack(Failure),
    Locked(Failure),
    Blocked(String),
    /// What was read before no longer counts: read and compare again.
    Again,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Lapsed> for Stop {
    fn from(lapsed: Lapsed) -> Self {
        match lapsed {
            Lapsed::RolledBack(failure) => Self::RolledBack(failure),
            Lapsed::Failed(failure) => Self::Final(failure),
        }
    }
}

/// Carries out the steps of a host; gives back the session for the proof.
pub(super) async fn converge(
    work: &Work,
    plan: &HostPlan,
    remote: Remote,
    seen: Observed,
    refused: Option<Failure>,
) -> (Remote, Tally) {
    let mut host = Host {
        work,
        plan,
        remote,
        lock: None,
        seen,
        stale: false,
        losses: 0,
        tally: Tally::default(),
    };
    host.steps(refused).await;
    (host.remote, host.tally)
}

impl Host<'_> {
    async fn steps(&mut self, mut refused: Option<Failure>) {
        let plan = self.plan;
        let mut left = plan.steps.iter().filter(|step| step.name != "verify");
        while let Some(step) = left.next() {
            let start = Instant::now();
            let before = self.tally.changed;
            let result = match refused.take_if(|_| step.name == "preflight") {
                Some(failure) => Err(Stop::Failed(failure)),
                None => self.step(step).await,
            };
            let ended = if result.is_ok() {
                Ended::Well
            } else {
                Ended::Badly
            };
            let outcome = match result {
                Ok(()) if self.tally.changed > before => Outcome::Changed,
                Ok(()) => Outcome::Unchanged,
                Err(Stop::Failed(failure) | Stop::Final(failure)) => Outcome::Failed(failure),
                Err(Stop::RolledBack(failure)) => {
                    self.tally.rolled_back = true;
                    Outcome::RolledBack(failure)
                }
                Err(Stop::Locked(failure)) => {
                    self.tally.locked = true;
                    Outcome::Failed(failure)
                }
                Err(Stop::Blocked(by)) => Outcome::Blocked { by },
                // Caught where it is compared.
                Err(Stop::Again) => Outcome::Failed(failure("change", "it never held still", "")),
            };
            match &outcome {
                Outcome::Blocked { .. } => self.tally.blocked += 1,
                Outcome::Failed(_) | Outcome::RolledBack(_) => self.tally.failed += 1,
                _ => {}
            }
            self.finished(&step.name, outcome, ms(start));
            self.work.gates.open(&self.remote.host, &step.name, ended);
            if ended == Ended::Badly {
                let by = format!("{} on {}", step.name, self.remote.host);
                for later in left {
                    self.tally.blocked += 1;
                    self.finished(&later.name, Outcome::Blocked { by: by.clone() }, 0);
                }
                self.work.gates.leave(&self.remote.host);
                return;
            }
        }
    }

    fn finished(&self, step: &str, outcome: Outcome, ms: u64) {
        let (host, step) = (self.remote.host.clone(), step.to_owned());
        self.remote.events.send(Event::StepFinished {
            host,
            step,
            outcome,
            ms,
        });
    }

    async fn step(&mut self, step: &StepPlan) -> Result<(), Stop> {
        for (host, name) in &step.after {
            if self.work.gates.wait(host.as_str(), name).await == Ended::Badly {
                return Err(Stop::Blocked(format!("{name} on {host}")));
            }
        }
        let (host, name) = (self.remote.host.clone(), step.name.clone());
        self.remote
            .events
            .send(Event::StepStarted { host, step: name });
        if self.stale {
            // All that is still to come: what was changed may have changed any of it.
            let steps = self.plan.steps.iter();
            let left = steps.skip_while(|other| other.name != step.name);
            let left: Vec<_> = left.flat_map(|step| &step.resources).collect();
            while let Err(failure) = self.read(left.iter().copied()).await {
                self.resume(&step.name, failure, &mut None).await?;
            }
            self.stale = false;
        }
        self.settle(step).await;
        let mut guard: Option<Guard> = None;
        for (at, resource) in step.resources.iter().enumerate() {
            if !resource.guarded()
                && let Some(guard) = guard.take()
            {
                self.disarm(guard).await?;
            }
            self.resource(step, at, &mut guard).await?;
        }
        match guard {
            Some(guard) => self.disarm(guard).await,
            None => Ok(()),
        }
    }

    /// Between two hosts of a roll-out: the host before is healthy, but a proxy that saw it
    /// fail takes a moment to send it visitors again.
    async fn settle(&self, step: &StepPlan) {
        let before = step.after.iter().find(|(_, name)| *name == step.name);
        let mut states = step
            .resources
            .iter()
            .map(|resource| resource.compare(&self.seen));
        let differs = states.any(|state| !matches!(state, Ok(State::InSync)));
        let (Some((before, _)), true) = (before, differs) else {
            return;
        };
        if self.work.changed.load(Ordering::Relaxed) {
            self.remote.events.send(Event::Waiting {
                host: self.remote.host.clone(),
                step: step.name.clone(),
                what: format!("{before} takes visitors again"),
            });
            tokio::time::sleep(SETTLE).await;
        }
    }

    async fn read<'r>(
        &mut self,
        resources: impl IntoIterator<Item = &'r Box<dyn Resource>>,
    ) -> Result<(), Failure> {
        let gather = gather(resources).map_err(|e| unreadable(&e))?;
        self.seen = read(&self.remote, &gather).await?;
        Ok(())
    }

    /// Brings one resource to its state, over as many connections as it takes.
    async fn resource(
        &mut self,
        step: &StepPlan,
        at: usize,
        guard: &mut Option<Guard>,
    ) -> Result<(), Stop> {
        self.losses = 0;
        let mut again = false;
        loop {
            let compared = async {
                if again {
                    self.read(&step.resources[at..]).await?;
                }
                self.compared(step, at, guard).await
            };
            match compared.await {
                Err(Stop::Failed(failure)) => self.resume(&step.name, failure, guard).await?,
                Err(Stop::Again) => {}
                other => return other,
            }
            again = true;
            self.stale = true;
        }
    }

    /// Compares one resource, closes its gap, and confirms that it is closed.
    async fn compared(
        &mut self,
        step: &StepPlan,
        at: usize,
        guard: &mut Option<Guard>,
    ) -> Result<(), Stop> {
        let resource = &step.resources[at];
        let what = match resource.compare(&self.seen).map_err(|e| unreadable(&e))? {
            State::InSync => {
                self.tally.unchanged += 1;
                return Ok(());
            }
            State::Differs { what, .. } => what,
            other => return Err(unfit(&resource.id(), &other).into()),
        };
        self.hold(&step.name).await?;
        if resource.guarded() && guard.is_none() {
            *guard = Some(guard::arm(&self.remote, &self.work.settings, &step.name).await?);
        }
        let start = Instant::now();
        self.work.changed.store(true, Ordering::Relaxed);
        self.stale = true;
        for op in resource.converge(&self.seen) {
            self.remote.events.send(Event::Doing {
                host: self.remote.host.clone(),
                step: step.name.clone(),
                resource: resource.id(),
                what: op.what.clone(),
            });
            self.carry_out(step, &op, guard).await?;
        }
        // What follows in this step is read again too: what was just done may have changed it.
        self.read(&step.resources[at..]).await?;
        match resource.compare(&self.seen).map_err(|e| unreadable(&e))? {
            State::InSync => {}
            State::Differs { what, lines } => {
                let lines: Vec<String> = lines.iter().map(shown).collect();
                let text = format!(
                    "{} still differs after it was changed: {what}",
                    resource.id()
                );
                return Err(failure("confirm", text, &lines.join("\n")).into());
            }
            other => return Err(unfit(&resource.id(), &other).into()),
        }
        self.tally.changed += 1;
        self.remote.events.send(Event::Changed {
            host: self.remote.host.clone(),
            step: step.name.clone(),
            resource: resource.id(),
            what,
            ms: ms(start),
        });
        Ok(())
    }

    /// Carries out one operation. A long one goes on where the connection breaks, and is
    /// collected.
    async fn carry_out(
        &mut self,
        step: &StepPlan,
        op: &Op,
        guard: &mut Option<Guard>,
    ) -> Result<(), Stop> {
        let cache = &self.work.settings.cache;
        let fence = self.lock.as_ref().map(Lock::fence);
        let Some(mut job) = Job::new(op).map_err(|e| no_token(&e))? else {
            return Ok(act(&self.remote, &step.name, op, fence, cache).await?);
        };
        let mut broke = false;
        let fence = fence.unwrap_or("-");
        let mut ended = job.start(&self.remote, &step.name, fence, cache).await;
        loop {
            match ended {
                Err(failure) => {
                    if job.came_on() {
                        self.losses = 0;
                    }
                    self.resume(&step.name, failure, guard).await?;
                    broke = true;
                    ended = job.follow(&self.remote, &step.name).await;
                }
                Ok(done) => {
                    if let Some(lock) = &self.lock {
                        lock.collected(job.id());
                    }
                    return match done {
                        JobEnded::Badly(failure) => Err(failure.into()),
                        JobEnded::Gone if broke => Err(Stop::Again),
                        JobEnded::Gone => {
                            let what = format!("could not {}: it was killed there", op.what);
                            Err(failure("change", what, "").into())
                        }
                        _ => Ok(()),
                    };
                }
            }
        }
    }

    /// After a failure: if it was the connection that broke, makes it again and holds the host
    /// as before. What was read before doesn't count then.
    ///
    /// A connection that breaks under an armed guard may have been cut by the change itself. So
    /// the new one must come about in the guard's time, which then begins anew: until all of the
    /// change is made and proven, the state before it is what comes back.
    async fn resume(
        &mut self,
        step: &str,
        failure: Failure,
        guard: &mut Option<Guard>,
    ) -> Result<(), Stop> {
        let mut why = failure;
        while link::is_broken(&self.remote.session, &why).await {
            self.losses += 1;
            if self.losses > LOSSES {
                why.stage = "exec".to_owned();
                why.what = format!("{}, for the {}th time here", why.what, self.losses);
                break;
            }
            self.tally.execs += self.remote.session.execs();
            let work = self.work;
            let (host, events) = (&self.plan.host, self.remote.events.clone());
            let entrance =
                || Entrance::new(&work.settings, host, &work.dialer, &events, &work.roots);
            match guard.as_mut() {
                Some(armed) => {
                    let start = Instant::now();
                    events.send(Event::Reconnecting {
                        host: host.name.to_string(),
                        why: why.what.clone(),
                        attempt: 1,
                    });
                    let new = armed.renew(host.name.as_str(), &events, entrance);
                    let (remote, attempts) = new.await?;
                    events.send(Event::Reconnected {
                        host: host.name.to_string(),
                        ms: ms(start),
                    });
                    self.tally.connections += attempts;
                    self.remote = remote;
                }
                None => {
                    let name = host.name.as_str();
                    let new = link::again(name, &events, &why.what, entrance);
                    let (remote, connections) = new.await.map_err(Stop::Final)?;
                    self.tally.connections += connections;
                    self.remote = remote;
                }
            }
            if self.lock.is_none() {
                return Ok(());
            }
            match self.take_lock(step).await {
                Ok(_anew) => {}
                Err(Stop::Failed(failure)) => {
                    why = failure;
                    continue;
                }
                Err(other) => return Err(other),
            }
            let Some(armed) = guard.as_mut() else {
                return Ok(());
            };
            match armed.follow(&self.remote).await {
                Ok(()) => return Ok(()),
                Err(Stopped::Lost(failure)) => why = failure,
                Err(Stopped::Lapsed(lapsed)) => return Err(lapsed.into()),
            }
        }
        Err(match guard.take() {
            Some(guard) => guard.give_up(&self.remote, &why).await.into(),
            None => Stop::Final(why),
        })
    }

    /// Holds the host against other runs, from the first change on.
    async fn hold(&mut self, step: &str) -> Result<(), Stop> {
        if self.lock.is_none() && self.take_lock(step).await? {
            return Err(Stop::Again);
        }
        Ok(())
    }

    /// Takes the lock, in place of that of a connection that broke. Whether an earlier run was
    /// still at work.
    async fn take_lock(&mut self, step: &str) -> Result<bool, Stop> {
        let settings = &self.work.settings;
        let receipt = format!("{}/proof", settings.site.state());
        let before = self.lock.as_ref();
        match lock::lock(&self.remote, step, &settings.owner, &receipt, before).await {
            Ok(held) => {
                self.lock = Some(held.lock);
                Ok(held.anew)
            }
            Err(lock::Refused::Held(failure)) => Err(Stop::Locked(failure)),
            Err(lock::Refused::Failed(failure)) => Err(Stop::Failed(failure)),
        }
    }

    async fn disarm(&mut self, guard: Guard) -> Result<(), Stop> {
        let work = self.work;
        let events = self.remote.events.clone();
        let host = &self.plan.host;
        let entrance = || Entrance::new(&work.settings, host, &work.dialer, &events, &work.roots);
        let name = host.name.as_str();
        match guard.prove(&work.settings, name, &events, entrance).await {
            Ok((new, attempts)) => {
                self.tally.connections += attempts;
                let routes = &work.settings.routes;
                if routes.is_bastion(host) {
                    // The user who came in at first may not be let in again.
                    routes.lead_through(host, &new.session, &work.dialer).await;
                }
                Ok(())
            }
            Err(lapsed) => Err(lapsed.into()),
        }
    }
}

fn shown(line: &crate::event::Line) -> String {
    match line {
        crate::event::Line::Removed(text) => format!("- {text}"),
        crate::event::Line::Added(text) => format!("+ {text}"),
        crate::event::Line::Context(text) => format!("  {text}"),
    }
}

fn unfit(resource: &str, state: &State) -> Failure {
    match state {
        State::Refused { what, mend } => {
            let mut refused = failure("check", format!("{resource}: {what}"), "");
            refused.next = Some(mend.clone());
            refused
        }
        State::Unknown { until } => {
            let mut unknown = failure(
                "check",
                format!("{resource} can't be known before {until} is done"),
                "",
            );
            unknown.next = Some(format!("run step {until} on this host first"));
            unknown
        }
        _ => failure("check", format!("{resource} is not fit"), ""),
    }
}

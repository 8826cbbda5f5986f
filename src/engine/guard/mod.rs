//! A change that could cut us off is taken back by the server itself, unless a new
//! connection proves that we can still come in. The old connection proves nothing:
//! established flows survive almost any firewall.
//!
//! | file | what it does |
//! |---|---|
//! | this | arms, renews and disarms, each over the connection that shows that one can come in |
//! | `story` | what is told of a change that didn't stay |

mod story;

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use self::story::{not_back, rolled_back, shut_out, too_late, untold};
use super::failure::lost;
use super::login::Entrance;
use super::remote::Remote;
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::ssh::{Done, Input};

const ARM: Script = Script(include_str!("../sh/guard-arm.sh"));
const RESTORE: &str = include_str!("../sh/guard-restore.sh");
const RENEW: Script = Script(include_str!("../sh/guard-renew.sh"));
const DISARM: Script = Script(include_str!("../sh/guard-disarm.sh"));

/// Where the guard's files lie below.
const ROOT: &str = "/";

/// An sshd that reads its configuration again is deaf for a moment.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a new connection may take before it is told that none has come about.
const SILENT: Duration = Duration::from_secs(2);

/// How long the server is given to put the old state back, once its time is up.
const RESTORED: Duration = Duration::from_secs(2);

/// How long a way in is looked for after that.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// A guard that is armed on a host.
#[derive(Debug)]
pub(super) struct Guard {
    name: String,
    step: String,
    seconds: u64,
    /// When it fires.
    fires: Instant,
}

/// Why a new connection doesn't count.
enum Shut {
    /// None came about.
    Out(Failure),
    /// Another user came in.
    Other(String),
}

impl From<Failure> for Shut {
    fn from(failure: Failure) -> Self {
        Self::Out(failure)
    }
}

/// How a guard ended that was not disarmed.
pub(super) enum Lapsed {
    /// The old state is back.
    RolledBack(Failure),
    /// It can't be told.
    Failed(Failure),
}

/// What a new connection is used for.
#[derive(Clone, Copy)]
enum Errand {
    /// The change is proven and stays.
    Disarm,
    /// The change isn't over: the guard's time begins anew.
    Renew,
    /// The guard's time is up: it has fired, or does so now.
    Fire,
}

/// What a guard's script told.
struct Told {
    /// "disarmed", "renewed", "rolled-back"; or what a script that failed printed.
    word: String,
    /// What could not be put back.
    said: String,
}

impl Told {
    fn of(done: &Done) -> Self {
        let printed = String::from_utf8_lossy(&done.stdout);
        // A login shell may print something of its own first.
        let word = printed
            .lines()
            .rev()
            .find_map(|line| line.trim().strip_prefix("provision:"));
        Self {
            word: word.unwrap_or_default().to_owned(),
            said: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        }
    }
}

/// A connection that was made for an errand.
struct Visit {
    remote: Remote,
    connections: usize,
    told: Told,
}

/// Why a guard doesn't follow to a new connection.
pub(super) enum Stopped {
    /// That connection broke too.
    Lost(Failure),
    /// Its time was up.
    Lapsed(Lapsed),
}

/// Arms a guard: in `site.firewall.guard_seconds` the present state comes back.
pub(super) async fn arm(
    remote: &Remote,
    settings: &Settings,
    step: &str,
) -> Result<Guard, Failure> {
    let seconds = settings.site.firewall.guard_seconds;
    let name = format!("{}-{step}", settings.site.name);
    let cmd = Cmd::script(
        ARM,
        [&name, &seconds.to_string(), RESTORE, ROOT].map(str::to_owned),
    );
    let done = remote
        .run(step, &cmd, Input::Empty, Duration::from_secs(90))
        .await
        .map_err(|e| lost(&e))?;
    if !done.status.success() {
        return Err(remote.failed("arm the guard; nothing was changed", &cmd, &done));
    }
    let guard = Guard {
        name,
        step: step.to_owned(),
        seconds,
        fires: Instant::now() + Duration::from_secs(seconds),
    };
    guard.tell_armed(remote);
    Ok(guard)
}

impl Guard {
    fn tell_armed(&self, remote: &Remote) {
        remote.events.send(Event::GuardArmed {
            host: remote.host.clone(),
            step: self.step.clone(),
            seconds: self.seconds,
        });
    }

    /// Something failed under an armed guard: has the server put the old state back at once,
    /// or leaves it to the server's clock where it can't be told to.
    pub(super) async fn give_up(self, remote: &Remote, why: &Failure) -> Lapsed {
        let done = remote.script(DISARM, &[&self.name, "fire", ROOT]).await;
        let told = done.map(|done| Told::of(&done));
        let told = match told {
            Ok(told) if matches!(told.word.as_str(), "rolled-back" | "taken-back") => told,
            _ => return Lapsed::Failed(self.will_fire(why)),
        };
        self.forget(remote).await;
        if told.word == "rolled-back" {
            // What failed did so because its time was up.
            return Lapsed::RolledBack(too_late(self.seconds, &told.said, &remote.events));
        }
        let mut failure = why.clone();
        let next = not_back(&told.said, &remote.events).unwrap_or_else(|| {
            "the firewall and sshd's configuration are as they were; mend the cause and run again"
                .to_owned()
        });
        failure.next = Some(match failure.next {
            Some(known) => format!("{known}; {next}"),
            None => next,
        });
        Lapsed::RolledBack(failure)
    }

    /// A failure under an armed guard, with what the guard will make of it.
    pub(super) fn will_fire(&self, failure: &Failure) -> Failure {
        let mut failure = failure.clone();
        let soon = "the server puts its old firewall and sshd's configuration back by itself; mend \
                    the cause and run again";
        failure.next = Some(match failure.next {
            Some(next) => format!("{next}; {soon}"),
            None => soon.to_owned(),
        });
        failure
    }

    /// Comes in anew, becomes root, and disarms.
    ///
    /// # Errors
    /// If no new connection came about in time: then the server has put the old state back.
    pub(super) async fn prove<'a>(
        self,
        settings: &Settings,
        host: &str,
        events: &Events,
        entrance: impl Fn() -> Entrance<'a>,
    ) -> Result<(Remote, usize), Lapsed> {
        // Whoever let us in at first may be shut out next: `bootstrap` ends with a sudo user
        // who comes in.
        let user = settings.site.ssh.user.as_str();
        let only = Some(user).filter(|_| self.step == "bootstrap");
        let visit = self
            .visit(Errand::Disarm, only, host, events, &entrance)
            .await?;
        let (host, step) = (visit.remote.host.clone(), self.step);
        events.send(Event::GuardDisarmed { host, step });
        Ok((visit.remote, visit.connections))
    }

    /// The connection broke, maybe by the change itself: comes in anew in the guard's time, and
    /// has that begin again. The snapshot stays what it was, for the change isn't over.
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub(super) async fn renew<'a>(
        &mut self,
        host: &str,
        events: &Events,
        entrance: impl Fn() -> Entrance<'a>,
    ) -> Result<(Remote, usize), Lapsed> {
        let visit = self
            .visit(Errand::Renew, None, host, events, &entrance)
            .await?;
        self.begins_anew(&visit.remote);
        Ok((visit.remote, visit.connections))
    }

    /// The host is held by a new connection: what that one does ends with the guard's time too.
    ///
    /// # Errors
    /// If its time was up.
    pub(super) async fn follow(&mut self, remote: &Remote) -> Result<(), Stopped> {
        let args = self.arguments(Errand::Renew);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let done = remote.script(RENEW, &args).await;
        let told = Told::of(&done.map_err(|e| Stopped::Lost(lost(&e)))?);
        if told.word == "renewed" {
            self.begins_anew(remote);
            return Ok(());
        }
        self.forget(remote).await;
        let why = "the connection broke and its time was up";
        Err(Stopped::Lapsed(Lapsed::RolledBack(rolled_back(
            why,
            &told.said,
            &remote.events,
        ))))
    }

    fn begins_anew(&mut self, remote: &Remote) {
        self.fires = Instant::now() + Duration::from_secs(self.seconds);
        self.tell_armed(remote);
    }

    /// That the old state came back has been told: it is nothing that the next run has to settle.
    async fn forget(&self, remote: &Remote) {
        // If it fails, the next run does it.
        let _ = remote.script(DISARM, &[&self.name, "forget", ROOT]).await;
    }

    fn arguments(&self, errand: Errand) -> Vec<String> {
        let last = match errand {
            Errand::Disarm => "disarm".to_owned(),
            Errand::Fire => "fire".to_owned(),
            Errand::Renew => self.seconds.to_string(),
        };
        vec![self.name.clone(), last, ROOT.to_owned()]
    }

    /// Comes in anew for an errand, in the guard's time or once the old state is back.
    ///
    /// # Errors
    /// If the old state is back, or nobody comes in any more.
    async fn visit<'a>(
        &self,
        errand: Errand,
        only: Option<&str>,
        host: &str,
        events: &Events,
        entrance: &impl Fn() -> Entrance<'a>,
    ) -> Result<Visit, Lapsed> {
        let (visit, why) = match self.come_in(errand, only, host, events, entrance).await {
            Ok(visit) => (visit, None),
            Err(why) => {
                // It fires by itself; then the old way in is open again.
                self.tell_shut(host, events, &why);
                sleep_until(self.fires + RESTORED).await;
                let end = Instant::now() + AFTERWARDS;
                loop {
                    match self.enter(Errand::Fire, entrance(), None).await {
                        Ok(visit) => break (visit, Some(why)),
                        Err(Shut::Out(failure)) if Instant::now() >= end => {
                            return Err(Lapsed::Failed(shut_out(failure)));
                        }
                        Err(_) => sleep(PAUSE).await,
                    }
                }
            }
        };
        let told = &visit.told;
        match (told.word.as_str(), why) {
            ("disarmed" | "renewed", None) => Ok(visit),
            ("rolled-back" | "taken-back", why) => {
                self.forget(&visit.remote).await;
                Err(Lapsed::RolledBack(match why {
                    Some(why) => rolled_back(&why, &told.said, events),
                    None => too_late(self.seconds, &told.said, events),
                }))
            }
            (_, why) => Err(Lapsed::Failed(untold(why, &told.said, events))),
        }
    }

    /// Goes on an errand over a new connection, or says why none came about in time.
    async fn come_in<'a>(
        &self,
        errand: Errand,
        only: Option<&str>,
        host: &str,
        events: &Events,
        entrance: &impl Fn() -> Entrance<'a>,
    ) -> Result<Visit, String> {
        let mut told = String::new();
        loop {
            let mut coming = pin!(timeout_at(self.fires, self.enter(errand, entrance(), only)));
            let came = tokio::select! {
                came = &mut coming => came,
                () = sleep(SILENT) => {
                    if told.is_empty() {
                        told = "no answer so far".to_owned();
                        self.tell_shut(host, events, &told);
                    }
                    coming.await
                }
            };
            let why = match came {
                Ok(Ok(visit)) => return Ok(visit),
                Ok(Err(Shut::Other(other))) => {
                    let only = only.unwrap_or_default();
                    return Err(format!("{other} came in, {only} did not"));
                }
                Ok(Err(Shut::Out(failure))) if failure.stage == "authenticate" => {
                    return Err(failure.what);
                }
                Ok(Err(Shut::Out(failure))) => failure.what,
                Err(_) => return Err("no answer".to_owned()),
            };
            if Instant::now() + PAUSE >= self.fires {
                return Err(why);
            }
            // Tried again and again; what is new is told.
            if why != told {
                self.tell_shut(host, events, &why);
                told = why;
            }
            sleep(PAUSE).await;
        }
    }

    /// Says that nobody comes in, and what becomes of that.
    fn tell_shut(&self, host: &str, events: &Events, why: &str) {
        let left = self.fires.saturating_duration_since(Instant::now());
        let left = left.as_secs();
        let soon = match left {
            0 => "about now".to_owned(),
            1 => "in 1 second".to_owned(),
            _ => format!("in {left} seconds"),
        };
        events.send(Event::Waiting {
            host: host.to_owned(),
            step: self.step.clone(),
            what: format!("no new connection ({why}): the server puts its old state back {soon}"),
        });
    }

    /// Goes on an errand over a new connection, as whoever comes in, or as one user only.
    async fn enter(
        &self,
        errand: Errand,
        mut entrance: Entrance<'_>,
        only: Option<&str>,
    ) -> Result<Visit, Shut> {
        loop {
            let remote = entrance.next().await?;
            let user = &remote.session.target().user;
            if only.is_some_and(|only| only != user) {
                return Err(Shut::Other(user.clone()));
            }
            let script = match errand {
                Errand::Disarm | Errand::Fire => DISARM,
                Errand::Renew => RENEW,
            };
            let args = self.arguments(errand);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let done = remote.script(script, &args).await;
            let done = done.map_err(|e| lost(&e))?;
            let Some(refusal) = remote.root.refusal() else {
                return Ok(Visit {
                    told: Told::of(&done),
                    connections: entrance.connections(),
                    remote,
                });
            };
            if let Some(failure) = entrance.turned_away(&remote, refusal.failure) {
                return Err(Shut::Out(failure));
            }
        }
    }
}

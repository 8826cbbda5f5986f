//! A change that could cut us off is taken back by the server itself, unless a new
//! connection proves that we can still come in. The old connection proves nothing:
//! established flows survive almost any firewall.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::failure::{failure, lost};
use super::login::Entrance;
use super::remote::Remote;
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::ssh::{Done, Input};

const ARM: Script = Script(include_str!("sh/guard-arm.sh"));
const RESTORE: &str = include_str!("sh/guard-restore.sh");
const DISARM: Script = Script(include_str!("sh/guard-disarm.sh"));

/// An sshd that reads its configuration again is deaf for a moment.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the server is given to put the old state back, once its time is up.
const RESTORED: Duration = Duration::from_secs(2);

/// How long a way in is looked for after that.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// A guard that is armed on a host.
#[derive(Debug)]
pub(super) struct Guard {
    name: String,
    step: String,
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
        [&name, &seconds.to_string(), RESTORE, "/"].map(str::to_owned),
    );
    let done = remote
        .run(step, &cmd, Input::Empty, Duration::from_secs(60))
        .await
        .map_err(|e| lost(&e))?;
    if !done.status.success() {
        return Err(remote.failed("arm the guard; nothing was changed", &cmd, &done));
    }
    let host = remote.host.clone();
    remote.events.send(Event::GuardArmed {
        host,
        step: step.to_owned(),
        seconds,
    });
    Ok(Guard {
        name,
        step: step.to_owned(),
        fires: Instant::now() + Duration::from_secs(seconds),
    })
}

impl Guard {
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
        events: &Events,
        entrance: impl Fn() -> Entrance<'a>,
    ) -> Result<(Remote, usize), Lapsed> {
        let user = settings.site.ssh.user.as_str();
        let (ended, why) = match self.come_in(user, &entrance).await {
            Ok(ended) => (ended, None),
            Err(why) => {
                // It fires by itself; then the old way in is open again.
                sleep_until(self.fires + RESTORED).await;
                let end = Instant::now() + AFTERWARDS;
                loop {
                    match self.disarm(entrance(), None).await {
                        Ok(ended) => break (ended, Some(why)),
                        Err(Shut::Out(failure)) if Instant::now() >= end => {
                            return Err(Lapsed::Failed(failure));
                        }
                        Err(_) => sleep(PAUSE).await,
                    }
                }
            }
        };
        let (remote, connections, done) = ended;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if why.is_none() && said == "provision:disarmed" {
            let (host, step) = (remote.host.clone(), self.step.clone());
            events.send(Event::GuardDisarmed { host, step });
            return Ok((remote, connections));
        }
        let why = why.unwrap_or_else(|| "it came too late".to_owned());
        let mut rolled = failure(
            "guard",
            format!(
                "the change was not proven by a new SSH connection ({why}), so the server put its \
                 old firewall and sshd's old configuration back"
            ),
            &events.masked(&String::from_utf8_lossy(&done.stderr)),
        );
        rolled.next = Some(
            "look at the ssh and firewall options in site.toml, and at what else /etc/ssh says on \
             the server: with what was applied nobody could have come in any more"
                .to_owned(),
        );
        Err(Lapsed::RolledBack(rolled))
    }

    /// Disarms over a new connection, or why none came about in time.
    async fn come_in<'a>(
        &self,
        user: &str,
        entrance: &impl Fn() -> Entrance<'a>,
    ) -> Result<(Remote, usize, Done), String> {
        // Whoever let us in at first may be shut out next: `bootstrap` ends with a sudo user
        // who comes in.
        let only = Some(user).filter(|_| self.step == "bootstrap");
        loop {
            let why = match timeout_at(self.fires, self.disarm(entrance(), only)).await {
                Ok(Ok(ended)) => return Ok(ended),
                Ok(Err(Shut::Other(other))) => {
                    return Err(format!("{other} came in, {user} did not"));
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
            sleep(PAUSE).await;
        }
    }

    /// Disarms over a new connection, as whoever comes in, or as one user only.
    async fn disarm(
        &self,
        mut entrance: Entrance<'_>,
        only: Option<&str>,
    ) -> Result<(Remote, usize, Done), Shut> {
        loop {
            let remote = entrance.next().await?;
            let user = &remote.session.target().user;
            if only.is_some_and(|only| only != user) {
                return Err(Shut::Other(user.clone()));
            }
            let done = remote.script(DISARM, &[&self.name]).await;
            let done = done.map_err(|e| lost(&e))?;
            let Some(refusal) = remote.root.refusal() else {
                return Ok((remote, entrance.connections(), done));
            };
            if let Some(failure) = entrance.turned_away(&remote, refusal.failure) {
                return Err(Shut::Out(failure));
            }
        }
    }
}

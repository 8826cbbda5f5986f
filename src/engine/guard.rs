//! A change that could cut us off is taken back by the server itself, unless a new
//! connection proves that we can still come in. The old connection proves nothing:
//! established flows survive almost any firewall.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::login::{Login, login};
use super::remote::{Remote, failure, lost};
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::site::Host;
use crate::ssh::Dialer;

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
        .run(
            step,
            &cmd,
            crate::ssh::Input::Empty,
            Duration::from_secs(60),
        )
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
    pub(super) async fn prove(
        self,
        settings: &Settings,
        host: &Host,
        dialer: &Dialer,
        events: &Events,
    ) -> Result<(Remote, usize), Lapsed> {
        let again = self.come_in(settings, host, dialer, events).await;
        let (login, why) = match again {
            Ok(login) => (login, None),
            Err(why) => {
                // It fires by itself; then the old way in is open again.
                sleep_until(self.fires + RESTORED).await;
                let end = Instant::now() + AFTERWARDS;
                loop {
                    match login(settings, host, dialer, events).await {
                        Ok(login) => break (login, Some(why)),
                        Err(e) if Instant::now() >= end => return Err(Lapsed::Failed(e.failure())),
                        Err(_) => sleep(PAUSE).await,
                    }
                }
            }
        };
        let Login {
            session,
            user,
            attempts,
        } = login;
        let remote = Remote {
            session: std::sync::Arc::new(session),
            user,
            host: host.name.to_string(),
            events: events.clone(),
        };
        let done = remote
            .script(DISARM, &[&self.name])
            .await
            .map_err(|e| Lapsed::Failed(lost(&e)))?;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if why.is_none() && said == "provision:disarmed" {
            let (host, step) = (remote.host.clone(), self.step.clone());
            events.send(Event::GuardDisarmed { host, step });
            return Ok((remote, attempts));
        }
        let why = why.unwrap_or_else(|| "it came too late".to_owned());
        let mut rolled = failure(
            "guard",
            format!(
                "the change was not proven by a new SSH connection ({why}), so the server put its \
                 old firewall and sshd's old configuration back"
            ),
            &String::from_utf8_lossy(&done.stderr),
        );
        rolled.next = Some(
            "look at the ssh and firewall options in site.toml, and at what else /etc/ssh says on \
             the server: with what was applied nobody could have come in any more"
                .to_owned(),
        );
        Err(Lapsed::RolledBack(rolled))
    }

    /// A new connection, or why none came about in time.
    async fn come_in(
        &self,
        settings: &Settings,
        host: &Host,
        dialer: &Dialer,
        events: &Events,
    ) -> Result<Login, String> {
        let user = settings.site.ssh.user.as_str();
        loop {
            let why = match timeout_at(self.fires, login(settings, host, dialer, events)).await {
                // Whoever let us in at first may be shut out next: `bootstrap` ends with a sudo
                // user who comes in.
                Ok(Ok(login)) if self.step != "bootstrap" || login.user == user => {
                    return Ok(login);
                }
                Ok(Ok(login)) => return Err(format!("{} came in, {user} did not", login.user)),
                Ok(Err(e)) if e.is_auth() => return Err(e.failure().what),
                Ok(Err(e)) => e.failure().what,
                Err(_) => return Err("no answer".to_owned()),
            };
            if Instant::now() + PAUSE >= self.fires {
                return Err(why);
            }
            sleep(PAUSE).await;
        }
    }
}

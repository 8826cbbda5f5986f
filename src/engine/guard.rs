//! A change that could cut us off is taken back by the server itself, unless a new
//! connection proves that we can still come in. The old connection proves nothing:
//! established flows survive almost any firewall.

use std::time::Duration;

use super::login::Entrance;
use super::remote::{Remote, failure, lost};
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::ssh::{Done, Input};

const ARM: Script = Script(include_str!("sh/guard-arm.sh"));
const DISARM: Script = Script(include_str!("sh/guard-disarm.sh"));

/// A guard that is armed on a host.
#[derive(Debug)]
pub(super) struct Guard {
    name: String,
    step: String,
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
    let cmd = Cmd::script(ARM, [name.clone(), seconds.to_string()]);
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
    })
}

impl Guard {
    /// A failure under an armed guard, with what the guard will make of it.
    pub(super) fn will_fire(&self, failure: &Failure) -> Failure {
        let mut failure = failure.clone();
        let soon = "the server puts its old firewall back by itself; mend the cause and run again";
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
        let limit = Duration::from_secs(settings.site.firewall.guard_seconds);
        let again = tokio::time::timeout(limit, self.disarm(entrance())).await;
        let (ended, in_time) = match again {
            Ok(Ok(ended)) => (ended, true),
            Ok(Err(_)) | Err(_) => {
                // It fires by itself; then the old way in is open again.
                tokio::time::sleep(limit).await;
                let ended = self.disarm(entrance()).await.map_err(Lapsed::Failed)?;
                (ended, false)
            }
        };
        let (remote, connections, done) = ended;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if in_time && said == "provision:disarmed" {
            let (host, step) = (remote.host.clone(), self.step.clone());
            events.send(Event::GuardDisarmed { host, step });
            return Ok((remote, connections));
        }
        let mut rolled = failure(
            "guard",
            "no new SSH connection came about after the change, so the server put its old \
             firewall back",
            &events.masked(&String::from_utf8_lossy(&done.stderr)),
        );
        rolled.next = Some(
            "look at ssh port and firewall options in site.toml: what was applied lets no new \
             SSH connection in"
                .to_owned(),
        );
        Err(Lapsed::RolledBack(rolled))
    }

    async fn disarm(&self, mut entrance: Entrance<'_>) -> Result<(Remote, usize, Done), Failure> {
        loop {
            let remote = entrance.next().await?;
            let done = remote.script(DISARM, &[&self.name]).await;
            let done = done.map_err(|e| lost(&e))?;
            let Some(refusal) = remote.root.refusal() else {
                return Ok((remote, entrance.connections(), done));
            };
            if let Some(failure) = entrance.turned_away(&remote, refusal.failure) {
                return Err(failure);
            }
        }
    }
}

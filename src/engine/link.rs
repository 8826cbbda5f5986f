//! A connection that broke is made again, for as long as a server takes to boot.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::login::{Login, login};
use super::remote::{Remote, failure, lost, ms};
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::site::Host;
use crate::ssh::{self, Dialer, Fault, Session, Stage};

/// How often a connection may break with nothing done in between.
pub(super) const LOSSES: usize = 3;
/// How long a host may stay away: a small server boots in half that time.
const AWAY: Duration = Duration::from_secs(120);
/// The first pause between two tries, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// How long the end of a connection may come behind the end of a command that it cut off.
const BEHIND: Duration = Duration::from_millis(500);

/// Whether it was the connection that failed.
///
/// A command may seem to end by itself where the server goes down: its shell gets a signal
/// before the connection is closed.
pub(super) async fn is_broken(session: &Session, failure: &Failure) -> bool {
    let cut_off = match failure.stage.as_str() {
        "exec" | "lock" => true,
        "change" | "read" => failure.exit_code.is_none_or(|code| code > 128),
        _ => false,
    };
    let start = Instant::now();
    while cut_off && !session.is_closed() && start.elapsed() < BEHIND {
        sleep(Duration::from_millis(10)).await;
    }
    session.is_closed()
}

/// Makes the connection again. The answer may be another user: the host may have been in the
/// middle of its bootstrap.
///
/// # Errors
/// If the host stays away, or no longer lets us in, or shows another key.
pub(super) async fn again(
    settings: &Settings,
    host: &Host,
    dialer: &Dialer,
    events: &Events,
    why: &str,
) -> Result<Login, Failure> {
    let start = Instant::now();
    let (mut pause, longest) = PAUSE;
    let mut attempt = 0;
    loop {
        attempt += 1;
        events.send(Event::Reconnecting {
            host: host.name.to_string(),
            why: why.to_owned(),
            attempt,
        });
        let left = AWAY.saturating_sub(start.elapsed());
        let seen = match timeout(left, login(settings, host, dialer, events)).await {
            Ok(Ok(login)) => {
                events.send(Event::Reconnected {
                    host: host.name.to_string(),
                    ms: ms(start),
                });
                return Ok(login);
            }
            Ok(Err(error)) if !may_pass(&error) => {
                let mut refused = lost(&error);
                refused.what = format!(
                    "the connection was lost, and it is not let in again: {}",
                    refused.what
                );
                return Err(refused);
            }
            Ok(Err(error)) => lost(&error).what,
            Err(_) => "no answer".to_owned(),
        };
        // A pause that ends too late would only be waited for.
        if start.elapsed() + pause >= AWAY {
            let mut away = failure(
                "exec",
                format!(
                    "{why}, and the host could not be reached again within {} s: {seen}",
                    AWAY.as_secs()
                ),
                "",
            );
            away.next = Some(
                "see that the host is up, and run again: what is done stays done, and what it \
                 was doing goes on there"
                    .to_owned(),
            );
            return Err(away);
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Puts a new connection in place of one that ended while nobody used it.
pub(super) async fn renew(
    settings: &Settings,
    host: &Host,
    dialer: &Dialer,
    remote: &mut Remote,
) -> Option<Renewed> {
    if !remote.session.is_closed() {
        return None;
    }
    let events = remote.events.clone();
    let why = "the connection was lost";
    // Who uses it next says what is wrong with it.
    let login = again(settings, host, dialer, &events, why).await.ok()?;
    let renewed = Renewed {
        connections: login.attempts,
        execs: remote.session.execs(),
    };
    remote.session = std::sync::Arc::new(login.session);
    remote.user = login.user;
    Some(renewed)
}

/// What a new connection adds to the counts.
pub(super) struct Renewed {
    /// Connections it took.
    pub connections: usize,
    /// Commands that were started on the old one.
    pub execs: usize,
}

/// Whether a later try may fare better. A refusal and another host key are answers.
fn may_pass(error: &ssh::Error) -> bool {
    match error.stage() {
        Stage::Resolve | Stage::Connect | Stage::Exec => true,
        Stage::HostKey => false,
        // A server that boots or goes down hangs up on those who log in.
        Stage::Authenticate => matches!(
            error.fault(),
            Fault::AuthCutOff { .. } | Fault::AuthTimeout { .. } | Fault::Lost { .. }
        ),
    }
}

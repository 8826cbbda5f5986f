//! A connection that broke is made again, for as long as a server takes to boot.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::Events;
use super::failure::failure;
use super::login::Entrance;
use super::remote::{Remote, ms};
use crate::event::{Event, Failure};
use crate::ssh::Session;

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
pub(super) async fn again<'a>(
    host: &str,
    events: &Events,
    why: &str,
    entrance: impl Fn() -> Entrance<'a>,
) -> Result<(Remote, usize), Failure> {
    let start = Instant::now();
    let (mut pause, longest) = PAUSE;
    let mut attempt = 0;
    let mut connections = 0;
    loop {
        attempt += 1;
        events.send(Event::Reconnecting {
            host: host.to_owned(),
            why: why.to_owned(),
            attempt,
        });
        let left = AWAY.saturating_sub(start.elapsed());
        let mut entrance = entrance();
        let outcome = timeout(left, entrance.next()).await;
        connections += entrance.connections();
        let seen = match outcome {
            Ok(Ok(remote)) => {
                events.send(Event::Reconnected {
                    host: host.to_owned(),
                    ms: ms(start),
                });
                return Ok((remote, connections));
            }
            Ok(Err(mut refused)) if !entrance.may_pass() => {
                refused.what = format!(
                    "the connection was lost, and it is not let in again: {}",
                    refused.what
                );
                return Err(refused);
            }
            Ok(Err(failure)) => failure.what,
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
pub(super) async fn renew<'a>(
    remote: &mut Remote,
    entrance: impl Fn() -> Entrance<'a>,
) -> Option<Renewed> {
    if !remote.session.is_closed() {
        return None;
    }
    let why = "the connection was lost";
    // Who uses it next says what is wrong with it.
    let again = again(&remote.host, &remote.events, why, entrance)
        .await
        .ok();
    let (new, connections) = again?;
    let renewed = Renewed {
        connections,
        execs: remote.session.execs(),
    };
    *remote = new;
    Some(renewed)
}

/// What a new connection adds to the counts.
pub(super) struct Renewed {
    /// Connections it took.
    pub connections: usize,
    /// Commands that were started on the old one.
    pub execs: usize,
}

//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet.

use std::time::Instant;

use super::remote::{failure, lost};
use super::{Events, RouteError, Settings};
use crate::event::{Event, Failure};
use crate::site::Host;
use crate::ssh::{self, Dialer, Session};

/// A session and the user that it belongs to.
pub(super) struct Login {
    pub session: Session,
    pub user: String,
    /// Connections it took.
    pub attempts: usize,
}

/// Why nobody could log in.
pub(super) enum Denied {
    /// There is no way there.
    Way(RouteError),
    /// The connection or the login failed.
    Ssh(ssh::Error),
}

impl Denied {
    /// Whether another user may fare better.
    pub(super) fn is_auth(&self) -> bool {
        matches!(self, Self::Ssh(error) if error.is_auth())
    }

    /// As it is reported.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Ssh(error) => lost(error),
            Self::Way(error) => {
                let mut failure = failure("resolve", error.to_string(), "");
                failure.next = Some(error.next());
                failure
            }
        }
    }
}

/// Logs in.
///
/// # Errors
/// The sudo user's failure; if that was refused, the bootstrap user's.
pub(super) async fn login(
    settings: &Settings,
    host: &Host,
    dialer: &Dialer,
    events: &Events,
) -> Result<Login, Denied> {
    let ssh = &settings.site.ssh;
    let user = ssh.user.as_str();
    match attempt(settings, host, user, dialer, events).await {
        Ok(session) => Ok(Login {
            session,
            user: user.to_owned(),
            attempts: 1,
        }),
        Err(refused) if refused.is_auth() => {
            let bootstrap = settings.routes.bootstrap_user(host).await;
            let bootstrap = bootstrap.map_err(Denied::Way)?;
            if bootstrap == user {
                return Err(refused);
            }
            let user = bootstrap.as_str();
            match attempt(settings, host, user, dialer, events).await {
                Ok(session) => Ok(Login {
                    session,
                    user: user.to_owned(),
                    attempts: 2,
                }),
                // If neither is let in, the user that should be there is the news.
                Err(both) if both.is_auth() => Err(refused),
                Err(other) => Err(other),
            }
        }
        Err(e) => Err(e),
    }
}

async fn attempt(
    settings: &Settings,
    host: &Host,
    user: &str,
    dialer: &Dialer,
    events: &Events,
) -> Result<Session, Denied> {
    let target = settings.routes.target(host, user).await;
    let target = target.map_err(Denied::Way)?;
    let name = host.name.to_string();
    events.send(Event::Connecting {
        host: name.clone(),
        user: user.to_owned(),
        address: target.at(),
    });
    let start = Instant::now();
    let session = dialer.connect(&target).await.map_err(Denied::Ssh)?;
    let ms = super::remote::ms(start);
    events.send(Event::Connected {
        host: name,
        user: user.to_owned(),
        ms,
    });
    Ok(session)
}

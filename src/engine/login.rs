//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Events, Settings};
use crate::event::Event;
use crate::site::Host;
use crate::ssh::{self, Keys, Session, Target, Trust};

/// A session and the user that it belongs to.
pub(super) struct Login {
    pub session: Session,
    pub user: String,
    /// Connections it took.
    pub attempts: usize,
}

pub(super) fn target(settings: &Settings, host: &Host, user: &str) -> Target {
    let ssh = &settings.site.ssh;
    Target {
        host: host.name.to_string(),
        address: host.address,
        port: host.port,
        user: user.to_owned(),
        key: ssh.key.clone(),
        trust: Trust {
            pinned: host.host_key.clone(),
            known_hosts: ssh.known_hosts.clone(),
        },
        connect_timeout: Duration::from_secs(ssh.connect_timeout),
    }
}

/// Logs in.
///
/// # Errors
/// The sudo user's failure; if that was refused, the bootstrap user's.
pub(super) async fn login(
    settings: &Settings,
    host: &Host,
    keys: &Keys,
    events: &Events,
) -> Result<Login, ssh::Error> {
    let ssh = &settings.site.ssh;
    let user = ssh.user.as_str();
    match attempt(settings, host, user, keys, events).await {
        Ok(session) => Ok(Login {
            session,
            user: user.to_owned(),
            attempts: 1,
        }),
        Err(refused) if refused.is_auth() && ssh.bootstrap != ssh.user => {
            let user = ssh.bootstrap.as_str();
            match attempt(settings, host, user, keys, events).await {
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
    keys: &Keys,
    events: &Events,
) -> Result<Session, ssh::Error> {
    let address = match host.address {
        IpAddr::V6(v6) => format!("[{v6}]:{}", host.port),
        IpAddr::V4(v4) => format!("{v4}:{}", host.port),
    };
    let name = host.name.to_string();
    events.send(Event::Connecting {
        host: name.clone(),
        user: user.to_owned(),
        address,
    });
    let start = Instant::now();
    let session = ssh::connect(&target(settings, host, user), keys).await?;
    let ms = super::remote::ms(start);
    events.send(Event::Connected {
        host: name,
        user: user.to_owned(),
        ms,
    });
    Ok(session)
}

//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Events, Settings};
use crate::event::Event;
use crate::site::{Host, Site, UserName};
use crate::ssh::{self, Address, Dialer, Identity, Patience, Session, Target, Trust, Via};

/// A session and the user that it belongs to.
pub(super) struct Login {
    pub session: Session,
    pub user: String,
    /// Connections it took.
    pub attempts: usize,
}

/// How a user is logged in on a host.
pub fn target(site: &Site, host: &Host, user: &str) -> Target {
    let ssh = &site.ssh;
    Target {
        host: host.name.to_string(),
        address: Address::Ip(host.address),
        port: host.port(),
        family: ssh::Family::Any,
        via: Via::Direct,
        alias: None,
        trust: Trust {
            pinned: host.host_key.clone(),
            known_hosts: ssh.known_hosts.clone().unwrap_or_else(usual_known_hosts),
        },
        user: user.to_owned(),
        identity: Identity {
            key: ssh.key.clone(),
            ..Identity::default()
        },
        patience: Patience {
            connect: Duration::from_secs(ssh.connect_timeout.unwrap_or(15)),
            ..Patience::default()
        },
    }
}

/// Where ssh looks host keys up.
fn usual_known_hosts() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh/known_hosts"));
    home.into_iter()
        .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
        .collect()
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
) -> Result<Login, ssh::Error> {
    let ssh = &settings.site.ssh;
    let user = ssh.user.as_str();
    let bootstrap = ssh.bootstrap.as_ref().map_or("root", UserName::as_str);
    match attempt(settings, host, user, dialer, events).await {
        Ok(session) => Ok(Login {
            session,
            user: user.to_owned(),
            attempts: 1,
        }),
        Err(refused) if refused.is_auth() && bootstrap != user => {
            let user = bootstrap;
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
) -> Result<Session, ssh::Error> {
    let target = target(&settings.site, host, user);
    let name = host.name.to_string();
    events.send(Event::Connecting {
        host: name.clone(),
        user: user.to_owned(),
        address: target.at(),
    });
    let start = Instant::now();
    let session = dialer.connect(&target).await?;
    let ms = super::remote::ms(start);
    events.send(Event::Connected {
        host: name,
        user: user.to_owned(),
        ms,
    });
    Ok(session)
}

//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet or can't be root.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::refusal::together;
use super::remote::{Remote, lost, ms};
use super::root::Roots;
use super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::site::{Host, Site};
use crate::ssh::{self, Address, Dialer, Identity, Patience, Session, Target, Trust, Via};

/// How a user is logged in on a host.
pub fn target(site: &Site, host: &Host, user: &str) -> Target {
    let ssh = &site.ssh;
    Target {
        host: host.name.to_string(),
        address: Address::Ip(host.address),
        port: host.port,
        family: ssh::Family::Any,
        via: Via::Direct,
        alias: None,
        trust: Trust {
            pinned: host.host_key.clone(),
            known_hosts: ssh.known_hosts.clone(),
        },
        user: user.to_owned(),
        identity: Identity {
            key: ssh.key.clone(),
            ..Identity::default()
        },
        patience: Patience {
            connect: Duration::from_secs(ssh.connect_timeout),
            ..Patience::default()
        },
    }
}

/// The ways into a host, one user after the other.
///
/// A user who is let in but can't be root is no way in. That shows with the first command, so
/// whoever sends it says so to [`Entrance::turned_away`] and asks for the next one.
pub(super) struct Entrance<'a> {
    settings: &'a Settings,
    host: &'a Host,
    dialer: &'a Dialer,
    events: &'a Events,
    roots: &'a Roots,
    left: VecDeque<String>,
    tried: Vec<String>,
    refused: Vec<Failure>,
}

impl<'a> Entrance<'a> {
    /// The sudo user first, then the bootstrap user.
    pub(super) fn new(
        settings: &'a Settings,
        host: &'a Host,
        dialer: &'a Dialer,
        events: &'a Events,
        roots: &'a Roots,
    ) -> Self {
        let ssh = &settings.site.ssh;
        let mut left = VecDeque::new();
        for user in [&ssh.user, &ssh.bootstrap] {
            let user = roots
                .instead(host.name.as_str(), user.as_str())
                .unwrap_or_else(|| user.to_string());
            if !left.contains(&user) {
                left.push_back(user);
            }
        }
        Self {
            settings,
            host,
            dialer,
            events,
            roots,
            left,
            tried: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Connections it took so far.
    pub(super) fn connections(&self) -> usize {
        self.tried.len()
    }

    /// Logs in as the next user who is let in.
    ///
    /// # Errors
    /// If nobody is left: all who were tried, with what kept each out.
    pub(super) async fn next(&mut self) -> Result<Remote, Failure> {
        while let Some(user) = self.left.pop_front() {
            self.tried.push(user.clone());
            let (settings, host) = (self.settings, self.host);
            match attempt(settings, host, &user, self.dialer, self.events).await {
                Ok(session) => {
                    let host = host.name.to_string();
                    return Ok(Remote {
                        session: Arc::new(session),
                        root: self.roots.of(&host, &user),
                        host,
                        events: self.events.clone(),
                    });
                }
                Err(e) => {
                    self.refused.push(lost(&e));
                    // Another user fares no better where the host itself is the matter.
                    if !e.is_auth() {
                        break;
                    }
                }
            }
        }
        Err(together(std::mem::take(&mut self.refused)))
    }

    /// The first command failed. Gives the failure back unless another user may fare better,
    /// which is so where it wasn't run as root.
    pub(super) fn turned_away(&mut self, remote: &Remote, failure: Failure) -> Option<Failure> {
        let Some(refusal) = remote.root.refusal() else {
            return Some(failure);
        };
        self.refused.push(refusal.failure);
        let tried = self.tried.last().cloned().unwrap_or_default();
        if let Some(instead) = refusal.instead
            && !self.tried.contains(&instead)
        {
            let host = self.host.name.to_string();
            self.roots.keep_instead(&host, &tried, &instead);
            self.events.send(Event::Waiting {
                host,
                step: "login".to_owned(),
                what: format!("the server wants {instead} to log in rather than {tried}"),
            });
            self.left.retain(|user| *user != instead);
            self.left.push_front(instead);
        }
        None
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
    let ms = ms(start);
    events.send(Event::Connected {
        host: name,
        user: user.to_owned(),
        ms,
    });
    Ok(session)
}

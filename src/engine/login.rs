//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet or can't be root.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::refusal::together;
use super::remote::{Remote, failure, lost, ms};
use super::root::Roots;
use super::{Events, RouteError, Settings};
use crate::event::{Event, Failure};
use crate::site::Host;
use crate::ssh::{self, Dialer, Fault, Session, Stage};

/// Why a user couldn't be logged in.
enum Denied {
    /// There is no way there.
    Way(RouteError),
    /// The connection or the login failed.
    Ssh(ssh::Error),
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
    /// Whether the bootstrap user is still to come, after those that are left.
    bootstrap: bool,
    tried: Vec<String>,
    refused: Vec<Failure>,
    connections: usize,
    may_pass: bool,
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
        let user = settings.site.ssh.user.to_string();
        let user = roots.instead(host.name.as_str(), &user).unwrap_or(user);
        Self {
            settings,
            host,
            dialer,
            events,
            roots,
            left: VecDeque::from([user]),
            bootstrap: true,
            tried: Vec::new(),
            refused: Vec::new(),
            connections: 0,
            may_pass: false,
        }
    }

    /// Connections it took so far.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Whether a later try may fare better than the last one: a refusal and another host key
    /// are answers.
    pub(super) fn may_pass(&self) -> bool {
        self.may_pass
    }

    /// Whoever came in last is tried again: the connection broke.
    pub(super) fn once_more(&mut self) {
        if let Some(user) = self.tried.pop() {
            self.left.push_front(user);
        }
    }

    /// Logs in as the next user who is let in.
    ///
    /// # Errors
    /// If nobody is left: all who were tried, with what kept each out.
    pub(super) async fn next(&mut self) -> Result<Remote, Failure> {
        while let Some(user) = self.who().await? {
            self.tried.push(user.clone());
            self.connections += 1;
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
                Err(Denied::Way(error)) => return Err(no_way(&error)),
                Err(Denied::Ssh(error)) => {
                    self.may_pass = passes(&error);
                    self.refused.push(lost(&error));
                    // Another user fares no better where the host itself is the matter.
                    if !error.is_auth() {
                        break;
                    }
                }
            }
        }
        Err(together(std::mem::take(&mut self.refused)))
    }

    /// Whose turn it is.
    async fn who(&mut self) -> Result<Option<String>, Failure> {
        if let Some(user) = self.left.pop_front() {
            return Ok(Some(user));
        }
        if !std::mem::take(&mut self.bootstrap) {
            return Ok(None);
        }
        let user = self.settings.routes.bootstrap_user(self.host).await;
        let user = user.map_err(|error| no_way(&error))?;
        let instead = self.roots.instead(self.host.name.as_str(), &user);
        let user = instead.unwrap_or(user);
        Ok(Some(user).filter(|user| !self.tried.contains(user)))
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
    let ms = ms(start);
    events.send(Event::Connected {
        host: name,
        user: user.to_owned(),
        ms,
    });
    Ok(session)
}

/// Whether it may be gone in a moment.
fn passes(error: &ssh::Error) -> bool {
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

fn no_way(error: &RouteError) -> Failure {
    let mut failure = failure("resolve", error.to_string(), "");
    failure.next = Some(error.next());
    failure
}

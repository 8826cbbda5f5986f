//! Logs in to a host: as the sudo user, or as the bootstrap user where that one isn't let
//! in yet or can't be root.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::failure::{failure, lost};
use super::itinerary::itinerary;
use super::refusal::together;
use super::remote::{Remote, ms};
use super::root::Roots;
use super::{Events, RouteError, Settings};
use crate::event::{Event, Failure};
use crate::site::Host;
use crate::ssh::{self, Dialer, Fault, Session, Stage};

/// The depth of what is told about connections.
const WAYS: u8 = 2;

/// Why a user couldn't be logged in.
enum Denied {
    /// There is no way there.
    Way(RouteError),
    /// A host of the site on the way isn't to be had.
    Bastion(Failure),
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
    /// The sudo user first, then the bootstrap user; or the one whom the host is said to have.
    pub(super) fn new(
        settings: &'a Settings,
        host: &'a Host,
        dialer: &'a Dialer,
        events: &'a Events,
        roots: &'a Roots,
    ) -> Self {
        let user = match &host.user {
            Some(user) => user.clone(),
            None => settings.site.ssh.user.to_string(),
        };
        let user = roots.instead(host.name.as_str(), &user).unwrap_or(user);
        Self {
            settings,
            host,
            dialer,
            events,
            roots,
            left: VecDeque::from([user]),
            bootstrap: host.user.is_none(),
            tried: Vec::new(),
            refused: Vec::new(),
            connections: 0,
            may_pass: false,
        }
    }

    /// As [`Self::next`] for the first time on a host; a bastion's session is that of all who
    /// are reached through it.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) async fn first(&mut self) -> Result<Remote, Failure> {
        if !self.settings.routes.is_bastion(self.host) || !self.tried.is_empty() {
            return self.next().await;
        }
        let shared = &self.settings.routes.shared;
        let session = match self.through(self.host).await {
            Ok(session) => session,
            // Told in its own words, and not once more.
            Err(failure) => {
                let known = shared.cell(&self.host.name).get().cloned();
                return Err(known.and_then(Result::err).unwrap_or(failure));
            }
        };
        let user = session.target().user.clone();
        if self.settings.site.ssh.user.as_str() != user {
            // The sudo user was turned down; this is the bootstrap user.
            self.left.clear();
            self.tried.push(self.settings.site.ssh.user.to_string());
            self.connections += 1;
            self.bootstrap = false;
        }
        self.left.retain(|left| *left != user);
        self.tried.push(user.clone());
        self.connections += 1;
        let host = self.host.name.to_string();
        Ok(Remote {
            session,
            root: self.roots.of(&host, &user),
            host,
            events: self.events.clone(),
        })
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
            let host = self.host;
            match self.attempt(&user).await {
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
                Err(Denied::Bastion(failure)) => return Err(failure),
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

    async fn attempt(&self, user: &str) -> Result<Session, Denied> {
        let (host, settings): (&'a Host, &'a Settings) = (self.host, self.settings);
        let routes = &settings.routes;
        for bastion in routes.bastions(host) {
            self.through(bastion).await.map_err(Denied::Bastion)?;
        }
        let target = routes.target(host, user).await;
        let mut target = target.map_err(Denied::Way)?;
        if self.bootstrap {
            // On first contact this user isn't there, and has no password to be asked for.
            let other = routes.bootstrap_user(host).await.map_err(Denied::Way)?;
            let first = other == user;
            target.identity.password &= first;
            target.identity.interactive &= first;
        }
        let name = host.name.to_string();
        self.events.send(Event::Connecting {
            host: name.clone(),
            user: user.to_owned(),
            address: target.at(),
        });
        let agent = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty());
        self.events.send(Event::Detail {
            host: name.clone(),
            depth: WAYS,
            text: self.events.masked(&itinerary(&target, agent)),
        });
        let start = Instant::now();
        let session = self.dialer.connect(&target).await.map_err(Denied::Ssh)?;
        self.events.send(Event::Connected {
            host: name,
            user: user.to_owned(),
            ms: ms(start),
        });
        Ok(session)
    }

    /// Logs in to a bastion of the site, once a run, and makes its connection the way to all
    /// that are reached through it.
    async fn through(&self, bastion: &'a Host) -> Result<Arc<Session>, Failure> {
        let shared = &self.settings.routes.shared;
        let cell = shared.cell(&bastion.name);
        let log_in = || async {
            let (settings, dialer) = (self.settings, self.dialer);
            let mut entrance = Self::new(settings, bastion, dialer, self.events, self.roots);
            // A bastion may itself be reached through another.
            let remote = Box::pin(entrance.next()).await?;
            settings
                .routes
                .lead_through(bastion, &remote.session, dialer)
                .await;
            Ok(remote.session)
        };
        let session = cell.get_or_init(log_in).await.clone();
        session.map_err(|mut failure: Failure| {
            failure.what = format!("through bastion {}: {}", bastion.name, failure.what);
            failure
        })
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

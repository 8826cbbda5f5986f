//! The way to every host: site.toml first, then the operator's SSH configuration, then what
//! is usual.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::bastion::Bastions;
use crate::site::{Host, HostName, Jump, Site};
use crate::ssh::config::{self, Config, ConfigError, Hop, Options, Proxy};
use crate::ssh::{Address, Agent, Dialer, Family, Identity, Patience, Session, Target, Trust, Via};

/// Bastions of ssh_config in a row, before it is taken for a circle.
const LONGEST: usize = 8;

/// What the configuration was asked for: a host, a user, a port.
type Asked = (String, Option<String>, Option<u16>);

/// Finds the way to hosts. One is enough for a run; clones are the same one.
#[derive(Clone, Debug)]
pub struct Routes {
    site: Arc<Site>,
    config: Config,
    /// What the configuration said, by host, user and port asked for.
    asked: Arc<Mutex<BTreeMap<Asked, Options>>>,
    /// The bastions of the site.
    pub(super) shared: Bastions,
}

/// Why there is no way to a host. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The SSH configuration is wrong, or can't be read.
    #[error("read the SSH configuration for {host}: {cause}")]
    Config {
        /// The host's name in site.toml, or that of a bastion.
        host: String,
        /// What is wrong.
        #[source]
        cause: ConfigError,
    },
    /// Bastions that lead to each other.
    #[error("find a way to {host}: more than {LONGEST} bastions in a row, ending at {at}")]
    Circle {
        /// The host's name in site.toml.
        host: String,
        /// The bastion where it was given up.
        at: String,
    },
}

impl RouteError {
    /// What the operator can do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Config { cause, .. } => cause.next(),
            Self::Circle { .. } => {
                "look at ProxyJump in your SSH configuration and at `jump` in site.toml".to_owned()
            }
        }
    }
}

impl Routes {
    /// Ways to the hosts of a site, with this configuration.
    pub fn new(site: Arc<Site>, config: Config) -> Self {
        Self {
            site,
            config,
            asked: Arc::default(),
            shared: Bastions::default(),
        }
    }

    /// The same ways, with what has become known of the site meanwhile.
    #[must_use]
    pub fn of(&self, site: Arc<Site>) -> Self {
        Self {
            site,
            ..self.clone()
        }
    }

    /// The hosts of the site that a host is reached through, the nearest to us first.
    pub fn bastions(&self, host: &Host) -> Vec<&Host> {
        let way = self.site.way(host);
        way.into_iter().filter_map(|jump| self.at(jump)).collect()
    }

    /// Whether others are reached through a host.
    pub fn is_bastion(&self, host: &Host) -> bool {
        let mut others = self.site.hosts.values();
        others.any(|other| self.bastions(other).iter().any(|at| at.name == host.name))
    }

    /// Makes a session the way to all who are reached through its host.
    pub(super) async fn lead_through(&self, bastion: &Host, session: &Session, dialer: &Dialer) {
        let user = &session.target().user;
        self.shared.lets_in(&bastion.name, user);
        // Without a target nobody asks for it either.
        if let Ok(target) = self.target(bastion, user).await {
            dialer.adopt(&target, session).await;
        }
    }

    /// How a user is logged in on a host.
    ///
    /// # Errors
    /// A configuration that is wrong, or leads in a circle.
    pub async fn target(&self, host: &Host, user: &str) -> Result<Target, RouteError> {
        self.to_host(host, user).await
    }

    /// Whom a fresh server lets in: as written in site.toml, else as the SSH configuration has
    /// it, else root.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub async fn bootstrap_user(&self, host: &Host) -> Result<String, RouteError> {
        if let Some(user) = &self.site.ssh.bootstrap {
            return Ok(user.to_string());
        }
        let options = self.options(host, None).await?;
        // The same user as later isn't the one for first contact.
        let other = options
            .user
            .filter(|user| *user != self.site.ssh.user.as_str());
        Ok(other.unwrap_or_else(|| "root".to_owned()))
    }

    /// Whom ssh(1) would log in as without being told: as the SSH configuration has it, else
    /// whoever runs this.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub async fn usual_user(&self, host: &Host) -> Result<String, RouteError> {
        let options = self.options(host, None).await?;
        Ok(options.user.unwrap_or_else(local_user))
    }

    /// The port of a host's sshd: as written, else as the SSH configuration has it, else 22.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub async fn port(&self, host: &Host) -> Result<u16, RouteError> {
        match host.port {
            Some(port) => Ok(port),
            None => {
                let user = host.user.as_deref();
                let user = user.unwrap_or(self.site.ssh.user.as_str());
                Ok(self.options(host, Some(user)).await?.port)
            }
        }
    }

    /// The way to a server that isn't a host of the site.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub(super) async fn elsewhere(&self, hop: &Hop) -> Result<Target, RouteError> {
        self.to_hop(hop, &hop.host, 0).await
    }

    /// What of the SSH configuration isn't honoured, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.config.warnings()
    }

    fn at(&self, jump: &Jump) -> Option<&Host> {
        match jump {
            Jump::Host(name) => self.site.hosts.get(name),
            Jump::Elsewhere { .. } => None,
        }
    }

    async fn options(&self, host: &Host, user: Option<&str>) -> Result<Options, RouteError> {
        let address = host.address.to_string();
        let known_as = host.ssh.as_deref().unwrap_or(&address);
        self.ask(host.name.as_str(), known_as, user, host.port)
            .await
    }

    /// Asks the configuration, once for each question.
    async fn ask(
        &self,
        name: &str,
        known_as: &str,
        user: Option<&str>,
        port: Option<u16>,
    ) -> Result<Options, RouteError> {
        let asked = (known_as.to_owned(), user.map(str::to_owned), port);
        let known = || self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(options) = known().get(&asked) {
            return Ok(options.clone());
        }
        let options = self.config.resolve(known_as, user, port).await;
        let options = options.map_err(|cause| RouteError::Config {
            host: name.to_owned(),
            cause,
        })?;
        known().insert(asked, options.clone());
        Ok(options)
    }

    async fn to_host(&self, host: &Host, user: &str) -> Result<Target, RouteError> {
        let options = self.options(host, Some(user)).await?;
        let way = self.site.way(host);
        let via = match (way.is_empty(), &host.jump) {
            (true, None) => {
                let name = host.name.as_str();
                self.by_config(&options, name, user, 0).await?
            }
            // `jump = []` means: no bastion, whatever ssh_config says.
            (true, Some(_)) => Via::Direct,
            (false, _) => self.by_site(&way, host.name.as_str()).await?,
        };
        let before = way.last().and_then(|jump| self.at(jump));
        Ok(self.on_site(host, user, before, &options, via))
    }

    /// A host of the site, reached from the one before it, if that is a bastion of the site:
    /// then over their private network, if they have one.
    fn on_site(
        &self,
        host: &Host,
        user: &str,
        before: Option<&Host>,
        options: &Options,
        via: Via,
    ) -> Target {
        let mut target = self.plain(host.name.to_string(), user, options, via);
        let inner = before.map(|bastion| host.inner_from(bastion));
        if let Some(inner) = inner.filter(|inner| *inner != host.address) {
            target.address = Address::Ip(inner);
        }
        target.trust.pinned.clone_from(&host.host_key);
        if let Some(key) = &self.site.ssh.key {
            target.identity.key = Some(key.clone());
        }
        target
    }

    /// Through the bastions of site.toml.
    async fn by_site(&self, way: &[&Jump], host: &str) -> Result<Via, RouteError> {
        let mut via = None;
        let mut before = None;
        for jump in way {
            let mut bastion = match jump {
                Jump::Host(name) => {
                    let Some(bastion) = self.site.hosts.get(name) else {
                        // site.toml was checked for that.
                        continue;
                    };
                    let user = self.user_of(name);
                    let options = self.options(bastion, Some(&user)).await?;
                    self.on_site(bastion, &user, before, &options, Via::Direct)
                }
                Jump::Elsewhere {
                    user,
                    host: at,
                    port,
                } => {
                    let hop = Hop {
                        user: user.clone(),
                        host: at.clone(),
                        port: *port,
                    };
                    self.to_hop(&hop, host, 0).await?
                }
            };
            before = self.at(jump);
            if let Some(nearer) = via.take() {
                bastion.via = nearer;
            }
            via = Some(Via::Jump(Box::new(bastion)));
        }
        Ok(via.unwrap_or_default())
    }

    /// As the SSH configuration has it.
    async fn by_config(
        &self,
        options: &Options,
        host: &str,
        user: &str,
        depth: usize,
    ) -> Result<Via, RouteError> {
        match &options.proxy {
            Proxy::None => Ok(Via::Direct),
            Proxy::Jump(hops) => {
                let mut via = None;
                for hop in hops {
                    let mut bastion = self.to_hop(hop, host, depth).await?;
                    // Only the first is reached as its own configuration says, as with ssh -J.
                    if let Some(before) = via.take() {
                        bastion.via = before;
                    }
                    via = Some(Via::Jump(Box::new(bastion)));
                }
                Ok(via.unwrap_or_default())
            }
            Proxy::Command(_) => match options.proxy_command(user) {
                None => Ok(Via::Direct),
                Some(Ok(command)) => Ok(Via::Command(command)),
                Some(Err(cause)) => Err(RouteError::Config {
                    host: host.to_owned(),
                    cause,
                }),
            },
        }
    }

    /// A bastion that isn't a host of the site.
    fn to_hop<'a>(
        &'a self,
        hop: &'a Hop,
        host: &'a str,
        depth: usize,
    ) -> BoxFuture<'a, Result<Target, RouteError>> {
        Box::pin(async move {
            deeper(host, &hop.host, depth)?;
            let options = self
                .ask(&hop.host, &hop.host, hop.user.as_deref(), hop.port)
                .await?;
            let user = match &options.user {
                Some(user) => user.clone(),
                None => local_user(),
            };
            let via = self
                .by_config(&options, &hop.host, &user, depth + 1)
                .await?;
            let mut target = self.plain(hop.host.clone(), &user, &options, via);
            if !options.identity_files_configured {
                target.identity.key.clone_from(&self.site.ssh.key);
            }
            Ok(target)
        })
    }

    fn plain(&self, host: String, user: &str, options: &Options, via: Via) -> Target {
        let ssh = &self.site.ssh;
        let usual = Patience::default();
        let connect = ssh.connect_timeout.map(Duration::from_secs);
        let alive = alive(options);
        Target {
            host,
            address: options
                .host_name
                .parse()
                .map_or_else(|_| Address::Name(options.host_name.clone()), Address::Ip),
            port: options.port,
            family: match options.family {
                config::Family::Any => Family::Any,
                config::Family::V4 => Family::V4,
                config::Family::V6 => Family::V6,
            },
            via,
            alias: options.host_key_alias.clone(),
            trust: Trust {
                pinned: None,
                known_hosts: ssh.known_hosts.clone().unwrap_or_else(|| {
                    let user = options.user_known_hosts.iter();
                    user.chain(&options.global_known_hosts).cloned().collect()
                }),
            },
            user: user.to_owned(),
            identity: identity(options),
            patience: Patience {
                connect: connect
                    .or(options.connect_timeout.filter(|time| !time.is_zero()))
                    .unwrap_or(usual.connect),
                alive_interval: alive.map_or(usual.alive_interval, |(interval, _)| interval),
                alive_count: alive.map_or(usual.alive_count, |(_, count)| count),
                ..usual
            },
        }
    }

    fn user_of(&self, bastion: &HostName) -> String {
        let known = self.shared.user(bastion);
        known.unwrap_or_else(|| self.site.ssh.user.to_string())
    }
}

/// How often a sign of life is asked for, and how often in vain, by the SSH configuration.
fn alive(options: &Options) -> Option<(Duration, usize)> {
    /// What Debian's ssh makes of `BatchMode yes` by itself: a guess, and no wish of anybody's.
    const DEBIAN: Duration = Duration::from_secs(300);
    let interval = options.server_alive_interval?;
    if interval.is_zero() || (options.batch_mode && interval == DEBIAN) {
        return None;
    }
    let count = options.server_alive_count_max.unwrap_or(3);
    Some((interval, usize::try_from(count).unwrap_or(usize::MAX)))
}

/// What to log in with, by the SSH configuration.
fn identity(options: &Options) -> Identity {
    let methods = options.preferred_authentications.as_ref();
    let wanted = |method| methods.is_none_or(|all| all.iter().any(|one| one == method));
    let asks = !options.batch_mode;
    let files: Vec<PathBuf> = match options.identity_files_configured {
        true => options.identity_files.clone(),
        false => Vec::new(),
    };
    Identity {
        key: None,
        files,
        certificates: options.certificate_files.clone(),
        only: options.identities_only,
        agent: match &options.identity_agent {
            config::Agent::FromEnv => Agent::Environment,
            config::Agent::Socket(path) => Agent::Socket(path.clone()),
            config::Agent::None => Agent::Off,
        },
        keys: options.pubkey_authentication && wanted("publickey"),
        password: asks && options.password_authentication && wanted("password"),
        interactive: asks
            && options.kbd_interactive_authentication
            && wanted("keyboard-interactive"),
    }
}

fn deeper(host: &str, at: &str, depth: usize) -> Result<(), RouteError> {
    if depth < LONGEST {
        return Ok(());
    }
    Err(RouteError::Circle {
        host: host.to_owned(),
        at: at.to_owned(),
    })
}

/// Who runs this, as ssh(1) would log in without being told.
fn local_user() -> String {
    let named = ["USER", "LOGNAME"].map(std::env::var);
    let mut named = named.into_iter().flatten().filter(|name| !name.is_empty());
    named.next().unwrap_or_else(|| "root".to_owned())
}

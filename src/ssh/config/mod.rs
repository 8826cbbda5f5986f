//! The operator's own SSH configuration, so that nobody has to say twice how a host is reached.
//!
//! - [`Config`] says what applies to a host; [`options`] is what comes out.
//! - `openssh`: what `ssh -G` says. It is the truth wherever there is OpenSSH.
//! - `own`: our own reader of ssh_config(5) for all other machines; `criteria` is its `Match`,
//!   `line` a line, `pattern` patterns and globs, `algorithms` a list of host key types.
//! - `values`: options as they were set, and which there are; `expand`: tokens and variables;
//!   `local`: who asks.
//! - `hop`: a jump; `notes`: what isn't honoured; `error`: what goes wrong.
//!
//! Nothing of the configuration gets to a shell here but the commands of `Match exec`, as with
//! ssh itself.

mod algorithms;
mod criteria;
mod error;
mod expand;
mod hop;
mod line;
mod local;
mod notes;
mod openssh;
pub mod options;
mod own;
mod pattern;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

pub use error::ConfigError;
pub use hop::{Hop, HopError};
pub use options::{Agent, Family, Options, Proxy};

use local::Local;
use notes::{Notes, unhonoured};
use openssh::OpenSsh;
use options::Origin;
use own::{Exec, Found, Place};
use values::Values;

/// How long the answer for one host may take: `Match exec` may run anything.
const LIMIT: Duration = Duration::from_secs(20);

/// The keys ssh tries of itself, in its order (ssh_config(5), IdentityFile).
const USUAL_KEYS: [&str; 5] = [
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
];

/// Which configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user's and the system's, as ssh does.
    Default,
    /// This file and no other: `-F FILE`.
    File(PathBuf),
    /// None: `-F none`.
    None,
}

/// The operator's SSH configuration. One is enough for a run; clones are the same one.
#[derive(Clone, Debug)]
pub struct Config(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    home: Option<PathBuf>,
    etc: PathBuf,
    limit: Duration,
    openssh: Option<OpenSsh>,
    local: OnceCell<Arc<Local>>,
    notes: Notes,
}

/// What is asked for: a host, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    host: String,
    user: Option<String>,
    port: Option<u16>,
}

impl Config {
    /// The configuration, read by the `ssh` of this machine if PATH leads to one. `home` is
    /// where `~` is; without it, what the system says.
    pub fn new(source: Source, home: Option<PathBuf>) -> Self {
        let openssh = OpenSsh::find().map(OpenSsh::new);
        Self::build(source, home, Path::new("/etc/ssh"), openssh, LIMIT)
    }

    /// The configuration, read by our own reader alone. `etc` is where the system's lies:
    /// `/etc/ssh`.
    pub fn without_openssh(source: Source, home: Option<PathBuf>, etc: &Path) -> Self {
        Self::build(source, home, etc, None, LIMIT)
    }

    /// The configuration, read by this `ssh`, which may take as long as `limit` for one host.
    pub fn with_openssh(
        program: PathBuf,
        source: Source,
        home: Option<PathBuf>,
        limit: Duration,
    ) -> Self {
        let openssh = Some(OpenSsh::new(program));
        Self::build(source, home, Path::new("/etc/ssh"), openssh, limit)
    }

    fn build(
        source: Source,
        home: Option<PathBuf>,
        etc: &Path,
        openssh: Option<OpenSsh>,
        limit: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            home,
            etc: etc.to_owned(),
            limit,
            openssh,
            local: OnceCell::new(),
            notes: Notes::default(),
        }))
    }

    /// What applies to a host, written as after `ssh`: a name of the configuration, a DNS name
    /// or an address, `user@host`, or `ssh://user@host:port`. A `user` and a `port` given here
    /// come before everything else.
    ///
    /// `%r` in a path is `user`, else what is configured, else the local user's name: whoever
    /// logs in as somebody else asks again with that user.
    ///
    /// # Errors
    /// A name that ssh would refuse, a configuration that is wrong (with file and line), a
    /// command of `Match exec` without an end.
    pub async fn resolve(
        &self,
        host: &str,
        user: Option<&str>,
        port: Option<u16>,
    ) -> Result<Options, ConfigError> {
        let inner = &self.0;
        let request = Request::new(host, user, port)?;
        let local = inner
            .local
            .get_or_try_init(|| async { Local::ask(inner.home.clone()).await.map(Arc::new) })
            .await?;
        let place = Place {
            source: inner.source.clone(),
            etc: inner.etc.clone(),
            local: Arc::clone(local),
        };
        let (values, origin) = match &inner.openssh {
            Some(openssh) => self.ask(openssh, place, &request).await?,
            None => self.read(place, &request).await?,
        };
        inner.notes.add(unhonoured(&values));
        Options::new(&request.host, &values, &origin, local)
    }

    /// What of the configuration isn't honoured, as far as hosts have been asked for: a
    /// sentence each, each once for the whole run.
    pub fn warnings(&self) -> Vec<String> {
        self.0.notes.sentences()
    }

    /// By OpenSSH.
    async fn ask(
        &self,
        openssh: &OpenSsh,
        place: Place,
        request: &Request,
    ) -> Result<(Values, Origin), ConfigError> {
        let inner = &self.0;
        let home = &place.local.home;
        let (asked, bare) = tokio::join!(
            openssh.ask(&inner.source, home, request, inner.limit),
            openssh.bare(inner.limit)
        );
        let ((values, notes), bare) = (asked?, bare?);
        inner.notes.add(notes);
        let same = |key| values.all(key) == bare.all(key);
        let user = match &request.user {
            Some(_) => true,
            None if !same("user") => true,
            None => self.names_user(place, request).await,
        };
        let origin = Origin {
            user,
            usual_keys: same("identityfile").then(|| bare.all("identityfile").to_vec()),
            algorithms: !same("hostkeyalgorithms"),
        };
        Ok((values, origin))
    }

    /// Whether the configuration names the user that `ssh -G` printed: it prints the local user's
    /// name anyway. Our own reader can tell; where it can't read the files, none is named.
    async fn names_user(&self, place: Place, request: &Request) -> bool {
        let until = Instant::now() + self.0.limit;
        let mut named = Vec::new();
        // ssh has run the commands of `Match exec` already. They aren't run again unless it
        // matters how they ended.
        for exec in [Exec::Assume(true), Exec::Assume(false), Exec::Run(until)] {
            let Ok(found) = self.own(place.clone(), request, exec).await else {
                return false;
            };
            let user = found.values.first("user").is_some();
            if !found.asked || named.contains(&user) {
                return user;
            }
            named.push(user);
        }
        false
    }

    /// By our own reader.
    async fn read(&self, place: Place, request: &Request) -> Result<(Values, Origin), ConfigError> {
        let until = Instant::now() + self.0.limit;
        let found = self.own(place, request, Exec::Run(until)).await?;
        let (mut values, notes) = (found.values, found.notes);
        self.0.notes.add(notes);
        let algorithms = values.first("hostkeyalgorithms").map(algorithms::assemble);
        if let Some(list) = &algorithms {
            values.set("hostkeyalgorithms", vec![list.join(",")]);
        }
        let usual = values.all("identityfile").is_empty();
        let origin = Origin {
            user: values.first("user").is_some(),
            usual_keys: usual.then(|| USUAL_KEYS.map(str::to_owned).to_vec()),
            algorithms: algorithms.is_some(),
        };
        Ok((values, origin))
    }

    async fn own(&self, place: Place, request: &Request, exec: Exec) -> Result<Found, ConfigError> {
        let request = request.clone();
        // It reads files and waits for the commands of `Match exec`.
        tokio::task::spawn_blocking(move || own::read(&place, &request, exec))
            .await
            .map_err(|error| ConfigError::Machine {
                what: "read the configuration",
                cause: error.into(),
            })?
    }
}

impl Request {
    fn new(text: &str, user: Option<&str>, port: Option<u16>) -> Result<Self, ConfigError> {
        let (own_user, host, own_port) = match text.strip_prefix("ssh://") {
            Some(_) => {
                let hop: Hop = text.parse().map_err(|cause| ConfigError::Uri {
                    text: text.to_owned(),
                    cause,
                })?;
                (hop.user, hop.host, hop.port)
            }
            None => match text.rsplit_once('@') {
                Some((user, host)) => (Some(user.to_owned()), host.to_owned(), None),
                None => (None, text.to_owned(), None),
            },
        };
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = inner.map(str::to_owned).unwrap_or(host);
        let user = user.map(str::to_owned).or(own_user);
        if !is_host(&host) {
            return Err(ConfigError::Name {
                what: "the host name",
                name: host,
            });
        }
        match user {
            Some(user) if !is_user(&user) => Err(ConfigError::Name {
                what: "the user name",
                name: user,
            }),
            user => Ok(Self {
                host,
                user,
                port: port.or(own_port),
            }),
        }
    }
}

/// What ssh takes for a host (since 9.6): nothing that means something to a shell, since hosts
/// get into ProxyCommand and `Match exec`.
fn is_host(name: &str) -> bool {
    let odd = |c: char| "'`\"$\\;&<>|(){},".contains(c) || c.is_whitespace() || c.is_control();
    !name.is_empty() && !name.starts_with('-') && !name.contains(odd)
}

/// What ssh takes for a user (since 9.6), without the blanks it allows.
fn is_user(name: &str) -> bool {
    let odd = |c: char| "'`\"$;&<>|(){}".contains(c) || c.is_whitespace() || c.is_control();
    !name.is_empty() && !name.starts_with('-') && !name.contains(odd) && !name.ends_with('\\')
}

//! What the connections of a run share: the operator's keys, whom to ask, and whom to tell.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ask::Ask;
use super::connect::{self, HostKey};
use super::error::Error;
use super::fault::Fault;
use super::jump::Bastions;
use super::keys::Keys;
use super::session::Session;
use super::target::Target;

/// Connections at once to one server that aren't logged in yet. sshd begins to turn them away
/// at random from the tenth on (MaxStartups), those of everybody together.
const STARTING: usize = 3;

/// Something worth telling about a connection: which way it goes, what was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The host's name in site.toml, or that of a bastion.
    pub host: String,
    /// One line.
    pub text: String,
}

/// Opens connections.
#[derive(Clone)]
pub struct Dialer {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Keys,
    ask: Arc<dyn Ask>,
    notes: Option<UnboundedSender<Note>>,
    bastions: Bastions,
    /// Turns to start a connection, by server.
    turns: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// Tells about one host.
#[derive(Clone)]
pub(super) struct Teller {
    host: String,
    notes: Option<UnboundedSender<Note>>,
}

impl Teller {
    /// Tells whoever listens, one line. What comes from elsewhere may hold anything: only what can be
    /// shown is passed on.
    pub(super) fn tell(&self, text: impl AsRef<str>) {
        if let Some(notes) = &self.notes {
            let shown = |c: &char| !c.is_control();
            // A listener that is gone wants no more of them.
            let _gone = notes.send(Note {
                host: self.host.clone(),
                text: text.as_ref().chars().filter(shown).collect(),
            });
        }
    }
}

impl Dialer {
    /// Connections with these keys; who can't log in with them alone is asked for.
    pub fn new(keys: Keys, ask: Arc<dyn Ask>, notes: Option<UnboundedSender<Note>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                keys,
                ask,
                notes,
                bastions: Bastions::default(),
                turns: Mutex::default(),
            }),
        }
    }

    /// Opens a new connection and logs in.
    ///
    /// # Errors
    /// See [`super::Fault`]. A host key that isn't the expected one ends it before any login.
    pub async fn connect(&self, target: &Target) -> Result<Session, Error> {
        connect::connect(self, target).await
    }

    /// Takes a session's connection for that of a bastion: targets that are reached through
    /// exactly this one go through it, while it lasts.
    pub async fn adopt(&self, bastion: &Target, session: &Session) {
        let link = Arc::clone(session.link());
        self.inner.bastions.adopt(bastion, link).await;
    }

    /// Says goodbye to the bastions. What still goes through them is lost.
    pub async fn close(&self) {
        self.inner.bastions.close().await;
    }

    /// Asks a server for its host keys, one a kind, best first, and doesn't log in.
    ///
    /// A pin may be of any kind; without one, [`Self::connect`] asks for the first.
    ///
    /// # Errors
    /// If the server can't be reached, or shows no key of a kind we accept.
    pub async fn host_keys(&self, target: &Target) -> Result<Vec<HostKey>, Error> {
        connect::host_keys(self, target).await
    }

    /// Asks for the passphrase of a key file now, if it has one, so that nobody is kept
    /// waiting for it later.
    ///
    /// # Errors
    /// The file can't be read, or the passphrase wasn't given or was wrong three times.
    pub async fn unlock(&self, key: &Path) -> Result<(), Fault> {
        self.inner.keys.unlock(key, self.inner.ask.as_ref()).await
    }

    /// Whom to ask.
    pub fn ask(&self) -> &Arc<dyn Ask> {
        &self.inner.ask
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(super) fn bastions(&self) -> &Bastions {
        &self.inner.bastions
    }

    /// A turn to start a connection to this server; kept until it is logged in.
    pub(super) async fn turn(&self, target: &Target) -> Option<OwnedSemaphorePermit> {
        let mut key = target.at();
        for bastion in target.bastions() {
            // The same private address may be another server behind another bastion.
            key = format!("{key} via {}", bastion.at());
        }
        let turns = {
            let mut all = self
                .inner
                .turns
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                all.entry(key)
                    .or_insert_with(|| Arc::new(Semaphore::new(STARTING))),
            )
        };
        // The semaphore is never closed.
        turns.acquire_owned().await.ok()
    }

    /// Somebody to tell about this host.
    pub(super) fn teller(&self, host: &str) -> Teller {
        Teller {
            host: host.to_owned(),
            notes: self.inner.notes.clone(),
        }
    }

    /// Tells whoever listens.
    pub(super) fn note(&self, host: &str, text: impl AsRef<str>) {
        self.teller(host).tell(text);
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("keys", &self.inner.keys)
            .field("bastions", &self.inner.bastions)
            .finish_non_exhaustive()
    }
}

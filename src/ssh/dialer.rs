//! What the connections of a run share: the operator's keys, whom to ask, and whom to tell.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::ask::Ask;
use super::connect::{self, HostKey};
use super::error::Error;
use super::keys::Keys;
use super::session::Session;
use super::target::Target;

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
}

impl Dialer {
    /// Connections with these keys; who can't log in with them alone is asked for.
    pub fn new(keys: Keys, ask: Arc<dyn Ask>, notes: Option<UnboundedSender<Note>>) -> Self {
        Self {
            inner: Arc::new(Inner { keys, ask, notes }),
        }
    }

    /// Opens a new connection and logs in.
    ///
    /// # Errors
    /// See [`super::Fault`]. A host key that isn't the expected one ends it before any login.
    pub async fn connect(&self, target: &Target) -> Result<Session, Error> {
        connect::connect(self, target).await
    }

    /// Asks a server for its host keys, one a kind, best first, and doesn't log in.
    ///
    /// What [`Self::connect`] compares with a pin is the first of them.
    ///
    /// # Errors
    /// If the server can't be reached, or shows no key of a kind we accept.
    pub async fn host_keys(&self, target: &Target) -> Result<Vec<HostKey>, Error> {
        connect::host_keys(self, target).await
    }

    /// Whom to ask.
    pub fn ask(&self) -> &Arc<dyn Ask> {
        &self.inner.ask
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// Tells whoever listens.
    pub(super) fn note(&self, host: &str, text: impl Into<String>) {
        if let Some(notes) = &self.inner.notes {
            // A listener that is gone wants no more of them.
            let _gone = notes.send(Note {
                host: host.to_owned(),
                text: text.into(),
            });
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("keys", &self.inner.keys)
            .finish_non_exhaustive()
    }
}

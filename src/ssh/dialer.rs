//! Opens connections.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::ask::Ask;
use super::connect::{self, HostKey};
use super::error::Error;
use super::fault::Fault;
use super::keys::Keys;
use super::note::Note;
use super::session::Session;
use super::shared::Shared;
use super::target::Target;

/// Opens connections, which share the operator's keys, whom to ask, and bastions.
#[derive(Clone, Debug)]
pub struct Dialer(Shared);

impl Dialer {
    /// Connections with these keys; who can't log in with them alone is asked for.
    pub fn new(keys: Keys, ask: Arc<dyn Ask>, notes: Option<UnboundedSender<Note>>) -> Self {
        Self(Shared::new(keys, ask, notes))
    }

    /// Opens a new connection and logs in.
    ///
    /// # Errors
    /// See [`super::Fault`]. A host key that isn't the expected one ends it before any login.
    pub async fn connect(&self, target: &Target) -> Result<Session, Error> {
        let link = Arc::new(connect::link(&self.0, target).await?);
        Ok(Session::new(self.0.clone(), target.clone(), link))
    }

    /// Takes a session's connection for that of a bastion: targets that are reached through
    /// exactly this one go through it, while it lasts.
    pub async fn adopt(&self, bastion: &Target, session: &Session) {
        let link = Arc::clone(session.link());
        self.0.bastions().adopt(bastion, link).await;
    }

    /// Says goodbye to the bastions. What still goes through them is lost.
    pub async fn close(&self) {
        self.0.bastions().close().await;
    }

    /// Asks a server for its host keys, one a kind, best first, and doesn't log in.
    ///
    /// A pin may be of any kind; without one, [`Self::connect`] asks for the first.
    ///
    /// # Errors
    /// If the server can't be reached, or shows no key of a kind we accept.
    pub async fn host_keys(&self, target: &Target) -> Result<Vec<HostKey>, Error> {
        connect::host_keys(&self.0, target).await
    }

    /// Asks for the passphrase of a key file now, if it has one, so that nobody is kept
    /// waiting for it later.
    ///
    /// # Errors
    /// The file can't be read, or the passphrase wasn't given or was wrong three times.
    pub async fn unlock(&self, key: &Path) -> Result<(), Fault> {
        self.0.keys().unlock(key, self.0.ask().as_ref()).await
    }

    /// Whom to ask.
    pub fn ask(&self) -> &Arc<dyn Ask> {
        self.0.ask()
    }
}

//! What the connections of a run share: the operator's keys, whom to ask, whom to tell, the
//! bastions, and turns.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ask::Ask;
use super::bastions::Bastions;
use super::keys::Keys;
use super::note::{Note, Teller};
use super::target::Target;

/// Connections at once to one server that aren't logged in yet. sshd begins to turn them away
/// at random from the tenth on (MaxStartups), those of everybody together.
const STARTING: usize = 3;

/// What connections share. Clones are the same.
#[derive(Clone)]
pub(super) struct Shared {
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

impl Shared {
    /// Connections with these keys; who can't log in with them alone is asked for.
    pub(super) fn new(keys: Keys, ask: Arc<dyn Ask>, notes: Option<UnboundedSender<Note>>) -> Self {
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

    /// Whom to ask.
    pub(super) fn ask(&self) -> &Arc<dyn Ask> {
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("keys", &self.inner.keys)
            .field("bastions", &self.inner.bastions)
            .finish_non_exhaustive()
    }
}

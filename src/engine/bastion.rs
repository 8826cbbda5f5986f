//! Hosts of the site that others are reached through: logged in to once, and shared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::event::Failure;
use crate::site::HostName;
use crate::ssh::Session;

/// One bastion's session, or why there is none.
type Cell = Arc<OnceCell<Result<Arc<Session>, Failure>>>;

/// The bastions of a run. Clones are the same ones.
#[derive(Clone, Default)]
pub(super) struct Bastions(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    cells: BTreeMap<HostName, Cell>,
    /// Whom each has let in.
    users: BTreeMap<HostName, String>,
}

impl Bastions {
    /// Where a bastion's session is or will be.
    pub(super) fn cell(&self, name: &HostName) -> Cell {
        Arc::clone(self.inner().cells.entry(name.clone()).or_default())
    }

    /// Forgets a session that has ended with its server: the next one is made anew.
    pub(super) fn forget(&self, name: &HostName) {
        self.inner().cells.remove(name);
    }

    /// Notes whom a bastion has let in: it is reached as that user from now on.
    pub(super) fn lets_in(&self, name: &HostName, user: &str) {
        self.inner().users.insert(name.clone(), user.to_owned());
    }

    /// Whom a bastion has let in.
    pub(super) fn user(&self, name: &HostName) -> Option<String> {
        self.inner().users.get(name).cloned()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Bastions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bastions")
            .field("users", &self.inner().users)
            .finish_non_exhaustive()
    }
}

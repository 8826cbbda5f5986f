//! The bastions of a run: connections that many targets share.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Error;
use super::link::Link;
use super::target::Target;

/// The bastions of a run, each with one connection.
#[derive(Default)]
pub(super) struct Bastions(Mutex<Vec<Arc<Bastion>>>);

struct Bastion {
    target: Target,
    /// How often it was connected to, or tried.
    tries: AtomicUsize,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    failure: Option<Arc<Error>>,
}

impl Bastions {
    fn entry(&self, target: &Target) -> Arc<Bastion> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|bastion| bastion.target == *target) {
            return Arc::clone(known);
        }
        let new = Arc::new(Bastion {
            target: target.clone(),
            tries: AtomicUsize::new(0),
            state: tokio::sync::Mutex::default(),
        });
        all.push(Arc::clone(&new));
        new
    }

    /// The connection to a bastion; opened by `open` if there is none, or if it was lost.
    ///
    /// Whoever waits while somebody else opens it shares the outcome, good or bad: twenty
    /// servers behind a bastion mustn't send it twenty wrong passwords.
    pub(super) async fn link(
        &self,
        target: &Target,
        open: impl Future<Output = Result<Link, Error>>,
    ) -> Result<Arc<Link>, Arc<Error>> {
        let bastion = self.entry(target);
        let before = bastion.tries.load(Ordering::SeqCst);
        let mut state = bastion.state.lock().await;
        if let Some(link) = state.link.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Arc::clone(link));
        }
        if bastion.tries.load(Ordering::SeqCst) != before
            && let Some(failure) = &state.failure
        {
            return Err(Arc::clone(failure));
        }
        *state = State::default();
        let opened = open.await;
        let outcome = opened.map(Arc::new).map_err(Arc::new);
        bastion.tries.fetch_add(1, Ordering::SeqCst);
        match &outcome {
            Ok(link) => state.link = Some(Arc::clone(link)),
            Err(failure) => state.failure = Some(Arc::clone(failure)),
        }
        outcome
    }

    /// Takes a connection that is there already for that of a bastion.
    pub(super) async fn adopt(&self, target: &Target, link: Arc<Link>) {
        let bastion = self.entry(target);
        let mut state = bastion.state.lock().await;
        if state.link.as_ref().is_none_or(|known| known.is_closed()) {
            state.link = Some(link);
        }
    }

    /// Says goodbye to all of them.
    pub(super) async fn close(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // The last in a chain was opened last.
        for bastion in all.iter().rev() {
            let link = bastion.state.lock().await.link.take();
            if let Some(link) = link {
                link.close().await;
            }
        }
    }
}

/// Only how many: a target says enough elsewhere.
impl fmt::Debug for Bastions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "{} bastions", all.len())
    }
}

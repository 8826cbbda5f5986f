//! What russh asks back while a connection stands: is this the right host, and what did the
//! server say last.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, DisconnectReason, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure};

use super::certificate::plain;
use super::fault::Fault;
use super::judge::Judge;
use super::note::Teller;

/// As many lines of a banner are told.
const MOST_BANNER: usize = 20;
/// And this much of each.
const LONGEST_BANNER: usize = 200;

/// The server's last words on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Arc<Mutex<Option<String>>>);

impl Said {
    pub(super) fn get(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// In which words a server last refused to open a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<Option<String>>>);

impl Refusals {
    pub(super) fn set(&self, words: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
    }

    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why a connection ended, on our side of it.
#[derive(Debug)]
pub(super) enum Stop {
    HostKey(Box<Fault>),
    Russh(russh::Error),
}

impl From<russh::Error> for Stop {
    fn from(error: russh::Error) -> Self {
        Self::Russh(error)
    }
}

/// What russh asks back.
pub(super) struct Handler {
    /// None: look at the key and go no further.
    pub(super) judge: Option<Arc<Judge>>,
    /// The key that was shown, if it is only looked at.
    pub(super) seen: Arc<Mutex<Option<PublicKey>>>,
    pub(super) said: Said,
    /// Why a channel wasn't opened.
    pub(super) refusals: Refusals,
    pub(super) teller: Teller,
}

impl client::Handler for Handler {
    type Error = Stop;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Stop> {
        let Some(judge) = &self.judge else {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown.public_key());
            return Ok(false);
        };
        judge
            .check(shown)
            .map(|()| true)
            .map_err(|fault| Stop::HostKey(Box::new(fault)))
    }

    /// What a server wants said before a login. Legal notices can be long.
    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Stop> {
        let lines = banner.lines().filter(|line| !line.trim().is_empty());
        for line in lines.take(MOST_BANNER) {
            let line: String = line.trim_end().chars().take(LONGEST_BANNER).collect();
            self.teller.tell(format!("the server says: {line}"));
        }
        Ok(())
    }

    async fn channel_open_failure(
        &mut self,
        _: ChannelId,
        _: ChannelOpenFailure,
        words: &str,
        _: &str,
        _: &mut Session,
    ) -> Result<(), Stop> {
        self.refusals.set(words);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Stop>) -> Result<(), Stop> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.said.set(plain(&info.message));
                Ok(())
            }
            DisconnectReason::Error(stop) => {
                if let Stop::Russh(error) = &stop {
                    self.said.set(error.to_string());
                }
                Err(stop)
            }
        }
    }
}

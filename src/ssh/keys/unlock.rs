//! Passphrases: asked for once a file and run, however many hosts wait for the key.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use russh::keys::{PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

use super::super::ask::{Ask, Question, Unanswered};
use super::{Fault, File, Keys, file};

/// How often a passphrase is asked for, as ssh(1) does.
const TRIES: usize = 3;

pub(super) type Unlocked = Result<Arc<PrivateKey>, Locked>;

/// Why a key stayed locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ssh) enum Locked {
    Unanswered(Unanswered),
    /// All passphrases were wrong.
    Wrong,
    /// It can't be read (any more).
    Broken(String),
}

impl Locked {
    /// For the key the operator named.
    pub(in crate::ssh) fn fault(self, path: &Path) -> Fault {
        let path = path.to_owned();
        match self {
            Self::Unanswered(Unanswered::NoTerminal) => Fault::KeyEncrypted { path },
            Self::Wrong => Fault::KeyPassphrase { path },
            Self::Unanswered(why) => Fault::KeyLocked {
                path,
                why: why.to_string(),
            },
            Self::Broken(why) => Fault::KeyLocked { path, why },
        }
    }

    /// For one key among others that is passed over.
    pub(in crate::ssh) fn reason(&self, path: &Path) -> String {
        let why = match self {
            Self::Unanswered(Unanswered::NoTerminal) => "has a passphrase".to_owned(),
            Self::Unanswered(why) => format!("has a passphrase: {why}"),
            Self::Wrong => "has another passphrase".to_owned(),
            Self::Broken(why) => format!("can't be read: {why}"),
        };
        format!("{} {why}", path.display())
    }
}

impl Keys {
    /// Asks for the passphrase of a key file now, if it has one, so that nobody is kept waiting
    /// for it later. A key that is open or isn't ours to open (a public half, a security key)
    /// asks nothing.
    ///
    /// # Errors
    /// The file can't be read, or the passphrase wasn't given or was wrong three times.
    pub async fn unlock(&self, path: &Path, ask: &dyn Ask) -> Result<(), Fault> {
        let path = self.expand(path);
        match self.file(&path)? {
            File::Locked(_) => self
                .open(&path, ask)
                .await
                .map(drop)
                .map_err(|locked| locked.fault(&path)),
            _ => Ok(()),
        }
    }

    /// The private key of a locked file. Whoever comes while it is asked for waits, and whoever
    /// comes later gets the same answer, a refusal too.
    pub(in crate::ssh) async fn open(&self, path: &Path, ask: &dyn Ask) -> Unlocked {
        let cell = Arc::clone(
            self.unlocked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(path.to_owned())
                .or_default(),
        );
        cell.get_or_init(|| ask_and_open(path, ask)).await.clone()
    }
}

async fn ask_and_open(path: &Path, ask: &dyn Ask) -> Unlocked {
    let text = file::text(path).map_err(|fault| Locked::Broken(fault.to_string()))?;
    let text = Arc::new(text);
    for turn in 0..TRIES {
        let question = Question::Passphrase {
            key: path.to_owned(),
            again: turn > 0,
        };
        let answer = ask.ask(&question).await.map_err(Locked::Unanswered)?;
        let text = Arc::clone(&text);
        // Deriving the key from the passphrase is slow by design.
        let decode = tokio::task::spawn_blocking(move || try_open(&text, answer.reveal()));
        match decode.await {
            Ok(Some(key)) => return Ok(Arc::new(key)),
            Ok(None) => {}
            Err(_) => return Err(Locked::Broken("its format broke the reader".to_owned())),
        }
    }
    Err(Locked::Wrong)
}

/// A wrong passphrase can't be told from a damaged file in any of the formats.
fn try_open(text: &Zeroizing<String>, passphrase: &str) -> Option<PrivateKey> {
    decode_secret_key(text, Some(passphrase)).ok()
}

//! The secrets file: `NAME=value` lines in the age format (https://age-encryption.org/v1), for
//! the operator's SSH keys, age keys or a passphrase. Debian's `age` opens it too.
//!
//! | file | does |
//! |---|---|
//! | [`recipients`] | who will be able to open a file |
//! | [`identities`] | what opens one |
//! | [`lines`] | changes one value in the text, and leaves the rest as it is |
//! | [`generate`] | values that nobody can guess |
//! | [`clear`] | clear text in memory-backed files, for an editor |

mod clear;
mod generate;
mod identities;
mod lines;
mod recipients;

use std::io::{Read, Write};
use std::path::PathBuf;

use age::secrecy::SecretString;

use crate::shell::Secret;

pub use clear::Clear;
pub use generate::{Kind, generate};
pub use identities::{Ask, Identities};
pub use lines::put;
pub use recipients::Recipients;

/// A secrets file can't be opened or closed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("can't {what} {}", file.display())]
    File {
        /// "read", "write".
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A recipient that age doesn't know.
    #[error("{given:?} is no recipient: {why}")]
    Recipient {
        /// As given.
        given: String,
        /// What is wrong.
        why: String,
    },
    /// An identity that age can't use.
    #[error("{} can't open anything: {why}", file.display())]
    Identity {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// None of the identities is among the recipients.
    #[error(
        "none of your keys opens it ({tried}); name the right one in `identities` of [secrets], or \
         have somebody whose key does run `provision secrets --rekey`"
    )]
    NoKey {
        /// The identities that were tried.
        tried: String,
    },
    /// It is for a passphrase, and nobody gave one.
    #[error(
        "it is locked with a passphrase: call provision on a terminal, or say where it comes from \
         in `passphrase` of [secrets]"
    )]
    NoPassphrase,
    /// It isn't in the age format, was cut or changed, or the passphrase is wrong.
    #[error("it can't be opened: {0}")]
    Damaged(String),
    /// age itself refused.
    #[error("it can't be locked: {0}")]
    Locking(String),
    /// The machine gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// The most work that a passphrase may cost, as a power of two, which is that of age(1): some 15
/// seconds. Of itself the crate measures how fast this machine is right now, and a busy one would
/// refuse a file that it has locked itself.
const MOST_WORK: u8 = 22;

/// The question for a secrets file's own passphrase.
pub const PASSPHRASE: &str = "passphrase of the secrets file: ";

/// Whether a locked text is for a passphrase. One that can't be read isn't.
pub fn has_passphrase(locked: &[u8]) -> bool {
    let reader = age::armor::ArmoredReader::new(locked);
    age::Decryptor::new_buffered(reader).is_ok_and(|decryptor| decryptor.is_scrypt())
}

/// Locks a text, in age's armored form.
///
/// # Errors
/// If these recipients can't be used together.
pub fn lock(text: &Secret, recipients: &Recipients) -> Result<String, Error> {
    let refused = |e: &dyn std::fmt::Display| Error::Locking(e.to_string());
    let encryptor = recipients.encryptor()?;
    let mut out = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut out, age::armor::Format::AsciiArmor)
        .map_err(|e| refused(&e))?;
    let mut writer = encryptor.wrap_output(armor).map_err(|e| refused(&e))?;
    writer
        .write_all(text.reveal().as_bytes())
        .and_then(|()| writer.finish())
        .and_then(age::armor::ArmoredWriter::finish)
        .map_err(|e| refused(&e))?;
    String::from_utf8(out).map_err(|e| refused(&e))
}

/// Opens what [`lock`] or `age` has locked, armored or not.
///
/// # Errors
/// If none of the identities fits, no passphrase is given, or the file isn't whole.
pub fn unlock(locked: &[u8], identities: &Identities, ask: &Ask) -> Result<Secret, Error> {
    let damaged = |e: &dyn std::fmt::Display| Error::Damaged(e.to_string());
    let reader = age::armor::ArmoredReader::new(locked);
    let decryptor = age::Decryptor::new_buffered(reader).map_err(|e| damaged(&e))?;
    let keys: Vec<Box<dyn age::Identity>> = if decryptor.is_scrypt() {
        let given = ask.passphrase(PASSPHRASE);
        let passphrase = given.ok_or(Error::NoPassphrase)?;
        let passphrase = SecretString::from(passphrase.reveal().to_owned());
        let mut key = age::scrypt::Identity::new(passphrase);
        key.set_max_work_factor(MOST_WORK);
        vec![Box::new(key)]
    } else {
        identities.load(ask)?
    };
    let keys = keys.iter().map(|key| key.as_ref() as &dyn age::Identity);
    let mut reader = decryptor.decrypt(keys).map_err(|e| match e {
        age::DecryptError::NoMatchingKeys => Error::NoKey {
            tried: identities.named(),
        },
        other => damaged(&other),
    })?;
    let mut text = String::new();
    // Into memory that is wiped, whatever comes of it.
    let read = reader.read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|e| damaged(&e))?;
    Ok(text)
}

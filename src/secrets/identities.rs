//! What opens a secrets file: SSH keys and files of age keys.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::SecretString;

use super::Error;
use crate::shell::Secret;

/// Asks the operator for a passphrase; `None` if nobody answers. Given the question.
type Question = dyn Fn(&str) -> Option<Secret> + Send + Sync;

/// Whom to ask for passphrases.
#[derive(Clone)]
pub struct Ask(Arc<Question>);

impl Ask {
    /// This function asks.
    pub fn new(ask: impl Fn(&str) -> Option<Secret> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Nobody is there.
    pub fn nobody() -> Self {
        Self::new(|_| None)
    }

    /// The answer to a question.
    pub fn passphrase(&self, question: &str) -> Option<Secret> {
        (self.0)(question)
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask")
    }
}

impl age::Callbacks for Ask {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, what: &str) -> Option<SecretString> {
        let given = self.passphrase(&format!("{what}: "))?;
        Some(SecretString::from(given.reveal().to_owned()))
    }
}

/// Files with private keys, in the order they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    files: Vec<PathBuf>,
    /// Whether each of them has to be there.
    named: bool,
}

impl Identities {
    /// These files, as the operator names them.
    pub fn named_files(files: Vec<PathBuf>) -> Self {
        Self { files, named: true }
    }

    /// Those of these that are there.
    pub fn usual(files: Vec<PathBuf>) -> Self {
        let files = files.into_iter().filter(|file| file.is_file()).collect();
        let named = false;
        Self { files, named }
    }

    /// As they are told of.
    pub(super) fn named(&self) -> String {
        if self.files.is_empty() {
            return "there is none".to_owned();
        }
        let names: Vec<String> = self.files.iter().map(|f| f.display().to_string()).collect();
        names.join(", ")
    }

    pub(super) fn load(&self, ask: &Ask) -> Result<Vec<Box<dyn age::Identity>>, Error> {
        let mut keys = Vec::new();
        for file in &self.files {
            match read(file, ask) {
                Ok(found) => keys.extend(found),
                // One of the usual places may hold a key that age has no use for.
                Err(Error::Identity { .. }) if !self.named => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }
}

/// The keys of a file. A passphrase is asked for only when one of the recipients is that key.
fn read(file: &Path, ask: &Ask) -> Result<Vec<Box<dyn age::Identity>>, Error> {
    let unreadable = |source| Error::File {
        what: "read",
        file: file.to_owned(),
        source,
    };
    let useless = |why: String| Error::Identity {
        file: file.to_owned(),
        why,
    };
    let bytes = zeroize::Zeroizing::new(std::fs::read(file).map_err(unreadable)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| useless("it is not text".to_owned()))?;
    if text.contains("PRIVATE KEY-----") {
        let name = file.display().to_string();
        let key = age::ssh::Identity::from_buffer(BufReader::new(text.as_bytes()), Some(name))
            .map_err(|e| useless(e.to_string()))?;
        if let age::ssh::Identity::Unsupported(_) = &key {
            return Err(useless(
                "age opens files with ssh-ed25519 and ssh-rsa keys, and with its own".to_owned(),
            ));
        }
        return Ok(vec![Box::new(key.with_callbacks(ask.clone()))]);
    }
    let listed = age::IdentityFile::from_buffer(BufReader::new(text.as_bytes()))
        .map_err(|_| useless("it holds neither an SSH key nor age keys".to_owned()))?;
    let keys = listed
        .into_identities()
        .map_err(|e| useless(e.to_string()))?;
    Ok(keys
        .into_iter()
        .map(|key| key as Box<dyn age::Identity>)
        .collect())
}

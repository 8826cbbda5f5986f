//! Who will be able to open a secrets file.

use std::path::Path;

use age::secrecy::SecretString;

use super::Error;
use crate::shell::Secret;

/// Who will be able to open a file: keys, or whoever knows a passphrase. Never both (age allows no
/// such file).
pub enum Recipients {
    /// Public keys.
    Keys(Vec<Box<dyn age::Recipient + Send>>),
    /// A passphrase.
    Passphrase(Secret),
}

impl std::fmt::Debug for Recipients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys(keys) => write!(f, "Keys({})", keys.len()),
            Self::Passphrase(_) => f.write_str("Passphrase(***)"),
        }
    }
}

impl Recipients {
    /// Each word is an age key (`age1…`), a line of an SSH key (`ssh-ed25519 …`, `ssh-rsa …`),
    /// or the path of a file of such lines, `#` before comments.
    ///
    /// # Errors
    /// With the first that isn't one, or a file that can't be read.
    pub fn keys(words: &[(String, Option<std::path::PathBuf>)]) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for (word, file) in words {
            match (one(word), file) {
                (Ok(key), _) => keys.push(key),
                (Err(_), Some(file)) => keys.extend(listed(file)?),
                (Err(why), None) => {
                    let given = word.clone();
                    return Err(Error::Recipient { given, why });
                }
            }
        }
        Ok(Self::Keys(keys))
    }

    pub(super) fn encryptor(&self) -> Result<age::Encryptor, Error> {
        match self {
            Self::Keys(keys) => {
                let keys = keys.iter().map(|key| key.as_ref() as &dyn age::Recipient);
                age::Encryptor::with_recipients(keys).map_err(|e| Error::Locking(e.to_string()))
            }
            Self::Passphrase(passphrase) => {
                let passphrase = SecretString::from(passphrase.reveal().to_owned());
                Ok(age::Encryptor::with_user_passphrase(passphrase))
            }
        }
    }
}

/// The keys that a file lists.
fn listed(file: &Path) -> Result<Vec<Box<dyn age::Recipient + Send>>, Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::File {
        what: "read",
        file: file.to_owned(),
        source,
    })?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, Error> = lines
        .map(|line| {
            one(line).map_err(|why| Error::Recipient {
                // A line of a private key, given by mistake, isn't repeated.
                given: file.display().to_string(),
                why,
            })
        })
        .collect();
    let keys = keys?;
    if keys.is_empty() {
        let (given, why) = (file.display().to_string(), "it lists no key".to_owned());
        return Err(Error::Recipient { given, why });
    }
    Ok(keys)
}

fn one(word: &str) -> Result<Box<dyn age::Recipient + Send>, String> {
    use age::ssh::ParseRecipientKeyError as Ssh;
    if word.starts_with("age1") {
        let key: Result<age::x25519::Recipient, _> = word.parse();
        return key
            .map(|key| Box::new(key) as _)
            .map_err(|e| format!("it is not an age key ({e})"));
    }
    match word.parse::<age::ssh::Recipient>() {
        Ok(key) => Ok(Box::new(key)),
        Err(Ssh::Unsupported(kind)) => Err(format!(
            "age can't lock for keys of the kind {kind}: name an ssh-ed25519, ssh-rsa or age key"
        )),
        Err(Ssh::RsaModulusTooSmall) => Err("its RSA key is too small".to_owned()),
        Err(Ssh::RsaModulusTooLarge) => Err("its RSA key is too large".to_owned()),
        Err(Ssh::Invalid(_) | Ssh::Ignore) => {
            Err("it is neither an age key nor a line of an ssh-ed25519 or ssh-rsa key".to_owned())
        }
    }
}

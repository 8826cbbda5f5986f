//! The operator's vault: opens the secrets file, and asks commands and the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::prompt;
use crate::engine::told;
use crate::secrets::{self, Ask, Identities, Recipients};
use crate::shell::Secret;
use crate::site::{SecretSource, Secrets, Vault};

/// What was answered, by question: nothing is asked for twice.
type Answers = Arc<Mutex<BTreeMap<String, Secret>>>;

/// The operator's vault.
#[derive(Clone, Debug, Default)]
pub(super) struct Opener {
    answers: Answers,
}

impl Opener {
    /// Asks where the passphrase is kept, else at the terminal.
    fn ask(&self, secrets: &Secrets) -> Ask {
        let (answers, source) = (Arc::clone(&self.answers), secrets.passphrase.clone());
        Ask::new(move |question| {
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = answers.get(question) {
                return Some(known.clone());
            }
            let given = match &source {
                Some(source) => fetch(source)
                    .inspect_err(|why| {
                        anstream::eprintln!("the passphrase can't be had: {why}");
                    })
                    .ok(),
                None => typed(question),
            }?;
            answers.insert(question.to_owned(), given.clone());
            Some(given)
        })
    }

    /// What opens the file: the keys that `[secrets]` names, else the usual ones.
    fn identities(secrets: &Secrets) -> Identities {
        if !secrets.identities.is_empty() {
            return Identities::named_files(secrets.identities.clone());
        }
        let home = std::env::home_dir().unwrap_or_default();
        let usual = [
            ".ssh/id_ed25519",
            ".ssh/id_rsa",
            ".config/age/keys.txt",
            ".config/sops/age/keys.txt",
        ];
        let usual = usual.iter().map(|name| home.join(name));
        Identities::usual(secrets.key.clone().into_iter().chain(usual).collect())
    }

    /// Opens a locked text.
    pub(super) fn unlock(
        &self,
        secrets: &Secrets,
        locked: &[u8],
    ) -> Result<Secret, secrets::Error> {
        secrets::unlock(locked, &Self::identities(secrets), &self.ask(secrets))
    }

    /// Who will be able to open the file: those of `[secrets]`, else the operator's SSH key, else
    /// whoever knows a passphrase. A file that has one keeps it.
    pub(super) fn recipients(
        &self,
        secrets: &Secrets,
        before: Option<&[u8]>,
    ) -> Result<Recipients, secrets::Error> {
        if !secrets.recipients.is_empty() {
            return Recipients::keys(&secrets.recipients);
        }
        let has_passphrase = before.is_some_and(secrets::has_passphrase);
        if secrets.passphrase.is_none() && !has_passphrase {
            let home = std::env::home_dir().unwrap_or_default();
            let keys = [secrets.key.clone(), Some(home.join(".ssh/id_ed25519"))];
            for key in keys.into_iter().flatten() {
                let mut public = key.into_os_string();
                public.push(".pub");
                let public = PathBuf::from(public);
                if public.is_file() {
                    return Recipients::keys(&[(public.display().to_string(), Some(public))]);
                }
            }
        }
        let ask = self.ask(secrets);
        ask.passphrase(secrets::PASSPHRASE)
            .map(Recipients::Passphrase)
            .ok_or(secrets::Error::NoPassphrase)
    }
}

impl Vault for Opener {
    fn open(&self, secrets: &Secrets) -> Result<Option<Secret>, String> {
        let locked = match std::fs::read(&secrets.file) {
            Ok(locked) => locked,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("it can't be read: {e}")),
        };
        let text = self.unlock(secrets, &locked);
        text.map(Some).map_err(|error| told(&error))
    }

    fn fetch(&self, source: &SecretSource) -> Result<Secret, String> {
        fetch(source)
    }
}

/// Asks at the terminal, if there is one.
pub(super) fn typed(question: &str) -> Option<Secret> {
    if !prompt::somebody() {
        return None;
    }
    match prompt::ask(question, false) {
        Ok(Ok(answer)) if !answer.reveal().is_empty() => Some(answer),
        _ => None,
    }
}

/// What a variable holds, or what a command prints, less the end of its last line.
fn fetch(source: &SecretSource) -> Result<Secret, String> {
    let words = match source {
        SecretSource::Env(name) => {
            let value = std::env::var(name.as_str());
            return value
                .map(Secret::new)
                .map_err(|e| format!("the environment's {name}: {e}"));
        }
        SecretSource::Command(words) => words,
    };
    let shown = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    let Some((program, args)) = words.split_first() else {
        return Err("the command is empty".to_owned());
    };
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("`{shown}`: {e}"))?;
    let stdout = zeroize::Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(format!("`{shown}`: {}", output.status));
    }
    let text = std::str::from_utf8(&stdout).map_err(|_| format!("`{shown}` prints no UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.is_empty() {
        true => Err(format!("`{shown}` prints nothing")),
        false => Ok(Secret::new(text)),
    }
}

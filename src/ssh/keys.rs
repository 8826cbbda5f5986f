//! Which private keys to log in with.
//!
//! A key named in site.toml is the only one tried (as ssh_config(5)'s IdentitiesOnly): sshd
//! hangs up after a handful of wrong ones. Without one, it is the agent's keys, then the usual
//! files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PublicKey, decode_secret_key, load_public_key};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use super::error::Fault;

/// The usual files, under `~/.ssh`, in the order they are tried.
const USUAL: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// The operator's keys, read once and shared by all connections of a run.
pub struct Keys {
    home: Option<PathBuf>,
    agent: Option<PathBuf>,
    files: Mutex<BTreeMap<PathBuf, Found>>,
    held: OnceCell<(Vec<AgentIdentity>, Option<String>)>,
}

/// What a key file holds.
#[derive(Clone)]
enum Found {
    Private(Arc<PrivateKey>),
    /// With the public half, where that can be had.
    Encrypted(Option<PublicKey>),
    Public(PublicKey),
}

/// A key to try.
pub(super) enum Candidate {
    File(Arc<PrivateKey>, PathBuf),
    Agent(Box<AgentIdentity>),
}

impl Candidate {
    /// The key's kind and where it comes from, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(_, path) => path.display().to_string(),
            Self::Agent(identity) => {
                let key = identity.public_key();
                let comment = identity.comment();
                let kind = super::algorithms::key_type(&key.algorithm()).to_owned();
                match comment.is_empty() {
                    true => format!("the agent's {kind} key"),
                    false => format!("the agent's {kind} key \"{comment}\""),
                }
            }
        }
    }
}

/// The keys to try, and those that were found and can't be used.
pub(super) struct Candidates {
    pub(super) try_these: Vec<Candidate>,
    pub(super) passed_over: Vec<String>,
}

impl Keys {
    /// Keys of a home directory (for `~/` and `~/.ssh`) and of an agent's socket.
    pub fn new(home: Option<PathBuf>, agent: Option<PathBuf>) -> Self {
        Self {
            home,
            agent,
            files: Mutex::default(),
            held: OnceCell::new(),
        }
    }

    /// Keys of the operator: `$HOME` and `$SSH_AUTH_SOCK`.
    pub fn from_env() -> Self {
        let full = |path: &PathBuf| !path.as_os_str().is_empty();
        Self::new(
            std::env::home_dir().filter(full),
            std::env::var_os("SSH_AUTH_SOCK")
                .map(PathBuf::from)
                .filter(full),
        )
    }

    /// A connection to the agent.
    pub(super) async fn agent(&self) -> Result<AgentClient<UnixStream>, russh::keys::Error> {
        match &self.agent {
            Some(socket) => AgentClient::connect_uds(socket).await,
            None => Err(russh::keys::Error::EnvVar("SSH_AUTH_SOCK")),
        }
    }

    /// The keys to try, with the one named in site.toml or without.
    pub(super) async fn candidates(&self, named: Option<&Path>) -> Result<Candidates, Fault> {
        match named {
            Some(path) => Ok(Candidates {
                try_these: vec![self.named(&self.expand(path)).await?],
                passed_over: Vec::new(),
            }),
            None => self.usual().await,
        }
    }

    /// `~/…` under the home directory.
    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    async fn named(&self, path: &Path) -> Result<Candidate, Fault> {
        let path = path.to_owned();
        let (public, fault) = match self.file(&path) {
            Ok(Found::Private(key)) => return Ok(Candidate::File(key, path)),
            Ok(Found::Encrypted(public)) => (public, Fault::KeyEncrypted { path }),
            Ok(Found::Public(public)) => (Some(public), Fault::KeyNotInAgent { path }),
            // The file may be out of reach while the agent holds the key.
            Err(fault) => (load_public_key(with_pub(&path)).ok(), fault),
        };
        let (held, _) = self.held().await;
        let of_agent = public.and_then(|public| {
            held.iter()
                .find(|identity| identity.public_key().key_data() == public.key_data())
        });
        of_agent
            .cloned()
            .map(|identity| Candidate::Agent(Box::new(identity)))
            .ok_or(fault)
    }

    async fn usual(&self) -> Result<Candidates, Fault> {
        let (held, problem) = self.held().await;
        let mut try_these: Vec<Candidate> = held
            .iter()
            .map(|identity| Candidate::Agent(Box::new(identity.clone())))
            .collect();
        let mut passed_over: Vec<String> = problem.iter().cloned().collect();
        let holds = |key: &PublicKey| {
            held.iter()
                .any(|identity| identity.public_key().key_data() == key.key_data())
        };
        let files = self.home.iter().flat_map(|home| {
            let folder = home.join(".ssh");
            USUAL.map(|name| folder.join(name))
        });
        for path in files {
            match self.file(&path) {
                Ok(Found::Private(key)) if holds(key.public_key()) => {}
                Ok(Found::Private(key)) => try_these.push(Candidate::File(key, path)),
                Ok(Found::Encrypted(Some(key))) if holds(&key) => {}
                Ok(Found::Encrypted(_)) => {
                    passed_over.push(format!("{} has a passphrase", path.display()));
                }
                Ok(Found::Public(_)) => {}
                Err(Fault::KeyUnreadable { cause, .. })
                    if cause.kind() == std::io::ErrorKind::NotFound => {}
                Err(fault) => passed_over.push(fault.to_string()),
            }
        }
        if try_these.is_empty() {
            return Err(Fault::NoKeys { passed_over });
        }
        Ok(Candidates {
            try_these,
            passed_over,
        })
    }

    /// What the agent holds, asked once, and what is wrong with it if it can't say.
    async fn held(&self) -> &(Vec<AgentIdentity>, Option<String>) {
        self.held
            .get_or_init(|| async {
                if self.agent.is_none() {
                    return (Vec::new(), None);
                }
                let answer = async { self.agent().await?.request_identities().await };
                match answer.await {
                    Ok(held) => (held, None),
                    Err(error) => (
                        Vec::new(),
                        Some(format!("the agent doesn't answer: {error}")),
                    ),
                }
            })
            .await
    }

    fn file(&self, path: &Path) -> Result<Found, Fault> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = files.get(path) {
            return Ok(found.clone());
        }
        let found = read(path)?;
        files.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("home", &self.home)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Found, Fault> {
    let bytes = std::fs::read(path).map_err(|cause| Fault::KeyUnreadable {
        path: path.to_owned(),
        cause,
    })?;
    let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    drop(zeroize::Zeroizing::new(bytes));
    if !text.contains("PRIVATE KEY") {
        return load_public_key(path)
            .map(Found::Public)
            .map_err(|cause| Fault::KeyInvalid {
                path: path.to_owned(),
                cause,
            });
    }
    // OpenSSH's own format names the public half in the clear; the older ones don't.
    let openssh = PrivateKey::from_openssh(text.as_bytes())
        .ok()
        .filter(PrivateKey::is_encrypted);
    if openssh.is_some() || text.contains("ENCRYPTED") {
        let public = openssh
            .map(|key| key.public_key().clone())
            .or_else(|| load_public_key(with_pub(path)).ok());
        return Ok(Found::Encrypted(public));
    }
    decode_secret_key(&text, None)
        .map(|key| Found::Private(Arc::new(key)))
        .map_err(|cause| Fault::KeyInvalid {
            path: path.to_owned(),
            cause,
        })
}

//! The operator's keys: files, the agent, the usual places.
//!
//! - `file`: what a key file holds; `candidates`: which keys are tried, in which order
//! - `unlock`: passphrases, asked for once a file and run
//! - `public`: public halves, to be put on a server
//!
//! A key named in site.toml is the only one tried (as ssh_config(5)'s IdentitiesOnly): sshd
//! hangs up after a handful of wrong ones.

mod candidates;
mod file;
mod public;
mod unlock;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use super::fault::Fault;
use super::target::Agent;
use file::File;
use unlock::Unlocked;

pub(super) use candidates::{Candidate, Candidates, Signs};
pub(super) use unlock::Locked;

/// The usual files, under `~/.ssh`, in the order they are tried.
const USUAL: [&str; 5] = [
    "id_ed25519",
    "id_ecdsa",
    "id_rsa",
    "id_ed25519_sk",
    "id_ecdsa_sk",
];

/// An agent that lists its keys later than this is taken for none.
const AGENT_LISTS_WITHIN: Duration = Duration::from_secs(10);

/// The operator's keys, read once and shared by all connections of a run.
pub struct Keys {
    home: Option<PathBuf>,
    agent: Option<PathBuf>,
    files: Mutex<BTreeMap<PathBuf, File>>,
    unlocked: Mutex<BTreeMap<PathBuf, Arc<OnceCell<Unlocked>>>>,
    held: Mutex<BTreeMap<PathBuf, Arc<OnceCell<Held>>>>,
}

/// What an agent holds, and what is wrong with it if it can't say.
#[derive(Clone, Default)]
struct Held {
    identities: Vec<AgentIdentity>,
    problem: Option<String>,
}

impl Keys {
    /// Keys of a home directory (for `~/` and `~/.ssh`) and of an agent's socket.
    pub fn new(home: Option<PathBuf>, agent: Option<PathBuf>) -> Self {
        Self {
            home,
            agent,
            files: Mutex::default(),
            unlocked: Mutex::default(),
            held: Mutex::default(),
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

    /// A connection to the agent at a socket.
    pub(super) async fn agent(
        &self,
        socket: &Path,
    ) -> Result<AgentClient<UnixStream>, russh::keys::Error> {
        AgentClient::connect_uds(socket).await
    }

    /// `~/…` under the home directory.
    fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    /// The usual files, whether they are there or not.
    fn usual(&self) -> Vec<PathBuf> {
        let folder = self.home.as_ref().map(|home| home.join(".ssh"));
        folder
            .iter()
            .flat_map(|folder| USUAL.map(|name| folder.join(name)))
            .collect()
    }

    fn socket(&self, agent: &Agent) -> Option<PathBuf> {
        match agent {
            Agent::Environment => self.agent.clone(),
            Agent::Socket(socket) => Some(self.expand(socket)),
            Agent::Off => None,
        }
    }

    /// What an agent holds, asked once a run.
    async fn held(&self, socket: &Path) -> Held {
        let cell = Arc::clone(
            self.held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(socket.to_owned())
                .or_default(),
        );
        let list = async {
            let answer = async { self.agent(socket).await?.request_identities().await };
            let why = match tokio::time::timeout(AGENT_LISTS_WITHIN, answer).await {
                Ok(Ok(identities)) => {
                    return Held {
                        identities,
                        problem: None,
                    };
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("nothing for {} s", AGENT_LISTS_WITHIN.as_secs()),
            };
            Held {
                identities: Vec::new(),
                problem: Some(format!("the agent doesn't answer: {why}")),
            }
        };
        cell.get_or_init(|| list).await.clone()
    }

    /// What a file holds, read once a run. One that can't be read is looked at again.
    fn file(&self, path: &Path) -> Result<File, Fault> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Ok(file.clone());
        }
        let file = file::read(path)?;
        files.insert(path.to_owned(), file.clone());
        Ok(file)
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

//! Which keys are tried, in which order.
//!
//! As ssh(1) has it: certificates that were named; keys of files that the agent holds; the
//! agent's other keys; keys of files alone. A key's certificate comes before the key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, PrivateKey, PublicKey};

use super::super::algorithms::key_type;
use super::super::certificate::{self, plain};
use super::super::target::Identity;
use super::file::{beside, is_hardware, public_beside};
use super::{Fault, File, Held, Keys};

/// A key to try.
#[derive(Clone)]
pub(in crate::ssh) struct Candidate {
    /// Where it comes from, for people.
    from: String,
    /// None: it is known only once it is unlocked.
    pub(in crate::ssh) public: Option<PublicKey>,
    /// Shown instead of the key.
    pub(in crate::ssh) certificate: Option<Certificate>,
    pub(in crate::ssh) signs: Signs,
    /// The operator named it: what is wrong with it ends the login.
    pub(in crate::ssh) named: bool,
}

/// What signs for a key.
#[derive(Clone)]
pub(in crate::ssh) enum Signs {
    Private(Arc<PrivateKey>),
    /// The file wants a passphrase first.
    Locked(PathBuf),
    Agent {
        socket: PathBuf,
        identity: Box<AgentIdentity>,
    },
}

impl Candidate {
    /// The key's kind and where it comes from, for people.
    pub(in crate::ssh) fn name(&self) -> String {
        match &self.certificate {
            None => self.from.clone(),
            Some(certificate) => {
                format!(
                    "{} with its certificate {:?}",
                    self.from,
                    plain(certificate.key_id())
                )
            }
        }
    }

    /// Whether signing waits for a finger.
    pub(in crate::ssh) fn wants_touch(&self) -> bool {
        matches!(self.signs, Signs::Agent { .. })
            && self
                .public
                .as_ref()
                .is_some_and(|key| is_hardware(&key.algorithm()))
    }

    fn with(&self, certificate: Certificate) -> Self {
        Self {
            certificate: Some(certificate),
            ..self.clone()
        }
    }

    fn is_of(&self, key: &KeyData) -> bool {
        self.public
            .as_ref()
            .is_some_and(|own| own.key_data() == key)
    }
}

/// The keys to try, and those that were found and can't be used.
#[derive(Default)]
pub(in crate::ssh) struct Candidates {
    pub(in crate::ssh) try_these: Vec<Candidate>,
    pub(in crate::ssh) passed_over: Vec<String>,
}

/// What the agent holds, ready to be looked up by key.
struct Agent {
    socket: PathBuf,
    held: Vec<AgentIdentity>,
}

impl Agent {
    /// What the agent has for a key: its certificates, then itself.
    fn of(&self, key: &KeyData, from: Option<&Path>, named: bool) -> Vec<Candidate> {
        let same = |identity: &&AgentIdentity| match identity {
            AgentIdentity::PublicKey { key: held, .. } => held.key_data() == key,
            AgentIdentity::Certificate { certificate, .. } => certificate.public_key() == key,
        };
        let (mut certified, mut bare) = (Vec::new(), Vec::new());
        for identity in self.held.iter().filter(same) {
            let public = identity.public_key().into_owned();
            let candidate = Candidate {
                from: match from {
                    Some(path) => format!("{} (in the agent)", path.display()),
                    None => name(&public, identity.comment()),
                },
                public: Some(public),
                certificate: None,
                signs: Signs::Agent {
                    socket: self.socket.clone(),
                    identity: Box::new(identity.clone()),
                },
                named,
            };
            match identity {
                AgentIdentity::PublicKey { .. } => bare.push(candidate),
                AgentIdentity::Certificate { certificate, .. } => {
                    certified.push(candidate.with(certificate.clone()));
                }
            }
        }
        certified.extend(bare);
        certified
    }
}

fn name(key: &PublicKey, comment: &str) -> String {
    let algorithm = key.algorithm();
    let kind = key_type(&algorithm);
    match plain(comment) {
        comment if comment.is_empty() => format!("the agent's {kind} key"),
        comment => format!("the agent's {kind} key \"{comment}\""),
    }
}

impl Keys {
    /// The keys to try, in order.
    ///
    /// # Errors
    /// What is wrong with the one key that site.toml names.
    pub(in crate::ssh) async fn candidates(
        &self,
        identity: &Identity,
    ) -> Result<Candidates, Fault> {
        let mut all = Candidates::default();
        if !identity.keys {
            return Ok(all);
        }
        let agent = match self.socket(&identity.agent) {
            None => None,
            Some(socket) => {
                let Held {
                    identities: held,
                    problem,
                } = self.held(&socket).await;
                all.passed_over.extend(problem);
                Some(Agent { socket, held })
            }
        };
        let named = identity.key.as_ref().map(|path| self.expand(path));
        let files: Vec<PathBuf> = match &named {
            Some(path) => vec![path.clone()],
            None if identity.files.is_empty() => self.usual(),
            None => identity
                .files
                .iter()
                .map(|path| self.expand(path))
                .collect(),
        };
        let mut of_agent = Vec::new();
        let mut of_files = Vec::new();
        for path in &files {
            match self.of_file(path, agent.as_ref(), named.is_some()) {
                Ok(found) => {
                    let held = matches!(
                        found.first(),
                        Some(Candidate {
                            signs: Signs::Agent { .. },
                            ..
                        })
                    );
                    let place = if held { &mut of_agent } else { &mut of_files };
                    for candidate in found {
                        // A user certificate beside the key; if certificates were named, those
                        // alone (ssh_config(5), CertificateFile).
                        if identity.certificates.is_empty() && candidate.certificate.is_none() {
                            let certified = self.beside(path, &candidate, &mut all.passed_over);
                            place.extend(certified);
                        }
                        place.push(candidate);
                    }
                }
                Err(fault) if named.is_some() => return Err(fault),
                Err(fault) => all.passed_over.extend(reason(&fault)),
            }
        }
        let mut others = Vec::new();
        if let Some(agent) = agent.as_ref().filter(|_| !identity.only && named.is_none()) {
            for held in &agent.held {
                let key = held.public_key().key_data().clone();
                let done = |some: &[Candidate]| some.iter().any(|known| known.is_of(&key));
                if !done(&of_agent) && !done(&others) {
                    others.extend(agent.of(&key, None, false));
                }
            }
        }
        let mut keys: Vec<Candidate> = Vec::new();
        keys.extend(of_agent);
        keys.extend(others);
        keys.extend(of_files);
        keys.retain(|candidate| {
            let dsa = candidate
                .public
                .as_ref()
                .is_some_and(|key| key.algorithm() == Algorithm::Dsa);
            if dsa {
                all.passed_over.push(format!("{} is DSA", candidate.name()));
            }
            !dsa
        });
        for path in &identity.certificates {
            let path = self.expand(path);
            let certified = match read_certificate(&path) {
                Ok(certificate) => {
                    certify(&certificate, &keys).ok_or_else(|| "its key isn't there".to_owned())
                }
                Err(why) => Err(why),
            };
            match certified {
                Ok(candidate) => all.try_these.push(candidate),
                Err(why) => all.passed_over.push(format!("{}: {why}", path.display())),
            }
        }
        all.try_these.extend(keys);
        Ok(all)
    }

    /// What a file gives: the agent's identities of that key, or the key itself, or nothing if
    /// it isn't there.
    fn of_file(
        &self,
        path: &Path,
        agent: Option<&Agent>,
        named: bool,
    ) -> Result<Vec<Candidate>, Fault> {
        let file = self.file(path);
        let public = match &file {
            Ok(file) => file.public().cloned(),
            // The file may be out of reach while the agent holds the key.
            Err(_) => public_beside(path),
        };
        if let (Some(agent), Some(public)) = (agent, &public) {
            let held = agent.of(public.key_data(), Some(path), named);
            if !held.is_empty() {
                return Ok(held);
            }
        }
        let signs = match file? {
            File::Private(key) => Signs::Private(key),
            File::Locked(_) => Signs::Locked(path.to_owned()),
            File::Public(_) => {
                return Err(Fault::KeyNotInAgent {
                    path: path.to_owned(),
                });
            }
            File::Unusable(_, why) => return Err(why.fault(path.to_owned())),
        };
        Ok(vec![Candidate {
            from: path.display().to_string(),
            public,
            certificate: None,
            signs,
            named,
        }])
    }

    /// The certificate that lies beside a key file, if there is one that can be used.
    fn beside(
        &self,
        path: &Path,
        candidate: &Candidate,
        passed_over: &mut Vec<String>,
    ) -> Option<Candidate> {
        // `key.pub` may be what was named.
        let stem = path.to_string_lossy();
        let path = beside(
            Path::new(stem.strip_suffix(".pub").unwrap_or(&stem)),
            "-cert.pub",
        );
        if !path.exists() {
            return None;
        }
        let certificate = match read_certificate(&path) {
            Ok(certificate) => certificate,
            Err(why) => {
                passed_over.push(format!("{}: {why}", path.display()));
                return None;
            }
        };
        match candidate.public {
            Some(_) if !candidate.is_of(certificate.public_key()) => {
                passed_over.push(format!("{}: it is of another key", path.display()));
                None
            }
            _ => Some(Candidate {
                public: Some(PublicKey::new(certificate.public_key().clone(), "")),
                ..candidate.with(certificate)
            }),
        }
    }
}

/// The certificate with whatever signs for its key.
fn certify(certificate: &Certificate, keys: &[Candidate]) -> Option<Candidate> {
    let mut fitting: Vec<&Candidate> = keys
        .iter()
        .filter(|candidate| candidate.is_of(certificate.public_key()))
        .collect();
    // An agent signs with a plain key it holds; of its own certificates it takes no other.
    fitting.sort_by_key(|candidate| candidate.certificate.is_some());
    fitting
        .first()
        .map(|candidate| candidate.with(certificate.clone()))
}

fn read_certificate(path: &Path) -> Result<Certificate, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let certificate = certificate::read(&text)?;
    certificate::user_fault(&certificate)?;
    Ok(certificate)
}

/// Why a key that nobody named is passed over. Those that aren't there, or are public halves of
/// keys the agent might have held, aren't worth a word.
fn reason(fault: &Fault) -> Option<String> {
    match fault {
        Fault::KeyUnreadable { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => None,
        Fault::KeyNotInAgent { .. } => None,
        other => Some(other.to_string()),
    }
}

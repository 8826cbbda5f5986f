//! One key after the other.
//!
//! russh always asks first whether the server would take a key, and has it signed for only then;
//! it has no way to send the signature at once, which would save one round trip. ssh(1) does the
//! same. So a passphrase is asked for, and a security key touched, only for a key that will do.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Handle;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use russh::{MethodKind, SendError, Signer};
use tokio::time::timeout;

use super::stopwatch::Stopwatch;
use super::{Attempt, Fault, Step};
use crate::ssh::handler::Handler;
use crate::ssh::keys::{Candidate, Locked, Signs};
use crate::ssh::shared::Shared;

/// An agent may ask its operator before it signs. sshd waits two minutes by default.
const AGENT_SIGNS_WITHIN: Duration = Duration::from_secs(120);

/// Why there is no signature.
enum Unsigned {
    /// The connection is gone.
    Gone,
    Agent(russh::keys::Error),
    Locked(Locked),
    /// The key can't sign.
    Broken(String),
}

impl From<SendError> for Unsigned {
    fn from(_: SendError) -> Self {
        Self::Gone
    }
}

impl Attempt<'_> {
    /// Tries the keys that are left.
    pub(super) async fn public_keys(&mut self) -> Result<Step, Fault> {
        while self.takes(MethodKind::PublicKey) {
            let Some(candidate) = self.keys.pop_front() else {
                break;
            };
            match self.offer(candidate).await? {
                Step::Out => {}
                done => return Ok(done),
            }
        }
        Ok(Step::Out)
    }

    async fn offer(&mut self, candidate: Candidate) -> Result<Step, Fault> {
        let mut signer = KeySigner {
            shared: self.shared,
            watch: self.watch,
            host: &self.target.host,
            candidate: &candidate,
            binding: self.handle.agent_session_binding().cloned(),
            opened: None,
            asked: false,
        };
        // The old formats hide the public half too.
        let public = match &candidate.public {
            Some(public) => public.clone(),
            None => match signer.private().await {
                Ok(key) => key.public_key().clone(),
                Err(unsigned) => {
                    self.asked |= signer.asked;
                    return self.unsigned(&candidate, unsigned).map(|()| Step::Out);
                }
            },
        };
        let hash = hash(self.handle, &public.algorithm()).await;
        let user = self.target.user.as_str();
        let answer = match candidate.certificate.clone() {
            None => {
                self.handle
                    .authenticate_publickey_with(user, public, hash, &mut signer)
                    .await
            }
            Some(certificate) => {
                self.handle
                    .authenticate_certificate_with(user, certificate, hash, &mut signer)
                    .await
            }
        };
        self.asked |= signer.asked;
        match answer {
            Ok(answer) => {
                self.tried.push(candidate.name());
                self.take(answer, || candidate.name()).await
            }
            Err(Unsigned::Gone) => {
                self.tried.push(candidate.name());
                Err(self.cut_off())
            }
            Err(unsigned) => self.unsigned(&candidate, unsigned).map(|()| Step::Out),
        }
    }

    /// A key that can't sign is passed over, unless it is the one that was named.
    fn unsigned(&mut self, candidate: &Candidate, why: Unsigned) -> Result<(), Fault> {
        let reason = match (why, &candidate.signs) {
            (Unsigned::Locked(locked), Signs::Locked(path)) => {
                if candidate.named {
                    return Err(locked.fault(path));
                }
                locked.reason(path)
            }
            (Unsigned::Agent(error), _) => {
                if candidate.named {
                    return Err(Fault::Agent(error));
                }
                format!("{}: {error}", candidate.name())
            }
            (Unsigned::Broken(why), _) => format!("{}: {why}", candidate.name()),
            (Unsigned::Gone | Unsigned::Locked(_), _) => return Err(self.cut_off()),
        };
        // One file and its certificate need not say the same twice.
        if !self.passed_over.contains(&reason) {
            self.passed_over.push(reason);
        }
        Ok(())
    }
}

/// Signs with a candidate, once the server would take it.
struct KeySigner<'a> {
    shared: &'a Shared,
    watch: &'a Stopwatch,
    host: &'a str,
    candidate: &'a Candidate,
    /// What tells an agent whom it signs for.
    binding: Option<AgentSessionBinding>,
    opened: Option<Arc<PrivateKey>>,
    asked: bool,
}

impl KeySigner<'_> {
    /// The private key of a file, unlocked if need be.
    async fn private(&mut self) -> Result<Arc<PrivateKey>, Unsigned> {
        let path = match &self.candidate.signs {
            Signs::Private(key) => return Ok(Arc::clone(key)),
            Signs::Locked(path) => path,
            Signs::Agent { .. } => {
                return Err(Unsigned::Broken("the agent doesn't hand it out".to_owned()));
            }
        };
        if let Some(key) = &self.opened {
            return Ok(Arc::clone(key));
        }
        self.asked = true;
        let open = self.shared.keys().open(path, self.shared.ask().as_ref());
        let key = self.watch.uncounted(open).await.map_err(Unsigned::Locked)?;
        let other = |public: &PublicKey| public.key_data() != key.public_key().key_data();
        if self.candidate.public.as_ref().is_some_and(other) {
            return Err(Unsigned::Broken(
                "the .pub beside it is of another key".to_owned(),
            ));
        }
        self.opened = Some(Arc::clone(&key));
        Ok(key)
    }
}

impl Signer for KeySigner<'_> {
    type Error = Unsigned;

    /// Appends the signature to what is signed, as russh wants it.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        let Signs::Agent { socket, identity } = &self.candidate.signs else {
            let key = self.private().await?;
            return sign(&key, hash, data).map_err(Unsigned::Broken);
        };
        if self.candidate.wants_touch() {
            self.shared.note(
                self.host,
                format!("touch the security key: {}", self.candidate.name()),
            );
        }
        let keys = self.shared.keys();
        let signing = timeout(AGENT_SIGNS_WITHIN, async {
            let mut agent = keys.agent(socket).await?;
            if let Some(binding) = &self.binding {
                // Keys that are good for some hosts only (`ssh-add -h`) want to know. An agent
                // that has no such keys says no to it, and signs all the same.
                let _unknown = agent.bind_session(binding, false).await;
            }
            agent.sign_request(identity, hash, data).await
        });
        match self.watch.uncounted(signing).await {
            Ok(signed) => signed.map_err(Unsigned::Agent),
            Err(_) => Err(Unsigned::Agent(russh::keys::Error::AgentFailure)),
        }
    }
}

fn sign(key: &PrivateKey, hash: Option<HashAlg>, mut data: Vec<u8>) -> Result<Vec<u8>, String> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&data),
        _ => key.try_sign(&data),
    };
    let signature = signature.map_err(|error| error.to_string())?;
    let mut blob = Vec::new();
    signature
        .encode(&mut blob)
        .and_then(|()| blob.encode(&mut data))
        .map_err(|error| error.to_string())?;
    Ok(data)
}

/// The hash an RSA key signs with: what the server said it takes (RFC 8308), else SHA-512.
/// Never SHA-1. Other keys have their own, and no time is spent on them.
async fn hash(handle: &Handle<Handler>, algorithm: &Algorithm) -> Option<HashAlg> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return None;
    }
    let offered = handle
        .best_supported_rsa_hash()
        .await
        .ok()
        .flatten()
        .flatten();
    Some(offered.unwrap_or(HashAlg::Sha512))
}

//! Logging in.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{AgentAuthError, MethodKind};
use tokio::time::timeout;

use super::dialer::Dialer;
use super::error::Fault;
use super::handler::{Handler, Said};
use super::keys::{Candidate, Candidates, Keys};
use super::target::Target;

/// What will be tried, gathered before anything is sent.
pub(super) struct Login(Candidates);

/// Gathers what there is to log in with.
pub(super) async fn prepare(dialer: &Dialer, target: &Target) -> Result<Login, Fault> {
    let after = target.patience.login;
    timeout(
        after,
        dialer.keys().candidates(target.identity.key.as_deref()),
    )
    .await
    .unwrap_or(Err(Fault::AuthTimeout { after }))
    .map(Login)
}

/// Logs in on a connection whose host key was accepted.
pub(super) async fn log_in(
    dialer: &Dialer,
    target: &Target,
    handle: &mut Handle<Handler>,
    Login(candidates): Login,
    said: &Said,
) -> Result<(), Fault> {
    let after = target.patience.login;
    let mut tried = Vec::new();
    let mut accepts = Vec::new();
    let login = async {
        for candidate in &candidates.try_these {
            tried.push(candidate.name());
            match attempt(handle, &target.user, candidate, dialer.keys()).await? {
                AuthResult::Success => return Ok(true),
                AuthResult::Failure {
                    partial_success: true,
                    remaining_methods,
                } => {
                    return Err(Fault::AuthIncomplete {
                        user: target.user.clone(),
                        key: candidate.name(),
                        wants: names(&remaining_methods),
                    });
                }
                AuthResult::Failure {
                    remaining_methods, ..
                } => {
                    // A connection that is gone looks like a refusal that leaves no method.
                    if remaining_methods.is_empty() && ended(handle).await {
                        return Err(Fault::AuthCutOff {
                            user: target.user.clone(),
                            tried: tried.clone(),
                            said: said.get(),
                        });
                    }
                    accepts = names(&remaining_methods);
                    if !remaining_methods.contains(&MethodKind::PublicKey) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(false)
    };
    let outcome = timeout(after, login)
        .await
        .unwrap_or(Err(Fault::AuthTimeout { after }))?;
    if outcome {
        return Ok(());
    }
    Err(Fault::AuthRefused {
        user: target.user.clone(),
        tried,
        accepts,
        passed_over: candidates.passed_over,
    })
}

/// Tries one key.
async fn attempt(
    handle: &mut Handle<Handler>,
    user: &str,
    candidate: &Candidate,
    keys: &Keys,
) -> Result<AuthResult, Fault> {
    let lost = |error: russh::Error| Fault::Lost {
        said: Some(error.to_string()),
    };
    match candidate {
        Candidate::File(key, _) => {
            let hash = hash(handle, &key.algorithm()).await;
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            handle.authenticate_publickey(user, key).await.map_err(lost)
        }
        Candidate::Agent(identity) => {
            let mut agent = keys.agent().await.map_err(Fault::Agent)?;
            let hash = hash(handle, &identity.public_key().algorithm()).await;
            match identity.as_ref() {
                AgentIdentity::PublicKey { key, .. } => {
                    handle
                        .authenticate_publickey_with(user, key.clone(), hash, &mut agent)
                        .await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle
                        .authenticate_certificate_with(user, certificate.clone(), hash, &mut agent)
                        .await
                }
            }
            .map_err(|error| match error {
                AgentAuthError::Key(error) => Fault::Agent(error),
                AgentAuthError::Send(_) => lost(russh::Error::SendError),
            })
        }
    }
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

/// Whether the connection is gone. russh closes it a moment after it has told of it.
async fn ended(handle: &Handle<Handler>) -> bool {
    for _ in 0..20 {
        if handle.is_closed() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

fn names(methods: &[MethodKind]) -> Vec<String> {
    methods.iter().map(String::from).collect()
}

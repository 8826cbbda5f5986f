//! Opening a connection: TCP, host key, login.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{AgentAuthError, MethodKind, Preferred, cipher};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Error, Fault, Stage};
use super::handler::{Handler, Said, Stop};
use super::keys::{Candidate, Keys};
use super::known_hosts::fingerprint;
use super::session::Session;
use super::trust::{Judge, ORDER, Trust, key_type};

/// A quiet connection is asked for a sign of life this often.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// After this many unanswered questions it is lost.
const KEEPALIVE_MISSES: usize = 3;
/// AES-256-GCM first: it moves half as much again as ChaCha20 where there is AES in hardware.
const CIPHERS: [cipher::Name; 5] = [
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Where to connect to, as whom, and whom to trust there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's name in site.toml; for errors only.
    pub host: String,
    /// Where it is. Also the name it goes by in known_hosts files.
    pub address: IpAddr,
    /// The port of sshd.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// The one key to use (`~/` is expanded). None: those of the agent and the usual files.
    pub key: Option<PathBuf>,
    /// Which host keys count.
    pub trust: Trust,
    /// How long TCP and the start of SSH may take together; and how long the login, after it.
    pub connect_timeout: Duration,
}

impl Target {
    fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Opens a connection and logs in.
///
/// # Errors
/// See [`Fault`]. A host key that isn't the expected one ends it before any login.
pub async fn connect(target: &Target, keys: &Keys) -> Result<Session, Error> {
    let at = target.socket();
    let fail = |stage, fault| Error::new(&target.host, at, stage, fault);
    // What is wrong on this side is said before anything is sent.
    let judge = Judge::new(&target.trust, &target.address.to_string(), target.port)
        .map_err(|fault| fail(Stage::HostKey, fault))?;
    let slow = || Fault::AuthTimeout {
        after: target.connect_timeout,
    };
    let candidates = timeout(
        target.connect_timeout,
        keys.candidates(target.key.as_deref()),
    )
    .await
    .unwrap_or_else(|_| Err(slow()))
    .map_err(|fault| fail(Stage::Authenticate, fault))?;

    let said = Said::default();
    let preference = judge.preference();
    let handler = Handler {
        judge: Some(judge),
        seen: Arc::default(),
        said: said.clone(),
    };
    let (mut handle, local) = open(at, target.connect_timeout, preference, handler)
        .await
        .map_err(|(stage, fault)| fail(stage, fault))?;

    let mut tried = Vec::new();
    let mut accepts = Vec::new();
    let login = async {
        for candidate in &candidates.try_these {
            tried.push(candidate.name());
            match attempt(&mut handle, &target.user, candidate, keys).await? {
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
                    if remaining_methods.is_empty() && ended(&handle).await {
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
    let outcome = timeout(target.connect_timeout, login)
        .await
        .unwrap_or_else(|_| Err(slow()));
    match outcome {
        Ok(true) => Ok(Session::new(target.host.clone(), at, local, handle, said)),
        Ok(false) => Err(Fault::AuthRefused {
            user: target.user.clone(),
            tried,
            accepts,
            passed_over: candidates.passed_over,
        }),
        Err(fault) => Err(fault),
    }
    .map_err(|fault| fail(Stage::Authenticate, fault))
}

/// One key a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// The kind of key, `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The key as it stands in a known_hosts file, without the name before it.
    pub line: String,
}

/// Asks a server for its host keys, one a kind, best first, and doesn't log in.
///
/// What [`connect`] compares with a pin is the first of them. `after` is in all.
///
/// # Errors
/// If the server can't be reached, or shows no key of a kind we accept.
pub async fn host_keys(
    host: &str,
    address: IpAddr,
    port: u16,
    after: Duration,
) -> Result<Vec<HostKey>, Error> {
    let at = SocketAddr::new(address, port);
    let deadline = Instant::now() + after;
    let mut found: Vec<HostKey> = Vec::new();
    let mut first_fault = None;
    // One connection a kind: a server shows one key in each.
    for kind in [&ORDER[..1], &ORDER[1..4], &ORDER[4..]] {
        let seen = Arc::new(Mutex::new(None));
        let handler = Handler {
            judge: None,
            seen: Arc::clone(&seen),
            said: Said::default(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let outcome = open(at, left, Cow::Owned(kind.to_vec()), handler).await;
        let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (key, outcome) {
            (Some(key), _) => found.extend(describe(&key)),
            (None, Err((_, Fault::Handshake(russh::Error::NoCommonAlgo { .. })))) => {}
            (None, Err((stage, fault))) => {
                first_fault.get_or_insert(Error::new(host, at, stage, fault));
                break;
            }
            (None, Ok(_)) => {}
        }
    }
    match first_fault {
        Some(error) => Err(error),
        None if found.is_empty() => Err(Error::new(
            host,
            at,
            Stage::HostKey,
            Fault::Handshake(russh::Error::UnknownKey),
        )),
        None => Ok(found),
    }
}

fn describe(key: &PublicKey) -> Option<HostKey> {
    Some(HostKey {
        algorithm: key_type(&key.algorithm()).to_owned(),
        fingerprint: fingerprint(&key.to_bytes().ok()?),
        line: key.to_openssh().ok()?.trim_end().to_owned(),
    })
}

/// TCP and the start of SSH, up to and with the host key.
async fn open(
    at: SocketAddr,
    after: Duration,
    preference: Cow<'static, [Algorithm]>,
    handler: Handler,
) -> Result<(Handle<Handler>, SocketAddr), (Stage, Fault)> {
    let deadline = Instant::now() + after;
    let unreachable = |cause| (Stage::Connect, Fault::Unreachable(cause));
    let stream = timeout_at(deadline, TcpStream::connect(at))
        .await
        .map_err(|_| (Stage::Connect, Fault::ConnectTimeout { after }))?
        .map_err(unreachable)?;
    // Saves some 45 ms at the login and at every command.
    stream.set_nodelay(true).map_err(unreachable)?;
    let local = stream.local_addr().map_err(unreachable)?;
    let config = client::Config {
        preferred: Preferred {
            key: preference,
            cipher: Cow::Borrowed(&CIPHERS),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_MISSES,
        // A quiet command isn't a dead one.
        inactivity_timeout: None,
        nodelay: true,
        ..client::Config::default()
    };
    match timeout_at(
        deadline,
        client::connect_stream(Arc::new(config), stream, handler),
    )
    .await
    {
        Ok(Ok(handle)) => Ok((handle, local)),
        Ok(Err(Stop::HostKey(fault))) => Err((Stage::HostKey, *fault)),
        Ok(Err(Stop::Russh(error))) => Err((Stage::Connect, Fault::Handshake(error))),
        Err(_) => Err((Stage::Connect, Fault::HandshakeTimeout { after })),
    }
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

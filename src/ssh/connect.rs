//! Opening a connection: the way there, the host key, the login.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, Handle};
use russh::keys::{Algorithm, PublicKey};
use tokio::time::{Instant, timeout_at};

use super::algorithms::{ECDSA, Offer, RSA, key_type, preferred};
use super::authenticate;
use super::dial::{Dialled, dial};
use super::dialer::Dialer;
use super::error::{Error, Fault, Stage};
use super::handler::{Handler, Said, Stop};
use super::known_hosts::fingerprint;
use super::session::Session;
use super::target::Target;
use super::trust::Judge;

/// Opens a connection and logs in.
pub(super) async fn connect(dialer: &Dialer, target: &Target) -> Result<Session, Error> {
    let fail = |(stage, fault)| Error::new(target, stage, fault);
    // What is wrong on this side is said before anything is sent.
    let judge = Judge::new(target).map_err(|fault| fail((Stage::HostKey, fault)))?;
    let judge = Arc::new(judge);
    let login = authenticate::prepare(dialer, target)
        .await
        .map_err(|fault| fail((Stage::Authenticate, fault)))?;
    let said = Said::default();
    let deadline = Instant::now() + target.patience.connect;
    let (mut handle, local) = open_trusted(dialer, target, deadline, &judge, &said)
        .await
        .map_err(fail)?;
    authenticate::log_in(dialer, target, &mut handle, login, &said)
        .await
        .map_err(|fault| fail((Stage::Authenticate, fault)))?;
    dialer.note(
        &target.host,
        format!("logged in as {} at {}", target.user, target.at()),
    );
    Ok(Session::new(target.clone(), local, handle, said))
}

/// Opens a connection to a server that shows the right key: of the kinds we would rather have,
/// or else of the others that the judge goes on to ask for.
async fn open_trusted(
    dialer: &Dialer,
    target: &Target,
    deadline: Instant,
    judge: &Arc<Judge>,
    said: &Said,
) -> Result<(Handle<Handler>, Option<SocketAddr>), (Stage, Fault)> {
    let mut first: Option<(Stage, Fault)> = None;
    for offer in judge.offers() {
        let handler = Handler {
            judge: Some(Arc::clone(judge)),
            seen: Arc::default(),
            said: said.clone(),
        };
        let (stage, fault) = match open(dialer, target, deadline, offer, handler).await {
            Ok(opened) => return Ok(opened),
            Err(failed) => failed,
        };
        let asks_on = judge.asks_on(&fault);
        // That a kind of key isn't there is no news once another was shown.
        if !matches!(first, Some((Stage::HostKey, _))) {
            first = Some((stage, fault));
        }
        if !asks_on {
            break;
        }
    }
    Err(first.unwrap_or((Stage::HostKey, Fault::Handshake(russh::Error::UnknownKey))))
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
pub(super) async fn host_keys(dialer: &Dialer, target: &Target) -> Result<Vec<HostKey>, Error> {
    let deadline = Instant::now() + target.patience.connect;
    let mut found: Vec<HostKey> = Vec::new();
    let mut first_fault = None;
    // One connection a kind: a server shows one key in each.
    for kind in [&[Algorithm::Ed25519][..], &RSA, &ECDSA] {
        let seen = Arc::new(Mutex::new(None));
        let handler = Handler {
            judge: None,
            seen: Arc::clone(&seen),
            said: Said::default(),
        };
        let outcome = open(dialer, target, deadline, Offer::of(kind.to_vec()), handler).await;
        let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (key, outcome) {
            (Some(key), _) => found.extend(describe(&key)),
            (None, Err((_, Fault::Handshake(russh::Error::NoCommonAlgo { .. })))) => {}
            (None, Err((stage, fault))) => {
                first_fault.get_or_insert(Error::new(target, stage, fault));
                break;
            }
            (None, Ok(_)) => {}
        }
    }
    match first_fault {
        Some(error) => Err(error),
        None if found.is_empty() => Err(Error::new(
            target,
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

/// The way there and the start of SSH, up to and with the host key.
async fn open(
    dialer: &Dialer,
    target: &Target,
    deadline: Instant,
    offer: Offer,
    handler: Handler,
) -> Result<(Handle<Handler>, Option<SocketAddr>), (Stage, Fault)> {
    let Dialled { stream, local } = dial(dialer, target, deadline).await?;
    let patience = target.patience;
    let alive = Some(patience.alive_interval).filter(|interval| !interval.is_zero());
    let config = client::Config {
        preferred: preferred(offer),
        keepalive_interval: alive,
        keepalive_max: patience.alive_count,
        // A quiet command isn't a dead one.
        inactivity_timeout: None,
        nodelay: true,
        ..client::Config::default()
    };
    let start = client::connect_stream(Arc::new(config), stream, handler);
    match timeout_at(deadline, start).await {
        Ok(Ok(handle)) => Ok((handle, local)),
        Ok(Err(Stop::HostKey(fault))) => Err((Stage::HostKey, *fault)),
        Ok(Err(Stop::Russh(error))) => Err((Stage::Connect, Fault::Handshake(error))),
        Err(_) => Err((
            Stage::Connect,
            Fault::HandshakeTimeout {
                after: patience.connect,
            },
        )),
    }
}

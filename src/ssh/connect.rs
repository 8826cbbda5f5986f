//! Opening a connection: the way there, the host key, the login.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, PublicKey};
use tokio::time::{Instant, sleep, timeout_at};

use super::algorithms::{ECDSA, Offer, RSA, key_type, preferred};
use super::authenticate;
use super::dial::{Way, dial};
use super::error::{Error, Stage};
use super::fault::Fault;
use super::handler::Refusals;
use super::handler::{Handler, Said, Stop};
use super::judge::Judge;
use super::known_hosts::fingerprint;
use super::link::Link;
use super::shared::Shared;
use super::target::{Target, Via};
use super::wire::{Heard, Wire};

/// The first wait before a server that hung up is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two of them.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// What sshd says, without SSH, to somebody it has no room for (MaxStartups,
/// PerSourcePenalties).
const NO_ROOM: [&str; 2] = ["MaxStartups", "Not allowed at this time"];

/// Opens a connection, logs in, and tells of it.
pub(super) async fn link(shared: &Shared, target: &Target) -> Result<Link, Error> {
    let fail = |(stage, fault)| Error::new(target, stage, fault);
    // What is wrong on this side is said before anything is sent.
    let judge = Judge::new(target).map_err(|fault| fail((Stage::HostKey, fault)))?;
    let judge = Arc::new(judge);
    let login = authenticate::prepare(shared, target)
        .await
        .map_err(|fault| fail((Stage::Authenticate, fault)))?;
    let way = way(shared, target).await.map_err(fail)?;
    // After the bastion's own: who holds a turn waits for nobody else's.
    let _turn = shared.turn(target).await;
    let deadline = Instant::now() + target.patience.connect;
    let mut opened = open_trusted(shared, target, &way, deadline, &judge)
        .await
        .map_err(fail)?;
    authenticate::log_in(shared, target, &mut opened.handle, login, &opened.said)
        .await
        .map_err(|fault| fail((Stage::Authenticate, fault)))?;
    shared.note(
        &target.host,
        format!("logged in as {} at {}", target.user, target.at()),
    );
    let Opened {
        handle,
        local,
        said,
        refusals,
    } = opened;
    Ok(Link::new(handle, local, said, refusals))
}

/// As [`link()`]: boxed, since a bastion may itself lie behind one.
fn boxed<'a>(shared: &'a Shared, target: &'a Target) -> BoxFuture<'a, Result<Link, Error>> {
    Box::pin(link(shared, target))
}

/// Finds the way to a target, and opens its bastion's connection if there is none yet.
async fn way<'a>(shared: &Shared, target: &'a Target) -> Result<Way<'a>, (Stage, Fault)> {
    Ok(match &target.via {
        Via::Direct => Way::Direct,
        Via::Command(command) => Way::Command(command),
        Via::Jump(bastion) => {
            match shared
                .bastions()
                .link(bastion, boxed(shared, bastion))
                .await
            {
                Ok(link) => Way::Through(link, bastion),
                Err(failure) => return Err((Stage::Connect, Fault::Bastion(failure))),
            }
        }
    })
}

/// Opens a connection to a server that shows the right key: of the kinds we would rather have,
/// or else of the others that the judge goes on to ask for.
async fn open_trusted(
    shared: &Shared,
    target: &Target,
    way: &Way<'_>,
    deadline: Instant,
    judge: &Arc<Judge>,
) -> Result<Opened, (Stage, Fault)> {
    let mut first: Option<(Stage, Fault)> = None;
    for offer in judge.offers() {
        let whose = Whose::Judged(judge);
        let (stage, fault) = match open(shared, target, way, deadline, &offer, whose).await {
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
pub(super) async fn host_keys(shared: &Shared, target: &Target) -> Result<Vec<HostKey>, Error> {
    let way = way(shared, target)
        .await
        .map_err(|(stage, fault)| Error::new(target, stage, fault))?;
    let _turn = shared.turn(target).await;
    let deadline = Instant::now() + target.patience.connect;
    let mut found: Vec<HostKey> = Vec::new();
    let mut first_fault = None;
    // One connection a kind: a server shows one key in each.
    for kind in [&[Algorithm::Ed25519][..], &RSA, &ECDSA] {
        let seen = Seen::default();
        let offer = Offer::of(kind.to_vec());
        let opened = open(shared, target, &way, deadline, &offer, Whose::Seen(&seen)).await;
        let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (key, opened) {
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

type Seen = Arc<Mutex<Option<PublicKey>>>;

/// What is done with the key a server shows.
#[derive(Clone, Copy)]
enum Whose<'a> {
    /// It is judged.
    Judged(&'a Arc<Judge>),
    /// It is put there, and no further is gone.
    Seen(&'a Seen),
}

/// A connection on which SSH is set up.
struct Opened {
    handle: Handle<Handler>,
    local: Option<SocketAddr>,
    said: Said,
    refusals: Refusals,
}

/// Why SSH wasn't set up.
struct Failed {
    stage: Stage,
    fault: Fault,
    /// The server may only have had no room: with its words.
    again: Option<Option<String>>,
}

impl From<(Stage, Fault)> for Failed {
    fn from((stage, fault): (Stage, Fault)) -> Self {
        Self {
            stage,
            fault,
            again: None,
        }
    }
}

/// The way there and the start of SSH, up to and with the host key. A server that hangs up
/// without a reason is tried again while there is time: sshd does so when too many connections
/// aren't logged in yet (MaxStartups).
async fn open(
    shared: &Shared,
    target: &Target,
    way: &Way<'_>,
    deadline: Instant,
    offer: &Offer,
    whose: Whose<'_>,
) -> Result<Opened, (Stage, Fault)> {
    // Three tries and more, however short the time.
    let mut wait = FIRST_WAIT.min(target.patience.connect / 30);
    let mut tries = 0;
    // What it hung up with last, once it has.
    let mut last = None;
    loop {
        tries += 1;
        let failed = match once(shared, target, way, deadline, offer, whose).await {
            Ok(opened) => return Ok(opened),
            Err(failed) => failed,
        };
        let Some(words) = failed.again else {
            return Err(match last {
                // However little was left for this try: how those before it ended says more.
                Some(words) if ran_out(&failed.fault) => {
                    (Stage::Connect, Fault::HungUp { tries, words })
                }
                _ => (failed.stage, failed.fault),
            });
        };
        let pause = wait.mul_f64(jitter());
        if Instant::now() + pause >= deadline {
            return Err((Stage::Connect, Fault::HungUp { tries, words }));
        }
        shared.note(
            &target.host,
            format!(
                "{} hung up before SSH was set up{}; trying again in {:.1} s",
                target.at(),
                words
                    .as_ref()
                    .map(|words| format!(" ({words})"))
                    .unwrap_or_default(),
                pause.as_secs_f64()
            ),
        );
        last = Some(words);
        sleep(pause).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Between a half and one and a half: who was turned away together shouldn't come back so.
fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    0.5 + f64::from(random) / f64::from(u32::MAX)
}

/// One try.
async fn once(
    shared: &Shared,
    target: &Target,
    way: &Way<'_>,
    deadline: Instant,
    offer: &Offer,
    whose: Whose<'_>,
) -> Result<Opened, Failed> {
    let (said, refusals) = (Said::default(), Refusals::default());
    let (judge, seen) = match whose {
        Whose::Judged(judge) => (Some(Arc::clone(judge)), Seen::default()),
        Whose::Seen(seen) => (None, Arc::clone(seen)),
    };
    let handler = Handler {
        judge,
        seen,
        said: said.clone(),
        refusals: refusals.clone(),
        teller: shared.teller(&target.host),
    };
    let mut dialled = dial(shared, target, way, deadline).await?;
    let patience = target.patience;
    let alive = Some(patience.alive_interval).filter(|interval| !interval.is_zero());
    let count = u32::try_from(patience.alive_count).unwrap_or(u32::MAX - 1);
    let config = client::Config {
        preferred: preferred(offer.clone()),
        keepalive_interval: alive,
        keepalive_max: patience.alive_count,
        // A quiet command isn't a dead one.
        inactivity_timeout: None,
        nodelay: true,
        ..client::Config::default()
    };
    let heard = Heard::default();
    let stall = alive.map(|interval| interval.saturating_mul(count + 1));
    let (wire, keep) = Wire::new(dialled.stream, heard.clone(), stall);
    let start = client::connect_stream(Arc::new(config), wire, handler);
    let error = match timeout_at(deadline, start).await {
        Ok(Ok(handle)) => {
            keep.keep();
            return Ok(Opened {
                handle,
                local: dialled.local,
                said,
                refusals,
            });
        }
        Ok(Err(Stop::HostKey(fault))) => return Err((Stage::HostKey, *fault).into()),
        Ok(Err(Stop::Russh(error))) => error,
        Err(_) => {
            let after = patience.connect;
            return Err((Stage::Connect, Fault::HandshakeTimeout { after }).into());
        }
    };
    // What the command on the way says is nearer to the cause.
    if let Some(report) = &mut dialled.report
        && let Some(fault) = report.fault().await
    {
        return Err((Stage::Connect, fault).into());
    }
    let words = heard.words();
    let no_room = match &words {
        Some(words) => NO_ROOM.iter().any(|known| words.contains(known)),
        None => true,
    };
    if let Some(words) = words.clone().filter(|_| !no_room && !heard.is_ssh()) {
        return Err((Stage::Connect, Fault::NotSsh { words }).into());
    }
    if let (true, Some(words)) = (hung_up(&error), said.get()) {
        // It gave a reason, and would give it again.
        let words = Some(words);
        return Err((Stage::Connect, Fault::HungUp { tries: 1, words }).into());
    }
    Err(Failed {
        again: hung_up(&error).then_some(words.filter(|_| no_room)),
        stage: Stage::Connect,
        fault: Fault::Handshake(error),
    })
}

/// Whether there was no more time for a try.
fn ran_out(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::ResolveTimeout { .. }
            | Fault::ConnectTimeout { .. }
            | Fault::ForwardTimeout { .. }
            | Fault::HandshakeTimeout { .. }
    )
}

/// Whether the other side ended the connection.
fn hung_up(error: &russh::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(cause) => matches!(
            cause.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ),
        _ => false,
    }
}

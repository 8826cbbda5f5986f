//! Requests that run all the while: several a second from the stranger, each over a connection
//! of its own, so that none can be lost unseen; and the certificates that they were shown.
//!
//! Certificates are taken down, not judged: a handshake holds with every one whose key is the
//! server's. What is trusted is looked at by curl.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use provision::lab::DOMAIN;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::outside::PROXY;
use crate::program::provision;
use crate::servers;

/// Makes this test's own program the one that asks, see [`ask_on`].
pub const ASK_ON: &str = "--ask-on";
/// Makes this test's own program ask once, see [`ask_once`].
pub const ASK_ONCE: &str = "--ask-once";

/// Time between two requests to an address.
const EVERY: Duration = Duration::from_millis(250);
/// How long an answer is waited for: longer, and it counts as lost.
const LIMIT: Duration = Duration::from_secs(30);

/// For how long after a reload a request may still be answered by a worker that goes, with what it
/// has: nginx has its workers hand over, and both take connections meanwhile.
const HANDS_OVER: Duration = Duration::from_secs(10);

/// How is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Port 80; a page and a redirection are good answers.
    Http,
    /// Port 443; a page is a good answer.
    Https,
}

impl Over {
    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn of(word: &str) -> Self {
        if word == "http" {
            Self::Http
        } else {
            Self::Https
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A certificate that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// SHA-256 of it, in hexadecimal digits.
    pub fingerprint: String,
    pub issuer: String,
    /// The names it is for, sorted.
    pub names: Vec<String>,
    /// The key's kind, by its OID: see [`ECDSA`] and [`RSA`].
    pub key: String,
    /// When it ends, in seconds since 1970.
    pub ends: i64,
}

/// id-ecPublicKey (RFC 5480).
pub const ECDSA: &str = "1.2.840.10045.2.1";
/// rsaEncryption (RFC 8017).
pub const RSA: &str = "1.2.840.113549.1.1.1";

impl Shown {
    fn of(der: &[u8]) -> Self {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
        let names = certificate.subject_alternative_name().unwrap();
        let mut names: Vec<String> = names.map_or(Vec::new(), |all| {
            let names = all.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect()
        });
        names.sort();
        Self {
            fingerprint: fingerprint(der),
            issuer: certificate.issuer().to_string(),
            names,
            key: certificate.public_key().algorithm.algorithm.to_string(),
            ends: certificate.validity().not_after.timestamp(),
        }
    }
}

/// SHA-256 in hexadecimal digits.
fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The fingerprint of the first certificate of a PEM text.
pub fn fingerprint_of(pem: &str) -> String {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    fingerprint(&pem.contents)
}

/// What came of the requests to one address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// All requests.
    pub all: u64,
    /// Those that had a good answer.
    pub good: u64,
    /// Those that had none and came after a good one: milliseconds from the start, and why.
    pub lost: Vec<(u64, String)>,
    /// The longest time between two good answers, in milliseconds.
    pub gap: u64,
    /// The longest time between two requests, in milliseconds.
    pub idle: u64,
    /// The certificates in the order they were shown, each as long as it was the same.
    pub shown: Vec<Shown>,
}

/// What the program says once it has had a good answer from everywhere.
const ANSWERED: &str = "answered";

/// Requests that run.
pub struct Requests {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Requests {
    /// Starts to ask the proxy for the site's page at both of its addresses, and waits for the first
    /// good answers: what comes after them can be lost.
    pub fn start(over: Over) -> Self {
        let mut requests = Self::of_a_site_to_be(over);
        let mut line = String::new();
        requests.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), ANSWERED, "no good answer");
        requests
    }

    /// The same where nothing answers yet.
    pub fn of_a_site_to_be(over: Over) -> Self {
        let own = std::env::current_exe().unwrap();
        let targets = PROXY.map(|address| format!("{address}:{}", over.port()));
        let mut child = servers::program()
            .args(["lab", "outside", "--"])
            .arg(own)
            .args([ASK_ON, over.word()])
            .args(targets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Ends them; what came of them, by address.
    pub fn end(mut self) -> BTreeMap<String, Asked> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.said.read_to_string(&mut text).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "asking failed: {text}");
        let told = text.lines().rfind(|line| *line != ANSWERED);
        serde_json::from_str(told.unwrap_or_default()).unwrap()
    }

    /// Ends them, and holds them to this: asked without a pause, and none was lost. The
    /// certificates that were shown at either address, which are the same.
    pub fn none_lost(self, what: &str) -> Vec<Shown> {
        let asked = self.end();
        let mut all = Vec::new();
        for (address, asked) in asked {
            assert!(
                asked.lost.is_empty(),
                "{what}: lost at {address}: {asked:#?}"
            );
            assert!(asked.good > 2, "{what}: {address}: {asked:#?}");
            assert!(
                asked.idle < 10_000,
                "{what}: a pause: {address}: {asked:#?}"
            );
            let mut shown = asked.shown;
            shown.dedup();
            all.push(shown);
        }
        let second = all.pop().unwrap_or_default();
        assert_eq!(
            all,
            std::slice::from_ref(&second),
            "{what}: by IPv4 and by IPv6"
        );
        second
    }
}

/// The certificate that is shown at an address to somebody who asks for this name, or for none;
/// what hinders, where none is.
pub fn shown(address: &str, name: Option<&str>) -> Result<Shown, String> {
    let own = std::env::current_exe().unwrap();
    let own = own.to_str().unwrap();
    let target = format!("{address}:443");
    let name = name.unwrap_or("-");
    let asked = provision(&["lab", "outside", "--", own, ASK_ONCE, &target, name]);
    assert_eq!(asked.code, Some(0), "{asked}");
    serde_json::from_str(&asked.stdout).unwrap()
}

/// What one request came to.
struct Answer {
    at: Duration,
    done: Duration,
    status: Result<u16, String>,
    shown: Option<Shown>,
}

/// The program that asks once: `address:port` and a name, or `-` for none.
pub fn ask_once(mut words: impl Iterator<Item = String>) {
    let target: SocketAddr = words.next().unwrap().parse().unwrap();
    let name = words.next().unwrap();
    let name = if name == "-" {
        // With an address, no name is sent (RFC 6066, section 3).
        ServerName::IpAddress(target.ip().into())
    } else {
        ServerName::try_from(name).unwrap()
    };
    let recorder = Recorder::new();
    let done = handshake(target, name, &recorder);
    let shown = recorder.shown();
    let said: Result<Shown, String> = match (shown, done) {
        (Some(shown), _) => Ok(shown),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err("no certificate".to_owned()),
    };
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string(&said).unwrap()
    );
}

/// The program that asks on until stdin ends: `http` or `https`, then each `address:port`.
pub fn ask_on(mut words: impl Iterator<Item = String>) {
    let over = Over::of(&words.next().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let targets: BTreeSet<SocketAddr> = words.map(|target| target.parse().unwrap()).collect();
    // Those that have not had a good answer yet.
    let silent = Arc::new(Mutex::new(targets.clone()));
    let asking: Vec<_> = targets
        .into_iter()
        .map(|address| {
            let (stop, silent) = (Arc::clone(&stop), Arc::clone(&silent));
            let asking = thread::spawn(move || ask(over, address, &stop, &silent));
            (address.to_string(), asking)
        })
        .collect();
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    stop.store(true, Ordering::Relaxed);
    let told: BTreeMap<String, Asked> = asking
        .into_iter()
        .map(|(target, asking)| (target, asking.join().unwrap()))
        .collect();
    let _ = writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string(&told).unwrap()
    );
}

/// Asks one address until it is stopped, and once more.
fn ask(
    over: Over,
    address: SocketAddr,
    stop: &AtomicBool,
    silent: &Arc<Mutex<BTreeSet<SocketAddr>>>,
) -> Asked {
    let start = Instant::now();
    let mut asking = Vec::new();
    let mut last = false;
    while !last {
        last = stop.load(Ordering::Relaxed);
        let silent = Arc::clone(silent);
        // Beside the others: a slow answer holds up no other request.
        asking.push(thread::spawn(move || {
            let at = start.elapsed();
            let recorder = Recorder::new();
            let status = match over {
                Over::Http => connection(address).and_then(page),
                Over::Https => {
                    let name = ServerName::try_from(DOMAIN).unwrap();
                    handshake(address, name, &recorder).and_then(page)
                }
            };
            let (done, shown) = (start.elapsed(), recorder.shown());
            if is_good(over, &status) {
                let mut silent = silent.lock().unwrap();
                if silent.remove(&address) && silent.is_empty() {
                    let _ = writeln!(std::io::stdout(), "{ANSWERED}");
                }
            }
            Answer {
                at,
                done,
                status,
                shown,
            }
        }));
        thread::sleep(EVERY);
    }
    let mut answers: Vec<Answer> = asking
        .into_iter()
        .map(|asking| asking.join().unwrap())
        .collect();
    answers.sort_by_key(|answer| answer.at);
    told(over, &answers)
}

fn told(over: Over, answers: &[Answer]) -> Asked {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let mut asked = Asked::default();
    let (mut good, mut before) = (None::<Duration>, None::<Duration>);
    // When the newest certificate was shown first.
    let mut since = Duration::ZERO;
    for answer in answers {
        asked.all += 1;
        if let Some(before) = before.replace(answer.at) {
            asked.idle = asked.idle.max(millis(answer.at - before));
        }
        let why = match &answer.status {
            good if is_good(over, good) => None,
            Ok(status) => Some(format!("status {status}")),
            Err(error) => Some(error.clone()),
        };
        match why {
            None => {
                asked.good += 1;
                let last = good.replace(answer.done).unwrap_or(answer.done);
                asked.gap = asked.gap.max(millis(answer.done.saturating_sub(last)));
            }
            // Before the site was there, none could be lost.
            Some(why) if good.is_some() => asked.lost.push((millis(answer.at), why)),
            Some(_) => {}
        }
        let Some(shown) = &answer.shown else { continue };
        let recent = answer.at.saturating_sub(since) < HANDS_OVER;
        if asked.shown.last() != Some(shown) && !(recent && asked.shown.contains(shown)) {
            asked.shown.push(shown.clone());
            since = answer.at;
        }
    }
    asked
}

fn is_good(over: Over, status: &Result<u16, String>) -> bool {
    match status {
        Ok(200) => true,
        Ok(301) => over == Over::Http,
        _ => false,
    }
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn handshake(
    address: SocketAddr,
    name: ServerName<'static>,
    recorder: &Arc<Recorder>,
) -> Result<Tls, String> {
    let config = ClientConfig::builder_with_provider(Arc::clone(&recorder.provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let said = |error: std::io::Error| error.to_string();
    let mut stream = connection(address)?;
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(said)?;
    }
    Ok(StreamOwned::new(client, stream))
}

/// A connection on which nothing takes longer than the limit.
fn connection(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, LIMIT).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    Ok(stream)
}

/// Asks for the site's page; the answer's status.
fn page(mut stream: impl Read + Write) -> Result<u16, String> {
    let request = format!("GET /polls/ HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    // Some servers end without TLS's own goodbye; an answer that was cut off is seen below.
    if let Err(error) = stream.read_to_end(&mut text)
        && error.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(error.to_string());
    }
    let text = String::from_utf8_lossy(&text);
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    match status {
        Some(200) if !text.contains("</html>") => Err("half a page".to_owned()),
        Some(status) => Ok(status),
        None => Err(format!("no answer: {text:?}")),
    }
}

/// Takes down what certificate it is shown.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    der: Mutex<Option<Vec<u8>>>,
}

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            provider: Arc::new(ring::default_provider()),
            der: Mutex::new(None),
        })
    }

    fn shown(&self) -> Option<Shown> {
        let der = self.der.lock().unwrap();
        der.as_deref().map(Shown::of)
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.der.lock().unwrap() = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

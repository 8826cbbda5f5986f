//! The stranger: somebody else on the Internet, in a network namespace of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use provision::lab::DOMAIN;
use serde_json::{Value, json};

use crate::program::provision;
use crate::servers;
use crate::site;

/// Makes this test's own program the poller, see [`poll`].
pub const POLL: &str = "--poll";

/// Time between two polls of a target.
const EVERY: Duration = Duration::from_millis(100);
/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(1);

/// What curl saw.
#[derive(Debug)]
pub struct Curl {
    /// Its exit status: 7 refused, 28 time-out, 52 no answer, 60 certificate not trusted.
    pub exit: i32,
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: String,
    pub body: String,
}

impl Curl {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// curl as the stranger, with more arguments.
pub fn curl(args: &[&str]) -> Curl {
    let mut all = vec![
        "lab",
        "outside",
        "--",
        "curl",
        "-sS",
        "-i",
        "--noproxy",
        "*",
    ];
    all.extend(["--http1.1", "--max-time", "10"]);
    all.extend(args);
    let ended = provision(&all);
    let text = ended.stdout.replace("\r\n", "\n");
    let (headers, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let headers = headers
        .lines()
        .map(|line| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}\n", name.to_lowercase()),
            None => format!("{line}\n"),
        })
        .collect::<String>();
    let status = headers.split_whitespace().nth(1);
    Curl {
        exit: ended.code.unwrap_or(-1),
        status: status.and_then(|s| s.parse().ok()).unwrap_or(0),
        headers,
        body: body.to_owned(),
    }
}

/// The site's page over HTTPS, by the proxy's IPv4 (`""`) or IPv6 address, with the lab's CA.
pub fn page(address: &str) -> Curl {
    let resolve = format!("{DOMAIN}:443:{address}");
    let url = format!("https://{DOMAIN}/polls/");
    curl(&["--cacert", &site::ca(), "--resolve", &resolve, &url])
}

/// The proxy's addresses, as curl and pollers write them.
pub const PROXY: [&str; 2] = ["198.51.100.13", "[2001:db8::13]"];
/// The app servers' addresses.
pub const APPS: [&str; 4] = [
    "198.51.100.11",
    "[2001:db8::11]",
    "198.51.100.12",
    "[2001:db8::12]",
];

/// Whether a TCP connection comes about, many times a second for each target.
pub struct Poller(Child);

/// What came of the polls of one target.
#[derive(Debug)]
pub struct Polls {
    /// Connections that came about.
    pub connected: u64,
    /// All polls.
    pub all: u64,
    /// The longest time without a poll.
    pub gap: Duration,
}

impl Poller {
    /// Starts to poll port 80 of these addresses from outside.
    pub fn start(addresses: &[&str]) -> Self {
        let own = std::env::current_exe().unwrap();
        let child = servers::program()
            .args(["lab", "outside", "--"])
            .arg(own)
            .arg(POLL)
            .args(addresses.iter().map(|address| format!("{address}:80")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Ends the polling; what came of it, by address.
    pub fn end(mut self) -> BTreeMap<String, Polls> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        let mut stdout = self.0.stdout.take().unwrap();
        stdout.read_to_string(&mut text).unwrap();
        assert!(
            self.0.wait().unwrap().success(),
            "the poller failed: {text}"
        );
        let all: Value = serde_json::from_str(&text).unwrap();
        all.as_object()
            .unwrap()
            .iter()
            .map(|(target, polls)| {
                let number = |key: &str| polls[key].as_u64().unwrap();
                let polls = Polls {
                    connected: number("connected"),
                    all: number("all"),
                    gap: Duration::from_millis(number("gap")),
                };
                let address = target.strip_suffix(":80").unwrap();
                (address.to_owned(), polls)
            })
            .collect()
    }
}

/// Holds the polls to this: no app server ever took a connection, the polls were frequent all
/// along, and the same poller saw the proxy answer (so it would have seen an app server).
pub fn assert_closed(polls: &BTreeMap<String, Polls>, took: Duration) {
    for (address, polls) in polls {
        assert!(polls.gap < Duration::from_secs(3), "{address}: {polls:?}");
        assert!(
            polls.all > 5 * took.as_secs() && polls.all > 20,
            "{address}: {polls:?} in {took:?}"
        );
    }
    for address in PROXY {
        assert!(
            polls[address].connected > 0,
            "positive control {address}: {polls:?}"
        );
    }
    for address in APPS {
        assert_eq!(polls[address].connected, 0, "{address} took a connection");
    }
}

/// The poller's own program, run in the stranger's namespace: connects until stdin ends, then
/// prints what came of it.
pub fn poll(targets: impl Iterator<Item = String>) {
    let connected = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let ended = Arc::new(Mutex::new(false));
    let pollers: Vec<_> = targets
        .map(|target| {
            let (connected, ended) = (Arc::clone(&connected), Arc::clone(&ended));
            let poller = {
                let target = target.clone();
                thread::spawn(move || poll_one(&target, &connected, &ended))
            };
            (target, poller)
        })
        .collect();
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    *ended.lock().unwrap() = true;
    let mut told = serde_json::Map::new();
    for (target, poller) in pollers {
        let (all, gap) = poller.join().unwrap();
        let gap = u64::try_from(gap.as_millis()).unwrap();
        told.insert(target, json!({"all": all, "gap": gap}));
    }
    // The last polls may still wait for their answers.
    thread::sleep(LIMIT + Duration::from_millis(200));
    for (target, polls) in &mut told {
        let count = connected.lock().unwrap().get(target).copied();
        polls["connected"] = json!(count.unwrap_or(0));
    }
    let _ = writeln!(std::io::stdout(), "{}", Value::Object(told));
}

fn poll_one(
    target: &str,
    connected: &Arc<Mutex<BTreeMap<String, u64>>>,
    ended: &Mutex<bool>,
) -> (u64, Duration) {
    let address: SocketAddr = target.parse().unwrap();
    let (mut all, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
    while !*ended.lock().unwrap() {
        all += 1;
        gap = gap.max(last.elapsed());
        last = Instant::now();
        let (target, connected) = (target.to_owned(), Arc::clone(connected));
        // Beside the others: silence takes longer than the time between two polls.
        thread::spawn(move || {
            if TcpStream::connect_timeout(&address, LIMIT).is_ok() {
                *connected.lock().unwrap().entry(target).or_default() += 1;
            }
        });
        thread::sleep(EVERY);
    }
    (all, gap)
}

/// Makes this test's own program a scanner, see [`scan`].
pub const SCAN: &str = "--scan";

/// The ports of an address that take a connection from outside, among the first 1024, those
/// of Docker's API, the app's, the database's and the cache's.
pub fn open_ports(address: &str) -> Vec<u16> {
    let own = std::env::current_exe().unwrap();
    let own = own.to_str().unwrap();
    let scan = provision(&["lab", "outside", "--", own, SCAN, address]);
    assert_eq!(scan.code, Some(0), "{scan}");
    serde_json::from_str(&scan.stdout).unwrap()
}

/// The scanner's own program, run in the stranger's namespace.
pub fn scan(address: &str) {
    let address: IpAddr = address.parse().unwrap();
    let ports = (1..=1024).chain([2375, 2376, 5432, 6379, 8000]);
    let looks: Vec<_> = ports
        .map(|port| {
            let look = move || TcpStream::connect_timeout(&(address, port).into(), LIMIT * 2);
            (port, thread::spawn(look))
        })
        .collect();
    let open: Vec<u16> = looks
        .into_iter()
        .filter_map(|(port, look)| look.join().unwrap().is_ok().then_some(port))
        .collect();
    let _ = writeln!(std::io::stdout(), "{}", json!(open));
}

//! What nmap, a scanner that is not ours, finds from outside.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use provision::lab::GATEWAY;

use crate::outside::{APPS, PROXY};
use crate::servers::{converged, outside};

/// The database machine: outside of the site, and with no firewall of its own.
const DATABASE: [&str; 2] = ["198.51.100.14", "[2001:db8::14]"];

/// Packets a second, at the least: silence is not waited for. At 20,000 a busy machine of two
/// cores loses answers, as the control shows.
const RATE: &str = "8000";

/// TCP ports over IPv6: those below 10,000, and others that programs are known to listen on.
const PORTS6: &str = "1-10000,11211,15672,27017,50000";

/// The open TCP ports of each address: over IPv4 of all that there are, over IPv6 of [`PORTS6`].
fn scan(addresses: &[&str]) -> BTreeMap<String, Vec<u16>> {
    let addresses: Vec<&str> = addresses
        .iter()
        .map(|address| address.trim_matches(['[', ']']))
        .collect();
    let mut nmap = vec!["nmap", "-Pn", "-n", "-sS", "--min-rate", RATE];
    nmap.extend(["--max-retries", "2", "-oG", "-"]);
    if addresses[0].contains(':') {
        nmap.extend(["-6", "-p", PORTS6]);
    } else {
        nmap.push("-p-");
    }
    nmap.extend(&addresses);
    let ended = outside(&nmap);
    assert_eq!(ended.code, Some(0), "{ended}");
    let found: BTreeMap<String, Vec<u16>> = ended.stdout.lines().filter_map(ports).collect();
    assert!(found.keys().eq(sorted(&addresses)), "{ended}");
    found
}

fn sorted<'a>(addresses: &[&'a str]) -> Vec<&'a str> {
    let mut sorted = addresses.to_vec();
    sorted.sort_unstable();
    sorted
}

/// One line of nmap's "grepable" output: `Host: ADDRESS ()`, a tab, `Ports: 22/open/tcp//ssh///, …`.
fn ports(line: &str) -> Option<(String, Vec<u16>)> {
    let (host, ports) = line.split_once("\tPorts: ")?;
    let address = host.strip_prefix("Host: ")?.split(' ').next()?;
    let ports = ports.split('\t').next()?.split(", ");
    let open = ports.filter_map(|port| port.split_once("/open/")?.0.parse().ok());
    Some((address.to_owned(), open.collect()))
}

/// Whether nmap is here. Where tests must be whole (CI is set), it has to be.
fn has_nmap() -> bool {
    let mut nmap = Command::new("nmap");
    nmap.arg("--version").stdout(Stdio::null());
    if nmap.status().is_ok_and(|status| status.success()) {
        return true;
    }
    let install = "install it: apt-get install nmap";
    assert!(
        std::env::var_os("CI").is_none(),
        "nmap is missing; {install}"
    );
    eprintln!("left out: nmap is missing on this machine; {install}");
    false
}

/// SSH alone on the app servers, the site on the proxy, nothing else, of all ports.
pub fn from_outside() {
    if !has_nmap() {
        return;
    }
    converged();
    // What listens on high ports and answers is found at this rate.
    let gateway = GATEWAY.to_string();
    let control = scan(&[&gateway]);
    for port in [5000, 14000, 15000] {
        assert!(control[&gateway].contains(&port), "{port} in {control:?}");
    }
    for family in [0, 1] {
        let (apps, proxy) = ([APPS[family], APPS[family + 2]], PROXY[family]);
        let all = [apps[0], apps[1], proxy, DATABASE[family]];
        let found = scan(&all);
        let of = |address: &str| found[address.trim_matches(['[', ']'])].clone();
        for app in apps {
            assert_eq!(of(app), [22], "{app}");
        }
        assert_eq!(of(proxy), [22, 80, 443], "{proxy}");
        assert_eq!(of(DATABASE[family]), [22, 5432], "{}", DATABASE[family]);
    }
}

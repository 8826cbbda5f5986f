//! What nmap, a scanner that is not ours, finds from outside.

use std::collections::{BTreeMap, BTreeSet};
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

/// Open TCP ports by address.
type Open = BTreeMap<String, BTreeSet<u16>>;

/// How often is looked at the most. At a busy machine an answer may come too late to be seen.
const LOOKS: usize = 3;

/// All open ports that nmap finds at these addresses; it looks again while it misses one of these.
fn find(wanted: &Open) -> Open {
    let mut found = scan(wanted);
    for _ in 1..LOOKS {
        let missed = wanted
            .iter()
            .any(|(address, ports)| !ports.is_subset(&found[address]));
        if !missed {
            break;
        }
        eprintln!("looked again: {found:?}");
        // Whatever any look finds counts.
        for (address, ports) in scan(wanted) {
            found.entry(address).or_default().extend(ports);
        }
    }
    found
}

/// The open TCP ports of each address: over IPv4 of all that there are, over IPv6 of [`PORTS6`].
fn scan(wanted: &Open) -> Open {
    let addresses: Vec<&str> = wanted.keys().map(String::as_str).collect();
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
    let mut found: Open = ended.stdout.lines().filter_map(ports).collect();
    for address in addresses {
        let looked_at = format!("Host: {address} ()\tStatus: Up");
        assert!(ended.stdout.contains(&looked_at), "{ended}");
        found.entry(address.to_owned()).or_default();
    }
    assert_eq!(found.len(), wanted.len(), "{ended}");
    found
}

/// One line of nmap's "grepable" output: `Host: ADDRESS ()`, a tab, `Ports: 22/open/tcp//ssh///, …`.
fn ports(line: &str) -> Option<(String, BTreeSet<u16>)> {
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
    let control: Open = [(GATEWAY.to_string(), [5000, 14000, 15000].into())].into();
    for (address, ports) in find(&control) {
        assert!(ports.is_superset(&control[&address]), "{ports:?}");
    }
    for family in [0, 1] {
        let (apps, proxy) = ([APPS[family], APPS[family + 2]], PROXY[family]);
        let expected: Open = [
            (apps[0], vec![22]),
            (apps[1], vec![22]),
            (proxy, vec![22, 80, 443]),
            (DATABASE[family], vec![22, 5432]),
        ]
        .map(|(address, ports)| {
            let address = address.trim_matches(['[', ']']).to_owned();
            (address, ports.into_iter().collect())
        })
        .into();
        assert_eq!(find(&expected), expected);
    }
}

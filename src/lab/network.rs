//! Bridges, network namespaces and the one way out.
//!
//! Everything is made and removed by name, so that `down` works from what it finds, also
//! after a crash.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::Error;
use super::command::{run, succeeds};
use super::layout::read;
use super::topology::{
    BRIDGE, GATEWAY, GATEWAY6, MACHINES, Machine, NETWORK, OUTSIDE, PRIVATE_BRIDGE, STRANGER,
    STRANGER6,
};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const OUTSIDE_LINK: &str = "lab-outside-0";

/// The rules of the machine's own firewall, without `-A`, `-C` or `-D`. The first lets
/// hosts reach package registries. The others matter where forwarding is closed by default,
/// as on a machine that runs Docker itself.
fn rules() -> [(&'static str, &'static str, Vec<&'static str>); 3] {
    const MARK: [&str; 4] = ["-m", "comment", "--comment", "provision-lab"];
    let with = |first: &[&'static str], target| {
        let mut words = first.to_vec();
        words.extend(MARK);
        words.extend(["-j", target]);
        words
    };
    [
        (
            "nat",
            "POSTROUTING",
            with(&["-s", NETWORK, "!", "-d", NETWORK], "MASQUERADE"),
        ),
        ("filter", "FORWARD", with(&["-i", BRIDGE], "ACCEPT")),
        ("filter", "FORWARD", with(&["-o", BRIDGE], "ACCEPT")),
    ]
}

fn rule(verb: &str, table: &str, chain: &str, words: &[&str], place: &[&str]) -> Vec<String> {
    // -w waits for the lock of another iptables instead of failing.
    ["-w", "-t", table, verb, chain]
        .iter()
        .chain(place)
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect()
}

fn iptables(args: &[String]) -> Result<(), Error> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run("iptables", &args).map(drop)
}

fn ip(line: &str) -> Result<(), Error> {
    run("ip", &line.split(' ').collect::<Vec<_>>()).map(drop)
}

fn link_exists(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

/// The path of a network namespace made by `ip netns`.
pub(super) fn namespace_path(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// What `ip_forward` is now, to be put back by [`down`].
pub(super) fn forwarding() -> Result<String, Error> {
    Ok(read(Path::new(FORWARD))?.trim().to_owned())
}

/// The bridges, the stranger's namespace and the way out. Does what is missing.
pub(super) fn up() -> Result<(), Error> {
    for bridge in [BRIDGE, PRIVATE_BRIDGE] {
        if !link_exists(bridge) {
            ip(&format!("link add {bridge} type bridge"))?;
        }
        ip(&format!("link set {bridge} up"))?;
    }
    // Of itself a bridge takes the lowest address of its ports, which come and go.
    let hardware = hardware(GATEWAY);
    ip(&format!("link set {BRIDGE} address {hardware}"))?;
    ip(&format!("addr replace {GATEWAY}/24 dev {BRIDGE}"))?;
    ip(&format!("-6 addr replace {GATEWAY6}/64 dev {BRIDGE} nodad"))?;
    if !namespace_path(OUTSIDE).exists() || !link_exists(OUTSIDE_LINK) {
        remove_namespace(OUTSIDE, &[OUTSIDE_LINK.to_owned()])?;
        ip(&format!("netns add {OUTSIDE}"))?;
        join(
            OUTSIDE,
            "eth0",
            OUTSIDE_LINK,
            BRIDGE,
            STRANGER,
            Some(STRANGER6),
        )?;
    }
    if forwarding()? != "1" {
        set_forwarding("1")?;
    }
    for (table, chain, words) in rules() {
        let check = rule("-C", table, chain, &words, &[]);
        let check: Vec<&str> = check.iter().map(String::as_str).collect();
        if !succeeds("iptables", &check)? {
            iptables(&rule("-I", table, chain, &words, &["1"]))?;
        }
    }
    Ok(())
}

/// A machine's namespace with both interfaces, new: a server that lost power has no
/// firewall rules left from before, and those live in the namespace.
pub(super) fn plug(machine: &Machine) -> Result<(), Error> {
    unplug(machine)?;
    let name = machine.namespace();
    ip(&format!("netns add {name}"))?;
    join(
        &name,
        "eth0",
        &machine.link(0),
        BRIDGE,
        machine.address(),
        Some(machine.ipv6()),
    )?;
    ip(&format!("-n {name} route add default via {GATEWAY}"))?;
    join(
        &name,
        "eth1",
        &machine.link(1),
        PRIVATE_BRIDGE,
        machine.private(),
        None,
    )
}

/// Removes a machine's namespace and interfaces.
pub(super) fn unplug(machine: &Machine) -> Result<(), Error> {
    remove_namespace(&machine.namespace(), &[machine.link(0), machine.link(1)])
}

/// One interface of a namespace, its other end on a bridge.
fn join(
    namespace: &str,
    inner: &str,
    outer: &str,
    bridge: &str,
    address: Ipv4Addr,
    address6: Option<Ipv6Addr>,
) -> Result<(), Error> {
    let hardware = hardware(address);
    ip(&format!(
        "link add {outer} type veth peer name {inner} address {hardware} netns {namespace}"
    ))?;
    ip(&format!("link set {outer} master {bridge} up"))?;
    ip(&format!("-n {namespace} link set lo up"))?;
    ip(&format!("-n {namespace} addr add {address}/24 dev {inner}"))?;
    if let Some(address) = address6 {
        // Without nodad the address is unusable for a second or two.
        ip(&format!(
            "-n {namespace} -6 addr add {address}/64 dev {inner} nodad"
        ))?;
    }
    ip(&format!("-n {namespace} link set {inner} up"))
}

/// A hardware address that goes with an address and stays the same through reboots: with a
/// new one, whoever talked to the machine before sends into the void for half a minute.
/// Its second bit says that it is locally administered (IEEE 802).
fn hardware(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

fn remove_namespace(name: &str, links: &[String]) -> Result<(), Error> {
    // Links first: a namespace goes only when its last process has gone, its links at once.
    for link in links {
        if link_exists(link) {
            ip(&format!("link del {link}"))?;
        }
    }
    if namespace_path(name).exists() {
        ip(&format!("netns del {name}"))?;
    }
    Ok(())
}

fn set_forwarding(value: &str) -> Result<(), Error> {
    std::fs::write(FORWARD, value).map_err(Error::file("write", FORWARD))
}

/// Removes all of it, and puts `ip_forward` back to `before` if that is known.
pub(super) fn down(before: Option<&str>) -> Result<(), Error> {
    for machine in &MACHINES {
        unplug(machine)?;
    }
    remove_namespace(OUTSIDE, &[OUTSIDE_LINK.to_owned()])?;
    for bridge in [BRIDGE, PRIVATE_BRIDGE] {
        if link_exists(bridge) {
            ip(&format!("link del {bridge}"))?;
        }
    }
    for (table, chain, words) in rules() {
        let check = rule("-C", table, chain, &words, &[]);
        let check: Vec<&str> = check.iter().map(String::as_str).collect();
        while succeeds("iptables", &check)? {
            iptables(&rule("-D", table, chain, &words, &[]))?;
        }
    }
    match before {
        Some(before) if forwarding()? != before => set_forwarding(before),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_one_masquerade_rule_that_spares_the_labs_own_traffic() {
        let [(table, chain, words), ..] = rules();
        assert_eq!(
            rule("-I", table, chain, &words, &["1"]).join(" "),
            "-w -t nat -I POSTROUTING 1 -s 198.51.100.0/24 ! -d 198.51.100.0/24 \
             -m comment --comment provision-lab -j MASQUERADE"
        );
    }

    #[test]
    fn every_rule_carries_the_labs_mark() {
        for (_, _, words) in rules() {
            assert!(words.contains(&"provision-lab"));
        }
    }
}

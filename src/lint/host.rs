//! The facts that the rules ask for, taken apart.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::Value;

use crate::resource::fact::{Docker, Family, Port};
use crate::resource::ufw::policy::Policy;
use crate::resource::ufw::settings::Settings;
use crate::resource::ufw::{CONF, DEFAULTS, SSH_PORT, USER_RULES, USER6_RULES};
use crate::resource::{Fact, Observed, Reveal, Unreadable};
use crate::shell::Script;

const DAEMON: &str = "/etc/docker/daemon.json";
const AFTER_RULES: &[&str] = &["/etc/ufw/after.rules", "/etc/ufw/after6.rules"];
const HOST: Script = Script(include_str!("sh/host.sh"));
/// Only where there is time: Docker takes 10 ms and more for it.
const INFO: Script = Script(include_str!("sh/docker-info.sh"));

/// What is to be read.
pub(super) fn facts(thorough: bool) -> Vec<Fact> {
    let file = |path: &str| Fact::File {
        path: path.to_owned(),
        content: Reveal::Always,
    };
    let mut facts = vec![
        file(DAEMON),
        file(CONF),
        file(DEFAULTS),
        Fact::Docker,
        Fact::Rules(Family::V4),
        Fact::Rules(Family::V6),
        Fact::Sh(SSH_PORT, Vec::new()),
        Fact::Sh(HOST, Vec::new()),
    ];
    facts.extend([USER_RULES, USER6_RULES].map(file));
    facts.extend(AFTER_RULES.iter().copied().map(file));
    if thorough {
        facts.push(Fact::Sh(INFO, Vec::new()));
    }
    facts
}

/// A host as the rules look at it.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// ufw's settings, where there is a ufw.
    pub ufw: Option<Settings>,
    /// ufw's rules, as they stand in its files.
    pub policy: Policy,
    /// after.rules and after6.rules.
    pub after: String,
    /// Live rules by family, where there is a tool to read them.
    pub rules: BTreeMap<Family, String>,
    /// `None` where there is no Docker; an error in words where it doesn't answer.
    pub docker: Option<Result<Docker, String>>,
    /// daemon.json; null where there is none.
    pub daemon: Value,
    /// What dockerd was started with, where it runs.
    pub arguments: Vec<String>,
    /// What dockerd says of its firewall backend, where it was asked and says so.
    pub driver: Option<String>,
    /// The networks on the host's interfaces.
    pub interfaces: Vec<(String, IpNet)>,
    /// Who we are to the host.
    pub peer: Option<IpAddr>,
    /// The port we came in on, or the only one that sshd listens on.
    pub ssh: Option<u16>,
    /// "nft" or "legacy".
    pub backend: String,
    /// The rules in the other backend.
    pub other: Vec<String>,
    /// Services beside ufw that load rules when the host starts: "nftables".
    pub starts: Vec<String>,
}

/// One port that containers publish, over all the addresses it is published on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub container: String,
    pub inner: u16,
    pub outer: u16,
    pub protocol: String,
    pub addresses: Vec<IpAddr>,
}

impl Host {
    /// The facts, taken apart.
    ///
    /// # Errors
    /// If something wasn't read, or a file can't be understood. A Docker that doesn't answer is
    /// none: a run may be about to start it.
    pub fn of(seen: &Observed) -> Result<Self, Unreadable> {
        seen.file(CONF)?;
        seen.rules(Family::V4)?;
        let printed = seen.sh(HOST, &[])?;
        let text = |path: &str| match seen.files.contains_key(path) {
            true => seen.text(path),
            false => Ok(None),
        };
        let (conf, defaults) = (text(CONF)?, text(DEFAULTS)?);
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let mut host = Self {
            policy: Policy::parse(
                &or_empty(&conf),
                &or_empty(&defaults),
                &or_empty(&text(USER_RULES)?),
                &or_empty(&text(USER6_RULES)?),
            ),
            ufw: conf
                .zip(defaults)
                .map(|(conf, defaults)| Settings::of(&conf, &defaults)),
            rules: seen.rules.clone(),
            docker: seen.docker.clone(),
            ..Self::default()
        };
        for after in AFTER_RULES {
            host.after.push_str(&text(after)?.unwrap_or_default());
            host.after.push('\n');
        }
        // One that isn't JSON keeps Docker from starting, and is refused by who merges into it.
        if let Some(text) = text(DAEMON)? {
            host.daemon = serde_json::from_str(&text).unwrap_or_default();
        }
        if let Ok(info) = seen.sh(INFO, &[]) {
            let info: Value = serde_json::from_str(&info.text).unwrap_or_default();
            host.driver = info["FirewallBackend"]["Driver"]
                .as_str()
                .map(str::to_owned);
        }
        printed.text.lines().for_each(|line| host.read(line));
        if let Ok(printed) = seen.sh(SSH_PORT, &[]) {
            let mut ports = printed.text.lines().skip(1).map(str::parse);
            if let (None, Some(Ok(port)), None) = (host.ssh, ports.next(), ports.next()) {
                host.ssh = Some(port);
            }
        }
        Ok(host)
    }

    /// A line that `host.sh` printed.
    fn read(&mut self, line: &str) {
        if let Some(arguments) = line.strip_prefix("dockerd ") {
            self.arguments = arguments.split_whitespace().map(str::to_owned).collect();
            return;
        }
        if let Some(rule) = line.strip_prefix("other ") {
            self.other.push(rule.to_owned());
            return;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            ["ssh", peer, port] => {
                // A link-local peer comes with its interface.
                let peer = peer.split('%').next().unwrap_or_default();
                self.peer = peer.parse().ok();
                self.ssh = port.parse().ok();
            }
            ["starts", name] => self.starts.push((*name).to_owned()),
            ["backend", name] => (*name).clone_into(&mut self.backend),
            // if_inet6: address, index, prefix, scope, flags, name. Scope 0 is global.
            [address, _, prefix, "00", _, name] if address.len() == 32 => {
                let address = u128::from_str_radix(address, 16).map(Ipv6Addr::from_bits);
                let prefix = u8::from_str_radix(prefix, 16);
                if let (Ok(address), Ok(prefix)) = (address, prefix)
                    && let Ok(network) = Ipv6Net::new(address, prefix)
                {
                    self.interfaces.push(((*name).to_owned(), network.into()));
                }
            }
            // route: interface, destination, gateway, flags, …, mask, …; without a gateway it is
            // the interface's own network. Addresses stand there in the byte order of the machine.
            [name, to, "00000000", _, _, _, _, mask, ..] => {
                let address = |hex: &str| u32::from_str_radix(hex, 16).map(u32::swap_bytes);
                if let (Ok(to), Ok(mask)) = (address(to), address(mask))
                    && mask > 0
                    && let Ok(network) =
                        Ipv4Net::with_netmask(Ipv4Addr::from_bits(to), Ipv4Addr::from_bits(mask))
                {
                    self.interfaces.push(((*name).to_owned(), network.into()));
                }
            }
            _ => {}
        }
    }

    /// A live rule set, line by line.
    pub fn live(&self, family: Family) -> impl Iterator<Item = &str> {
        self.rules.get(&family).into_iter().flat_map(|r| r.lines())
    }

    /// Docker, where it is there and answers.
    pub fn engine(&self) -> Option<&Docker> {
        self.docker.as_ref()?.as_ref().ok()
    }

    /// The subnets of Docker's networks, and the pools that it takes new ones from.
    pub fn docker_networks(&self) -> Vec<IpNet> {
        let mut names = self.engine().map(Docker::subnets).unwrap_or_default();
        let pools = self.daemon["default-address-pools"].as_array();
        let pools = pools.into_iter().flatten();
        names.extend(pools.filter_map(|pool| Some(pool["base"].as_str()?.to_owned())));
        // Where its firewall was set up before it runs for the first time.
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// The networks on interfaces that aren't Docker's, nor this machine's own.
    pub fn neighbours(&self) -> Vec<&(String, IpNet)> {
        let docker = self.docker_networks();
        let all = self.interfaces.iter();
        all.filter(|(name, network)| {
            name != "lo" && !docker.iter().any(|own| own.contains(network))
        })
        .collect()
    }

    /// A setting of dockerd, from its arguments (`--iptables=false`) or daemon.json, in words.
    pub fn setting(&self, name: &str) -> Option<(String, &'static str)> {
        let long = format!("--{name}");
        let mut arguments = self.arguments.iter().peekable();
        while let Some(argument) = arguments.next() {
            if let Some(value) = argument
                .strip_prefix(&long)
                .and_then(|v| v.strip_prefix('='))
            {
                return Some((value.to_owned(), "the arguments of dockerd"));
            }
            if *argument == long {
                let value = arguments.peek().filter(|next| !next.starts_with('-'));
                let value = value.map_or("true", |value| value.as_str());
                return Some((value.to_owned(), "the arguments of dockerd"));
            }
        }
        let value = match self.daemon.get(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((value, DAEMON))
    }

    /// What running containers publish to others than this machine.
    pub fn published(&self) -> Vec<Published> {
        let mut all: Vec<Published> = Vec::new();
        let containers = self.engine().map(|docker| docker.containers.iter());
        for container in containers.into_iter().flatten() {
            let name = container.names.first().map(String::as_str);
            let name = name.unwrap_or("without a name").trim_start_matches('/');
            for (port, outer, address) in container.ports.iter().filter_map(reachable) {
                let same = all.iter_mut().find(|known| {
                    known.container == name
                        && (known.inner, known.outer) == (port.private_port, outer)
                        && known.protocol == port.protocol
                });
                match same {
                    Some(known) => known.addresses.push(address),
                    None => all.push(Published {
                        container: name.to_owned(),
                        inner: port.private_port,
                        outer,
                        protocol: port.protocol.clone(),
                        addresses: vec![address],
                    }),
                }
            }
        }
        all
    }

    /// Whether there is anything that Docker lets others reach.
    pub fn publishes(&self) -> bool {
        !self.published().is_empty()
    }
}

/// A port that others can reach: with the host's port and address.
fn reachable(port: &Port) -> Option<(&Port, u16, IpAddr)> {
    let address: IpAddr = port.ip.as_deref()?.parse().ok()?;
    (!address.is_loopback()).then_some((port, port.public_port?, address))
}

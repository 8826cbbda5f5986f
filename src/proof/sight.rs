//! What a host says of itself at one moment: who we are to it, where it can be reached, what
//! listens on it, what Docker publishes, and how much its deny rules have dropped.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;

/// One look at a host, from inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Under which address the host sees whoever asks; `None` where sshd doesn't say.
    pub peer: Option<IpAddr>,
    /// Its own end of that connection: the port is sshd's.
    pub ssh: Option<SocketAddr>,
    /// Sources that rules of its firewall let in by name, with the chain of each.
    pub trusts: Vec<(IpNet, String)>,
    /// Its global addresses, with the interface and the network of each.
    pub addresses: Vec<(String, IpNet)>,
    /// The TCP sockets that listen.
    pub listeners: Vec<Listener>,
    /// What Docker publishes. `None` where there is no Docker; an error in words where it doesn't
    /// answer.
    pub published: Option<Result<Vec<Published>, String>>,
    /// What was dropped so far.
    pub denied: Denied,
}

/// A TCP socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its address; `None` is every address of both families.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The program that holds it, if that can be seen: "sshd".
    pub program: Option<String>,
}

/// A port that Docker publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The container's name, without the slash.
    pub container: String,
    /// The host's address; unspecified for all of its family.
    pub address: IpAddr,
    /// The host's port.
    pub port: u16,
    /// The container's port.
    pub inner: u16,
    /// "tcp", "udp" or "sctp".
    pub protocol: String,
}

/// Packets that deny rules have dropped since they were loaded, by the kind of rule. `None`
/// where there is no such rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denied {
    /// On the way to containers, IPv4.
    pub docker4: Option<u64>,
    /// On the way to containers, IPv6.
    pub docker6: Option<u64>,
    /// To the host itself, IPv4.
    pub input4: Option<u64>,
    /// To the host itself, IPv6.
    pub input6: Option<u64>,
}

impl Listener {
    /// Whether a connection to this address and port gets to it.
    pub fn takes(&self, address: IpAddr, port: u16) -> bool {
        self.port == port
            && match self.address {
                None => true,
                Some(own) if own.is_unspecified() => own.is_ipv4() == address.is_ipv4(),
                Some(own) => own == address,
            }
    }

    /// Whether it can be reached from other machines at all.
    pub fn is_local(&self) -> bool {
        self.address.is_some_and(|address| address.is_loopback())
    }
}

impl Published {
    /// Whether a TCP connection to this address and port of the host gets to it.
    pub fn takes(&self, address: IpAddr, port: u16) -> bool {
        self.protocol == "tcp"
            && self.port == port
            && if self.address.is_unspecified() {
                self.address.is_ipv4() == address.is_ipv4()
            } else {
                self.address == address
            }
    }
}

/// A container as Docker's API lists it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    names: Vec<String>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(rename = "IP", default)]
    ip: Option<String>,
    private_port: u16,
    #[serde(default)]
    public_port: Option<u16>,
    #[serde(rename = "Type")]
    protocol: String,
}

impl Sight {
    /// Reads what `sight.sh` printed. Lines that say nothing to us are passed over, but Docker's
    /// answer counts as an error if it can't be understood.
    pub fn parse(printed: &str) -> Self {
        let mut sight = Self::default();
        for line in printed.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut words = rest.split_whitespace();
            match word {
                "peer" => sight.peer = rest.trim().parse().ok(),
                "ssh" => {
                    let address = words.next().and_then(|address| address.parse().ok());
                    let port = words.next().and_then(|port| port.parse().ok());
                    let end = address.zip(port);
                    sight.ssh = end.map(|(address, port)| SocketAddr::new(address, port));
                }
                "trusts" => {
                    let net = words.next().and_then(network);
                    let chain = words.next().map(str::to_owned);
                    sight.trusts.extend(net.zip(chain));
                }
                "address" => {
                    let name = words.next().map(str::to_owned);
                    let net = words.next().and_then(|net| net.parse().ok());
                    sight.addresses.extend(name.zip(net));
                }
                "listens" => sight.listeners.extend(listener(rest)),
                "denied" => {
                    let kind = words.next().unwrap_or_default();
                    let count = words.next().and_then(|count| count.parse().ok());
                    sight.denied.add(kind, count);
                }
                "docker" => sight.published = Some(published(rest)),
                _ => {}
            }
        }
        sight
    }

    /// Whether Docker publishes this port on this address.
    pub fn publishes(&self, address: IpAddr, port: u16) -> bool {
        self.inner(address, port).is_some()
    }

    /// The container's port behind one that Docker publishes on this address.
    pub fn inner(&self, address: IpAddr, port: u16) -> Option<u16> {
        let mut docker = self.published.iter().flatten().flatten();
        docker.find(|p| p.takes(address, port)).map(|p| p.inner)
    }

    /// The TCP ports that something takes connections on from other machines.
    pub fn ports(&self) -> BTreeSet<u16> {
        let docker = self.published.iter().flatten().flatten();
        let docker = docker.filter(|p| p.protocol == "tcp" && !p.address.is_loopback());
        let own = self.listeners.iter().filter(|l| !l.is_local());
        own.map(|l| l.port).chain(docker.map(|p| p.port)).collect()
    }

    /// Its addresses on networks with other machines: not those of bridges between containers.
    pub fn outer(&self) -> impl Iterator<Item = &IpNet> {
        const INNER: [&str; 6] = ["docker", "br-", "veth", "virbr", "cni", "lxc"];
        let inner = |name: &str| INNER.iter().any(|prefix| name.starts_with(prefix));
        let outer = self.addresses.iter().filter(move |(name, _)| !inner(name));
        outer.map(|(_, net)| net)
    }

    /// Whether something on the host takes connections to this address and port.
    pub fn listens(&self, address: IpAddr, port: u16) -> bool {
        self.listeners.iter().any(|l| l.takes(address, port)) || self.publishes(address, port)
    }
}

/// A network as rules write it; an address alone is one too.
fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

impl Denied {
    fn add(&mut self, kind: &str, count: Option<u64>) {
        let slot = match kind {
            "docker4" => &mut self.docker4,
            "docker6" => &mut self.docker6,
            "input4" => &mut self.input4,
            "input6" => &mut self.input6,
            _ => return,
        };
        if let Some(count) = count {
            *slot = Some(slot.unwrap_or_default() + count);
        }
    }
}

/// `0.0.0.0:22 users:(("sshd",pid=1,fd=3))`, as ss(8) prints local addresses.
fn listener(text: &str) -> Option<Listener> {
    let (local, who) = text.split_once(' ').unwrap_or((text, ""));
    let (address, port) = local.rsplit_once(':')?;
    // A scope as in "127.0.0.53%lo" names an interface and belongs to no address.
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = address.split('%').next().unwrap_or_default();
    let address = match address {
        "*" => None,
        other => Some(other.parse().ok()?),
    };
    Some(Listener {
        address,
        port: port.parse().ok()?,
        program: who.split('"').nth(1).map(str::to_owned),
    })
}

fn published(json: &str) -> Result<Vec<Published>, String> {
    let containers: Option<Vec<Container>> =
        serde_json::from_str(json).map_err(|e| e.to_string())?;
    let containers = containers.ok_or("Docker doesn't answer")?;
    let mut all = Vec::new();
    for container in containers {
        let name = container.names.first().map(String::as_str);
        let name = name.unwrap_or_default().trim_start_matches('/');
        for port in container.ports {
            let Some(public) = port.public_port else {
                continue;
            };
            let address = port.ip.as_deref().unwrap_or("0.0.0.0");
            all.push(Published {
                container: name.to_owned(),
                address: address.parse().map_err(|_| {
                    format!("Docker publishes on {address:?}, which is not an address")
                })?,
                port: public,
                inner: port.private_port,
                protocol: port.protocol,
            });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
peer 198.51.100.254
ssh 198.51.100.11 22
trusts 10.0.0.0/8 DOCKER-USER
trusts 198.51.100.13/32 ufw-user-forward
address docker0 172.17.0.1/16
address host0 198.51.100.11/24
address host0 2001:db8::11/64
listens 0.0.0.0:22 users:((\"sshd\",pid=79,fd=6))
listens [::]:22 users:((\"sshd\",pid=79,fd=7))
listens *:9100
listens 127.0.0.53%lo:53
denied docker4 12
denied input4 7
docker [{\"Names\":[\"/polls-app\"],\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":8000,\"PublicPort\":80,\"Type\":\"tcp\"},{\"PrivatePort\":9000,\"Type\":\"tcp\"}]}]
";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_says_who_listens_on_which_address() {
        let sight = Sight::parse(PRINTED);
        assert_eq!(sight.peer, Some(ip("198.51.100.254")));
        assert_eq!(sight.ssh.unwrap().to_string(), "198.51.100.11:22");
        assert_eq!(sight.trusts[0].0.to_string(), "10.0.0.0/8");
        assert_eq!(sight.trusts[1].1, "ufw-user-forward");
        let outer: Vec<String> = sight.outer().map(ToString::to_string).collect();
        assert_eq!(outer, ["198.51.100.11/24", "2001:db8::11/64"]);
        assert_eq!(
            sight.ports().into_iter().collect::<Vec<_>>(),
            [22, 80, 9100]
        );
        assert_eq!(sight.listeners[0].program.as_deref(), Some("sshd"));
        assert!(sight.listens(ip("198.51.100.11"), 22));
        assert!(sight.listens(ip("2001:db8::11"), 9100));
        assert!(sight.listeners[3].is_local());
        assert!(!sight.listens(ip("198.51.100.11"), 53));
    }

    #[test]
    fn docker_s_ports_count_only_where_they_are_published() {
        let sight = Sight::parse(PRINTED);
        let published = sight.published.clone().unwrap().unwrap();
        assert_eq!(published.len(), 1, "9000 is exposed only");
        assert_eq!((published[0].port, published[0].inner), (80, 8000));
        assert!(sight.listens(ip("198.51.100.11"), 80));
        assert!(!sight.listens(ip("2001:db8::11"), 80));
        assert_eq!(sight.inner(ip("198.51.100.11"), 80), Some(8000));
        assert_eq!(sight.inner(ip("198.51.100.11"), 9000), None);
    }

    #[test]
    fn a_docker_that_does_not_answer_is_not_one_that_publishes_nothing() {
        assert_eq!(Sight::parse("peer x\n").published, None);
        let silent = Sight::parse("docker null\n").published.unwrap();
        assert!(silent.is_err());
    }

    #[test]
    fn a_rule_that_is_not_there_has_dropped_nothing_known() {
        let denied = Sight::parse(PRINTED).denied;
        assert_eq!((denied.docker4, denied.docker6), (Some(12), None));
    }
}

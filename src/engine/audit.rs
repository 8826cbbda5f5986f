//! Looks at servers that others set up: who gets to which of their ports, from here and from each
//! other, and whether their own firewall says so. Changes nothing: no lock, no file, no receipt.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;

use super::failure::failure;
use super::knock::{Answers, from_here, from_host};
use super::remote::{Remote, ms};
use super::sight::sights;
use super::survey::Survey;
use super::{Events, exit};
use crate::event::{Event, Finding, Summary, Verdict};
use crate::proof::{Alive, Belief, Knock, Published, Reach, Sight, exposures};
use crate::resource::fact::Observed;
use crate::resource::ufw::policy::{Cause, Connection, Fate, Policy};
use crate::ssh::{Address, Via};
use crate::step::HERE;
use crate::vantage;

/// Ports that are looked at whether or not anything is known to listen: SSH, the web, PostgreSQL,
/// Redis.
const ALWAYS: [u16; 5] = [22, 80, 443, 5432, 6379];
/// How the interfaces begin that lead to containers and virtual machines of the host itself.
const INNER: [&str; 7] = ["docker", "br-", "veth", "virbr", "cni", "lxc", "podman"];

/// A server that said what it is like.
struct Server {
    name: String,
    remote: Remote,
    sight: Sight,
    policy: Result<Option<Policy>, String>,
    /// Its addresses, each with the interface that has it; none where another machine translates.
    addresses: BTreeMap<IpAddr, Option<String>>,
    /// Where we are connected to.
    reached: BTreeSet<IpAddr>,
    /// The address it sees us under, if nothing stands between.
    peer: Option<IpAddr>,
}

/// Whoever looks: this machine or one of the servers, and what it saw.
struct Vantage<'a> {
    name: &'a str,
    server: Option<&'a Server>,
    answers: Result<Answers, String>,
}

/// Measures who gets where, and judges it by the servers' own rules.
pub async fn audit(survey: Survey, events: &Events) -> Summary {
    let mut summary = Summary {
        connections: survey.connections,
        ..Summary::default()
    };
    let start = survey.start;
    let mut remotes = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for host in survey.hosts {
        match host.state {
            Ok((remote, observed)) => {
                seen.insert(host.host.clone(), observed);
                remotes.insert(host.host, remote);
            }
            // The survey has said why.
            Err(_) => summary.failed += 1,
        }
    }
    let mut servers = Vec::new();
    for (name, sight) in sights(&remotes).await {
        let (Some(remote), Some(observed)) = (remotes.remove(&name), seen.get(&name)) else {
            continue;
        };
        match sight {
            Ok(sight) => servers.push(Server::new(name, remote, sight, observed).await),
            Err(why) => {
                summary.failed += 1;
                let failure = failure("read", why, "");
                events.send(Event::HostFailed {
                    host: name,
                    failure,
                });
            }
        }
    }
    let knocks = knock(&servers).await;
    let mut findings: Vec<Finding> = servers.iter().filter_map(Server::silent_docker).collect();
    findings.extend(told(&knocks));
    for finding in findings {
        match finding.verdict {
            Verdict::Proven => summary.proven += 1,
            Verdict::Failed | Verdict::Inconclusive => summary.unproven += 1,
        }
        events.send(Event::Found(finding));
    }
    for (host, remark) in exposures(&knocks) {
        events.send(Event::Remarked { host, remark });
    }
    summary.ms = ms(start);
    let sessions = || servers.iter().map(|server| &server.remote.session);
    summary.execs = sessions().map(|session| session.execs()).sum();
    let further = sessions().map(|session| session.connections().saturating_sub(1));
    summary.connections += further.sum::<usize>();
    summary.exit_code = match (summary.unproven, summary.failed) {
        (0, 0) => exit::DONE,
        (0, _) => exit::FAILED,
        _ => exit::EXPOSED,
    };
    events.send(Event::Finished(summary.clone()));
    summary
}

impl Server {
    async fn new(name: String, remote: Remote, sight: Sight, seen: &Observed) -> Self {
        let target = remote.session.target();
        let direct = matches!(target.via, Via::Direct);
        let reached = match (&target.address, direct) {
            (Address::Ip(address), true) => BTreeSet::from([*address]),
            (Address::Name(name), true) => looked_up(name, target.port).await,
            (_, false) => BTreeSet::new(),
        };
        let mut addresses: BTreeMap<IpAddr, Option<String>> = sight
            .addresses
            .iter()
            .filter(|(interface, _)| !INNER.iter().any(|inner| interface.starts_with(inner)))
            .map(|(interface, net)| (net.addr(), Some(interface.clone())))
            .collect();
        for address in &reached {
            addresses.entry(*address).or_default();
        }
        Self {
            policy: Policy::of(seen).map_err(|e| e.to_string()),
            peer: sight.peer.filter(|_| direct),
            name,
            remote,
            sight,
            addresses,
            reached,
        }
    }

    /// The ports to look at.
    fn ports(&self) -> BTreeSet<u16> {
        let mut ports = BTreeSet::from(ALWAYS);
        ports.extend(self.sight.ports());
        ports.insert(self.remote.session.target().port);
        ports
    }

    fn published(&self) -> impl Iterator<Item = &Published> {
        let docker = self.sight.published.iter().flatten().flatten();
        docker.filter(|published| published.protocol == "tcp")
    }

    /// What Docker publishes there. An address that isn't the host's own leads to any of its own.
    fn published_at(&self, address: IpAddr, port: u16) -> Option<&Published> {
        let own = self.is_own(address);
        self.published()
            .find(|p| p.takes(address, port) || (!own && p.port == port))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.addresses.get(&address).is_some_and(Option::is_some)
    }

    fn listens(&self, address: IpAddr, port: u16) -> bool {
        if self.is_own(address) {
            return self.sight.listens(address, port);
        }
        let mut all = self.sight.listeners.iter();
        all.any(|l| l.port == port && !l.is_local()) || self.published_at(address, port).is_some()
    }

    fn is_ssh(&self, port: u16) -> bool {
        let mut all = self.sight.listeners.iter();
        port == self.remote.session.target().port
            || all.any(|l| l.port == port && l.program.as_deref() == Some("sshd"))
    }

    /// What its rules say of a connection.
    fn belief(&self, from: Option<IpAddr>, address: IpAddr, port: u16) -> Belief {
        let policy = match &self.policy {
            Err(why) => return Belief::Undecided(format!("its rules can't be read: {why}")),
            Ok(None) => return Belief::NoFirewall("ufw isn't installed".to_owned()),
            Ok(Some(policy)) if !policy.enabled => {
                return Belief::NoFirewall("ufw is off".to_owned());
            }
            Ok(Some(policy)) => policy,
        };
        let interface = self.addresses.get(&address).cloned().flatten();
        let connection = Connection {
            from,
            // What stands in front of the host has rewritten it.
            to: self.is_own(address).then_some(address),
            port,
            interface,
            six: address.is_ipv6(),
        };
        let input = policy.input(&connection);
        let published = self.published_at(address, port);
        let route = published.map(|published| {
            policy.route(&Connection {
                to: None,
                port: published.inner,
                ..connection
            })
        });
        match (input, route) {
            ((Fate::Allowed, Cause::Rule(rule)), _) => Belief::LetIn(rule),
            (_, Some((Fate::Allowed, Cause::Rule(rule)))) => Belief::LetIn(rule),
            ((Fate::Allowed, Cause::Default), _) => {
                Belief::NoFirewall("ufw lets in whatever no rule names".to_owned())
            }
            ((Fate::Unknown, cause), _) | (_, Some((Fate::Unknown, cause))) => {
                Belief::Undecided(match cause {
                    Cause::Rule(rule) => format!("it depends on `{rule}`"),
                    Cause::Default => "its default policy isn't known".to_owned(),
                })
            }
            ((Fate::Denied, _), _) => Belief::KeptOut,
        }
    }

    /// A Docker that doesn't say what it publishes leaves that open.
    fn silent_docker(&self) -> Option<Finding> {
        let why = self.sight.published.as_ref()?.as_ref().err()?;
        Some(Finding {
            host: self.name.clone(),
            subject: "Docker's ports".to_owned(),
            from: self.name.clone(),
            address: None,
            expected: "a list".to_owned(),
            seen: "not known".to_owned(),
            evidence: why.clone(),
            verdict: Verdict::Inconclusive,
        })
    }

    /// The addresses that a vantage can tell something by: public ones, and private ones of a
    /// network that both are on. From here those that we came in by: any other private address may
    /// be somebody else's in our own network, or answered by whatever stands on the way.
    fn addresses_for(&self, from: Option<&Self>) -> Vec<IpAddr> {
        let on_one_network = |address: IpAddr| match from {
            None => self.reached.contains(&address),
            Some(other) => {
                let mine = |(_, net): &&(String, ipnet::IpNet)| net.addr() == address;
                let net = self.sight.addresses.iter().find(mine);
                let mut theirs = other.sight.addresses.iter();
                net.is_some_and(|(_, net)| theirs.any(|(_, other)| net.contains(&other.addr())))
            }
        };
        let all = self.addresses.keys().copied();
        all.filter(|address| !is_private(*address) || on_one_network(*address))
            .collect()
    }
}

/// Addresses of private networks (RFC 1918, RFC 4193) and of shared ones (RFC 6598).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

async fn looked_up(name: &str, port: u16) -> BTreeSet<IpAddr> {
    // A name that ssh got in by and that leads nowhere now is one address less to look at.
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map(|all| all.map(|address| address.ip()).collect());
    found.unwrap_or_default()
}

/// Tries every port of every server by every address, from everywhere at once.
async fn knock(servers: &[Server]) -> Vec<Knock> {
    let targets = |from: Option<&Server>| -> Vec<SocketAddr> {
        let others = servers
            .iter()
            .filter(|server| from.is_none_or(|from| from.name != server.name));
        others
            .flat_map(|server| {
                let ports = server.ports();
                let addresses = server.addresses_for(from).into_iter();
                addresses.flat_map(move |address| {
                    let ports = ports.clone().into_iter();
                    ports.map(move |port| SocketAddr::new(address, port))
                })
            })
            .collect()
    };
    let here = async {
        Vantage {
            name: HERE,
            server: None,
            answers: Ok(from_here(&targets(None)).await),
        }
    };
    let others = servers.iter().map(|server| {
        let targets = targets(Some(server));
        async move {
            Vantage {
                name: &server.name,
                server: Some(server),
                answers: from_host(&server.remote, &targets).await,
            }
        }
    });
    let (here, others) = tokio::join!(here, join_all(others));
    let vantages: Vec<Vantage<'_>> = std::iter::once(here).chain(others).collect();
    let mut knocks = Vec::new();
    for server in servers {
        for port in server.ports() {
            for vantage in &vantages {
                for address in server.addresses_for(vantage.server) {
                    knocks.extend(one(server, vantage, &vantages, address, port).await);
                }
            }
        }
    }
    knocks
}

/// What came of one connection, if it was tried and is of account.
async fn one(
    server: &Server,
    vantage: &Vantage<'_>,
    all: &[Vantage<'_>],
    address: IpAddr,
    port: u16,
) -> Option<Knock> {
    let to = SocketAddr::new(address, port);
    let outside = vantage.name == HERE;
    if vantage.name == server.name {
        return None;
    }
    let answered = |vantage: &Vantage<'_>, is: &dyn Fn(IpAddr) -> bool| {
        let answers = vantage.answers.iter().flat_map(|answers| &answers.reaches);
        let mut spoke = answers.filter(|(_, reach)| matches!(reach, Reach::Open | Reach::Refused));
        spoke.any(|(to, _)| is(to.ip()))
    };
    let alive = if answered(vantage, &|ip| ip == address) {
        Alive::Here
    } else if all.iter().any(|other| answered(other, &|ip| ip == address))
        && answered(vantage, &|ip| ip.is_ipv4() == address.is_ipv4())
    {
        Alive::Elsewhere
    } else {
        Alive::Unknown
    };
    let (reach, source) = match &vantage.answers {
        Ok(answers) => (
            answers.reaches.get(&to).cloned()?,
            answers.sources.get(&address).copied(),
        ),
        Err(why) => (Reach::Unreachable(why.clone()), None),
    };
    let source = match outside {
        true => here_as_seen(server, address).await,
        false => source,
    };
    Some(Knock {
        host: server.name.clone(),
        from: vantage.name.to_owned(),
        address,
        port,
        reach,
        belief: server.belief(source, address, port),
        listens: server.listens(address, port),
        container: server
            .published_at(address, port)
            .map(|p| p.container.clone()),
        ssh: server.is_ssh(port),
        outside,
        alive,
    })
}

/// Under which address a server sees this machine by one of its addresses: as its sshd says, or
/// as our own routes do where no translation is to be expected.
async fn here_as_seen(server: &Server, address: IpAddr) -> Option<IpAddr> {
    let same = |peer: &IpAddr| peer.is_ipv4() == address.is_ipv4();
    let by = |reached: &IpAddr| is_private(*reached) == is_private(address) && same(reached);
    match server.peer.filter(same) {
        Some(peer) if server.reached.iter().any(by) => Some(peer),
        _ => vantage::source(SocketAddr::new(address, 443))
            .await
            .filter(|source| is_private(*source) == is_private(address)),
    }
}

/// Findings for a report. Where an address doesn't answer a vantage at all, that is said once and
/// not for every port.
fn told(knocks: &[Knock]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for knock in knocks {
        let mut finding = knock.finding();
        let whole = finding.verdict == Verdict::Inconclusive && knock.reach != Reach::Open;
        if whole {
            finding.subject = "any port".to_owned();
            finding.expected = "an answer, if only by a reset".to_owned();
            let same = |known: &Finding| {
                (&known.host, &known.from, &known.address, &known.subject)
                    == (
                        &finding.host,
                        &finding.from,
                        &finding.address,
                        &finding.subject,
                    )
            };
            if findings.iter().any(same) {
                continue;
            }
        }
        findings.push(finding);
    }
    findings
}

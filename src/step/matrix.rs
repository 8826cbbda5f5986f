//! What must be seen of every host and port, from every vantage: what site.toml says of it, and
//! what the hosts say of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::app;
use super::app::environment::{POSTGRES, REDIS};
use crate::proof::{Check, Claim, Sight};
use crate::site::{Allow, Host, Mode, Role, Site, Target};

/// What a stranger looks for first, whether or not it is there: the web, PostgreSQL, Redis.
const KNOWN: [u16; 4] = [80, 443, POSTGRES, REDIS];

/// The vantage of the operator's machine.
pub const HERE: &str = "here";

/// A place outside of the site's hosts that they are looked at from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// "here", or the name of a further server.
    pub name: String,
    /// The addresses that it comes in under, as far as they are known.
    pub addresses: Vec<IpAddr>,
}

/// Every cell of the matrix: each host's ports of interest by each of its addresses, from each
/// vantage that has a way there. Without a sight of a host, what site.toml says is all there is.
pub fn cells(site: &Site, sights: &BTreeMap<String, Sight>, outside: &[Vantage]) -> Vec<Check> {
    let matrix = Matrix { site, sights };
    let mut checks = Vec::new();
    for host in site.hosts.values() {
        let inside = site.hosts.values().filter(|other| other.name != host.name);
        let mut vantages: Vec<From<'_>> = outside.iter().map(|v| matrix.outsider(v)).collect();
        vantages.extend(inside.map(|other| matrix.neighbour(other)));
        let both = host.roles.contains(&Role::App) && host.roles.contains(&Role::Proxy);
        if both && !site.alone(host) {
            let address = host.inner_from(host);
            let claim = matrix.published(&matrix.neighbour(host), host, address);
            let name = host.name.as_str();
            checks.push(check(name, name, Some(address), claim));
        }
        let ports = matrix.ports(host);
        for from in &vantages {
            for address in matrix.addresses(host) {
                if !matrix.has_way(from, host, address) {
                    continue;
                }
                for port in &ports {
                    let Some(claim) = matrix.claim(from, host, address, *port) else {
                        continue;
                    };
                    checks.push(check(host.name.as_str(), from.name, Some(address), claim));
                }
            }
        }
    }
    checks
}

/// One thing to look at.
pub(super) fn check(host: &str, from: &str, address: Option<IpAddr>, claim: Claim) -> Check {
    Check {
        host: host.to_owned(),
        from: from.to_owned(),
        address: address.map(|address| address.to_string()),
        claim,
    }
}

/// An address that only a private network knows (RFC 1918, RFC 4193).
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// Whoever looks.
struct From<'a> {
    name: &'a str,
    /// One of the site's hosts.
    host: Option<&'a Host>,
    addresses: Vec<IpAddr>,
}

impl From<'_> {
    /// Whether these sources have it among them. `None` if its address of that family isn't known.
    fn is_in(&self, sources: &[String], family: IpAddr) -> Option<bool> {
        let same = |address: &&IpAddr| address.is_ipv4() == family.is_ipv4();
        let own: Vec<&IpAddr> = self.addresses.iter().filter(same).collect();
        let named = |source: &String| {
            let alone = source.parse::<IpAddr>().ok().map(IpNet::from);
            let net = source.parse::<IpNet>().ok().or(alone);
            net.filter(|net| net.addr().is_ipv4() == family.is_ipv4())
        };
        let nets: Vec<IpNet> = sources.iter().filter_map(named).collect();
        if nets.is_empty() {
            return Some(sources.is_empty());
        }
        if own.is_empty() {
            return None;
        }
        Some(
            nets.iter()
                .any(|net| own.iter().any(|own| net.contains(*own))),
        )
    }
}

struct Matrix<'a> {
    site: &'a Site,
    sights: &'a BTreeMap<String, Sight>,
}

impl<'a> Matrix<'a> {
    fn sight(&self, host: &Host) -> Option<&'a Sight> {
        self.sights.get(host.name.as_str())
    }

    fn outsider(&self, vantage: &'a Vantage) -> From<'a> {
        From {
            name: &vantage.name,
            host: None,
            addresses: vantage.addresses.clone(),
        }
    }

    fn neighbour(&self, host: &'a Host) -> From<'a> {
        let mut addresses = host.public();
        addresses.extend(host.private);
        let seen = self.sight(host).into_iter().flat_map(Sight::outer);
        addresses.extend(seen.map(IpNet::addr));
        From {
            name: host.name.as_str(),
            host: Some(host),
            addresses,
        }
    }

    /// The addresses of site.toml, and those that the host has beside them and others can reach:
    /// public ones, and private ones on a network that another host is on.
    fn addresses(&self, host: &Host) -> Vec<IpAddr> {
        let mut all = host.public();
        all.extend(host.private);
        for net in self.sight(host).into_iter().flat_map(Sight::outer) {
            let others = self.site.hosts.values().filter(|o| o.name != host.name);
            let shares = |other: &Host| self.on(other, net);
            if !is_private(net.addr()) || others.into_iter().any(shares) {
                all.push(net.addr());
            }
        }
        let mut known = BTreeSet::new();
        all.retain(|address| known.insert(*address));
        all
    }

    /// Whether a host has an address on this network.
    fn on(&self, host: &Host, net: &IpNet) -> bool {
        let mut seen = self.sight(host).into_iter().flat_map(Sight::outer);
        seen.any(|own| own.trunc() == net.trunc())
    }

    /// What is looked at, whether or not it listens.
    fn ports(&self, host: &Host) -> BTreeSet<u16> {
        let mut ports = BTreeSet::from(KNOWN);
        ports.insert(self.ssh(host));
        if !self.site.alone(host) {
            ports.insert(self.site.app.publish);
        }
        ports.extend(self.allowed(host).map(|allow| allow.port));
        ports.extend(self.sight(host).map(Sight::ports).unwrap_or_default());
        ports
    }

    /// sshd's port: the one that we came in by, if the host says so.
    fn ssh(&self, host: &Host) -> u16 {
        let seen = self.sight(host).and_then(|sight| sight.ssh);
        seen.map_or_else(|| host.port(), |end| end.port())
    }

    /// The further ports that the site opens on a host.
    fn allowed(&self, host: &'a Host) -> impl Iterator<Item = &'a Allow> {
        let here = |allow: &&Allow| allow.on.is_none_or(|role| host.roles.contains(&role));
        self.site.firewall.allow.iter().filter(here)
    }

    fn has_way(&self, from: &From<'_>, host: &Host, address: IpAddr) -> bool {
        let named = host.public().contains(&address);
        if !is_private(address) {
            // Without an address of that family there is no way to it. What site.toml names has
            // to be reached from here all the same.
            let family = |own: &IpAddr| own.is_ipv4() == address.is_ipv4() && !is_private(*own);
            let natted = address.is_ipv4();
            return natted || from.addresses.iter().any(family) || (named && from.name == HERE);
        }
        if named && from.name == HERE && self.site.way(host).is_empty() {
            return true;
        }
        let nets = self.sight(host).into_iter().flat_map(Sight::outer);
        let net = nets.into_iter().find(|net| net.addr() == address);
        match (net, from.host) {
            (Some(net), Some(other)) if self.sight(other).is_some() => self.on(other, net),
            (Some(net), None) => from.addresses.iter().any(|own| net.contains(own)),
            // As site.toml has it.
            (_, Some(other)) => named || host.inner_from(other) == address,
            (None, None) => false,
        }
    }

    /// What must be seen in one cell; `None` where nothing can be said.
    fn claim(&self, from: &From<'_>, host: &Host, address: IpAddr, port: u16) -> Option<Claim> {
        let has = |role| host.roles.contains(&role);
        let sight = self.sight(host);
        let listens = sight.map(|sight| sight.listens(address, port));
        let open = || match listens {
            Some(false) => Claim::Closed(port),
            _ => Claim::Open(port),
        };
        let public = host.public().contains(&address);
        if port == self.ssh(host) {
            // Behind a bastion, SSH need not answer to the world.
            let behind = from.host.is_none() && !self.site.way(host).is_empty();
            return (!behind).then(|| {
                match public && from.name == HERE && address == host.address {
                    true => Claim::Open(port),
                    false => open(),
                }
            });
        }
        if has(Role::Proxy) && [80, 443].contains(&port) {
            let tls = !matches!(self.site.tls.mode, Mode::Off);
            if port == 443 && !tls {
                return Some(Claim::Closed(port));
            }
            // The page is asked for instead.
            let page = port == (if tls { 443 } else { 80 }) && public && from.name == HERE;
            return (!page).then(|| if public { Claim::Open(port) } else { open() });
        }
        let publishes =
            app::service::private_only(self.site, host).is_none_or(|only| only == address);
        let alone = self.site.alone(host);
        if has(Role::App) && !alone && port == self.site.app.publish && publishes {
            return Some(self.published(from, host, address));
        }
        if self.is_client(from, host, address, port) {
            return Some(open());
        }
        let inner = sight.and_then(|sight| sight.inner(address, port));
        let let_in = self.let_in(from, host, address, (port, inner));
        Some(match (let_in, listens) {
            (_, Some(false)) => Claim::Closed(port),
            (None, _) => Claim::Either(port),
            (Some(true), _) => Claim::Open(port),
            (Some(false), Some(true)) => Claim::Blocked(port),
            (Some(false), None) => Claim::Closed(port),
        })
    }

    /// Whether the database or the cache on a host is there for this vantage, by this address.
    fn is_client(&self, from: &From<'_>, host: &Host, address: IpAddr, port: u16) -> bool {
        let role = match port {
            POSTGRES => Role::Db,
            REDIS => Role::Cache,
            _ => return false,
        };
        let Some(from) = from.host.filter(|_| host.roles.contains(&role)) else {
            return false;
        };
        let clients = self.site.data_clients(role);
        let named = clients.iter().any(|client| client.name == from.name);
        named && host.inner_from(from) == address
    }

    /// Whether site.toml lets a vantage in to a port of the host; `None` if it can't be known.
    /// `inner` is the container's port, if Docker publishes it: packets arrive with that one.
    fn let_in(
        &self,
        from: &From<'_>,
        host: &Host,
        address: IpAddr,
        (port, inner): (u16, Option<u16>),
    ) -> Option<bool> {
        let any = |to: Target, port: u16| {
            let mut rules = self
                .allowed(host)
                .filter(|allow| allow.to == to && allow.port == port);
            rules.try_fold(false, |any, allow| {
                from.is_in(&allow.from, address).map(|is| any || is)
            })
        };
        let Some(inner) = inner else {
            return any(Target::Host, port);
        };
        let through = any(Target::Container, inner);
        if address.is_ipv4() {
            return through;
        }
        // A container without IPv6 is reached through a program on the host, where the rules for
        // the host decide; which of the two it is isn't known here.
        match (through, any(Target::Host, port)) {
            (Some(one), Some(other)) if one == other => Some(one),
            _ => None,
        }
    }

    /// The app's own port: the proxy has to get the page by the address that nginx uses.
    fn published(&self, from: &From<'_>, host: &Host, address: IpAddr) -> Claim {
        let port = self.site.app.publish;
        let proxy = from.host.filter(|other| other.roles.contains(&Role::Proxy));
        match proxy {
            // It speaks another protocol than a page is asked for by.
            Some(proxy)
                if host.inner_from(proxy) == address
                    && app::serve::speaks_uwsgi(&self.site.app) =>
            {
                Claim::Open(port)
            }
            Some(proxy) if host.inner_from(proxy) == address => Claim::Page {
                path: self.site.app.health.to_string(),
                status: 200,
            },
            Some(proxy) => self.by_another_way(proxy, host, address),
            None => {
                let inner = Some(self.site.app.port);
                match self.let_in(from, host, address, (port, inner)) {
                    Some(false) => Claim::Blocked(port),
                    Some(true) => Claim::Open(port),
                    None => Claim::Either(port),
                }
            }
        }
    }

    /// The app's own port, by an address that nginx doesn't use: the proxy's own addresses are let
    /// in, as far as site.toml knows them.
    fn by_another_way(&self, proxy: &Host, host: &Host, address: IpAddr) -> Claim {
        let port = self.site.app.publish;
        let same = |own: &IpAddr| own.is_ipv4() == address.is_ipv4();
        let told = !self.site.firewall.proxy_addresses.is_empty();
        let public = host.public().contains(&address);
        let listens = self.sight(host).map(|sight| sight.listens(address, port));
        if listens == Some(false) {
            Claim::Closed(port)
        } else if told || (!public && !is_private(address)) {
            Claim::Either(port)
        } else if public && proxy.public().iter().any(same) {
            Claim::Open(port)
        } else {
            // It comes by an address that no rule names.
            Claim::Blocked(port)
        }
    }
}

#[cfg(test)]
mod tests;

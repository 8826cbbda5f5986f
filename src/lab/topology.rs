//! The lab's fixed names and addresses: one lab at a time, always at the same place.
//!
//! 198.51.100.0/24 and 2001:db8::/32 are documentation ranges (RFC 5737, RFC 3849): no
//! real network is hidden by them, and no RFC 1918 rule mistakes them for private.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Error;

/// The bridge that plays the Internet, in the machine's own network namespace.
pub(super) const BRIDGE: &str = "br-provision";
/// The bridge of the provider's private network. The machine has no address on it.
pub(super) const PRIVATE_BRIDGE: &str = "br-prov-private";
/// The network namespace of a stranger.
pub(super) const OUTSIDE: &str = "lab-outside";
/// The public network.
pub(super) const NETWORK: &str = "198.51.100.0/24";
/// The machine's own address: gateway, registry mirror, ACME directory, resolver.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 254);
/// The machine's own IPv6 address.
pub const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xfe);
/// The stranger's address.
pub const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
/// The stranger's IPv6 address.
pub const STRANGER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);
/// The registry mirror's port.
pub const REGISTRY_PORT: u16 = 5000;
/// The ACME directory's port.
pub const ACME_PORT: u16 = 14000;
/// The port where the ACME server tells its roots.
pub const ACME_MANAGEMENT_PORT: u16 = 15000;
/// The resolver's port (UDP and TCP).
pub const DNS_PORT: u16 = 8053;
/// The port where the resolver is told names.
pub const DNS_MANAGEMENT_PORT: u16 = 8055;
/// The site's name.
pub const DOMAIN: &str = "polls.example.test";

/// The proxy's public address.
pub const PROXY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 13);

/// What a lab machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A host of site.toml, with its role there.
    Host(&'static str),
    /// The managed database; not in site.toml.
    Database,
}

/// One machine of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: Purpose,
    number: u8,
}

/// All machines, in the order they are shown.
pub const MACHINES: [Machine; 4] = [
    Machine {
        name: "app1",
        purpose: Purpose::Host("app"),
        number: 11,
    },
    Machine {
        name: "app2",
        purpose: Purpose::Host("app"),
        number: 12,
    },
    Machine {
        name: "proxy",
        purpose: Purpose::Host("proxy"),
        number: 13,
    },
    Machine {
        name: "db",
        purpose: Purpose::Database,
        number: 14,
    },
];

impl Machine {
    /// The machine of that name.
    pub(super) fn named(name: &str) -> Result<&'static Self, Error> {
        MACHINES
            .iter()
            .find(|machine| machine.name == name)
            .ok_or_else(|| Error::UnknownHost {
                name: name.to_owned(),
                known: MACHINES.map(|machine| machine.name).join(", "),
            })
    }

    /// Its public address.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, self.number)
    }

    /// Its public IPv6 address; its last group reads like the last number of [`Self::address`].
    pub fn ipv6(&self) -> Ipv6Addr {
        let number = u16::from(self.number);
        let group = ((number / 10) << 4) | (number % 10);
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, group)
    }

    /// Its address on the private network.
    pub fn private(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 20, 0, self.number)
    }

    /// Every address it answers on.
    pub(super) fn addresses(&self) -> [IpAddr; 3] {
        [
            self.address().into(),
            self.ipv6().into(),
            self.private().into(),
        ]
    }

    /// Its network namespace, also its name as a container and its control group.
    pub(super) fn namespace(&self) -> String {
        format!("lab-{}", self.name)
    }

    /// The outer end of its public (0) or private (1) interface; at most 15 bytes.
    pub(super) fn link(&self, interface: u8) -> String {
        format!("lab-{}-{interface}", self.name)
    }
}

/// The proxy: the site's name points to it.
pub(super) fn proxy() -> &'static Machine {
    &MACHINES[2]
}

/// The database machine.
pub(super) fn database() -> &'static Machine {
    &MACHINES[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_have_the_addresses_the_recipe_gives_them() {
        let shown: Vec<String> = MACHINES
            .iter()
            .map(|m| format!("{} {} {} {}", m.name, m.address(), m.ipv6(), m.private()))
            .collect();
        assert_eq!(
            shown,
            [
                "app1 198.51.100.11 2001:db8::11 10.20.0.11",
                "app2 198.51.100.12 2001:db8::12 10.20.0.12",
                "proxy 198.51.100.13 2001:db8::13 10.20.0.13",
                "db 198.51.100.14 2001:db8::14 10.20.0.14",
            ]
        );
        assert_eq!(proxy().purpose, Purpose::Host("proxy"));
        assert_eq!(database().purpose, Purpose::Database);
    }

    #[test]
    fn interface_names_fit_the_kernels_limit_of_15_bytes() {
        let mut names: Vec<String> = MACHINES
            .iter()
            .flat_map(|m| [m.link(0), m.link(1)])
            .collect();
        names.extend([BRIDGE, PRIVATE_BRIDGE, "lab-outside-0"].map(String::from));
        for name in names {
            assert!(name.len() <= 15, "{name}");
        }
    }

    #[test]
    fn an_unknown_host_is_refused_with_the_known_ones() {
        let text = Machine::named("app3").unwrap_err().to_string();
        assert!(text.contains("app1, app2, proxy, db"), "{text}");
    }
}

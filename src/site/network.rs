//! IP networks as they are written in rules: address, slash, prefix length.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// An IP network without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

/// Why a network was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotANetwork {
    /// It isn't an address, a slash and a prefix length.
    Malformed,
    /// Bits are set after the prefix; this is the network without them.
    HostBits(Network),
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(written: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = written.split_once('/').ok_or(NotANetwork::Malformed)?;
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Malformed)?;
        let all_digits = !prefix.is_empty() && prefix.bytes().all(|c| c.is_ascii_digit());
        let prefix: u8 = prefix.parse().map_err(|_| NotANetwork::Malformed)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if !all_digits || prefix > longest {
            return Err(NotANetwork::Malformed);
        }
        let network = Self {
            address: cut(address, prefix),
            prefix,
        };
        if network.address == address {
            Ok(network)
        } else {
            Err(NotANetwork::HostBits(network))
        }
    }
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && cut(address, self.prefix) == self.address
    }

    /// Whether it is one address and no more.
    pub fn is_one_address(&self) -> bool {
        self.prefix == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether it lies wholly in one of the networks of RFC 1918.
    pub fn is_private_v4(&self) -> bool {
        let private = [
            (Ipv4Addr::new(10, 0, 0, 0), 8),
            (Ipv4Addr::new(172, 16, 0, 0), 12),
            (Ipv4Addr::new(192, 168, 0, 0), 16),
        ];
        private.iter().any(|(address, prefix)| {
            let outer = Self {
                address: IpAddr::V4(*address),
                prefix: *prefix,
            };
            self.prefix >= *prefix && outer.contains(self.address)
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_host_bits_and_a_prefix_that_fits() {
        for good in [
            "0.0.0.0/0",
            "10.1.2.3/32",
            "172.30.0.0/16",
            "2001:db8::/32",
            "::/0",
        ] {
            assert_eq!(
                good.parse::<Network>().map(|n| n.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "x/8",
            "::/129",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork::Malformed), "{bad}");
        }
        let Err(NotANetwork::HostBits(mended)) = "10.0.0.1/8".parse::<Network>() else {
            panic!("host bits were let through");
        };
        assert_eq!(mended.to_string(), "10.0.0.0/8");
    }

    #[test]
    fn only_networks_inside_rfc_1918_are_private() {
        for (written, private) in [
            ("10.0.0.0/8", true),
            ("172.30.0.0/16", true),
            ("172.16.0.0/11", false),
            ("172.32.0.0/16", false),
            ("192.168.0.0/15", false),
            ("8.0.0.0/7", false),
            ("fd00::/8", false),
        ] {
            let seen = written
                .parse::<Network>()
                .map(|network| network.is_private_v4());
            assert_eq!(seen.unwrap_or(false), private, "{written}");
        }
    }
}

//! Which silent packets the deny rules have counted: that is what tells a firewall from a lost
//! packet, and one firewall from another in front of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::future::join_all;

use crate::engine::remote::Remote;
use crate::engine::sight;
use crate::proof::{Denied, Sight};

/// Where a packet is dropped, if the host itself does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// On the way to a container, IPv4.
    Docker4,
    /// On the way to the host itself, IPv4.
    Input4,
    /// IPv6: whether Docker's own proxy or its rules take a packet depends on its networks.
    Six,
}

impl Kind {
    /// Where packets to this address and port of a host are dropped.
    pub(super) fn of(to: SocketAddr, sight: Option<&Sight>) -> Self {
        match sight {
            _ if to.is_ipv6() => Self::Six,
            Some(sight) if sight.publishes(to.ip(), to.port()) => Self::Docker4,
            _ => Self::Input4,
        }
    }

    /// By how much this kind's counters moved; `None` where there are none.
    pub(super) fn moved(self, before: &Denied, after: &Denied) -> Option<u64> {
        let moved = |before: Option<u64>, after: Option<u64>| {
            Some(after?.saturating_sub(before.unwrap_or_default()))
        };
        match self {
            Self::Docker4 => moved(before.docker4, after.docker4),
            Self::Input4 => moved(before.input4, after.input4),
            Self::Six => {
                let docker = moved(before.docker6, after.docker6);
                let input = moved(before.input6, after.input6);
                match (docker, input) {
                    (None, None) => None,
                    (docker, input) => Some(docker.unwrap_or_default() + input.unwrap_or_default()),
                }
            }
        }
    }
}

/// What the counters of hosts have come to, all asked at once. A host that doesn't answer is left
/// out.
pub(super) async fn counters<'a>(
    remotes: impl Iterator<Item = &'a Remote>,
) -> BTreeMap<String, Denied> {
    let all = remotes.map(|remote| async move {
        let denied = sight::denied(remote).await.ok()?;
        Some((remote.host.clone(), denied))
    });
    join_all(all).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_counters_of_the_way_a_packet_takes_speak_for_it() {
        let before = Denied {
            docker4: Some(10),
            input4: Some(5),
            docker6: None,
            input6: Some(1),
        };
        let after = Denied {
            docker4: Some(12),
            input4: Some(5),
            docker6: Some(3),
            input6: Some(2),
        };
        assert_eq!(Kind::Docker4.moved(&before, &after), Some(2));
        assert_eq!(Kind::Input4.moved(&before, &after), Some(0));
        assert_eq!(Kind::Six.moved(&before, &after), Some(4));
        assert_eq!(Kind::Input4.moved(&before, &Denied::default()), None);
    }

    #[test]
    fn a_published_port_is_dropped_on_the_way_to_its_container() {
        let sight = Sight::parse(
            "docker [{\"Names\":[\"/a\"],\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":8000,\
             \"PublicPort\":80,\"Type\":\"tcp\"}]}]\n",
        );
        let kind = |to: &str| Kind::of(to.parse().unwrap(), Some(&sight));
        assert_eq!(kind("198.51.100.11:80"), Kind::Docker4);
        assert_eq!(kind("198.51.100.11:5432"), Kind::Input4);
        assert_eq!(kind("[2001:db8::11]:80"), Kind::Six);
    }
}

//! What makes a vantage or a silence doubtful: this machine may be one that the hosts trust, and
//! something in front of a host may drop packets before its own rules do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Scene;
use super::silence::Kind;
use crate::event::{Level, Remark};
use crate::proof::Sight;
use crate::site::{Host, Role, Site};
use crate::ssh::Via;

/// Silence of one kind on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub host: String,
    pub kind: Kind,
    /// Connections that got no answer.
    pub silent: u64,
    /// Packets that each of them has sent at least.
    pub each: u64,
    /// Packets that the deny rules of this kind have dropped meanwhile; `None` where there is no
    /// such rule.
    pub moved: Option<u64>,
    /// Whether the host could be asked for its counters.
    pub known: bool,
    /// The ports among them that listen.
    pub listening: BTreeSet<u16>,
    /// The ports among those that must be open.
    pub wanted: BTreeSet<u16>,
}

impl Tally {
    /// Whether the packets of every connection were counted.
    pub(super) fn settled(&self) -> bool {
        self.moved
            .is_some_and(|moved| moved >= self.silent * self.each)
    }
}

/// Why a host trusts this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trusted {
    peer: IpAddr,
    why: String,
}

impl Trusted {
    /// For the evidence of what is seen from here.
    pub(super) fn words(&self) -> String {
        format!("no stranger's view: {} {}", self.peer, self.why)
    }
}

/// The hosts that trust this machine's address, as they see it, and why.
pub(super) fn trusted(scene: &Scene<'_>) -> BTreeMap<String, Trusted> {
    let site = &scene.settings.site;
    let mut all = BTreeMap::new();
    for (name, remote) in scene.remotes {
        let Some(Ok(sight)) = scene.sights.get(name) else {
            continue;
        };
        // Behind a bastion it is the bastion's address.
        let direct = remote.session.target().via == Via::Direct;
        let host = site.hosts.values().find(|host| host.name.as_str() == name);
        if let Some(peer) = sight.peer.filter(|_| direct)
            && let Some(why) = reason(peer, site, host, sight)
        {
            all.insert(name.clone(), Trusted { peer, why });
        }
    }
    all
}

fn reason(peer: IpAddr, site: &Site, host: Option<&Host>, sight: &Sight) -> Option<String> {
    let has = |role| host.is_some_and(|host| host.roles.contains(&role));
    for allow in &site.firewall.allow {
        if host.is_none() || allow.on.is_some_and(|role| !has(role)) {
            continue;
        }
        let alone = |source: &String| source.parse::<IpAddr>().ok().map(IpNet::from);
        let contains = |source: &&String| {
            let net = source.parse::<IpNet>().ok().or_else(|| alone(source));
            net.is_some_and(|net| net.contains(&peer))
        };
        if let Some(source) = allow.from.iter().find(contains) {
            return Some(match source.contains('/') {
                true => format!("lies in {source}, which firewall.allow lets in"),
                false => "is let in by firewall.allow".to_owned(),
            });
        }
    }
    let proxies = site.with_role(Role::Proxy);
    let mut own = proxies.flat_map(|proxy| proxy.public().into_iter().chain(proxy.private));
    if has(Role::App)
        && (own.any(|own| own == peer) || site.firewall.proxy_addresses.contains(&peer))
    {
        return Some("is the proxy's address".to_owned());
    }
    let private = |net: &&IpNet| match net.addr() {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    let mut nets = sight.outer().filter(private);
    if let Some(net) = nets.find(|net| net.contains(&peer)) {
        return Some(format!(
            "lies in {}, the host's private network",
            net.trunc()
        ));
    }
    let mut rules = sight.trusts.iter();
    let rule = rules.find(|(net, _)| net.contains(&peer));
    rule.map(
        |(net, chain)| match net.prefix_len() == net.max_prefix_len() {
            true => format!("is let in by a rule in {chain}"),
            false => format!("lies in {net}, which a rule in {chain} lets in"),
        },
    )
}

/// That this machine is no stranger to a host.
pub(super) fn of_vantage(trusted: &BTreeMap<String, Trusted>) -> Vec<(String, Remark)> {
    let remark = |trusted: &Trusted| Remark {
        level: Level::Warning,
        rule: "trusted-vantage".to_owned(),
        what: format!("this machine's address {} {}", trusted.peer, trusted.why),
        why: "what is open or blocked from here is not what a stranger sees".to_owned(),
        mend: "look from a server elsewhere too: from = [\"user@host\"] in [verify]".to_owned(),
    };
    let all = trusted.iter();
    all.map(|(host, trusted)| (host.clone(), remark(trusted)))
        .collect()
}

/// That packets vanish without any of the host's own rules having counted them: by what was
/// looked at again, where the counters speak of nothing else, and by what was not.
pub(super) fn of_silence(first: &[Tally], again: &[Tally]) -> Vec<(String, Remark)> {
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let anew = |tally: &&Tally| {
        let mut again = again.iter();
        !again.any(|other| other.host == tally.host && other.kind == tally.kind)
    };
    let once = first.iter().filter(anew).filter(|t| t.moved == Some(0));
    for tally in again.iter().chain(once).filter(|tally| tally.known) {
        let family = match tally.kind {
            Kind::Docker4 | Kind::Input4 => "IPv4",
            Kind::Six => "IPv6",
        };
        let ports = |ports: &BTreeSet<u16>| {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            ports.join(", ")
        };
        let what = match tally.moved {
            Some(0) => format!(
                "{} connections over {family} got no answer, and no deny rule has counted them",
                tally.silent
            ),
            Some(_) if !tally.settled() && !tally.wanted.is_empty() => format!(
                "{}/tcp listens and is let in, and gets no answer over {family}",
                ports(&tally.wanted)
            ),
            None if !tally.listening.is_empty() => format!(
                "{}/tcp listens, gets no answer over {family}, and no deny rule is known that \
                 could drop it",
                ports(&tally.listening)
            ),
            _ => continue,
        };
        all.entry(&tally.host).or_default().insert(what);
    }
    let remark = |what: String| Remark {
        level: Level::Warning,
        rule: "provider-firewall".to_owned(),
        what,
        why: "something in front of the host drops packets before its own rules see them: what is \
              blocked may be so by that alone, and is open when that is changed"
            .to_owned(),
        mend: "look at the provider's firewall: it must let in what the site serves, and can't \
               stand in for the host's own rules"
            .to_owned(),
    };
    all.into_iter()
        .flat_map(|(host, whats)| {
            let host = host.to_owned();
            whats
                .into_iter()
                .map(move |what| (host.clone(), remark(what)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(silent: u64, moved: Option<u64>, ports: &[u16], wanted: bool) -> Tally {
        let listening: BTreeSet<u16> = ports.iter().copied().collect();
        Tally {
            host: "app1".to_owned(),
            kind: Kind::Docker4,
            silent,
            each: 1,
            moved,
            known: true,
            wanted: if wanted {
                listening.clone()
            } else {
                BTreeSet::new()
            },
            listening,
        }
    }

    #[test]
    fn silence_that_no_rule_has_counted_is_somebody_else_s() {
        let remarked = |tally: Tally| {
            let remarks = of_silence(&[], &[tally]);
            remarks.into_iter().map(|(_, remark)| remark.what).next()
        };
        assert!(remarked(tally(3, Some(0), &[80], false)).is_some());
        assert!(remarked(tally(3, Some(6), &[80], false)).is_none());
        // Others send packets too: one that was counted may have been theirs.
        assert!(remarked(tally(3, Some(1), &[80], false)).is_none());
        let open = remarked(tally(3, Some(1), &[22], true)).unwrap();
        assert!(open.starts_with("22/tcp listens and is let in"), "{open}");
        assert!(remarked(tally(1, None, &[80], false)).is_some());
        assert!(remarked(tally(1, None, &[], false)).is_none());
        let asked = Tally {
            known: false,
            ..tally(1, None, &[80], false)
        };
        assert!(remarked(asked).is_none());
        // What wasn't looked at again was counted, unless nothing was.
        let once = |tally: Tally| of_silence(&[tally], &[]).len();
        assert_eq!(once(tally(3, Some(0), &[], false)), 1);
        assert_eq!(once(tally(3, Some(1), &[22], true)), 0);
    }

    #[test]
    fn a_machine_that_rules_or_networks_let_in_is_no_stranger() {
        let text = "name = \"polls\"\ndomains = [\"polls.example.com\"]\n\
                    [hosts.app1]\naddress = \"198.51.100.11\"\nrole = \"app\"\n\
                    [hosts.proxy]\naddress = \"198.51.100.13\"\nrole = \"proxy\"\n\
                    [app]\nsource = { image = \"polls:1\" }\n[tls]\nemail = \"a@example.com\"\n\
                    [firewall]\nallow = [{ port = 1, from = [\"192.0.2.0/24\"], on = \"app\" }]\n";
        let file = std::path::Path::new("/nowhere/site.toml");
        let site = crate::site::parse(text, file, |_| None).unwrap();
        let app1 = site
            .hosts
            .values()
            .find(|host| host.name.as_str() == "app1");
        let sight = Sight::parse(
            "address eth0 198.51.100.11/24\naddress eth1 10.20.0.11/24\n\
             address docker0 172.17.0.1/16\ntrusts 203.0.113.0/24 DOCKER-USER\n\
             trusts 203.0.113.9/32 ufw-user-input\n",
        );
        let why = |peer: &str| reason(peer.parse().unwrap(), &site, app1, &sight);
        assert_eq!(
            why("198.51.100.254"),
            None,
            "a public network has strangers in it"
        );
        assert_eq!(why("172.17.0.2"), None);
        for (peer, word) in [
            ("192.0.2.7", "192.0.2.0/24, which firewall.allow"),
            ("198.51.100.13", "the proxy's"),
            ("10.20.0.254", "private network"),
            ("203.0.113.7", "203.0.113.0/24, which a rule in DOCKER-USER"),
        ] {
            let why = why(peer).unwrap();
            assert!(why.contains(word), "{peer}: {why}");
        }
        // What the site lets in to others says nothing of this host.
        let proxy = site
            .hosts
            .values()
            .find(|host| host.name.as_str() == "proxy");
        let other = reason(
            "192.0.2.7".parse().unwrap(),
            &site,
            proxy,
            &Sight::default(),
        );
        assert_eq!(other, None);
    }

    #[test]
    fn each_silent_connection_needs_a_packet_of_its_own_that_was_counted() {
        assert!(tally(3, Some(3), &[], false).settled());
        assert!(!tally(3, Some(2), &[], false).settled());
        assert!(!tally(3, None, &[], false).settled());
    }
}

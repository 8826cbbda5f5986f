//! Looks from here, from the servers and from further ones, and has it judged.
//!
//! | file | does |
//! |---|---|
//! | [`cells`] | connections: every vantage at once, silence by the counters, judged |
//! | [`reach`] | all connections of one vantage, in one command or from here |
//! | [`silence`] | which packets the deny rules have counted |
//! | [`front`] | the page, redirects, TLS, timers |
//! | [`rehearsal`] | the renewal, rehearsed |
//! | [`stranger`] | servers that aren't the site's, to look from |
//! | [`doubt`] | what makes a vantage or a silence doubtful, as remarks |

mod cells;
mod doubt;
mod front;
mod reach;
mod rehearsal;
mod silence;
mod stranger;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::remote::{Remote, ms};
use super::{Events, Settings, sight};
use crate::event::{Event, Finding, Verdict};
use crate::proof::{Check, Claim, Sight};
use crate::ssh::{Dialer, Via};
use crate::step::{self, HERE, Vantage};
use crate::vantage;

pub(super) use stranger::Stranger;

/// What hosts said of themselves, by their names; an error in words for one that didn't.
pub(super) type Sights = BTreeMap<String, Result<Sight, String>>;

/// Where one looks from, and what is known there.
pub(super) struct Scene<'a> {
    /// The site, for names and paths; nothing else of it is needed.
    pub settings: &'a Settings,
    /// The hosts that can be looked at and from.
    pub remotes: &'a BTreeMap<String, Remote>,
    /// What these hosts said before the first connection was tried: the counters start there.
    pub sights: &'a Sights,
    /// Servers that can only be looked from.
    pub strangers: &'a [Stranger],
}

/// What a proof came to.
pub(super) struct Proof {
    /// Findings that hold.
    pub proven: usize,
    /// Findings that don't, or are inconclusive.
    pub unproven: usize,
    /// When everything but rehearsals was looked at.
    pub looked: Instant,
    /// Milliseconds that rehearsals took, if there were any.
    pub rehearsal_ms: Option<u64>,
}

/// Looks at everything that must be proven of the site, on the hosts that these checks name; with
/// `rehearse`, the renewal is rehearsed beside it.
pub(super) async fn prove_site(
    checks: &[Check],
    settings: &Settings,
    remotes: &BTreeMap<String, Remote>,
    dialer: &Dialer,
    events: &Events,
    rehearse: bool,
) -> Proof {
    let site = &settings.site;
    let hosts: BTreeSet<&str> = checks.iter().map(|check| check.host.as_str()).collect();
    let chosen = |check: &Check| hosts.contains(check.host.as_str());
    let mut fronts = step::fronts(site);
    fronts.retain(chosen);
    let connections = async {
        let (sights, strangers) =
            tokio::join!(sight::sights(remotes), stranger::all(settings, dialer));
        let known: BTreeMap<String, Sight> = sights
            .iter()
            .filter_map(|(name, sight)| Some((name.clone(), sight.clone().ok()?)))
            .collect();
        let mut outside = vec![here(settings, remotes, &known).await];
        outside.extend(strangers.iter().map(Stranger::vantage));
        let mut cells = step::cells(site, &known, &outside);
        cells.retain(chosen);
        let scene = Scene {
            settings,
            remotes,
            sights: &sights,
            strangers: &strangers,
        };
        let (findings, mut remarks) = cells::findings(&cells, &scene).await;
        remarks.retain(|(host, _)| hosts.contains(host.as_str()));
        (findings, remarks)
    };
    let looks = async {
        let ((mut findings, remarks), fronts) =
            tokio::join!(connections, front::findings(&fronts, site, remotes));
        findings.extend(fronts);
        (findings, remarks, Instant::now())
    };
    let rehearsals = async {
        let start = Instant::now();
        let findings = match rehearse {
            true => rehearsal::findings(&hosts, site, remotes).await,
            false => Vec::new(),
        };
        let took = (!findings.is_empty()).then(|| ms(start));
        (findings, took)
    };
    let ((mut findings, mut remarks, looked), (rehearsals, rehearsal_ms)) =
        tokio::join!(looks, rehearsals);
    findings.extend(rehearsals);
    let of_tls = front::remarks(site).into_iter();
    remarks.extend(of_tls.filter(|(host, _)| hosts.contains(host.as_str())));
    for (host, remark) in remarks {
        events.send(Event::Remarked { host, remark });
    }
    let (proven, unproven) = tell(findings, events);
    Proof {
        proven,
        unproven,
        looked,
        rehearsal_ms,
    }
}

/// Sends findings and counts them.
fn tell(findings: Vec<Finding>, events: &Events) -> (usize, usize) {
    let (mut proven, mut unproven) = (0, 0);
    for finding in findings {
        match finding.verdict {
            Verdict::Proven => proven += 1,
            Verdict::Failed | Verdict::Inconclusive => unproven += 1,
        }
        events.send(Event::Found(finding));
    }
    (proven, unproven)
}

/// This machine: the addresses that hosts see it under, and those it would send from.
async fn here(
    settings: &Settings,
    remotes: &BTreeMap<String, Remote>,
    sights: &BTreeMap<String, Sight>,
) -> Vantage {
    let site = &settings.site;
    let mut addresses = BTreeSet::new();
    for host in site.hosts.values() {
        let seen = sights.get(host.name.as_str());
        let remote = remotes.get(host.name.as_str());
        // Behind a bastion it is the bastion's address.
        let direct = remote.is_some_and(|remote| remote.session.target().via == Via::Direct);
        let peer = seen.and_then(|sight| sight.peer).filter(|_| direct);
        addresses.extend(peer);
        for address in host.public() {
            // Behind NAT our own address says nothing; the host's word goes before it.
            if peer.is_none_or(|peer| peer.is_ipv4() != address.is_ipv4()) {
                addresses.extend(vantage::source(SocketAddr::new(address, 443)).await);
            }
        }
    }
    Vantage {
        name: HERE.to_owned(),
        addresses: addresses.into_iter().collect(),
    }
}

/// Whether a claim is of a connection.
fn is_cell(check: &Check) -> bool {
    match check.claim {
        Claim::Open(_) | Claim::Closed(_) | Claim::Blocked(_) | Claim::Either(_) => true,
        Claim::Page { .. } => check.from != HERE,
        _ => false,
    }
}

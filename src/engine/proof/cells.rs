//! Connections: tried from every vantage at once, silence settled by the counters, judged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use super::doubt::{self, Tally};
use super::reach::{self, Manner, Seen, Touch, Tries};
use super::silence::{self, Kind};
use super::{Scene, front, is_cell};
use crate::engine::remote::Remote;
use crate::event::{Finding, Remark, Verdict};
use crate::proof::{Check, Claim, Control, Denied, Evidence, Look, Reach, Sight, Witness, judge};
use crate::shell::Cmd;
use crate::site::Role;
use crate::ssh::{Done, Input};
use crate::step::HERE;

/// How long silence is listened to where the counters may settle it: Linux sends SYNs at once
/// and after 1 s, and a firewall counts both.
const FIRST: Duration = Duration::from_millis(1_100);
/// How long where they don't: a third SYN goes after 3 s.
const LONG: Duration = Duration::from_secs(4);
/// How long a command that tries connections may take.
const COMMAND: Duration = Duration::from_secs(60);

/// Whose connections they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Eye {
    from: String,
    /// The container from whose network they are made.
    container: Option<String>,
}

/// One check, as a connection.
struct Line<'a> {
    check: &'a Check,
    eye: Eye,
    to: SocketAddr,
}

/// All that was seen, by who looked.
type Sights = BTreeMap<Eye, Result<Seen, String>>;

struct Cells<'a> {
    scene: &'a Scene<'a>,
    lines: Vec<Result<Line<'a>, String>>,
}

/// Looks at these, and has it judged: findings in the order of the checks, and what is doubtful,
/// by host.
pub(super) async fn findings(
    checks: &[Check],
    scene: &Scene<'_>,
) -> (Vec<Finding>, Vec<(String, Remark)>) {
    let lines = checks.iter().map(|check| line(check, scene)).collect();
    let cells = Cells { scene, lines };
    let mut seen = cells.look(&cells.tries(), FIRST).await;
    let before: BTreeMap<String, Denied> = scene
        .sights
        .iter()
        .filter_map(|(host, sight)| Some((host.clone(), sight.as_ref().ok()?.denied)))
        .collect();
    let after = cells.counters(&seen).await;
    let first = cells.tallies(&seen, &before, &after, 1, |_| true);
    let open = cells.unsettled(&seen, &first);
    let mut again = Vec::new();
    if !open.is_empty() {
        for (eye, later) in cells.look(&open, LONG).await {
            if let (Some(Ok(seen)), Ok(later)) = (seen.get_mut(&eye), later) {
                seen.touches.extend(later.touches);
            }
        }
        // By now nobody but these sends anything, so the counters speak of them alone.
        let last = cells.counters(&seen).await;
        again = cells.tallies(&seen, &after, &last, 3, |line| is_in(&open, line));
    }
    let remarks = doubt::of_silence(&first, &again);
    let judged = Judged {
        cells: &cells,
        seen: &seen,
        first,
        again,
        open,
        answered: cells.answered(&seen),
        silent: cells.silent_doors(&seen),
        pages: cells.pages(&seen),
        doubts: doubt::trusted(scene),
    };
    let findings = checks.iter().zip(&cells.lines);
    let findings = findings.map(|(check, line)| judged.finding(check, line.as_ref()));
    let findings = findings.collect();
    let mut all = doubt::of_vantage(&judged.doubts);
    all.extend(remarks);
    (findings, all)
}

fn line<'a>(check: &'a Check, scene: &Scene<'_>) -> Result<Line<'a>, String> {
    let site = &scene.settings.site;
    if !is_cell(check) {
        return Err("this is no connection".to_owned());
    }
    let text = check.address.as_deref().unwrap_or_default();
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is not an address"))?;
    let port = match check.claim {
        Claim::Open(port) | Claim::Closed(port) | Claim::Blocked(port) | Claim::Either(port) => {
            port
        }
        _ => site.app.publish,
    };
    // nginx's own network has IPv4 alone; by IPv6 its host looks.
    let mut proxies = site.with_role(Role::Proxy);
    let proxy = proxies.any(|proxy| proxy.name.as_str() == check.from) && address.is_ipv4();
    Ok(Line {
        check,
        eye: Eye {
            from: check.from.clone(),
            container: proxy.then(|| format!("{}-proxy", site.name)),
        },
        to: SocketAddr::new(address, port),
    })
}

/// What came of a line.
fn touch<'s>(line: &Line<'_>, seen: &'s Sights) -> Option<&'s Touch> {
    seen.get(&line.eye)?.as_ref().ok()?.touches.get(&line.to)
}

/// Whether a line is one of these.
fn is_in(tries: &BTreeMap<Eye, Tries>, line: &Line<'_>) -> bool {
    let own = tries.get(&line.eye);
    own.is_some_and(|own| own.touches.contains(&line.to))
}

fn is_silent(line: &Line<'_>, seen: &Sights) -> bool {
    touch(line, seen).is_some_and(|touch| touch.reach == Reach::TimedOut)
}

impl<'a> Cells<'a> {
    fn good(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter().flatten()
    }

    fn sight(&self, host: &str) -> Option<&'a Sight> {
        self.scene.sights.get(host)?.as_ref().ok()
    }

    fn listens(&self, line: &Line<'_>) -> Option<bool> {
        let sight = self.sight(&line.check.host)?;
        Some(sight.listens(line.to.ip(), line.to.port()))
    }

    fn kind(&self, line: &Line<'_>) -> Kind {
        Kind::of(line.to, self.sight(&line.check.host))
    }

    /// Everything that is to be tried, with the host's own connections to what must be blocked
    /// for others and no proxy asks for.
    fn tries(&self) -> BTreeMap<Eye, Tries> {
        let is_page = |line: &&Line<'_>| matches!(line.check.claim, Claim::Page { .. });
        let asked: BTreeSet<(&str, u16)> = self
            .good()
            .filter(is_page)
            .map(|line| (line.check.host.as_str(), line.to.port()))
            .collect();
        let mut all: BTreeMap<Eye, Tries> = BTreeMap::new();
        for line in self.good() {
            let tries = all.entry(line.eye.clone()).or_default();
            tries.touches.insert(line.to);
            if is_page(&line) {
                tries.pages.insert(line.to);
            }
            let key = (line.check.host.as_str(), line.to.port());
            if matches!(line.check.claim, Claim::Blocked(_)) && !asked.contains(&key) {
                let own = all.entry(own(&line.check.host)).or_default();
                own.touches.insert(line.to);
            }
        }
        all
    }

    async fn look(&self, tries: &BTreeMap<Eye, Tries>, limit: Duration) -> Sights {
        let site = &self.scene.settings.site;
        let manner = Manner {
            name: site
                .domains
                .first()
                .map_or("localhost", |name| name.as_str()),
            path: site.app.health.as_str(),
            limit,
        };
        let manner = &manner;
        let all = tries.iter().map(|(eye, tries)| async move {
            let container = eye.container.as_deref();
            let seen = if eye.from == HERE {
                Ok(reach::from_here(tries, manner).await)
            } else if let Some(remote) = self.scene.remotes.get(&eye.from) {
                let run = |cmd, input| as_root(remote, cmd, input);
                reach::from_server(run, container, tries, manner).await
            } else if let Some(stranger) =
                self.scene.strangers.iter().find(|s| s.name() == eye.from)
            {
                let run = |cmd, input| stranger.run(cmd, input);
                reach::from_server(run, None, tries, manner).await
            } else {
                Err("it can't be asked over SSH".to_owned())
            };
            (eye.clone(), seen)
        });
        join_all(all).await.into_iter().collect()
    }

    /// The counters of all hosts from which something got no answer.
    async fn counters(&self, seen: &Sights) -> BTreeMap<String, Denied> {
        let silent: BTreeSet<&str> = self
            .good()
            .filter(|line| is_silent(line, seen))
            .map(|line| line.check.host.as_str())
            .collect();
        let remotes = silent
            .iter()
            .filter_map(|host| self.scene.remotes.get(*host));
        silence::counters(remotes).await
    }

    /// The silence of these lines by host and the way their packets take.
    fn tallies(
        &self,
        seen: &Sights,
        before: &BTreeMap<String, Denied>,
        after: &BTreeMap<String, Denied>,
        each: u64,
        of: impl Fn(&Line<'_>) -> bool,
    ) -> Vec<Tally> {
        let mut all: BTreeMap<(&str, Kind), Tally> = BTreeMap::new();
        let silent = self.good().filter(|line| is_silent(line, seen));
        for line in silent.filter(|line| of(line)) {
            let host = line.check.host.as_str();
            let kind = self.kind(line);
            let tally = all.entry((host, kind)).or_insert_with(|| {
                let moved = before.get(host).zip(after.get(host));
                Tally {
                    host: host.to_owned(),
                    kind,
                    silent: 0,
                    each,
                    moved: moved.and_then(|(before, after)| kind.moved(before, after)),
                    known: moved.is_some(),
                    listening: BTreeSet::new(),
                    wanted: BTreeSet::new(),
                }
            });
            tally.silent += 1;
            if self.listens(line) == Some(true) {
                tally.listening.insert(line.to.port());
                if matches!(line.check.claim, Claim::Open(_) | Claim::Page { .. }) {
                    tally.wanted.insert(line.to.port());
                }
            }
        }
        all.into_values().collect()
    }

    /// What got no answer, has to be believed, and wasn't counted by any deny rule.
    fn unsettled(&self, seen: &Sights, tallies: &[Tally]) -> BTreeMap<Eye, Tries> {
        let mut open: BTreeMap<Eye, Tries> = BTreeMap::new();
        for line in self.good().filter(|line| is_silent(line, seen)) {
            let nothing = self.listens(line) == Some(false);
            if nothing && matches!(line.check.claim, Claim::Closed(_)) {
                continue;
            }
            // Where there must be an answer, a lost packet is given more time to come again.
            let wanted = matches!(line.check.claim, Claim::Open(_) | Claim::Page { .. });
            if !nothing && matches!(line.check.claim, Claim::Blocked(_)) {
                // The host's own connection is what shows that somebody gets an answer.
                let own = own(&line.check.host);
                let touch = seen.get(&own).and_then(|seen| seen.as_ref().ok());
                let touch = touch.and_then(|seen| seen.touches.get(&line.to));
                if touch.is_some_and(|touch| touch.reach == Reach::TimedOut) {
                    open.entry(own).or_default().touches.insert(line.to);
                }
            }
            if !wanted && settled(tallies, line, self.kind(line)) {
                continue;
            }
            let tries = open.entry(line.eye.clone()).or_default();
            tries.touches.insert(line.to);
            if matches!(line.check.claim, Claim::Page { .. }) {
                tries.pages.insert(line.to);
            }
        }
        open
    }

    /// From where which addresses gave any answer.
    fn answered(&self, seen: &Sights) -> BTreeSet<(String, IpAddr)> {
        let answers = |line: &&Line<'_>| {
            let reach = touch(line, seen).map(|touch| &touch.reach);
            matches!(reach, Some(Reach::Open | Reach::Refused))
        };
        self.good().filter(answers).map(door).collect()
    }

    /// From where something that must be open got no answer at which addresses.
    fn silent_doors(&self, seen: &Sights) -> BTreeSet<(String, IpAddr)> {
        let wanted = |line: &&Line<'_>| {
            matches!(line.check.claim, Claim::Open(_) | Claim::Page { .. }) && is_silent(line, seen)
        };
        self.good().filter(wanted).map(door).collect()
    }

    /// What proxies got, by host and port; an answer before anything else.
    fn pages(&self, seen: &Sights) -> BTreeMap<(String, u16), Look> {
        let mut pages: BTreeMap<(String, u16), Look> = BTreeMap::new();
        for line in self.good() {
            let (Claim::Page { .. }, Some(touch)) = (&line.check.claim, touch(line, seen)) else {
                continue;
            };
            let key = (line.check.host.clone(), line.to.port());
            let look = touch.look();
            let better = matches!(look, Look::Page(_));
            if better || !pages.contains_key(&key) {
                pages.insert(key, look);
            }
        }
        pages
    }
}

fn own(host: &str) -> Eye {
    Eye {
        from: host.to_owned(),
        container: None,
    }
}

fn door(line: &Line<'_>) -> (String, IpAddr) {
    (line.check.from.clone(), line.to.ip())
}

/// Whether every silent packet of that kind was counted.
fn settled(tallies: &[Tally], line: &Line<'_>, kind: Kind) -> bool {
    let tally = tallies
        .iter()
        .find(|tally| tally.host == line.check.host && tally.kind == kind);
    tally.is_some_and(Tally::settled)
}

async fn as_root(remote: &Remote, cmd: Cmd, input: Vec<u8>) -> Result<Done, String> {
    let done = remote.exec(&cmd, Input::Bytes(input), None, Some(COMMAND));
    let done = done.await.map_err(|e| e.to_string())?;
    match remote.root.refusal() {
        Some(refusal) => Err(refusal.failure.what),
        None => Ok(done),
    }
}

/// Everything that judging needs.
struct Judged<'a> {
    cells: &'a Cells<'a>,
    seen: &'a Sights,
    /// Silence after the first look.
    first: Vec<Tally>,
    /// And that of the lines that were looked at again.
    again: Vec<Tally>,
    open: BTreeMap<Eye, Tries>,
    answered: BTreeSet<(String, IpAddr)>,
    silent: BTreeSet<(String, IpAddr)>,
    pages: BTreeMap<(String, u16), Look>,
    /// Why hosts trust this machine.
    doubts: BTreeMap<String, doubt::Trusted>,
}

impl Judged<'_> {
    fn finding(&self, check: &Check, line: Result<&Line<'_>, &String>) -> Finding {
        let evidence = match line {
            Ok(line) => self.evidence(line).unwrap_or_else(Evidence::Missing),
            Err(why) => Evidence::Missing(why.clone()),
        };
        let mut finding = judge(check, &evidence);
        if finding.verdict == Verdict::Proven && matches!(check.claim, Claim::Open(_)) {
            // An answer is its own evidence.
            finding.evidence.clear();
        }
        let site = &self.cells.scene.settings.site;
        if matches!(check.claim, Claim::Page { .. }) {
            // The page that a proxy gets from an app server is a cell of that port's row.
            let look = match &evidence {
                Evidence::Served { look, .. } => Some(look),
                _ => None,
            };
            front::cell(&mut finding, look, site.app.publish, site);
        }
        let status = line
            .ok()
            .and_then(|line| touch(line, self.seen))
            .and_then(|touch| touch.ended)
            .map(|(_, status)| status)
            .filter(|status| *status > 0);
        if let (Verdict::Failed, "open", Some(status)) =
            (finding.verdict, finding.seen.as_str(), status)
        {
            finding.evidence = format!("{}; HTTP {status} came back", finding.evidence);
        }
        if let (HERE, Some(trusted)) = (check.from.as_str(), self.doubts.get(&check.host))
            && !matches!(check.claim, Claim::Open(_))
        {
            finding.evidence = format!("{}; {}", finding.evidence, trusted.words());
        }
        finding
    }

    fn evidence(&self, line: &Line<'_>) -> Result<Evidence, String> {
        let check = line.check;
        let seen = match self.seen.get(&line.eye) {
            Some(Ok(seen)) => seen,
            Some(Err(why)) => return Err(format!("{}: {why}", check.from)),
            None => return Err(format!("{} was not asked", check.from)),
        };
        let touch = seen.touches.get(&line.to);
        let touch = touch.ok_or_else(|| format!("{} didn't say", check.from))?;
        let kind = self.cells.kind(line);
        let tallies = match is_in(&self.open, line) {
            true => &self.again,
            false => &self.first,
        };
        let tally = tallies
            .iter()
            .find(|tally| tally.host == check.host && tally.kind == kind);
        let silent = touch.reach == Reach::TimedOut;
        let denied = tally.filter(|_| silent).and_then(|tally| tally.moved);
        if let Claim::Page { .. } = check.claim {
            // Packets of others may be among those that were counted.
            let denied = denied.filter(|moved| *moved == 0 || tally.is_some_and(Tally::settled));
            return Ok(Evidence::Served {
                look: touch.look(),
                source: seen.sources.get(&line.to.ip()).copied(),
                denied,
            });
        }
        let counted = silent && tally.is_some_and(Tally::settled);
        let alive = if self.answered.contains(&door(line)) || counted {
            Some(true)
        } else {
            self.silent.contains(&door(line)).then_some(false)
        };
        Ok(Evidence::Touch {
            reach: touch.reach.clone(),
            control: Control {
                listens: self.cells.listens(line),
                witness: self.witness(line),
                alive,
                denied,
            },
        })
    }

    fn witness(&self, line: &Line<'_>) -> Option<Witness> {
        let key = (line.check.host.clone(), line.to.port());
        if let Some(look) = self.pages.get(&key) {
            return Some(Witness::Proxy(look.clone()));
        }
        let own = self.seen.get(&own(&line.check.host))?.as_ref().ok()?;
        let touch = own.touches.get(&line.to)?;
        Some(Witness::Own(touch.reach.clone()))
    }
}

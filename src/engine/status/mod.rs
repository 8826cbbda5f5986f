//! How a site is doing: its certificate as the world sees it, its renewal, its containers. One
//! connection and one command a host; changes nothing.

mod said;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

use self::said::Said;
use super::failure::failure;
use super::remote::ms;
use super::served::{self, Served};
use super::survey::Survey;
use super::{Events, Settings, exit, timer, told};
use crate::event::{
    Certificate, Event, Mend, NextBackup, Renewal, Standing, State, Summary, Verdict,
};
use crate::plan::{HostPlan, Plan, StepPlan};
use crate::proof::{Check, Claim, Evidence, Filed, Leaf, Origin, Shown, Timed, Timer, judge};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};
use crate::shell::Script;
use crate::site::{Host, Role, Site};
use crate::step;
use crate::vantage::{self, Handshake, Trust};

const SCRIPT: Script = Script(include_str!("../sh/status.sh"));

/// The one step of the plan, which reads and changes nothing.
const STEP: &str = "status";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What is asked of a host.
#[derive(Clone, Debug)]
struct Asked {
    /// How it is doing.
    state: Vec<String>,
    /// What it serves, if it is a proxy with a certificate.
    served: Option<Vec<String>>,
    /// What it says of these timers.
    timers: Vec<(Timed, Vec<String>)>,
}

impl Asked {
    fn of(site: &Site, host: &Host) -> Self {
        let serves = host.roles.contains(&Role::Proxy) && step::origin(site).is_some();
        let timers = step::timers(site, host).into_iter();
        Self {
            state: vec![site.name.to_string(), site.state()],
            served: serves.then(|| served::arguments(site, host).to_vec()),
            timers: timers
                .map(|timed| (timed, timer::arguments(site, timed).to_vec()))
                .collect(),
        }
    }

    /// What was said.
    fn said(&self, host: &str, seen: &Observed) -> Result<Said, Unreadable> {
        let mut said = Said::parse(host, &seen.sh(SCRIPT, &self.state)?.text);
        if let Some(arguments) = &self.served {
            said.served = Served::parse(&seen.sh(served::SCRIPT, arguments)?.text);
        }
        for (timed, arguments) in &self.timers {
            let timer = timer::parse(&seen.sh(timer::SCRIPT, arguments)?.text);
            said.timers.insert(*timed, timer);
        }
        Ok(said)
    }
}

impl Resource for Asked {
    fn id(&self) -> String {
        "how it is doing".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let served = self.served.iter();
        let timers = self.timers.iter();
        [Fact::Sh(SCRIPT, self.state.clone())]
            .into_iter()
            .chain(served.map(|arguments| Fact::Sh(served::SCRIPT, arguments.clone())))
            .chain(timers.map(|(_, arguments)| Fact::Sh(timer::SCRIPT, arguments.clone())))
            .collect()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        self.said("", seen).map(|_| State::InSync)
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        Vec::new()
    }
}

/// What is read of these hosts of a site; of all, if none is named.
pub fn status_plan(site: &Site, chosen: &[String]) -> Plan {
    let wanted =
        |host: &&Host| chosen.is_empty() || chosen.iter().any(|name| name == host.name.as_str());
    let hosts = site.hosts.values().filter(wanted).map(|host| HostPlan {
        host: host.clone(),
        steps: vec![StepPlan {
            name: STEP.to_owned(),
            resources: vec![Box::new(Asked::of(site, host))],
            after: Vec::new(),
        }],
    });
    Plan {
        site: site.name.to_string(),
        playbook: String::new(),
        hosts: hosts.collect(),
        checks: Vec::new(),
        lookups: Vec::new(),
    }
}

/// Says how every host of the survey is doing, and what needs a hand.
pub async fn status(survey: Survey, settings: &Settings, events: &Events) -> Summary {
    let site = &settings.site;
    let mut summary = Summary {
        connections: survey.connections,
        execs: survey.summary().execs,
        ..Summary::default()
    };
    let extra = site.tls.ca.as_ref().map(|pem| pem.text.as_str());
    let trust = Trust::new(extra).map_err(|e| told(&e));
    let mut looks = Vec::new();
    for surveyed in &survey.hosts {
        let all = site.hosts.values();
        let host = all.into_iter().find(|h| h.name.as_str() == surveyed.host);
        let (Ok((_, seen)), Some(host)) = (&surveyed.state, host) else {
            // The survey has said why.
            summary.failed += 1;
            continue;
        };
        let said = Asked::of(site, host).said(host.name.as_str(), seen);
        let trust = &trust;
        looks.push(async move {
            match said {
                Ok(said) => Ok(look(site, host, said, trust).await),
                Err(e) => Err((host.name.to_string(), failure("read", e.to_string(), ""))),
            }
        });
    }
    for standing in join_all(looks).await {
        match standing {
            Ok(standing) => {
                summary.unproven += standing.mend.len();
                events.send(Event::Stands(Box::new(standing)));
            }
            Err((host, failure)) => {
                summary.failed += 1;
                events.send(Event::HostFailed { host, failure });
            }
        }
    }
    summary.ms = ms(survey.start);
    summary.exit_code = match (summary.unproven, summary.failed) {
        (0, 0) => exit::DONE,
        (0, _) => exit::FAILED,
        _ => exit::EXPOSED,
    };
    events.send(Event::Finished(summary.clone()));
    summary
}

/// How a host is doing, by what it said and, of a proxy, by what it shows.
async fn look(site: &Site, host: &Host, mut said: Said, trust: &Result<Trust, String>) -> Standing {
    let mut mend = containers(site, host, &said);
    if let Some(timer) = said.timers.get(&Timed::Backup) {
        let backup = said.standing.backup.get_or_insert_default();
        backup.timer = Some(NextBackup {
            armed: is_armed(timer),
            next: timer.next,
        });
    }
    mend.extend(of_backup(site, host, &said));
    if host.roles.contains(&Role::Proxy) {
        match step::origin(site) {
            Some(origin) => {
                let (certificate, shown) = shown(site, host, &said, origin, trust).await;
                said.standing.certificate = Some(certificate);
                said.standing.renewal = said.timers.get(&Timed::Renewal).map(of_timer);
                mend.extend(of_certificate(site, host, &said, shown));
            }
            None => {
                said.standing.certificate = Some(Certificate {
                    mode: mode(None).to_owned(),
                    ..Certificate::default()
                });
            }
        }
    }
    said.standing.mend = mend;
    said.standing
}

fn mode(origin: Option<Origin>) -> &'static str {
    match origin {
        Some(Origin::Acme) => "letsencrypt",
        Some(Origin::Staging) => "staging",
        Some(Origin::Provided) => "provided",
        Some(Origin::SelfSigned) => "self-signed",
        None => "off",
    }
}

/// The certificate as the world sees it, and as evidence.
async fn shown(
    site: &Site,
    host: &Host,
    said: &Said,
    origin: Origin,
    trust: &Result<Trust, String>,
) -> (Certificate, Shown) {
    let mut certificate = Certificate {
        mode: mode(Some(origin)).to_owned(),
        ..Certificate::default()
    };
    let address = SocketAddr::new(host.address, 443);
    let name = site.canonical().as_str();
    let handshake = match trust {
        Ok(trust) => vantage::handshake(address, Some(name), trust, ANSWER).await,
        Err(why) => {
            certificate.unseen = Some(why.clone());
            return (certificate, Shown::Failed(why.clone()));
        }
    };
    let (seen, reason) = match handshake {
        Ok(Handshake::Accepted(seen)) => (seen, None),
        Ok(Handshake::Distrusted {
            certificate,
            reason,
        }) => (certificate, Some(reason)),
        Ok(Handshake::Rejected(alert)) => (None, Some(format!("alert {alert}"))),
        Err(e) => (None, Some(told(&e))),
    };
    let Some(seen) = seen else {
        let why = reason.unwrap_or_else(|| "it can't be parsed".to_owned());
        certificate.unseen = Some(why.clone());
        return (certificate, Shown::Failed(why));
    };
    certificate.trusted = reason.is_none();
    certificate.on_file = match filed(site, host, said) {
        Filed::Certificate(sha256) => Some(sha256 == seen.sha256),
        Filed::Nothing(_) => Some(false),
        Filed::Unknown(_) => None,
    };
    certificate.names.clone_from(&seen.names);
    certificate.issuer.clone_from(&seen.issuer);
    certificate.key = seen.key;
    certificate.not_before = seen.not_before;
    certificate.not_after = seen.not_after;
    certificate.sha256.clone_from(&seen.sha256);
    // What nobody is to trust is judged by what lies on the server.
    let shown = match reason.filter(|_| origin.warning().is_none()) {
        Some(reason) => Shown::Distrusted {
            issuer: Some(seen.issuer),
            reason,
        },
        None => Shown::Trusted(Leaf {
            names: seen.names,
            issuer: seen.issuer,
            not_before: seen.not_before,
            not_after: seen.not_after,
            sha256: seen.sha256,
        }),
    };
    (certificate, shown)
}

fn filed(site: &Site, host: &Host, said: &Said) -> Filed {
    let path = step::serving(site, host).certificate;
    said.served.filed(&path.unwrap_or_default())
}

/// Whether it fires, now and after a reboot.
fn is_armed(timer: &Timer) -> bool {
    timer.active && timer.enabled && (timer.next.is_some() || timer.running)
}

fn of_timer(timer: &Timer) -> Renewal {
    Renewal {
        armed: is_armed(timer),
        next: timer.next,
        last: match &timer.last {
            Some(run) => Some(run.ended),
            None => timer.service.ended,
        },
        did: timer.last.as_ref().map(|run| run.did.clone()),
        failure: timer.failure().map(|(_, message)| message),
        well: timer.last.as_ref().and_then(|run| run.well),
    }
}

/// What is wrong with the site's containers.
fn containers(site: &Site, host: &Host, said: &Said) -> Vec<Mend> {
    if let Some(why) = &said.silent {
        return vec![Mend {
            what: format!("its containers aren't known: {why}"),
            next: "provision run".to_owned(),
        }];
    }
    let has = |role| host.roles.contains(&role);
    let roles = [
        (Role::App, "app"),
        (Role::Proxy, "proxy"),
        (Role::Db, "postgres"),
        (Role::Cache, "redis"),
    ];
    let wanted = roles.into_iter().filter(|(role, _)| has(*role));
    let mut all = Vec::new();
    for (_, word) in wanted {
        let name = format!("{}-{word}", site.name);
        let found = said.standing.containers.iter().find(|c| c.name == name);
        let what = match found {
            None => format!("{name} is missing"),
            Some(c) if c.state != "running" => format!("{name} is {}", c.state),
            Some(c) if c.health.as_deref() == Some("unhealthy") => format!("{name} is unhealthy"),
            Some(_) => continue,
        };
        let next = match found {
            None => "provision run".to_owned(),
            Some(_) => format!(
                "`docker logs {name}` on {} tells why; `provision run` starts it",
                host.name
            ),
        };
        all.push(Mend { what, next });
    }
    all
}

/// What is wrong with the backups.
fn of_backup(site: &Site, host: &Host, said: &Said) -> Vec<Mend> {
    let backup = said.standing.backup.as_ref();
    let failure = backup.and_then(|backup| backup.failure.as_ref());
    let mut all: Vec<Mend> = failure
        .map(|why| Mend {
            what: format!("the last backup failed: {why}"),
            next: "once that is mended, `provision backup` makes one".to_owned(),
        })
        .into_iter()
        .collect();
    let mut checks = step::fronts(site);
    checks.retain(|check| {
        check.host == host.name.as_str() && check.claim == Claim::Timer(Timed::Backup)
    });
    // What is wrong with one that is armed is that failure.
    let timer = said.timers.get(&Timed::Backup);
    let timer = timer.filter(|timer| all.is_empty() || !is_armed(timer));
    let wrong = checks.iter().zip(timer).filter_map(|(check, timer)| {
        let evidence = Evidence::Timer {
            timer: timer.clone(),
            now: now(),
        };
        let next = match timer.failure() {
            Some(_) => format!(
                "`journalctl -u {}-backup` on {} tells more; once that is mended, `provision \
                 backup` makes one",
                site.name, host.name
            ),
            None => "provision run".to_owned(),
        };
        wrong(check, &evidence, next)
    });
    all.extend(wrong);
    all
}

/// What is wrong with the certificate and its renewal, by the same rules as in a proof.
fn of_certificate(site: &Site, host: &Host, said: &Said, shown: Shown) -> Vec<Mend> {
    let name = host.name.as_str();
    let mut checks = step::fronts(site);
    checks.retain(|check| check.host == name);
    let mut all = Vec::new();
    for check in checks {
        let (evidence, next) = match &check.claim {
            Claim::Certificate { origin, .. } => (
                Evidence::Shown {
                    shown: shown.clone(),
                    filed: filed(site, host, said),
                    now: now(),
                },
                match origin {
                    Origin::Provided => "bring a new pair in site.toml's [tls], then provision run",
                    _ => "provision run",
                }
                .to_owned(),
            ),
            Claim::Timer(timed @ Timed::Renewal) => (
                Evidence::Timer {
                    timer: said.timers.get(timed).cloned().unwrap_or_default(),
                    now: now(),
                },
                match said.timers.get(timed).and_then(Timer::failure) {
                    Some(_) => format!(
                        "`journalctl -u {0}-renew` on {name} tells more; once that is mended, \
                         `systemctl start {0}-renew` there",
                        site.name
                    ),
                    None => "provision run".to_owned(),
                },
            ),
            _ => continue,
        };
        all.extend(wrong(&check, &evidence, next));
    }
    all
}

fn wrong(check: &Check, evidence: &Evidence, next: String) -> Option<Mend> {
    let finding = judge(check, evidence);
    (finding.verdict != Verdict::Proven).then(|| Mend {
        what: format!(
            "{}: {}: {}",
            finding.subject, finding.seen, finding.evidence
        ),
        next,
    })
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! Restarts one server after the other, and holds the proof after each against the one before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};

use super::failure::failure;
use super::link;
use super::login::Entrance;
use super::proof::prove_site;
use super::remote::{Remote, ms};
use super::root::Roots;
use super::survey::Survey;
use super::{Events, Settings, exit};
use crate::event::{Event, Failure, Finding, Outcome, Summary};
use crate::plan::Plan;
use crate::proof::{Claim, compare};
use crate::shell::Script;
use crate::site::{Host, Role, Site};
use crate::ssh::Dialer;

const BOOT: Script = Script(include_str!("sh/boot.sh"));
const REBOOT: Script = Script(include_str!("sh/reboot.sh"));

/// The name under which a restart is reported.
const STEP: &str = "restart";
/// How long a server may take until it lets us in again: some check their memory first.
const AWAY: Duration = Duration::from_secs(300);
/// How long one login may take meanwhile.
const LOGIN: Duration = Duration::from_secs(20);
/// How long its containers may take after that.
const CONTAINERS: Duration = Duration::from_secs(120);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// A site that is proven again after each restart.
pub struct Restarts {
    settings: Settings,
    events: Events,
    plan: Plan,
    dialer: Dialer,
    roots: Roots,
    remotes: BTreeMap<String, Remote>,
    /// The proof before the first restart.
    before: Vec<Finding>,
    summary: Summary,
    start: Instant,
    /// Whether the next server may be restarted.
    sound: bool,
}

/// A server whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its name.
    pub host: String,
    /// What its restart means for visitors, in one line.
    pub means: String,
}

/// What a host says of its present start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Boot {
    id: String,
    /// Containers that run, with Docker's word on how: "Up 3 seconds (health: starting)".
    containers: BTreeMap<String, String>,
    /// Docker is there and doesn't answer.
    silent: bool,
}

impl Boot {
    fn parse(printed: &str) -> Self {
        let mut boot = Self::default();
        for line in printed.lines() {
            match line.split_once(' ') {
                Some(("boot", id)) => boot.id = id.trim().to_owned(),
                Some(("runs", container)) => {
                    let (name, status) = container.split_once(' ').unwrap_or((container, ""));
                    boot.containers.insert(name.to_owned(), status.to_owned());
                }
                Some(("lacks", "docker")) => boot.silent = true,
                _ => {}
            }
        }
        boot
    }

    /// What ran before and doesn't run again as it did.
    fn missing(&self, before: &Self) -> Vec<String> {
        if self.silent && !before.containers.is_empty() {
            return vec!["Docker doesn't answer".to_owned()];
        }
        let names = before.containers.keys();
        names
            .filter_map(|name| match self.containers.get(name) {
                None => Some(format!("{name} doesn't run")),
                Some(status) if status.contains("health: starting") => {
                    Some(format!("{name} is still starting"))
                }
                Some(status) if status.contains("unhealthy") => {
                    Some(format!("{name} is unhealthy"))
                }
                Some(_) => None,
            })
            .collect()
    }
}

impl Restarts {
    /// Proves the site as it stands, with `rehearse` the renewal of its certificate too. Nothing is restarted unless the proof holds: `Err` is then how
    /// it ended, and nothing else is to be done.
    ///
    /// # Errors
    /// The counts, with the exit code of `verify`.
    pub async fn begin(
        survey: Survey,
        settings: &Settings,
        events: &Events,
        rehearse: bool,
    ) -> Result<Self, Summary> {
        let mut summary = Summary {
            connections: survey.connections,
            ..Summary::default()
        };
        let mut remotes = BTreeMap::new();
        for host in survey.hosts {
            match host.state {
                Ok((remote, _)) => {
                    remotes.insert(host.host, remote);
                }
                Err(_) => summary.failed += 1,
            }
        }
        let mut this = Self {
            settings: settings.clone(),
            events: events.clone(),
            plan: survey.plan,
            dialer: survey.dialer,
            roots: survey.roots,
            remotes,
            before: Vec::new(),
            summary,
            start: survey.start,
            sound: true,
        };
        this.before = this.measure(true, rehearse).await;
        // It isn't rehearsed again after each restart.
        let rehearsal = Claim::Rehearsal.subject();
        this.before.retain(|finding| finding.subject != rehearsal);
        if this.summary.unproven + this.summary.failed > 0 {
            return Err(this.end());
        }
        let mut measured = this.summary.clone();
        measured.ms = ms(this.start);
        this.events.send(Event::Measured(measured));
        Ok(this)
    }

    /// Whose turn it is, in order: app servers first, the proxies last. Empty `chosen` is all.
    pub fn turns(&self, chosen: &[String]) -> Vec<Turn> {
        turns(&self.settings.site, chosen)
    }

    /// Restarts a server and proves the site again. False if no other may be restarted now.
    pub async fn restart(&mut self, turn: &Turn) -> bool {
        let (host, start) = (turn.host.clone(), Instant::now());
        self.events.send(Event::Restarting {
            host: host.clone(),
            means: turn.means.clone(),
        });
        let missing = match self.back(&host).await {
            Ok(missing) => missing,
            Err(failure) => {
                self.summary.failed += 1;
                self.sound = false;
                self.events.send(Event::StepFinished {
                    host,
                    step: STEP.to_owned(),
                    outcome: Outcome::Failed(failure),
                    ms: ms(start),
                });
                return false;
            }
        };
        self.sound &= missing.is_empty();
        self.events.send(Event::Restarted {
            host: host.clone(),
            ms: ms(start),
            missing,
        });
        let after = self.measure(false, false).await;
        let (same, differences) = compare(&self.before, &after);
        self.sound &= differences.is_empty();
        self.events.send(Event::Compared {
            host,
            same,
            differences,
        });
        self.sound
    }

    /// What it came to.
    pub fn end(mut self) -> Summary {
        self.summary.ms = ms(self.start);
        let sessions = || self.remotes.values().map(|remote| &remote.session);
        self.summary.execs += sessions().map(|session| session.execs()).sum::<usize>();
        let further = sessions().map(|session| session.connections().saturating_sub(1));
        self.summary.connections += further.sum::<usize>();
        self.summary.exit_code = if self.summary.failed > 0 {
            exit::FAILED
        } else if self.summary.unproven > 0 || !self.sound {
            exit::EXPOSED
        } else {
            exit::DONE
        };
        self.events.send(Event::Finished(self.summary.clone()));
        self.summary
    }

    /// Takes the proof. Of a later one only the findings are told: the rest is known.
    async fn measure(&mut self, first: bool, rehearse: bool) -> Vec<Finding> {
        self.renew().await;
        let (sender, mut received) = unbounded_channel();
        let own = Events {
            sender,
            mask: std::sync::Arc::clone(&self.events.mask),
        };
        let proof = prove_site(
            &self.plan.checks,
            &self.settings,
            &self.remotes,
            &self.dialer,
            &own,
            rehearse,
        )
        .await;
        (self.summary.proven, self.summary.unproven) = (proof.proven, proof.unproven);
        drop(own);
        let mut findings = Vec::new();
        while let Ok(event) = received.try_recv() {
            if let Event::Found(finding) = &event {
                findings.push(finding.clone());
            } else if !first {
                continue;
            }
            self.events.send(event);
        }
        findings
    }

    /// Makes connections again that ended with the server that others are reached through.
    async fn renew(&mut self) {
        for (name, remote) in &mut self.remotes {
            let all = self.settings.site.hosts.values();
            let Some(host) = all.into_iter().find(|host| host.name.as_str() == name) else {
                continue;
            };
            let entrance = || {
                let (settings, dialer) = (&self.settings, &self.dialer);
                Entrance::new(settings, host, dialer, &self.events, &self.roots)
            };
            if let Some(new) = link::renew(remote, entrance).await {
                self.summary.connections += new.connections;
                self.summary.execs += new.execs;
            }
        }
    }

    /// Restarts a server and waits until it and its containers are back; what is missing then.
    async fn back(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let mut all = self.settings.site.hosts.values();
        let host = all.find(|host| host.name.as_str() == name).cloned();
        let (Some(host), Some(old)) = (host, self.remotes.get(name).cloned()) else {
            return Err(failure("change", format!("{name} can't be reached"), ""));
        };
        let before = boot(&old).await?;
        if before.id.is_empty() {
            return Err(failure(
                "read",
                "it doesn't say which start it is: /proc/sys/kernel/random/boot_id is empty",
                "",
            ));
        }
        self.doing(name, "restart the server");
        // A connection that breaks in the middle of this is what was asked for.
        if let Ok(done) = old.script(REBOOT, &[]).await
            && !done.status.success()
            && !old.session.is_closed()
        {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let mut failure = failure("change", "it could not be restarted", &said);
            failure.command = Some("systemctl reboot".to_owned());
            return Err(failure);
        }
        self.summary.execs += old.session.execs();
        let remote = self.again(&host, &before).await?;
        if self.settings.routes.is_bastion(&host) {
            self.settings.routes.shared.forget(&host.name);
            let (routes, session) = (&self.settings.routes, &remote.session);
            routes.lead_through(&host, session, &self.dialer).await;
        }
        self.remotes.insert(name.to_owned(), remote.clone());
        let start = Instant::now();
        loop {
            let missing = boot(&remote).await?.missing(&before);
            if missing.is_empty() || start.elapsed() > CONTAINERS {
                return Ok(missing);
            }
            self.waiting(name, &missing.join(", "));
            sleep(PAUSE).await;
        }
    }

    /// Logs in again, to another start of the server than this one.
    async fn again(&mut self, host: &Host, before: &Boot) -> Result<Remote, Failure> {
        let name = host.name.as_str();
        let start = Instant::now();
        // Failed tries are no news while it is away.
        let (sender, _) = unbounded_channel();
        let quiet = Events {
            sender,
            mask: std::sync::Arc::clone(&self.events.mask),
        };
        let mut last = "it was still up".to_owned();
        while start.elapsed() < AWAY {
            self.waiting(
                name,
                "the server is away, for sshd to answer after its restart",
            );
            sleep(PAUSE).await;
            let (settings, dialer) = (&self.settings, &self.dialer);
            let mut entrance = Entrance::new(settings, host, dialer, &quiet, &self.roots);
            let attempt = timeout(LOGIN, entrance.next()).await;
            self.summary.connections += entrance.connections();
            let mut remote = match attempt {
                Ok(Ok(remote)) => remote,
                Ok(Err(failure)) => {
                    last = failure.what;
                    continue;
                }
                Err(_) => {
                    last = "no answer".to_owned();
                    continue;
                }
            };
            match boot(&remote).await {
                Ok(now) if now.id != before.id => {
                    remote.events = self.events.clone();
                    return Ok(remote);
                }
                Ok(_) => last = "it was still up, and had not restarted".to_owned(),
                Err(failure) => last = failure.what,
            }
        }
        let what = format!("it did not come back within {} s: {last}", AWAY.as_secs());
        let mut failure = failure("connect", what, "");
        failure.next = Some("see its console in your provider's panel".to_owned());
        Err(failure)
    }

    fn doing(&self, host: &str, what: &str) {
        self.events.send(Event::Doing {
            host: host.to_owned(),
            step: STEP.to_owned(),
            resource: "server".to_owned(),
            what: what.to_owned(),
        });
    }

    fn waiting(&self, host: &str, what: &str) {
        self.events.send(Event::Waiting {
            host: host.to_owned(),
            step: STEP.to_owned(),
            what: what.to_owned(),
        });
    }
}

async fn boot(remote: &Remote) -> Result<Boot, Failure> {
    let done = remote.script(BOOT, &[]).await;
    let done = done.map_err(|e| super::failure::lost(&e))?;
    if let Some(refusal) = remote.root.refusal() {
        return Err(refusal.failure);
    }
    Ok(Boot::parse(&String::from_utf8_lossy(&done.stdout)))
}

fn turns(site: &Site, chosen: &[String]) -> Vec<Turn> {
    let is = |host: &Host, role| host.roles.contains(&role);
    let wanted =
        |host: &&Host| chosen.is_empty() || chosen.iter().any(|name| name == host.name.as_str());
    let mut hosts: Vec<&Host> = site.hosts.values().filter(wanted).collect();
    // What others need is restarted last, when it is known that they come back.
    hosts.sort_by_key(|host| {
        (
            is(host, Role::Proxy),
            is(host, Role::Db),
            is(host, Role::Cache),
        )
    });
    let others = |host: &Host, role| {
        let all = site.with_role(role);
        all.filter(|other| other.name != host.name).count()
    };
    let means = |host: &Host| {
        let last = |role| is(host, role) && others(host, role) == 0;
        if Role::ALL.into_iter().any(last) {
            "the site does not answer until it is back"
        } else if is(host, Role::Proxy) {
            "visitors who are led to it get no answer until it is back"
        } else {
            "the other app servers answer meanwhile"
        }
    };
    let turns = hosts.into_iter().map(|host| Turn {
        host: host.name.to_string(),
        means: means(host).to_owned(),
    });
    turns.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_missed_until_they_run_and_are_well() {
        let before = Boot::parse("boot a\nruns app Up 2 days (healthy)\nruns nginx Up 2 days\n");
        assert_eq!(before.id, "a");
        for (after, missing) in [
            ("boot b\nlacks docker\n", &["Docker doesn't answer"][..]),
            ("boot b\n", &["app doesn't run", "nginx doesn't run"]),
            (
                "boot b\nruns app Up 1 second (health: starting)\nruns nginx Up 1 second\n",
                &["app is still starting"],
            ),
            (
                "boot b\nruns app Up 1 hour (unhealthy)\nruns nginx Up 1 second\n",
                &["app is unhealthy"],
            ),
            (
                "boot b\nruns app Up 1 second (healthy)\nruns nginx Up 1 second\nruns x Up\n",
                &[],
            ),
        ] {
            assert_eq!(Boot::parse(after).missing(&before), missing, "{after}");
        }
        let nothing = Boot::parse("boot a\n");
        let silent = Boot::parse("boot b\nlacks docker\n");
        assert!(
            silent.missing(&nothing).is_empty(),
            "there was none to miss"
        );
    }
}

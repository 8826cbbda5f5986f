//! Looks from here and from the servers, and has it judged. What can only end by time-out
//! starts first and waits beside everything else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

use super::remote::Remote;
use super::token::token;
use super::{Events, Settings, told};
use crate::event::{Event, Finding, Verdict};
use crate::proof::{Check, Claim, Control, Evidence, Hello, LOOKS, Look, Page, Reach, Shown};
use crate::proof::{Timer, judge};
use crate::shell::Script;
use crate::site::{Role, Site};
use crate::step::HERE;
use crate::vantage::{self, Get, Handshake, Scheme, Trust};

const TOUCH: Script = Script(include_str!("sh/touch.sh"));
const CONTROL: Script = Script(include_str!("sh/control.sh"));
const TIMER: Script = Script(include_str!("sh/timer.sh"));
const UPSTREAMS: Script = Script(include_str!("sh/upstreams.sh"));

/// How long silence is listened to: two SYNs are sent in that time.
const SILENCE: Duration = Duration::from_millis(2_500);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A name that no site has (RFC 2606).
const FOREIGN: &str = "foreign.invalid";

/// What the looks share.
struct Watch<'a> {
    site: &'a Site,
    remotes: &'a BTreeMap<String, Remote>,
    trust: Trust,
}

/// Looks at everything that must be proven. Findings come as events, in the order of the
/// checks; the answer is how many hold and how many don't.
pub(super) async fn prove(
    checks: &[Check],
    settings: &Settings,
    remotes: &BTreeMap<String, Remote>,
    events: &Events,
) -> (usize, usize) {
    let site: &Arc<Site> = &settings.site;
    let extra = site.tls.ca.as_ref().map(|pem| pem.text.as_str());
    let (mut proven, mut unproven) = (0, 0);
    let findings = match Trust::new(extra) {
        Ok(trust) => {
            let watch = Watch {
                site,
                remotes,
                trust,
            };
            join_all(checks.iter().map(|check| watch.finding(check))).await
        }
        Err(e) => {
            let missing = Evidence::Missing(e.to_string());
            checks.iter().map(|check| judge(check, &missing)).collect()
        }
    };
    for finding in findings {
        match finding.verdict {
            Verdict::Proven => proven += 1,
            Verdict::Failed | Verdict::Inconclusive => unproven += 1,
        }
        events.send(Event::Found(finding));
    }
    (proven, unproven)
}

impl Watch<'_> {
    async fn finding(&self, check: &Check) -> Finding {
        let evidence = match self.evidence(check).await {
            Ok(evidence) => evidence,
            Err(why) => Evidence::Missing(why),
        };
        let mut finding = judge(check, &evidence);
        let claims_page = matches!(check.claim, Claim::Page { .. });
        if finding.verdict == Verdict::Proven
            && (claims_page || matches!(check.claim, Claim::Open(_)))
        {
            // An answer is its own evidence.
            finding.evidence.clear();
        }
        // The page that a proxy gets from an app server is a cell of that port's row.
        if claims_page {
            let port = if check.from == HERE {
                443
            } else {
                self.site.app.publish
            };
            finding.seen = format!("{} {}", finding.seen, self.site.app.health);
            finding.subject = format!("{port}/tcp");
        }
        finding
    }

    async fn evidence(&self, check: &Check) -> Result<Evidence, String> {
        let address = || -> Result<IpAddr, String> {
            let text = check.address.as_deref().unwrap_or_default();
            text.parse()
                .map_err(|_| format!("{text:?} is not an address"))
        };
        Ok(match &check.claim {
            Claim::Open(port) | Claim::Closed(port) => {
                let reach = self.touch(&check.from, address()?, *port).await?;
                Evidence::Touch {
                    reach,
                    control: Control::default(),
                }
            }
            Claim::Blocked(port) => self.blocked(check, address()?, *port).await?,
            Claim::Page { path, .. } if check.from == HERE => {
                Evidence::Look(self.get(Scheme::Https, address()?, path, None).await)
            }
            Claim::Page { .. } => Evidence::Look(self.ask(&check.from, address()?).await?),
            Claim::Redirect { .. } => {
                let path = self.site.app.health.as_str();
                Evidence::Look(self.get(Scheme::Http, address()?, path, None).await)
            }
            Claim::Ignored => {
                Evidence::Look(self.get(Scheme::Http, address()?, "/", Some(FOREIGN)).await)
            }
            Claim::NoCertificate => Evidence::Hello(self.hello(address()?).await),
            Claim::Certificate { .. } => Evidence::Shown {
                shown: self.shown(address()?).await,
                now: now(),
            },
            Claim::Balanced(_) => Evidence::Looks(self.looks(&check.host, address()?).await?),
            Claim::Timer => Evidence::Timer(self.timer(&check.host).await?),
        })
    }

    fn remote(&self, host: &str) -> Result<&Remote, String> {
        self.remotes
            .get(host)
            .ok_or_else(|| format!("{host} can't be asked over SSH"))
    }

    /// A connection from here or from a host.
    async fn touch(&self, from: &str, address: IpAddr, port: u16) -> Result<Reach, String> {
        if from == HERE {
            let touch = vantage::tcp(SocketAddr::new(address, port), SILENCE).await;
            return Ok(match touch.reach {
                vantage::Reach::Open => Reach::Open,
                vantage::Reach::Refused => Reach::Refused,
                vantage::Reach::TimedOut => Reach::TimedOut,
                vantage::Reach::Unreachable(why) => Reach::Unreachable(why),
            });
        }
        let (exit, _) = self.curl(from, address, port).await?;
        Ok(match exit {
            28 => Reach::TimedOut,
            7 => Reach::Refused,
            // It spoke, whatever it said.
            0 | 52 | 56 => Reach::Open,
            other => Reach::Unreachable(format!("curl ended with {other}")),
        })
    }

    /// curl's exit status and the HTTP status, from a host.
    async fn curl(&self, from: &str, address: IpAddr, port: u16) -> Result<(i32, u16), String> {
        let url = format!(
            "http://{}{}",
            SocketAddr::new(address, port),
            self.site.app.health
        );
        let seconds = format!("{:.1}", SILENCE.as_secs_f32());
        let args = [url.as_str(), self.site.canonical().as_str(), &seconds];
        let printed = self.print(from, TOUCH, &args).await?;
        let mut words = printed.split_whitespace().map(str::parse);
        match (words.next(), words.next()) {
            (Some(Ok(exit)), Some(Ok(status))) => {
                Ok((exit, u16::try_from(status).unwrap_or_default()))
            }
            _ => Err(format!("curl on {from} said {printed:?}")),
        }
    }

    /// The app's page as a proxy gets it.
    async fn ask(&self, from: &str, address: IpAddr) -> Result<Look, String> {
        Ok(
            match self.curl(from, address, self.site.app.publish).await? {
                (0, status) => Look::Page(Page {
                    status,
                    location: None,
                    served_by: None,
                }),
                (28, _) => Look::TimedOut,
                (7, _) => Look::Refused,
                (52, _) => Look::Closed,
                (other, _) => Look::Failed(format!("curl ended with {other}")),
            },
        )
    }

    /// A port that must be silent, with everything that lets its silence be believed.
    async fn blocked(&self, check: &Check, address: IpAddr, port: u16) -> Result<Evidence, String> {
        let host = self
            .site
            .hosts
            .values()
            .find(|host| host.name.as_str() == check.host);
        let proxy = self.site.with_role(Role::Proxy).next();
        let (before, control) = (self.control(&check.host, port), async {
            match (proxy, host) {
                (Some(proxy), Some(host)) => self
                    .ask(proxy.name.as_str(), host.inner_from(proxy))
                    .await
                    .ok(),
                _ => None,
            }
        });
        let alive = async {
            let (Some(host), true) = (host, check.from == HERE) else {
                return None;
            };
            // Behind a bastion, SSH need not answer to the world.
            if !self.site.way(host).is_empty() {
                return None;
            }
            let ssh = SocketAddr::new(address, host.port());
            Some(vantage::tcp(ssh, SILENCE).await.reach == vantage::Reach::Open)
        };
        let before = before.await;
        let (reach, answered, alive) =
            tokio::join!(self.touch(&check.from, address, port), control, alive);
        let after = self.control(&check.host, port).await;
        let denied = match (&before, &after) {
            (Ok((_, before)), Ok((_, after))) => Some(after.saturating_sub(*before)),
            _ => None,
        };
        let control = Control {
            listens: after.ok().map(|(listens, _)| listens),
            proxy: answered,
            alive,
            denied,
        };
        Ok(Evidence::Touch {
            reach: reach?,
            control,
        })
    }

    /// Whether the port listens on its host, and how far the deny counters have come.
    async fn control(&self, host: &str, port: u16) -> Result<(bool, u64), String> {
        let printed = self.print(host, CONTROL, &[&port.to_string()]).await?;
        let mut lines = printed.lines();
        let listens = lines.next() == Some("listens");
        let denied = lines
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or_default();
        Ok((listens, denied))
    }

    async fn get(
        &self,
        scheme: Scheme,
        address: IpAddr,
        path: &str,
        host_header: Option<&str>,
    ) -> Look {
        let mut get = Get::new(scheme, self.site.canonical().as_str(), address, path).limit(ANSWER);
        if let Some(host) = host_header {
            get = get.host_header(host);
        }
        match get.send(&self.trust).await {
            Ok(answer) => Look::Page(Page {
                status: answer.status,
                location: answer.location,
                served_by: None,
            }),
            Err(vantage::Error::Closed { .. }) => Look::Closed,
            Err(vantage::Error::Refused { .. }) => Look::Refused,
            Err(vantage::Error::TimedOut { .. }) => Look::TimedOut,
            Err(other) => Look::Failed(told(&other)),
        }
    }

    /// Asks for the page often enough, and has nginx's log say who answered.
    async fn looks(&self, host: &str, address: IpAddr) -> Result<Vec<Look>, String> {
        let mark = token().map_err(|e| e.to_string())?;
        let mark = format!("provision-{mark}");
        let count = LOOKS * self.site.with_role(Role::App).count();
        let name = self.site.canonical().as_str();
        let mut looks = Vec::new();
        for _ in 0..count {
            let get = Get::new(Scheme::Https, name, address, self.site.app.health.as_str());
            let get = get.header("User-Agent", &mark).limit(ANSWER);
            looks.push(match get.send(&self.trust).await {
                Ok(answer) => Page {
                    status: answer.status,
                    location: None,
                    served_by: None,
                },
                Err(e) => return Ok(vec![Look::Failed(told(&e))]),
            });
        }
        let container = format!("{}-proxy", self.site.name);
        let answered = self.print(host, UPSTREAMS, &[&container, &mark]).await?;
        let proxy = self.site.hosts.values().find(|h| h.name.as_str() == host);
        let servers: Vec<String> = self
            .site
            .with_role(Role::App)
            .filter(|app| {
                let inner = proxy.map_or(app.address, |proxy| app.inner_from(proxy));
                let upstream = SocketAddr::new(inner, self.site.app.publish).to_string();
                answered.lines().any(|line| line == upstream)
            })
            .map(|app| app.name.to_string())
            .collect();
        // The log says which servers answered, not which of the requests each of them did.
        let mut names = servers.iter().cycle();
        Ok(looks
            .into_iter()
            .map(|mut page| {
                page.served_by = names.next().cloned();
                Look::Page(page)
            })
            .collect())
    }

    async fn hello(&self, address: IpAddr) -> Hello {
        let address = SocketAddr::new(address, 443);
        match vantage::handshake(address, Some(FOREIGN), &self.trust, ANSWER).await {
            Ok(Handshake::Rejected(alert)) => Hello::Rejected(alert),
            Ok(
                Handshake::Accepted(shown)
                | Handshake::Distrusted {
                    certificate: shown, ..
                },
            ) => Hello::Certificate(shown.map(|shown| shown.names).unwrap_or_default()),
            Err(vantage::Error::Closed { .. }) => Hello::Closed,
            Err(other) => Hello::Failed(told(&other)),
        }
    }

    async fn shown(&self, address: IpAddr) -> Shown {
        let address = SocketAddr::new(address, 443);
        let name = self.site.canonical().as_str();
        match vantage::handshake(address, Some(name), &self.trust, ANSWER).await {
            Ok(Handshake::Accepted(Some(shown))) => Shown::Trusted {
                names: shown.names,
                issuer: shown.issuer,
                not_after: shown.not_after,
            },
            Ok(Handshake::Accepted(None)) => Shown::Failed("it can't be parsed".to_owned()),
            Ok(Handshake::Distrusted {
                certificate,
                reason,
            }) => Shown::Distrusted {
                issuer: certificate.map(|shown| shown.issuer),
                reason,
            },
            Ok(Handshake::Rejected(alert)) => Shown::Failed(format!("alert {alert}")),
            Err(other) => Shown::Failed(told(&other)),
        }
    }

    async fn timer(&self, host: &str) -> Result<Timer, String> {
        let unit = format!("{}-renew.timer", self.site.name);
        let printed = self.print(host, TIMER, &[&unit]).await?;
        let value = |key: &str| {
            printed
                .lines()
                .find_map(|line| {
                    line.strip_prefix(key)
                        .and_then(|rest| rest.strip_prefix('='))
                })
                .unwrap_or_default()
        };
        Ok(Timer {
            enabled: value("UnitFileState") == "enabled",
            active: value("ActiveState") == "active",
            // systemd prints a date here; that there is one is what counts.
            next: (!value("NextElapseUSecRealtime").is_empty()).then(now),
        })
    }

    async fn print(&self, host: &str, script: Script, args: &[&str]) -> Result<String, String> {
        let done = self
            .remote(host)?
            .script(script, args)
            .await
            .map_err(|e| e.to_string())?;
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! What the site shows to the world: the page, redirects, TLS, who answers, and the timer behind
//! the certificate.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;

use crate::engine::remote::Remote;
use crate::engine::token::token;
use crate::engine::told;
use crate::event::{Finding, Verdict};
use crate::proof::{Check, Claim, Evidence, Hello, LOOKS, Look, Page, Shown, Timer, judge};
use crate::shell::Script;
use crate::site::{Role, Site};
use crate::vantage::{self, Get, Handshake, Scheme, Trust};

const TIMER: Script = Script(include_str!("../sh/timer.sh"));
const UPSTREAMS: Script = Script(include_str!("../sh/upstreams.sh"));

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

/// Looks at these, all at once; findings in their order.
pub(super) async fn findings(
    checks: &[Check],
    site: &Site,
    remotes: &BTreeMap<String, Remote>,
) -> Vec<Finding> {
    let extra = site.tls.ca.as_ref().map(|pem| pem.text.as_str());
    match Trust::new(extra) {
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
    }
}

/// Makes the finding of a page a cell of its port's row: few words for what was seen.
pub(super) fn cell(finding: &mut Finding, look: Option<&Look>, port: u16, site: &Site) {
    finding.subject = format!("{port}/tcp");
    match look {
        Some(Look::Page(_)) => finding.seen = format!("{} {}", finding.seen, site.app.health),
        Some(Look::Failed(why)) => {
            finding.seen = "no page".to_owned();
            finding.evidence.clone_from(why);
        }
        _ => {}
    }
}

impl Watch<'_> {
    async fn finding(&self, check: &Check) -> Finding {
        let evidence = match self.evidence(check).await {
            Ok(evidence) => evidence,
            Err(why) => Evidence::Missing(why),
        };
        let mut finding = judge(check, &evidence);
        if matches!(check.claim, Claim::Page { .. }) {
            let look = match &evidence {
                Evidence::Look(look) => Some(look),
                _ => None,
            };
            cell(&mut finding, look, 443, self.site);
            if finding.verdict == Verdict::Proven {
                // An answer is its own evidence.
                finding.evidence.clear();
            }
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
            Claim::Page { path, .. } => {
                Evidence::Look(self.get(Scheme::Https, address()?, path, None).await)
            }
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
            Claim::Open(_) | Claim::Closed(_) | Claim::Blocked(_) | Claim::Either(_) => {
                return Err("a connection is not looked at here".to_owned());
            }
        })
    }

    fn remote(&self, host: &str) -> Result<&Remote, String> {
        self.remotes
            .get(host)
            .ok_or_else(|| format!("{host} can't be asked over SSH"))
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

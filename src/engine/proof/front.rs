//! What the site shows to the world: the page, redirects, TLS, who answers, and what stands behind
//! the certificate.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::engine::remote::Remote;
use crate::engine::served::{self, Served};
use crate::engine::token::token;
use crate::engine::{timer, told};
use crate::event::{Finding, Level, Remark, Verdict};
use crate::proof::{
    Check, Claim, Evidence, Filed, Hello, LOOKS, Leaf, Look, Origin, Page, Quic, Shown, judge,
};
use crate::shell::Script;
use crate::site::{Host, Role, Site};
use crate::step;
use crate::vantage::{self, Certificate, Get, Handshake, Scheme, Trust};

const UPSTREAMS: Script = Script(include_str!("../sh/upstreams.sh"));

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// A name that no site has (RFC 2606).
const FOREIGN: &str = "foreign.invalid";

/// What the looks share.
struct Watch<'a> {
    site: &'a Site,
    remotes: &'a BTreeMap<String, Remote>,
    /// The authorities of this machine, and those of site.toml.
    authorities: Trust,
    /// Where the certificate comes from; `None` if there is none.
    origin: Option<Origin>,
    /// What each proxy says of its certificate, asked once.
    proxies: BTreeMap<&'a str, OnceCell<Result<Served, String>>>,
}

/// Looks at these, all at once; findings in their order.
pub(super) async fn findings(
    checks: &[Check],
    site: &Site,
    remotes: &BTreeMap<String, Remote>,
) -> Vec<Finding> {
    let extra = site.tls.ca.as_ref().map(|pem| pem.text.as_str());
    match Trust::new(extra) {
        Ok(authorities) => {
            let proxies = site.with_role(Role::Proxy);
            let watch = Watch {
                site,
                remotes,
                authorities,
                origin: step::origin(site),
                proxies: proxies
                    .map(|host| (host.name.as_str(), OnceCell::new()))
                    .collect(),
            };
            join_all(checks.iter().map(|check| watch.finding(check))).await
        }
        Err(e) => {
            let missing = Evidence::Missing(e.to_string());
            checks.iter().map(|check| judge(check, &missing)).collect()
        }
    }
}

/// What should be known of a site without a certificate that browsers trust, by proxy.
pub(super) fn remarks(site: &Site) -> Vec<(String, Remark)> {
    let remark = match step::origin(site) {
        Some(Origin::Acme | Origin::Provided) => return Vec::new(),
        Some(Origin::Staging) => Remark {
            level: Level::Warning,
            rule: "staging-certificate".to_owned(),
            what: "the certificate comes from a staging authority".to_owned(),
            why: "no browser trusts it: it is for rehearsals".to_owned(),
            mend: "leave out `staging` in [tls] and run".to_owned(),
        },
        Some(Origin::SelfSigned) => Remark {
            level: Level::Warning,
            rule: "self-signed-certificate".to_owned(),
            what: "the certificate signs itself".to_owned(),
            why: "no browser trusts it, and nobody can tell it from another one that does"
                .to_owned(),
            mend: "choose another mode in [tls] where the site has a public name".to_owned(),
        },
        None => Remark {
            level: Level::Warning,
            rule: "no-tls".to_owned(),
            what: "the site is served over HTTP alone".to_owned(),
            why: "whoever is on the way can read and change all of it, passwords too".to_owned(),
            mend: "choose another mode than \"off\" in [tls]".to_owned(),
        },
    };
    let proxies = site.with_role(Role::Proxy);
    proxies
        .map(|host| (host.name.to_string(), remark.clone()))
        .collect()
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
            cell(&mut finding, look, self.port(), self.site);
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
        let host = check.host.as_str();
        Ok(match &check.claim {
            Claim::Page { path, .. } => Evidence::Look(
                self.get(host, self.scheme(), address()?, path, None)
                    .await?,
            ),
            Claim::Redirect { .. } => {
                let path = self.site.app.health.as_str();
                Evidence::Look(self.get(host, Scheme::Http, address()?, path, None).await?)
            }
            Claim::Ignored => {
                let foreign = Some(FOREIGN);
                Evidence::Look(
                    self.get(host, Scheme::Http, address()?, "/", foreign)
                        .await?,
                )
            }
            Claim::NoCertificate => Evidence::Hello(self.hello(address()?).await),
            Claim::Certificate { .. } => Evidence::Shown {
                shown: self.shown(host, address()?).await?,
                filed: self.filed(host).await,
                now: now(),
            },
            Claim::Balanced(_) => Evidence::Looks(self.looks(host, address()?).await?),
            Claim::Timer(timed) => {
                let arguments = timer::arguments(self.site, *timed);
                let arguments = arguments.each_ref().map(String::as_str);
                let printed = self.print(host, timer::SCRIPT, &arguments).await?;
                Evidence::Timer {
                    timer: timer::parse(&printed),
                    now: now(),
                }
            }
            Claim::Http3 => Evidence::Quic(self.quic(host, address()?).await?),
            Claim::Open(_)
            | Claim::Closed(_)
            | Claim::Blocked(_)
            | Claim::Either(_)
            | Claim::Rehearsal => {
                return Err("that is not looked at here".to_owned());
            }
        })
    }

    /// How the site is served.
    fn scheme(&self) -> Scheme {
        match self.origin {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        }
    }

    fn port(&self) -> u16 {
        match self.origin {
            Some(_) => 443,
            None => 80,
        }
    }

    fn host(&self, name: &str) -> Option<&Host> {
        let mut all = self.site.hosts.values();
        all.find(|host| host.name.as_str() == name)
    }

    /// What a proxy says of its certificate.
    async fn served(&self, name: &str) -> Result<&Served, String> {
        let host = self.host(name).zip(self.proxies.get(name));
        let (host, cell) = host.ok_or_else(|| format!("{name} is no proxy"))?;
        let ask = || async {
            let arguments = served::arguments(self.site, host);
            let arguments = arguments.each_ref().map(String::as_str);
            let printed = self.print(name, served::SCRIPT, &arguments).await?;
            Ok(Served::parse(&printed))
        };
        cell.get_or_init(ask).await.as_ref().map_err(Clone::clone)
    }

    /// The certificate that lies on a proxy to be served.
    async fn filed(&self, name: &str) -> Filed {
        let path = self.host(name);
        let path = path.and_then(|host| step::serving(self.site, host).certificate);
        match self.served(name).await {
            Ok(served) => served.filed(&path.unwrap_or_default()),
            Err(why) => Filed::Unknown(why),
        }
    }

    /// Whom to believe of a proxy. What nobody is to trust is believed if it is exactly what lies
    /// there.
    async fn trust(&self, name: &str) -> Result<Trust, String> {
        if self.origin.and_then(Origin::warning).is_none() {
            return Ok(self.authorities.clone());
        }
        let pem = self.served(name).await?.pem.as_deref();
        let pem = pem.ok_or("there is no certificate on the server to hold it against")?;
        Trust::exactly(pem).map_err(|e| told(&e))
    }

    fn remote(&self, host: &str) -> Result<&Remote, String> {
        self.remotes
            .get(host)
            .ok_or_else(|| format!("{host} can't be asked over SSH"))
    }

    async fn get(
        &self,
        proxy: &str,
        scheme: Scheme,
        address: IpAddr,
        path: &str,
        host_header: Option<&str>,
    ) -> Result<Look, String> {
        let trust = match scheme {
            Scheme::Https => self.trust(proxy).await?,
            Scheme::Http => self.authorities.clone(),
        };
        let mut get = Get::new(scheme, self.site.canonical().as_str(), address, path).limit(ANSWER);
        if let Some(host) = host_header {
            get = get.host_header(host);
        }
        Ok(match get.send(&trust).await {
            Ok(answer) => Look::Page(Page {
                status: answer.status,
                location: answer.location,
                served_by: None,
            }),
            Err(vantage::Error::Closed { .. }) => Look::Closed,
            Err(vantage::Error::Refused { .. }) => Look::Refused,
            Err(vantage::Error::TimedOut { .. }) => Look::TimedOut,
            Err(other) => Look::Failed(told(&other)),
        })
    }

    /// What the page says of HTTP/3, and whether the port for it is there.
    async fn quic(&self, host: &str, address: IpAddr) -> Result<Quic, String> {
        let (name, path) = (
            self.site.canonical().as_str(),
            self.site.app.health.as_str(),
        );
        let get = Get::new(Scheme::Https, name, address, path).limit(ANSWER);
        let answer = get.send(&self.trust(host).await?).await;
        let answer = answer.map_err(|e| told(&e))?;
        Ok(Quic {
            alt_svc: answer.headers.get("alt-svc").cloned(),
            published: self.served(host).await?.udp,
        })
    }

    /// Asks for the page often enough, and has nginx's log say who answered.
    async fn looks(&self, host: &str, address: IpAddr) -> Result<Vec<Look>, String> {
        let mark = token().map_err(|e| e.to_string())?;
        let mark = format!("provision-{mark}");
        let count = LOOKS * self.site.with_role(Role::App).count();
        let name = self.site.canonical().as_str();
        let mut looks = Vec::new();
        let trust = self.trust(host).await?;
        for _ in 0..count {
            let get = Get::new(self.scheme(), name, address, self.site.app.health.as_str());
            let get = get.header("User-Agent", &mark).limit(ANSWER);
            looks.push(match get.send(&trust).await {
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
        match vantage::handshake(address, Some(FOREIGN), &self.authorities, ANSWER).await {
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

    async fn shown(&self, host: &str, address: IpAddr) -> Result<Shown, String> {
        let address = SocketAddr::new(address, 443);
        let name = self.site.canonical().as_str();
        let trust = self.trust(host).await?;
        Ok(
            match vantage::handshake(address, Some(name), &trust, ANSWER).await {
                Ok(Handshake::Accepted(Some(shown))) => Shown::Trusted(leaf(shown)),
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
            },
        )
    }

    async fn print(&self, host: &str, script: Script, args: &[&str]) -> Result<String, String> {
        let done = self
            .remote(host)?
            .script(script, args)
            .await
            .map_err(|e| e.to_string())?;
        if !done.status.success() {
            return Err(format!("{host} could not be asked: {}", done.status));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}

fn leaf(shown: Certificate) -> Leaf {
    Leaf {
        names: shown.names,
        issuer: shown.issuer,
        not_before: shown.not_before,
        not_after: shown.not_after,
        sha256: shown.sha256,
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

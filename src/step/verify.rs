//! `verify`: what must be proven of the site, from outside.

use std::collections::BTreeMap;

use super::matrix::{HERE, Vantage, cells, check};
use super::{Cx, Error, Resources, Step, material, renewal};
use crate::proof::{Check, Claim, Origin, Timed};
use crate::resource::sha256;
use crate::resource::task::Task;
use crate::shell::Cmd;
use crate::site::{AccessLog, Host, Mode, Role, Site};

pub(super) const STEP: Step = Step {
    name: "verify",
    summary: "The proof: who reaches what, over which address, and what the site answers",
    reads: "connections from here, from inside the proxy's container, from all other hosts and from \
            the servers of [verify]; what listens, what Docker publishes, what the deny rules have \
            dropped; the page, the redirect, the certificate, the timers; `provision verify` rehearses \
            the renewal too",
    changes: "leaves a receipt of the proof in /var/lib/provision/SITE",
    guarded: false,
    resources,
};

/// What must be proven of a site, as far as that is known before any host was looked at.
pub fn checks(site: &Site) -> Vec<Check> {
    let here = Vantage {
        name: HERE.to_owned(),
        addresses: Vec::new(),
    };
    let mut checks = cells(site, &BTreeMap::new(), &[here]);
    checks.extend(fronts(site));
    checks
}

/// What every proxy must show to the world, and the timers that have to be armed.
pub fn fronts(site: &Site) -> Vec<Check> {
    let mut checks = Vec::new();
    for proxy in site.with_role(Role::Proxy) {
        front(site, proxy, &mut checks);
    }
    for host in site.hosts.values() {
        let name = host.name.as_str();
        let timers = timers(site, host).into_iter();
        checks.extend(timers.map(|timed| check(name, name, None, Claim::Timer(timed))));
    }
    checks
}

/// The timers that have to be armed on a host.
pub fn timers(site: &Site, host: &Host) -> Vec<Timed> {
    let has = |role| host.roles.contains(&role);
    let renews = has(Role::Proxy) && origin(site).is_some();
    let makes = has(Role::Db) && site.postgres.is_some() && site.backup.at.is_some();
    [(renews, Timed::Renewal), (makes, Timed::Backup)]
        .into_iter()
        .filter_map(|(wanted, timed)| wanted.then_some(timed))
        .collect()
}

/// Where the site's certificate comes from; `None` where there is none.
pub fn origin(site: &Site) -> Option<Origin> {
    match &site.tls.mode {
        Mode::Acme(acme) if acme.staging => Some(Origin::Staging),
        Mode::Acme(_) => Some(Origin::Acme),
        Mode::Provided(_) => Some(Origin::Provided),
        Mode::SelfSigned(_) => Some(Origin::SelfSigned),
        Mode::Off => None,
    }
}

/// What a proxy has for the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// nginx's container.
    pub container: String,
    /// The file on the host with the certificate that nginx is to serve, and maybe its key; `None`
    /// where there is no TLS.
    pub certificate: Option<String>,
}

/// What a proxy has for the world.
pub fn serving(site: &Site, host: &Host) -> Serving {
    let cx = Cx { site, host, now: 0 };
    Serving {
        container: material::container(&cx),
        certificate: material::wanted(&cx).map(|material| material.host),
    }
}

/// What an operation holds while it goes on: one of a run, or the renewal.
const TURN: &str = "/var/lib/provision/operation";

/// What rehearses the renewal on every proxy, where there is one.
pub fn rehearsals(site: &Site) -> Vec<(Check, Cmd)> {
    let mut all = Vec::new();
    for host in site.with_role(Role::Proxy) {
        let name = host.name.as_str();
        if let Some(cmd) = renewal::rehearsal(&Cx { site, host, now: 0 }) {
            // Nothing is waited for: what goes on there may be the renewal itself.
            let turn = Cmd::new("flock").args(["--nonblock", "--conflict-exit-code", "75", TURN]);
            let cmd = turn.args(cmd.argv().iter().cloned());
            all.push((check(name, name, None, Claim::Rehearsal), cmd));
        }
    }
    all
}

/// What the proxy must show to the world.
fn front(site: &Site, proxy: &Host, checks: &mut Vec<Check>) {
    let name = proxy.name.as_str();
    let canonical = site.canonical();
    let path = site.app.health.to_string();
    let origin = origin(site);
    for address in proxy.public() {
        let mut seen = |claim| checks.push(check(name, HERE, Some(address), claim));
        seen(Claim::Page {
            path: path.clone(),
            status: 200,
        });
        if origin.is_some() {
            let to = format!("https://{canonical}{path}");
            seen(Claim::Redirect { to });
        }
        seen(Claim::Ignored);
        if origin.is_some() {
            seen(Claim::NoCertificate);
        }
        if site.proxy.http3 {
            seen(Claim::Http3);
        }
    }
    let mut once = |claim| checks.push(check(name, HERE, Some(proxy.address), claim));
    if let Some(origin) = origin {
        let names = site.domains.iter().map(ToString::to_string).collect();
        once(Claim::Certificate { names, origin });
    }
    let servers = site
        .with_role(Role::App)
        .map(|app| app.name.to_string())
        .collect();
    // nginx's log alone says who answered; where there is one app server, the page itself does.
    if site.proxy.access_log != AccessLog::Off && !site.alone(proxy) {
        once(Claim::Balanced(servers));
    }
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    // The receipt goes with the first change on the host, and comes back with a new proof.
    let depends = sha256(format!("{:?}", checks(cx.site)));
    let receipt = format!("{}/proof", cx.site.state());
    Ok(vec![Box::new(Task::new(
        "proof",
        receipt,
        depends,
        Vec::new(),
    ))])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::site;

    const MODES: [&str; 5] = [
        "email = \"ops@example.com\"",
        "email = \"ops@example.com\"\nstaging = true",
        "mode = \"self-signed\"",
        "mode = \"off\"",
        "email = \"ops@example.com\"\n[proxy]\nhttp3 = true",
    ];

    fn site(tls: &str) -> Site {
        let text = format!(
            "name = \"polls\"\ndomains = [\"polls.example.com\"]\n\
             [hosts.app1]\naddress = \"198.51.100.11\"\nrole = \"app\"\n\
             [hosts.proxy]\naddress = \"198.51.100.13\"\nrole = \"proxy\"\n\
             [app]\nsource = {{ image = \"registry.example/polls:1\" }}\n\
             [tls]\n{tls}\n"
        );
        let file = Path::new("/nowhere/site.toml");
        site::parse(&text, file, |_| None).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_a_proxy_must_show_follows_from_where_its_certificate_comes_from() {
        let subjects = |tls: &str| -> Vec<String> {
            let all = fronts(&site(tls));
            let all = all
                .iter()
                .filter(|check| !matches!(check.claim, Claim::Page { .. }));
            all.map(|check| check.claim.subject()).collect()
        };
        let full = [
            "redirect",
            "foreign Host",
            "foreign TLS name",
            "certificate",
            "load balancing",
            "renewal timer",
        ];
        for mode in &MODES[..3] {
            assert_eq!(subjects(mode), full, "{mode}");
        }
        assert_eq!(subjects(MODES[3]), ["foreign Host", "load balancing"]);
        assert!(subjects(MODES[4]).contains(&"HTTP/3".to_owned()));
    }

    #[test]
    fn another_mode_makes_an_earlier_proof_void() {
        let all: BTreeSet<String> = MODES
            .iter()
            .map(|mode| format!("{:?}", checks(&site(mode))))
            .collect();
        assert_eq!(all.len(), MODES.len());
    }

    #[test]
    fn only_what_an_authority_renews_is_rehearsed() {
        let count = |tls| rehearsals(&site(tls)).len();
        assert_eq!(MODES.map(count), [1, 1, 0, 0, 1]);
    }

    #[test]
    fn without_tls_nothing_answers_on_its_port() {
        let claims = |tls: &str, port: &str| -> Vec<Claim> {
            let all = checks(&site(tls));
            let of_port = |c: &&Check| c.host == "proxy" && c.claim.subject() == port;
            all.iter()
                .filter(of_port)
                .map(|c| c.claim.clone())
                .collect()
        };
        let off = claims(MODES[3], "443/tcp");
        assert!(
            !off.is_empty() && off.iter().all(|c| *c == Claim::Closed(443)),
            "{off:?}"
        );
        // From here the page itself is asked for.
        assert!(!claims(MODES[3], "80/tcp").is_empty());
        assert!(
            claims(MODES[0], "443/tcp")
                .iter()
                .all(|c| *c == Claim::Open(443))
        );
    }
}

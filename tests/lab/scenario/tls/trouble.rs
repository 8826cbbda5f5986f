//! Authorities that refuse good requests, that can't find the name, and sites that no challenge
//! could reach: it converges or says why not, without asking more often than makes sense.

use provision::lab::DOMAIN;

use super::{from_authority, served, site_with};
use crate::authority::{Authority, Resolver, Settings};
use crate::program::Ended;
use crate::requests::{Over, Requests, Shown};
use crate::servers::{console, converged, run_with, tell_resolver};
use crate::site::{Variant, set};

/// How many requests an authority may get for one certificate, rehearsals, refusals and all.
const REQUESTS: usize = 150;
/// How many orders it may get in one run.
const ORDERS: usize = 6;

/// A run under requests, none of which is lost; what was shown.
fn run_under_requests(site: &Variant, what: &str) -> (Ended, Vec<Shown>) {
    let requests = Requests::start(Over::Https);
    let ended = run_with(&site.file());
    (ended, requests.none_lost(what))
}

/// That an authority was not asked too often.
fn within_bounds(authority: &Authority, what: &str) {
    let (requests, orders) = (authority.requests(), authority.orders());
    let issued = authority.issued();
    eprintln!("{what}: {requests} requests, {orders} orders, {issued} issued");
    assert!(requests <= REQUESTS, "{what}: {requests} requests");
    assert!(orders <= ORDERS, "{what}: {orders} orders");
}

/// The failure of a run that ended without a certificate, all that is said of it.
fn failure(ended: &Ended, what: &str) -> String {
    assert_ne!(ended.code, Some(0), "{what}: {ended}");
    let failures = ended.failures();
    assert_eq!(failures.len(), 1, "{what}: one error\n{ended}");
    let (host, _, all) = &failures[0];
    assert_eq!(host, "proxy", "{what}: {ended}");
    assert!(
        all.contains("\"next\":"),
        "{what}: says what to do next: {all}"
    );
    all.clone()
}

/// A later run converges, and says why where chance is against it once more.
fn goes_on(site: &Variant) {
    for _ in 0..3 {
        let again = run_with(&site.file());
        if again.code == Some(0) {
            return;
        }
        let said = failure(&again, "refused nonces, again").to_lowercase();
        assert!(said.contains("nonce"), "{said}");
    }
    panic!("refused nonces: three more runs didn't converge");
}

pub fn nonces() {
    converged();
    let settings = Settings {
        // Twice as many as Pebble refuses by itself.
        reject_nonces_percent: 10,
        reuse_authorizations_percent: 50,
        ..Settings::default()
    };
    let authority = Authority::start(14300, settings);
    let site = site_with(&authority);
    let (ended, shown) = run_under_requests(&site, "refused nonces");
    within_bounds(&authority, "refused nonces");
    if ended.code == Some(0) {
        assert_eq!(shown.len(), 2, "{shown:#?}");
        assert_eq!(served().issuer, authority.issuer());
    } else {
        // Chance may have it that one is refused again and again.
        let said = failure(&ended, "refused nonces").to_lowercase();
        assert!(said.contains("nonce"), "{said}");
        // Where that was the rehearsal, the new one is served already.
        let new = served().issuer == authority.issuer();
        assert_eq!(shown.len(), if new { 2 } else { 1 }, "{shown:#?}");
        goes_on(&site);
        assert_eq!(served().issuer, authority.issuer());
    }
    converged();
}

pub fn resolver() {
    converged();
    let resolver = Resolver::start(8153);
    let settings = Settings {
        resolver: 8153,
        ..Settings::default()
    };
    let authority = Authority::start(14310, settings);
    let site = site_with(&authority);
    resolver.fails(DOMAIN, true);
    let (ended, shown) = run_under_requests(&site, "a name that isn't found");
    within_bounds(&authority, "a name that isn't found");
    let said = failure(&ended, "a name that isn't found");
    assert!(said.contains(DOMAIN), "{said}");
    assert!(said.contains("name servers"), "{said}");
    assert_eq!(shown.len(), 1, "the old one is served on");
    assert_eq!(authority.issued(), 0);

    resolver.fails(DOMAIN, false);
    let (ended, shown) = run_under_requests(&site, "a name that is found again");
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert_eq!(served().issuer, authority.issuer());
    converged();
}

pub fn before_asking() {
    converged();
    let authority = Authority::start(14320, Settings::default());
    let site = site_with(&authority);
    let inside = "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' \
                  polls-proxy";
    let nginx = console("proxy", inside);
    let nginx = nginx.trim();
    let rules = [
        // Something else answers.
        (
            "no token",
            format!("-t nat -I PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to {nginx}:443"),
            format!("-t nat -D PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to {nginx}:443"),
        ),
        // Nobody answers.
        (
            "port 80 closed",
            "-t raw -I PREROUTING -i eth0 -p tcp --dport 80 -j DROP".to_owned(),
            "-t raw -D PREROUTING -i eth0 -p tcp --dport 80 -j DROP".to_owned(),
        ),
    ];
    for (what, on, off) in rules {
        console("proxy", &format!("iptables {on}"));
        let (ended, shown) = run_under_requests(&site, what);
        console("proxy", &format!("iptables {off}"));
        let said = failure(&ended, what);
        assert!(
            said.contains(DOMAIN) && said.contains("80"),
            "{what}: {said}"
        );
        assert_eq!(authority.orders(), 0, "{what}: {said}");
        assert_eq!(shown.len(), 1, "{what}: {shown:#?}");
    }

    let elsewhere = "elsewhere.example.test";
    for what in ["clear-a", "clear-aaaa"] {
        tell_resolver(what, &format!(r#"{{"host": "{elsewhere}"}}"#));
    }
    tell_resolver(
        "add-a",
        &format!(r#"{{"host": "{elsewhere}", "addresses": ["198.51.100.66"]}}"#),
    );
    let wrong = Variant::beside(|site, dir| {
        from_authority(site, dir, &authority);
        let names: Vec<toml::Value> = [DOMAIN, elsewhere].map(Into::into).to_vec();
        set(site, &["domains"], names);
    });
    let ended = run_with(&wrong.file());
    let said = failure(&ended, "a name that leads elsewhere");
    assert!(said.contains(elsewhere), "{said}");
    assert_eq!(authority.requests(), 0, "nobody was asked: {said}");
    converged();
}

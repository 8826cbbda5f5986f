//! From each source of certificates to the next: plan shows it as a drift, one run gets there,
//! the next one changes nothing, and nobody who asks meanwhile goes without an answer.

use std::fs;
use std::path::Path;

use provision::lab::DOMAIN;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::{from_authority, mode, plan_of, served};
use crate::authority::{Authority, Settings, bundle};
use crate::outside::{PROXY, curl};
use crate::requests::{ECDSA, Over, RSA, Requests, Shown, fingerprint_of};
use crate::servers::{converged, run_with, tell_resolver};
use crate::site::{Variant, lab, set};

/// A name that the lab's resolver doesn't know by itself.
const THIRD: &str = "votes.example.test";

/// An operator's own certificate authority.
pub struct Own {
    pub root: String,
    intermediate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Own {
    pub fn new() -> Self {
        let authority = |name: &str| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            params.distinguished_name.push(DnType::CommonName, name);
            (params, KeyPair::generate().unwrap())
        };
        let (params, key) = authority("an operator's own root");
        let root = params.self_signed(&key).unwrap().pem();
        let above = Issuer::new(params, key);
        let (params, key) = authority("an operator's own intermediate");
        let intermediate = params.signed_by(&key, &above).unwrap().pem();
        Self {
            root,
            intermediate,
            issuer: Issuer::new(params, key),
        }
    }

    /// A chain for this name that ends in this year, and its key, in PEM.
    pub fn pair(&self, name: &str, until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let leaf = params.signed_by(&key, &self.issuer).unwrap().pem();
        (format!("{leaf}{}", self.intermediate), key.serialize_pem())
    }
}

/// Writes a pair beside a site.
pub fn write(dir: &Path, (chain, key): &(String, String)) {
    fs::write(dir.join("chain.pem"), chain).unwrap();
    fs::write(dir.join("key.pem"), key).unwrap();
}

fn provided(own: &Own, pair: &(String, String)) -> Variant {
    Variant::beside(|site, dir| {
        write(dir, pair);
        let path = bundle(dir, &[]);
        let all = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{all}{}", own.root)).unwrap();
        let keys = [
            ("certificate", "chain.pem".into()),
            ("key", "key.pem".into()),
            ("ca", path.to_str().unwrap().into()),
        ];
        mode(site, "provided", &keys);
    })
}

/// Goes to another source under requests; what was shown, the old one and the new.
fn switch(site: &Variant, what: &str, over: Over) -> Vec<Shown> {
    let planned = plan_of(site);
    let differing = planned.differing();
    let proxys = |name: &String| name.starts_with("proxy ");
    assert!(differing.iter().any(proxys), "{what} is a drift: {planned}");
    let requests = Requests::start(over);
    let ended = run_with(&site.file());
    assert_eq!(ended.code, Some(0), "{what}: {ended}");
    let again = run_with(&site.file());
    let shown = requests.none_lost(what);
    eprintln!("{what}: {:.0?}, again {:.0?}", ended.took, again.took);
    assert_eq!(again.code, Some(0), "{what}, again: {again}");
    assert_eq!(again.summary()["changed"], 0, "{what}, again: {again}");
    shown
}

/// The same, where one certificate takes another's place.
fn replaced(site: &Variant, what: &str) -> Shown {
    let before = served();
    let shown = switch(site, what, Over::Https);
    let after = served();
    assert_ne!(before.fingerprint, after.fingerprint, "{what}");
    assert_eq!(shown.first(), Some(&before), "{what}");
    assert_eq!(shown.last(), Some(&after), "{what}");
    // Going back to an authority, what it issued before may be served until it has issued again.
    for shown in &shown[1..shown.len() - 1] {
        let may = shown.issuer == after.issuer && shown.names.contains(&DOMAIN.to_owned());
        assert!(may && after.issuer != before.issuer, "{what}: {shown:#?}");
    }
    assert!(shown.len() <= 3, "{what}: {shown:#?}");
    after
}

pub fn all() {
    converged();
    for (what, address) in [("a", "198.51.100.13"), ("aaaa", "2001:db8::13")] {
        tell_resolver(
            &format!("clear-{what}"),
            &format!(r#"{{"host": "{THIRD}"}}"#),
        );
        tell_resolver(
            &format!("add-{what}"),
            &format!(r#"{{"host": "{THIRD}", "addresses": ["{address}"]}}"#),
        );
    }
    let other = Authority::start(14100, Settings::default());
    let with = |names: &[&str], key: Option<&str>| {
        Variant::beside(|site, dir| {
            from_authority(site, dir, &other);
            let names: Vec<toml::Value> = names.iter().map(|name| (*name).into()).collect();
            set(site, &["domains"], names);
            if let Some(key) = key {
                set(site, &["tls", "key_type"], key);
                set(site, &["tls", "rsa_key_size"], 2048);
            }
        })
    };
    let asks = |what: &str, site: &Variant| {
        let orders = other.orders();
        let shown = replaced(site, what);
        assert_eq!(shown.issuer, other.issuer(), "{what}");
        let more = other.orders() - orders;
        // The rehearsal, the certificate, and the rehearsal of its renewal.
        assert!((1..=3).contains(&more), "{what}: {more} orders");
        shown
    };
    let www = format!("www.{DOMAIN}");

    let shown = asks("another authority", &with(&[DOMAIN], None));
    assert_eq!(shown.names, [DOMAIN]);
    assert_eq!(shown.key, ECDSA);
    let names = [DOMAIN, &www, THIRD];
    let shown = asks("names added", &with(&names, None));
    assert_eq!(shown.names, [DOMAIN, THIRD, &www]);
    let rsa = with(&names, Some("rsa"));
    let shown = asks("an RSA key", &rsa);
    assert_eq!(shown.key, RSA);
    assert_eq!(shown.names, [DOMAIN, THIRD, &www]);

    let own = Variant::new(|site| mode(site, "self-signed", &[("key_type", "ecdsa".into())]));
    let shown = replaced(&own, "self-signed");
    assert_eq!(shown.names, [DOMAIN]);

    let back = with(&[DOMAIN], None);
    let orders = other.orders();
    let shown = replaced(&back, "self-signed to an authority");
    assert_eq!(shown.issuer, other.issuer());
    assert!(other.orders() - orders <= 3, "{} orders", other.orders());

    let own = Own::new();
    for (what, pair) in [
        ("a provided pair", own.pair(DOMAIN, 2028)),
        ("another provided pair", own.pair(DOMAIN, 2029)),
    ] {
        let shown = replaced(&provided(&own, &pair), what);
        assert_eq!(shown.fingerprint, fingerprint_of(&pair.0), "{what}");
    }

    let off = Variant::beside(|site, dir| {
        mode(site, "off", &[]);
        // The app sends visitors to HTTPS by itself unless it is told otherwise.
        let env = fs::read_to_string(Path::new(&lab()).join("app.env")).unwrap();
        let path = dir.join("app.env");
        fs::write(&path, format!("{env}DJANGO_SECURE_SSL_REDIRECT=no\n")).unwrap();
        set(site, &["app", "env_file"], path.to_str().unwrap());
    });
    switch(&off, "off", Over::Http);
    for address in PROXY {
        let resolve = format!("{DOMAIN}:80:{address}");
        let page = curl(&["--resolve", &resolve, &format!("http://{DOMAIN}/polls/")]);
        assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
    }
    let orders = other.orders();
    switch(&back, "off to an authority", Over::Http);
    assert_eq!(served().issuer, other.issuer());
    assert!(other.orders() - orders <= 3, "{} orders", other.orders());
    converged();
}

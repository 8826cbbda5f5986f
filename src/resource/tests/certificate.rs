//! When a certificate is missing, and when it is another than the wanted one.

use super::{Seen, ops, state};
use crate::resource::certificate::{Certificate, lineage};
use crate::resource::fact::Docker;

const DIRECTORY: &str = "https://acme.example/directory";
const RENEWAL: &str = "/etc/letsencrypt/renewal/a.example.conf";
/// 2030-01-01.
const NOW: u64 = 1_893_456_000;

fn wanted() -> Certificate {
    Certificate {
        name: "a.example".to_owned(),
        domains: vec!["www.a.example".to_owned(), "a.example".to_owned()],
        email: "ops@a.example".to_owned(),
        directory: DIRECTORY.to_owned(),
        image: "certbot/certbot:v5".to_owned(),
        webroot: "/srv/polls/proxy/acme".to_owned(),
        ca: None,
        now: NOW,
    }
}

fn chain(name: &str) -> String {
    format!("{}/fullchain.pem", lineage(name))
}

/// A chain for these names that ends on the 1st of January of a year.
fn pem(names: &[&str], ends: i32) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(ends, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn seen(pem: &str, renewal: &str) -> Seen {
    Seen::default()
        .docker(Some(Docker::default()))
        .file(&chain("a.example"), pem)
        .file(RENEWAL, renewal)
}

fn renewal(server: &str) -> String {
    format!("version = 5.1.0\n[renewalparams]\naccount = 1\nserver = {server}\nserver_x = y\n")
}

#[test]
fn a_certificate_covers_the_names_is_not_over_and_is_from_the_authority() {
    let good = pem(&["a.example", "www.a.example"], 2031);
    let right = renewal(DIRECTORY);
    let staging = "https://acme-staging-v02.api.letsencrypt.org/directory";
    for (seen, expected) in [
        (seen(&good, &right), "in sync".to_owned()),
        (
            seen(&pem(&["a.example"], 2031), &right),
            "differs: for a.example → a.example www.a.example".to_owned(),
        ),
        (
            seen(
                &pem(&["a.example", "www.a.example", "b.example"], 2031),
                &right,
            ),
            "differs: for a.example b.example www.a.example → a.example www.a.example".to_owned(),
        ),
        (
            seen(&pem(&["a.example", "www.a.example"], 2029), &right),
            "differs: expired 8760 hours ago".to_owned(),
        ),
        (
            seen(&pem(&["a.example", "www.a.example"], 2030), &right),
            "differs: expired 0 hours ago".to_owned(),
        ),
        (
            seen(&good, &renewal(staging)),
            format!("differs: from {staging} → {DIRECTORY}"),
        ),
        (
            seen(&good, ""),
            format!("differs: from nobody that is known → {DIRECTORY}"),
        ),
        (
            seen(&good, "").absent(RENEWAL),
            format!("differs: from nobody that is known → {DIRECTORY}"),
        ),
        (
            seen("", &right).absent(&chain("a.example")),
            "differs: missing".to_owned(),
        ),
    ] {
        assert_eq!(state(&wanted(), &seen), expected);
    }
}

#[test]
fn what_can_not_be_read_is_no_certificate_and_no_drift_either() {
    let good = pem(&["a.example", "www.a.example"], 2031);
    let path = chain("a.example");
    let there = || Seen::default().docker(Some(Docker::default()));
    for (seen, expected) in [
        (
            seen("not a certificate", &renewal(DIRECTORY)),
            format!("unreadable: file {path}: holds no certificate"),
        ),
        (
            there().other(&path, "directory", 0o755, "root:root"),
            format!("unreadable: file {path}: holds no certificate"),
        ),
        (
            there().file(&path, &good),
            format!("unreadable: file {RENEWAL}: was not read on this host"),
        ),
        (
            there(),
            format!("unreadable: file {path}: was not read on this host"),
        ),
        (
            Seen::default(),
            "unreadable: docker: was not read on this host".to_owned(),
        ),
        (
            Seen::default().docker(None),
            "unknown until docker".to_owned(),
        ),
    ] {
        assert_eq!(state(&wanted(), &seen), expected);
    }
}

#[test]
fn it_is_rehearsed_first_and_one_that_certbot_would_keep_is_forced() {
    let missing = seen("", "").absent(&chain("a.example"));
    let certbot = "docker run --rm --volume /etc/letsencrypt:/etc/letsencrypt --volume \
                   /var/lib/letsencrypt:/var/lib/letsencrypt --volume \
                   /srv/polls/proxy/acme:/var/www/html certbot/certbot:v5 certonly \
                   --non-interactive --agree-tos --email ops@a.example --cert-name a.example \
                   --server https://acme.example/directory --webroot --webroot-path /var/www/html \
                   --domain www.a.example --domain a.example";
    assert_eq!(
        ops(&wanted(), &missing),
        format!(
            "rehearse the certificate: {certbot} --dry-run\nget the certificate for \
             www.a.example, a.example: {certbot}"
        )
    );
    let there = seen(&pem(&["a.example"], 2031), "");
    let done = ops(&wanted(), &there);
    assert!(
        done.ends_with(" --force-renewal --renew-with-new-domains"),
        "{done}"
    );
}

#[test]
fn a_test_authority_is_trusted_inside_the_container() {
    let mut certificate = wanted();
    certificate.ca = Some("/srv/polls/proxy/acme-ca.pem".to_owned());
    let done = ops(&certificate, &seen("", "").absent(&chain("a.example")));
    for line in done.lines() {
        for part in [
            "--volume /srv/polls/proxy/acme-ca.pem:/etc/ssl/acme-ca.pem:ro",
            "REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}

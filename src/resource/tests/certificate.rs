//! When a certificate is missing, and when it is another than the wanted one.

use super::{Action, Resource as _, Seen, ops, state};
use crate::resource::certificate::{Certificate, Key, Leaf, Sight, lineage};
use crate::resource::fact::Docker;

const DIRECTORY: &str = "https://acme.example/directory";
const RENEWAL: &str = "/etc/letsencrypt/renewal/a.example.conf";
const REFUSED: &str = "/var/lib/provision/polls/acme-refused";
/// 2030-01-01.
const NOW: u64 = 1_893_456_000;

/// For a.example, until 2126, with RSA 2048, which rcgen doesn't make:
/// `openssl req -x509 -newkey rsa:2048 -subj /CN=a.example -addext subjectAltName=DNS:a.example`.
const RSA: &str = "-----BEGIN CERTIFICATE-----
MIIDITCCAgmgAwIBAgIUYueU1mlkmbkTZsU+TDNd/m+BAXEwDQYJKoZIhvcNAQEL
BQAwFDESMBAGA1UEAwwJYS5leGFtcGxlMCAXDTI2MTEyMTEzNDgwMVoYDzIxMjYx
MDI4MTM0ODAxWjAUMRIwEAYDVQQDDAlhLmV4YW1wbGUwggEiMA0GCSqGSIb3DQEB
AQUAA4IBDwAwggEKAoIBAQCoziOXAYkjCV2kPS6IlIrVtRAnJ0lReiDsiEmZ2gmV
gw+hX6Osd+e6BPZvK/H+e+lZNmQFhQLfLFfp9ZPy0dEoc7ZDJ8jJUJfI8U6nZelT
aio5Cqt7bLmMK2GQCFbrGgrAncBv/Y/maopGasWKfmHzHgj3AcAARvaN37RlddPJ
1ZuGEhCXNhJJmbCHjLA05Fex9Y6C2CJsEKND9VVr7GiutG4m4EVPrvHjGXcxrXfb
U13xuZdQ7HRpP66vSJV5hSF1xTDBosi1t2tN6Cb6drKYa07eY0QEKmwkIDXB1/Ur
KsxQuP7Nzl0O6eT406ODOcU1m3C3rdCBe6HhWxGQt8SzAgMBAAGjaTBnMB0GA1Ud
DgQWBBR5CD3UeW+nTdxD6fBZe0ccQS/kpDAfBgNVHSMEGDAWgBR5CD3UeW+nTdxD
6fBZe0ccQS/kpDAPBgNVHRMBAf8EBTADAQH/MBQGA1UdEQQNMAuCCWEuZXhhbXBs
ZTANBgkqhkiG9w0BAQsFAAOCAQEAQ2aT9RExJ2mo5gF1ffhsOzq6W2pppcT2tgkf
46aUoXTeGKgtEpLMn5a/EgRuaSDxf2HNcAbpWAd3UryHWT/gva92woIM+A50/etj
5i/lhA9sKVBoQ9Bd5Zgt5Y6ZuirXzZfeV3wHLOuBfzwczGHD7JWxMh+R4MprUhsD
KKCPbrNq2CRU8ZFgdhpiyMzFJ3FohdsQ/o96kh8PGJ8SutcdbL7oKzIIH4AXJhTN
5lEBQZe19uRn0kMcQFVUcias3WkJ7dD9gNVkFIaweuebB4EEcJV8kEmLPIQYCYDJ
KQtSwUJHi7poQyM/UIHebjhAGkMbDsWXov0eYg+Ihzan4thOKA==
-----END CERTIFICATE-----
";

fn wanted() -> Certificate {
    Certificate {
        name: "a.example".to_owned(),
        domains: vec!["www.a.example".to_owned(), "a.example".to_owned()],
        email: "ops@a.example".to_owned(),
        directory: DIRECTORY.to_owned(),
        key: Key::Ecdsa,
        profile: None,
        image: "certbot/certbot:v5".to_owned(),
        user: "10001:10001".to_owned(),
        webroot: "/srv/polls/proxy/acme".to_owned(),
        ca: None,
        refused: REFUSED.to_owned(),
        look: None,
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
        .absent(REFUSED)
}

fn renewal(server: &str) -> String {
    conf(
        server,
        "authenticator = webroot\nwebroot_path = /var/www/html,\n",
    )
}

fn conf(server: &str, more: &str) -> String {
    format!(
        "version = 5.1.0\nserver = nobody\n[renewalparams]\naccount = 1\nserver = \
         {server}\nserver_x = y\n{more}"
    )
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

const ISSUE: &str = "docker run --rm --user 10001:10001 --cap-drop ALL --security-opt \
                     no-new-privileges --read-only --tmpfs '/tmp:mode=1777' --tmpfs \
                     '/var/log/letsencrypt:mode=1777' --volume \
                     /etc/letsencrypt:/etc/letsencrypt --volume \
                     /var/lib/letsencrypt:/var/lib/letsencrypt --volume \
                     /srv/polls/proxy/acme:/var/www/html certbot/certbot:v5 certonly \
                     --non-interactive --agree-tos --email ops@a.example --cert-name a.example \
                     --server https://acme.example/directory --webroot --webroot-path \
                     /var/www/html --key-type ecdsa --elliptic-curve secp256r1 --domain \
                     www.a.example --domain a.example";

#[test]
fn it_is_rehearsed_first_and_nothing_of_an_earlier_one_is_in_the_way() {
    let missing = seen("", "").absent(&chain("a.example"));
    let sh = format!("sh … {REFUSED} {DIRECTORY} 'a.example www.a.example' '5 15 30'");
    assert_eq!(
        ops(&wanted(), &missing),
        format!(
            "rehearse the certificate: {sh} {ISSUE} --dry-run\nmake room for the certificate: sh \
             … /etc/letsencrypt a.example\nget the certificate for www.a.example, a.example: {sh} \
             {ISSUE}"
        )
    );
}

#[test]
fn one_that_certbot_would_keep_is_forced() {
    let forced = "--force-renewal --renew-with-new-domains";
    let last = |certificate: &Certificate, pem: &str| {
        let done = ops(certificate, &seen(pem, ""));
        assert!(!done.contains("make room"), "{done}");
        done.lines().last().unwrap().to_owned()
    };
    let there = pem(&["a.example"], 2031);
    let done = last(&wanted(), &there);
    assert!(done.ends_with(&format!(" {forced}")), "{done}");
    let done = last(&wanted(), RSA);
    assert!(
        done.ends_with(&format!(" {forced} --no-reuse-key")),
        "{done}"
    );
    let mut staging = wanted();
    staging.directory = "https://acme-staging-v02.api.letsencrypt.org/directory".to_owned();
    let done = last(&staging, &there);
    assert!(
        done.ends_with(&format!(" {forced} --break-my-certs")),
        "{done}"
    );
}

#[test]
fn caa_records_are_asked_about_lets_encrypt_alone() {
    for (directory, issuer) in [
        (
            "https://acme-v02.api.letsencrypt.org/directory",
            Some("letsencrypt.org"),
        ),
        (
            "https://acme-staging-v02.api.letsencrypt.org/directory",
            Some("letsencrypt.org"),
        ),
        ("https://notletsencrypt.org/directory", None),
        (DIRECTORY, None),
    ] {
        let mut certificate = wanted();
        certificate.directory = directory.to_owned();
        certificate.look = Some(Sight {
            addresses: Vec::new(),
            dns: true,
            resolver: None,
        });
        let seen = seen("", "").absent(&chain("a.example"));
        let ops = certificate.converge(&seen.0);
        let looks: Vec<_> = ops
            .iter()
            .filter_map(|op| match &op.action {
                Action::Look(look) => Some(look.issuer.as_deref()),
                _ => None,
            })
            .collect();
        assert_eq!(looks, [issuer], "{directory}");
    }
}

#[test]
fn key_and_profile_are_asked_for() {
    let mut certificate = wanted();
    certificate.key = Key::Rsa(3072);
    certificate.profile = Some("shortlived".to_owned());
    let done = ops(&certificate, &seen("", "").absent(&chain("a.example")));
    let part = "--key-type rsa --rsa-key-size 3072 --required-profile shortlived --domain";
    assert_eq!(done.matches(part).count(), 2, "{done}");
    assert!(!done.contains("ecdsa"), "{done}");
}

#[test]
fn it_is_looked_from_here_before_anything_is_asked() {
    let mut certificate = wanted();
    certificate.look = Some(Sight {
        addresses: vec![
            "203.0.113.7".parse().unwrap(),
            "2001:db8::7".parse().unwrap(),
        ],
        dns: true,
        resolver: None,
    });
    let done = ops(&certificate, &seen("", "").absent(&chain("a.example")));
    let lines: Vec<&str> = done.lines().collect();
    let page = "/srv/polls/proxy/acme/.well-known/acme-challenge/provision";
    let [put, look, remove, rehearse, ..] = lines.as_slice() else {
        panic!("{done}");
    };
    let start = format!("put a page into /srv/polls/proxy/acme: put {page} root:root 0644 <- \"");
    assert!(put.starts_with(&start), "{put}");
    assert_eq!(
        *look,
        "look for it from here under www.a.example, a.example: \
         /.well-known/acme-challenge/provision under www.a.example a.example at 203.0.113.7 \
         2001:db8::7, by DNS"
    );
    assert_eq!(*remove, format!("remove the page: rm -f -- {page}"));
    assert!(rehearse.starts_with("rehearse"), "{rehearse}");
}

#[test]
fn another_key_profile_or_way_to_prove_the_names_is_a_drift() {
    let names = ["a.example", "www.a.example"];
    let good = pem(&names, 2031);
    let rsa = {
        let mut certificate = wanted();
        certificate.domains = vec!["a.example".to_owned()];
        certificate
    };
    let mut large = rsa.clone();
    large.key = Key::Rsa(4096);
    let mut same = rsa.clone();
    same.key = Key::Rsa(2048);
    let mut short = wanted();
    short.profile = Some("shortlived".to_owned());
    let webroot = "authenticator = webroot\nwebroot_path = /var/www/html,\n";
    for (certificate, pem, more, expected) in [
        (&rsa, RSA, webroot, "differs: key RSA 2048 → ECDSA P-256"),
        (&large, RSA, webroot, "differs: key RSA 2048 → RSA 4096"),
        (&same, RSA, webroot, "in sync"),
        (
            &short,
            &good,
            "authenticator = webroot\npreferred_profile = classic\n",
            "differs: profile classic → shortlived",
        ),
        (
            &short,
            &good,
            "authenticator = webroot\nrequired_profile = shortlived\npreferred_profile = x\n",
            "in sync",
        ),
        (
            &short,
            &good,
            webroot,
            "differs: profile by default → shortlived",
        ),
        (
            &wanted(),
            &good,
            "authenticator = webroot\nrequired_profile = shortlived\n",
            "differs: profile shortlived → by default",
        ),
        (
            &wanted(),
            &good,
            "authenticator = webroot\nrequired_profile = None\n",
            "in sync",
        ),
        (
            &wanted(),
            &good,
            "authenticator = standalone\n",
            "differs: authenticator standalone → webroot",
        ),
        (
            &wanted(),
            &good,
            "authenticator = webroot\nwebroot_path = /srv/www,\n[[webroot_map]]\na.example = \
             /var/www/html\n",
            "differs: webroot /srv/www → /var/www/html",
        ),
        (
            &wanted(),
            &good,
            "authenticator = webroot\n[[webroot_map]]\na.example = /srv/www\n",
            "differs: webroot /srv/www → /var/www/html",
        ),
        (
            &large,
            RSA,
            "authenticator = nginx\nrequired_profile = classic\n",
            "differs: key RSA 2048 → RSA 4096, profile classic → by default, authenticator nginx \
             → webroot",
        ),
    ] {
        let seen = seen(pem, &conf(DIRECTORY, more));
        assert_eq!(state(certificate, &seen), expected, "{more}");
    }
}

#[test]
fn a_refusal_that_holds_keeps_the_authority_from_being_asked_again() {
    let missing = seen("", "").absent(&chain("a.example"));
    let note = |end: &str, names: &str| {
        let at = NOW - 60;
        format!(
            "at={at}\ndirectory={DIRECTORY}\nnames={names}\nsaid=too many failed authorizations \
             (5) for \"a.example\" in the last 1h0m0s, retry after {end} UTC\n"
        )
    };
    let names = "a.example www.a.example";
    let refused = missing
        .clone()
        .file(REFUSED, &note("2030-01-01 00:30:00", names));
    assert_eq!(
        state(&wanted(), &refused),
        "refused: missing; the authority refused at 2029-12-31 23:59 UTC: the limit of failed \
         challenges of a name is reached (Let's Encrypt: 5 an hour) (run again after 2030-01-01 \
         00:30 UTC; until then nothing is asked of it. Mend meanwhile why they failed. To try \
         things out, take staging = true, whose limits are wide)"
    );
    for note in [
        note("2030-01-01 00:00:00", names),
        note("2030-01-01 00:30:00", "a.example"),
    ] {
        let seen = missing.clone().file(REFUSED, &note);
        assert_eq!(state(&wanted(), &seen), "differs: missing", "{note}");
    }
    // What is as it should be is so whatever was refused.
    let good = pem(&["a.example", "www.a.example"], 2031);
    let fine = seen(&good, &renewal(DIRECTORY)).file(REFUSED, &note("2030-01-01 00:30:00", names));
    assert_eq!(state(&wanted(), &fine), "in sync");
}

#[test]
fn a_certificate_says_its_names_end_and_key() {
    let rsa = Leaf::read(RSA.as_bytes()).unwrap();
    assert_eq!(rsa.names, ["a.example"]);
    assert_eq!(rsa.key, "RSA 2048");
    for (algorithm, key) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "ECDSA P-256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&rcgen::PKCS_ED25519, "Ed25519"),
    ] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let pem = params.self_signed(&pair).unwrap().pem();
        let issued = Leaf::read(pem.as_bytes()).unwrap();
        assert_eq!(issued.key, key);
        assert_eq!((issued.names.len(), issued.ends), (0, NOW));
    }
    assert_eq!(Leaf::read(b"-----BEGIN CERTIFICATE-----\n"), None);
}

#[test]
fn a_test_authority_is_trusted_inside_the_container() {
    let mut certificate = wanted();
    certificate.ca = Some("/srv/polls/proxy/acme-ca.pem".to_owned());
    let done = ops(&certificate, &seen("", "").absent(&chain("a.example")));
    for line in done.lines().filter(|line| line.contains("docker run")) {
        for part in [
            "--volume /srv/polls/proxy/acme-ca.pem:/etc/ssl/acme-ca.pem:ro",
            "REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}

//! Certificates in one file with their key: the operator's, and those that sign themselves.

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P384_SHA384, date_time_ymd};

use super::{Seen, ops, state};
use crate::resource::certificate::{Key, Leaf, Provided, SELF_SIGNED, SelfSigned, copy_of};
use crate::shell::Secret;

/// 2030-01-01.
const NOW: u64 = 1_893_456_000;
const DAY: u64 = 86_400;
const PROVIDED: &str = "/srv/polls/proxy/tls/provided.pem";
const OWN: &str = "/srv/polls/proxy/tls/self-signed.pem";

/// A certificate from the 1st of December 2029 to the 1st of March 2030: 90 days.
fn pem(names: &[&str], issuer: &str) -> String {
    pem_of(names, issuer, &KeyPair::generate().unwrap())
}

fn pem_of(names: &[&str], issuer: &str, key: &KeyPair) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, issuer);
    params.not_before = date_time_ymd(2029, 12, 1);
    params.not_after = date_time_ymd(2030, 3, 1);
    params.self_signed(key).unwrap().pem()
}

fn provided(chain: &str) -> Provided {
    Provided {
        path: PROVIDED.to_owned(),
        chain: chain.to_owned(),
        key: Secret::new("hunter2\n"),
        image: "nginx:1".to_owned(),
        user: "10001:10002".to_owned(),
    }
}

/// A server where this pair was put.
fn put(chain: &str, mode: u32) -> Seen {
    Seen::default()
        .secret(PROVIDED, &format!("hunter2\n{}\n", chain.trim_end()), mode)
        .file(&copy_of(PROVIDED), chain)
}

#[test]
fn a_pair_is_told_from_another_by_its_certificate_and_never_by_its_key() {
    let (one, two) = (pem(&["a.example"], "One"), pem(&["a.example"], "Two"));
    let nothing = Seen::default().absent(PROVIDED).absent(&copy_of(PROVIDED));
    let two_in_words = "a.example of CN=Two until 2030-03-01";
    for (seen, expected) in [
        (put(&two, 0o640), "in sync".to_owned()),
        (nothing, format!("differs: missing → {two_in_words}")),
        (
            put(&one, 0o640),
            format!("differs: a.example of CN=One until 2030-03-01 → {two_in_words}"),
        ),
        (
            // The same names, authority and end, and yet another certificate.
            put(&pem(&["a.example"], "Two"), 0o640),
            format!("differs: another of the same kind → {two_in_words}"),
        ),
        (
            Seen::default()
                .digest(PROVIDED, "what somebody put there", 0o640)
                .absent(&copy_of(PROVIDED)),
            format!("differs: another one → {two_in_words}"),
        ),
        (
            put(&two, 0o600),
            "differs: root:10002 0600 → root:10002 0640".to_owned(),
        ),
        (
            // The connection broke between the two.
            put(&two, 0o640).file(&copy_of(PROVIDED), &one),
            "differs: the copy of its chain is another".to_owned(),
        ),
    ] {
        assert_eq!(state(&provided(&two), &seen), expected);
    }
}

#[test]
fn a_pair_is_tested_by_nginx_before_it_is_put_and_its_copy_comes_after() {
    let chain = pem(&["a.example"], "One");
    let done = ops(&provided(&chain), &Seen::default());
    let lines: Vec<&str> = done
        .split("\ntest and write")
        .flat_map(|part| part.split("\nwrite"))
        .collect();
    assert!(
        lines[0].starts_with(&format!(
            "test and write {PROVIDED}: put {PROVIDED} root:10002 0640, checked by "
        )),
        "{done}"
    );
    assert!(lines[0].ends_with(" <- a secret"), "{done}");
    assert!(
        done.contains("\nwrite /srv/polls/proxy/tls/provided.crt: put "),
        "{done}"
    );
    assert!(!done.contains("hunter2"), "{done}");
    assert!(!format!("{:?}", provided(&chain)).contains("hunter2"));
}

fn own(names: &[&str]) -> SelfSigned {
    SelfSigned {
        path: OWN.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        key: Key::Ecdsa,
        days: 365,
        user: "10001:10002".to_owned(),
        now: NOW,
    }
}

fn made(pem: &str) -> Seen {
    Seen::default()
        .secret(OWN, "a key and a certificate", 0o640)
        .file(&copy_of(OWN), pem)
}

#[test]
fn a_self_signed_certificate_is_made_anew_where_it_is_another_than_the_wanted_one() {
    let names = ["www.a.example", "a.example"];
    let good = pem(&["a.example", "www.a.example"], "a.example");
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = pem_of(&names, "a.example", &p384);
    for (seen, expected) in [
        (made(&good), "in sync"),
        (made(&good).absent(OWN), "differs: missing"),
        (
            made(&good).absent(&copy_of(OWN)),
            "differs: nobody knows what is in it",
        ),
        (made("nothing"), "differs: nobody knows what is in it"),
        (
            made(&pem(&["a.example"], "a.example")),
            "differs: for a.example → a.example www.a.example",
        ),
        (made(&p384), "differs: key ECDSA P-384 → ECDSA P-256"),
        (
            made(&good).digest(OWN, "", 0o644),
            "differs: was root:root 0644",
        ),
    ] {
        assert_eq!(state(&own(&names), &seen), expected);
    }
    let mut rsa = own(&names);
    rsa.key = Key::Rsa(4096);
    assert_eq!(
        state(&rsa, &made(&good)),
        "differs: key ECDSA P-256 → RSA 4096"
    );
}

#[test]
fn a_self_signed_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let names = ["a.example"];
    let seen = made(&pem(&names, "a.example"));
    let ends = Leaf::read(pem(&names, "a.example").as_bytes())
        .unwrap()
        .ends;
    assert_eq!(ends, NOW + 59 * DAY);
    for (now, expected) in [
        (ends - 30 * DAY - 1, "in sync"),
        (ends - 30 * DAY, "differs: ends on 2030-03-01, in 30 days"),
        (ends - 1, "differs: ends on 2030-03-01, in 0 days"),
        (ends, "differs: expired on 2030-03-01"),
    ] {
        let mut wanted = own(&names);
        wanted.now = now;
        assert_eq!(state(&wanted, &seen), expected);
    }
}

#[test]
fn the_script_gets_everything_as_arguments() {
    let mut wanted = own(&["a.example", "www.a.example"]);
    let args = |wanted: &SelfSigned| wanted.arguments().join(" ");
    assert_eq!(
        args(&wanted),
        format!("{OWN} 365 ecdsa 256 a.example www.a.example")
    );
    wanted.key = Key::Rsa(3072);
    assert_eq!(
        args(&wanted),
        format!("{OWN} 365 rsa 3072 a.example www.a.example")
    );
    let done = ops(&wanted, &Seen::default());
    assert!(
        done.starts_with("make a certificate for a.example, www.a.example: "),
        "{done}"
    );
    assert!(SELF_SIGNED.starts_with("#!/bin/sh\n"));
}

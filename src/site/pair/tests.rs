//! Pairs that are right, and each way to be wrong.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd,
};

use super::*;

/// 2030-01-01.
const NOW: u64 = 1_893_456_000;
const NAMES: [&str; 2] = ["a.example", "www.a.example"];

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(names: &[&str], common: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = date_time_ymd(2029, 12, 1);
    params.not_after = date_time_ymd(2030, 3, 1);
    params
}

fn authority(common: &str) -> CertificateParams {
    let mut params = params(&[], common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A root, an intermediate authority and a server's certificate with its key.
struct World {
    root: Authority,
    middle: Authority,
    leaf: String,
    key: KeyPair,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With another server's certificate than usual.
    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::keyed(KeyPair::generate().unwrap(), change)
    }

    fn keyed(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let generate = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("Root"), generate()).unwrap();
        let middle = CertifiedIssuer::signed_by(authority("Middle"), generate(), &root).unwrap();
        let mut params = params(&NAMES, "a.example");
        change(&mut params);
        let leaf = params.signed_by(&key, &middle).unwrap().pem();
        Self {
            root,
            middle,
            leaf,
            key,
        }
    }

    fn chain(&self) -> String {
        format!("{}{}", self.leaf, self.middle.pem())
    }

    fn key(&self) -> String {
        self.key.serialize_pem()
    }
}

fn check_at(
    certificate: &str,
    key: &str,
    ca: Option<&str>,
    now: u64,
) -> Result<Checked, (Half, Fault)> {
    let domains: Vec<Domain> = NAMES.iter().map(|n| Domain::new(*n).unwrap()).collect();
    let held = Held {
        certificate,
        key,
        shown: "privkey.pem",
    };
    held.check(&domains, ca, now)
}

/// Warnings, a line each; or what is wrong and with which file.
fn said(certificate: &str, key: &str, ca: Option<&str>) -> String {
    match check_at(certificate, key, ca, NOW) {
        Ok(checked) => checked.warnings.join("\n"),
        Err((half, wrong)) => {
            let said = format!("{half:?}: {} → {}", wrong.what, wrong.instead);
            for line in key.lines().filter(|line| line.len() > 40) {
                assert!(!said.contains(line), "{said}");
            }
            said
        }
    }
}

#[test]
fn a_pair_that_is_right_is_taken_and_nothing_else_out_of_its_files() {
    let world = World::new();
    let noisy = format!(
        "\u{feff}subject=a.example\r\n{}{}{}",
        world.chain().replace('\n', "\r\n"),
        "a remark\n",
        KeyPair::generate().unwrap().serialize_pem()
    );
    let checked = check_at(&noisy, &world.key(), None, NOW).unwrap();
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
    let plain = |pem: &str| pem.replace('\r', "");
    assert_eq!(checked.chain, plain(&world.chain()));
    assert_eq!(checked.key.reveal(), plain(&world.key()));
    assert!(!format!("{checked:?}").contains(&checked.key.reveal()[30..60]));
    // Both in one file.
    let both = format!("{}{}", world.key(), world.chain());
    assert_eq!(said(&both, &both, None), "");
}

#[test]
fn every_kind_of_key_that_rustls_reads_is_told_from_another() {
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let world = World::keyed(KeyPair::generate_for(algorithm).unwrap(), |_| {});
        assert_eq!(said(&world.chain(), &world.key(), None), "");
        let other = KeyPair::generate_for(algorithm).unwrap().serialize_pem();
        assert_eq!(
            said(&world.chain(), &other, None),
            "Key: it is not the key of certificate 1 (CN=a.example) → write the path of the key \
             that this certificate was made for"
        );
    }
}

#[test]
fn a_chain_out_of_order_says_which_certificate_is_where() {
    let world = World::new();
    let (leaf, middle, root) = (&world.leaf, world.middle.pem(), world.root.pem());
    let first = "put the server's own certificate first, then the one that signed it, and so on";
    for (chain, expected) in [
        (
            format!("{middle}{leaf}"),
            format!("the key belongs to certificate 2 (CN=a.example) → {first}"),
        ),
        (
            format!("{leaf}{root}{middle}"),
            format!(
                "certificate 1 (CN=a.example) was signed by certificate 3 (CN=Middle), which \
                 doesn't follow it → {first}"
            ),
        ),
        (
            format!("{leaf}{root}"),
            format!(
                "certificate 1 (CN=a.example) was signed by CN=Middle, and not by certificate 2 \
                 (CN=Root), which follows it → {first}"
            ),
        ),
        (
            format!("{leaf}{middle}{root}{}", World::new().root.pem()),
            format!(
                "certificate 3 (CN=Root) signs itself, and yet another one follows it → {first}"
            ),
        ),
        (
            format!("{leaf}{middle}{middle}"),
            "certificate 3 (CN=Middle) is in the file twice → leave one of them out".to_owned(),
        ),
        (
            // Of the same name, and not the one that signed it.
            format!("{leaf}{}", World::new().middle.pem()),
            format!(
                "certificate 1 (CN=a.example) was signed by CN=Middle, and not by certificate 2 \
                 (CN=Middle), which follows it → {first}"
            ),
        ),
    ] {
        assert_eq!(
            said(&chain, &world.key(), None),
            format!("Certificate: {expected}")
        );
    }
    // Signed with the key of a certificate that may sign none.
    let params = params(&NAMES, "a.example");
    let server =
        CertifiedIssuer::signed_by(params.clone(), KeyPair::generate().unwrap(), &world.middle)
            .unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = params;
    params
        .distinguished_name
        .push(DnType::OrganizationName, "x");
    let chain = params.signed_by(&key, &server).unwrap().pem() + &server.pem();
    let said = said(&chain, &key.serialize_pem(), None);
    assert!(said.contains("is not an authority's"), "{said}");
}

#[test]
fn the_end_of_a_chain_is_what_clients_will_look_for() {
    let world = World::new();
    let (leaf, key) = (&world.leaf, world.key());
    let alone = said(leaf, &key, None);
    assert!(
        alone.contains("without the one of its authority (CN=Middle)"),
        "{alone}"
    );
    assert_eq!(said(leaf, &key, Some(&world.middle.pem())), "");
    assert_eq!(said(&world.chain(), &key, Some(&world.root.pem())), "");
    let with_root = format!("{}{}", world.chain(), world.root.pem());
    let sent = said(&with_root, &key, None);
    assert!(
        sent.starts_with("certificate 3 (CN=Root) signs itself: it is sent for nothing"),
        "{sent}"
    );
    // The root is named, and the one in between is missing.
    let missing = said(leaf, &key, Some(&world.root.pem()));
    assert!(
        missing.starts_with(
            "Certificate: the chain doesn't lead to an authority of `ca`: its last certificate \
             was signed by CN=Middle"
        ),
        "{missing}"
    );
    // Another root of the same name.
    let other = said(&world.chain(), &key, Some(&World::new().root.pem()));
    assert!(other.contains("doesn't lead to an authority"), "{other}");
}

#[test]
fn a_certificate_that_signs_itself_is_taken_with_a_word_of_warning() {
    let key = KeyPair::generate().unwrap();
    let own = params(&NAMES, "a.example").self_signed(&key).unwrap().pem();
    let shown = said(&own, &key.serialize_pem(), None);
    assert!(shown.starts_with("the certificate signs itself"), "{shown}");
    assert_eq!(said(&own, &key.serialize_pem(), Some(&own)), "");
    let mut params = params(&NAMES, "a.example");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = params.self_signed(&key).unwrap().pem();
    let shown = said(&own, &key.serialize_pem(), Some(&own));
    assert!(shown.contains("CA:TRUE"), "{shown}");
}

#[test]
fn every_domain_is_covered_and_a_wildcard_stands_for_one_label() {
    let of = |names: &[&str]| {
        let names: Vec<_> = names
            .iter()
            .map(|name| rcgen::SanType::DnsName((*name).try_into().unwrap()))
            .collect();
        let world = World::with(|params| params.subject_alt_names = names);
        said(&world.chain(), &world.key(), None)
    };
    assert_eq!(of(&["WWW.A.example", "a.example", "b.example"]), "");
    assert_eq!(of(&["a.example", "*.a.example"]), "");
    for (names, expected) in [
        (&["a.example"][..], "www.a.example: it is for a.example"),
        (&["*.a.example"], "a.example: it is for *.a.example"),
        (
            &["*.example", "*.www.a.example"],
            "a.example, www.a.example: it is for *.example, *.www.a.example",
        ),
        (
            &[],
            "a.example, www.a.example: it has no DNS names, and clients no longer look at its \
             subject",
        ),
    ] {
        assert_eq!(
            of(names),
            format!(
                "Certificate: the certificate is not for {expected} → get one for all names in \
                 `domains`, or take those out of `domains`"
            )
        );
    }
}

#[test]
fn dates_are_judged_by_the_clock_that_is_given() {
    let world = World::new();
    let day = 86_400;
    let at = |now: u64| match check_at(&world.chain(), &world.key(), None, now) {
        Ok(checked) => checked.warnings.join("\n"),
        Err((_, wrong)) => wrong.what,
    };
    // From 2029-12-01 to 2030-03-01: 90 days, and so 30 before its end.
    let begins = NOW - 31 * day;
    let ends = NOW + 59 * day;
    let early = "certificate 1 (CN=a.example) is not valid before 2029-12-01";
    assert_eq!(at(begins - 1), early);
    assert_eq!(at(begins), "");
    assert_eq!(at(ends - 30 * day), "");
    assert_eq!(
        at(ends - 30 * day + 1),
        "the certificate ends on 2030-03-01, in 29 days, and nobody but you renews it"
    );
    assert!(at(ends - 1).contains("in 0 days"));
    assert_eq!(
        at(ends),
        "certificate 1 (CN=a.example) expired on 2030-03-01"
    );
    // Of one that holds for nine days, three are a third.
    let short = World::with(|params| {
        params.not_before = date_time_ymd(2029, 12, 30);
        params.not_after = date_time_ymd(2030, 1, 8);
    });
    let at = |now| check_at(&short.chain(), &short.key(), None, now).unwrap();
    assert!(at(NOW + 4 * day).warnings.is_empty());
    assert!(!at(NOW + 4 * day + 1).warnings.is_empty());
}

#[test]
fn a_certificate_for_something_else_is_refused() {
    let of = |change: fn(&mut CertificateParams)| {
        let world = World::with(change);
        said(&world.chain(), &world.key(), None)
    };
    let both = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    };
    assert_eq!(of(both), "");
    assert_eq!(
        of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        ""
    );
    let client =
        of(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert!(client.contains("lacks serverAuth"), "{client}");
    let mute = of(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    assert!(mute.contains("lacks digitalSignature"), "{mute}");
}

#[test]
fn what_is_no_key_or_no_certificate_is_told_by_what_it_is() {
    let world = World::new();
    let (chain, key) = (world.chain(), world.key());
    let block = |label: &str, text: &str| {
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    for (certificate, key, expected) in [
        (
            "".to_owned(),
            key.clone(),
            "Certificate: it holds no certificate",
        ),
        (
            key.clone(),
            key.clone(),
            "Certificate: it holds no certificate",
        ),
        (
            block("CERTIFICATE", "TUlJQg=="),
            key.clone(),
            "Certificate: it holds no certificate",
        ),
        (
            chain.replace("-----END", "----END"),
            key.clone(),
            "Certificate: its PEM is damaged",
        ),
        (
            chain.clone(),
            chain.clone(),
            "Key: it holds a certificate and no private key",
        ),
        (
            chain.clone(),
            "x".to_owned(),
            "Key: it holds no private key",
        ),
        (
            chain.clone(),
            format!("{key}{key}"),
            "Key: it holds several private keys",
        ),
        (
            chain.clone(),
            block("OPENSSH PRIVATE KEY", "AAAA"),
            "Key: it is a key of SSH's",
        ),
        (
            chain.clone(),
            block("ENCRYPTED PRIVATE KEY", "AAAA"),
            "Key: it is encrypted, and nginx starts without anyone who knows the passphrase → \
             decrypt it: (umask 077; openssl pkey -in privkey.pem -out privkey.pem.plain)",
        ),
        (
            chain.clone(),
            block(
                "EC PRIVATE KEY",
                "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA",
            ),
            "Key: it is encrypted",
        ),
        (
            chain.clone(),
            block("PRIVATE KEY", "AAAA"),
            "Key: it can't be read as a private key",
        ),
    ] {
        let said = said(&certificate, &key, None);
        assert!(said.starts_with(expected), "{said}");
    }
}

//! Hosts that prove themselves with a certificate (`@cert-authority` in known_hosts).

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use provision::ssh::{Error, Fault, Stage, Trust};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::{Algorithm, Certificate, PrivateKey};

use crate::server::{ECDSA, Server, Setup, new_key};

/// One authority for all tests: a server's certificates are made by plain functions.
static CA: LazyLock<PrivateKey> = LazyLock::new(|| new_key(Algorithm::Ed25519));

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn certificate(key: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
    between(CertType::Host, key, now() - 60, now() + 600, change)
}

fn between(
    kind: CertType,
    key: &PrivateKey,
    after: u64,
    before: u64,
    change: impl FnOnce(&mut Builder),
) -> Certificate {
    let mut builder =
        Builder::new_with_random_nonce(&mut safe_rng(), key.public_key(), after, before).unwrap();
    builder.cert_type(kind).unwrap();
    change(&mut builder);
    builder.sign(&*CA).unwrap()
}

fn good(key: &PrivateKey) -> Certificate {
    certificate(key, |builder| {
        builder.valid_principal("app1.example.com").unwrap();
        builder.valid_principal("127.0.0.1").unwrap();
    })
}

async fn server(certify: fn(&PrivateKey) -> Certificate) -> Server {
    Server::with(Setup {
        certify: Some(certify),
        ..Setup::default()
    })
    .await
}

fn authority(server: &Server) -> Trust {
    let key = CA.public_key().to_openssh().unwrap();
    server.known_hosts(&format!("@cert-authority 127.0.0.* {key}\n"))
}

async fn connect(server: &Server, trust: Trust) -> Result<(), Error> {
    let mut target = server.target();
    target.trust = trust;
    server.dialer().connect(&target).await.map(drop)
}

async fn refused(certify: fn(&PrivateKey) -> Certificate, why: &str) {
    let server = server(certify).await;
    let error = connect(&server, authority(&server)).await.err().unwrap();
    assert_eq!(error.stage(), Stage::HostKey, "{error}");
    assert!(
        matches!(error.fault(), Fault::HostCertificate { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(why), "{error}");
    assert!(error.to_string().contains("known_hosts:1"), "{error}");
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let server = server(good).await;
    connect(&server, authority(&server)).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_host_key_may_have_one() {
    for kind in [ECDSA, crate::server::RSA] {
        let server = Server::with(Setup {
            host_keys: vec![kind],
            certify: Some(good),
            ..Setup::default()
        })
        .await;
        connect(&server, authority(&server)).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_isnt_in_order_is_refused_with_the_reason() {
    refused(
        |key| {
            between(CertType::Host, key, now() - 100_000, now() - 90_000, |b| {
                b.valid_principal("127.0.0.1").unwrap();
            })
        },
        "it expired on 2",
    )
    .await;
    refused(
        |key| {
            between(CertType::Host, key, now() + 1_000, now() + 2_000, |b| {
                b.valid_principal("127.0.0.1").unwrap();
            })
        },
        "it is valid from 2",
    )
    .await;
    refused(
        |key| {
            certificate(key, |b| {
                b.valid_principal("db.example.com").unwrap();
            })
        },
        "it is for db.example.com, not for 127.0.0.1",
    )
    .await;
    refused(
        |key| {
            certificate(key, |b| {
                b.all_principals_valid().unwrap();
            })
        },
        "it names no host",
    )
    .await;
    refused(
        |key| {
            between(CertType::User, key, now() - 60, now() + 600, |b| {
                b.valid_principal("127.0.0.1").unwrap();
            })
        },
        "a user's certificate",
    )
    .await;
    refused(
        |key| {
            certificate(key, |b| {
                b.valid_principal("127.0.0.1").unwrap();
                b.critical_option("only-on-mondays", "").unwrap();
            })
        },
        "only-on-mondays",
    )
    .await;
}

#[tokio::test]
async fn a_certificate_names_the_alias_if_there_is_one() {
    let server = server(good).await;
    let key = CA.public_key().to_openssh().unwrap();
    let mut target = server.target();
    target.trust = server.known_hosts(&format!("@cert-authority *.example.com {key}\n"));
    target.alias = Some("app1.example.com".into());
    server.dialer().connect(&target).await.unwrap();
    target.alias = Some("app2.example.com".into());
    let error = server.dialer().connect(&target).await.err().unwrap();
    assert!(
        error.to_string().contains("not for app2.example.com"),
        "{error}"
    );
}

#[tokio::test]
async fn another_authority_proves_nothing_and_the_plain_key_counts() {
    let server = server(good).await;
    let other = new_key(Algorithm::Ed25519)
        .public_key()
        .to_openssh()
        .unwrap();
    let line = format!("@cert-authority * {other}\n");
    let error = connect(&server, server.known_hosts(&line))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            error.fault(),
            Fault::HostKeyUnknown {
                authority: Some(_),
                ..
            }
        ),
        "{error}"
    );
    let key = server.host_keys[0].to_openssh().unwrap();
    let both = server.known_hosts(&format!("{line}HOST {key}\n"));
    connect(&server, both).await.unwrap();
}

#[tokio::test]
async fn a_host_without_a_certificate_may_be_known_by_its_key() {
    let server = Server::start().await;
    let (authority, key) = (
        CA.public_key().to_openssh().unwrap(),
        server.host_keys[0].to_openssh().unwrap(),
    );
    let lines = format!("@cert-authority * {authority}\nHOST {key}\n");
    connect(&server, server.known_hosts(&lines)).await.unwrap();
    // And one with a certificate may be known by another key.
    let server = self::server(good).await;
    let old = new_key(ECDSA).public_key().to_openssh().unwrap();
    let lines = format!("@cert-authority * {authority}\nHOST {old}\n");
    connect(&server, server.known_hosts(&lines)).await.unwrap();
}

#[tokio::test]
async fn a_revoked_authority_or_key_is_refused() {
    let server = server(good).await;
    let authority = CA.public_key().to_openssh().unwrap();
    for revoked in [&authority, &server.host_keys[0].to_openssh().unwrap()] {
        let lines = format!("@cert-authority * {authority}\n@revoked * {revoked}\n");
        let error = connect(&server, server.known_hosts(&lines))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(error.fault(), Fault::HostKeyRevoked { .. }),
            "{error}"
        );
        assert_eq!(server.logins(), 0);
    }
}

#[tokio::test]
async fn certificates_are_not_asked_for_where_a_key_is_pinned() {
    let server = server(good).await;
    let mut target = server.target();
    target.patience.connect = Duration::from_secs(10);
    server.dialer().connect(&target).await.unwrap();
}

//! Who the server is comes before anything is said to it.

use std::time::{Duration, Instant};

use provision::ssh::{Error, Fault, Stage, Trust};
use russh::keys::Algorithm;
use tokio::net::TcpListener;

use crate::server::{ECDSA, RSA, Server, Setup, new_key, print};

/// Connects with some trust, which must fail before any login.
async fn refused(server: &Server, trust: Trust) -> Error {
    let mut target = server.target();
    target.trust = trust;
    let error = server.dialer().connect(&target).await.err().unwrap();
    assert_eq!(error.stage(), Stage::HostKey, "{error}");
    assert!(!error.is_auth());
    assert_eq!(
        server.logins(),
        0,
        "something was said to a server that isn't trusted"
    );
    error
}

async fn accepted(server: &Server, trust: Trust) {
    let mut target = server.target();
    target.trust = trust;
    server
        .dialer()
        .connect(&target)
        .await
        .unwrap()
        .close()
        .await;
    assert!(server.logins() > 0);
}

fn pin(pinned: String) -> Trust {
    Trust {
        pinned: Some(pinned),
        known_hosts: Vec::new(),
    }
}

#[tokio::test]
async fn the_pinned_key_is_accepted() {
    let server = Server::start().await;
    accepted(&server, pin(print(&server.host_keys[0]))).await;
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused_with_both_fingerprints() {
    let server = Server::start().await;
    let pinned = print(new_key(Algorithm::Ed25519).public_key());
    let error = refused(&server, pin(pinned.clone())).await;
    let shown = error.to_string();
    assert!(shown.contains(&pinned), "{shown}");
    assert!(shown.contains(&print(&server.host_keys[0])), "{shown}");
    assert!(shown.contains("ssh-ed25519"), "{shown}");
    assert!(shown.starts_with("check the host key of app1"), "{shown}");
}

#[tokio::test]
async fn a_pin_overrules_known_hosts() {
    let server = Server::start().await;
    let mut trust = server.known_hosts(&format!(
        "HOST {}\n",
        server.host_keys[0].to_openssh().unwrap()
    ));
    trust.pinned = Some(print(new_key(Algorithm::Ed25519).public_key()));
    refused(&server, trust).await;
}

#[tokio::test]
async fn a_key_nobody_vouches_for_is_refused_and_trust_is_named() {
    let server = Server::start().await;
    let error = refused(&server, Trust::default()).await;
    assert!(
        matches!(error.fault(), Fault::HostKeyUnknown { .. }),
        "{error}"
    );
    assert!(error.next().contains("provision trust"), "{}", error.next());
    assert!(error.to_string().contains(&print(&server.host_keys[0])));
}

#[tokio::test]
async fn a_key_in_known_hosts_is_accepted() {
    let server = Server::start().await;
    let key = server.host_keys[0].to_openssh().unwrap();
    accepted(&server, server.known_hosts(&format!("HOST {key}\n"))).await;
}

#[tokio::test]
async fn a_key_known_without_its_port_is_not_this_servers() {
    let server = Server::start().await;
    let key = server.host_keys[0].to_openssh().unwrap();
    let error = refused(&server, server.known_hosts(&format!("127.0.0.1 {key}\n"))).await;
    assert!(
        matches!(error.fault(), Fault::HostKeyUnknown { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_though_it_is_known() {
    let server = Server::start().await;
    let key = server.host_keys[0].to_openssh().unwrap();
    let trust = server.known_hosts(&format!("HOST {key}\n@revoked * {key}\n"));
    let error = refused(&server, trust).await;
    assert!(
        matches!(error.fault(), Fault::HostKeyRevoked { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("known_hosts:2"), "{error}");
}

#[tokio::test]
async fn a_key_of_another_kind_than_the_known_one_is_a_change() {
    let server = Server::start().await;
    let other = new_key(ECDSA).public_key().clone();
    let trust = server.known_hosts(&format!("HOST {}\n", other.to_openssh().unwrap()));
    let error = refused(&server, trust).await;
    assert!(
        matches!(error.fault(), Fault::HostKeyChanged { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(&print(&other)), "{error}");
}

#[tokio::test]
async fn the_kind_of_key_that_is_known_is_asked_for_first() {
    let server = Server::with(Setup {
        host_keys: vec![Algorithm::Ed25519, ECDSA],
        ..Setup::default()
    })
    .await;
    let ecdsa = server.host_keys[1].to_openssh().unwrap();
    accepted(&server, server.known_hosts(&format!("HOST {ecdsa}\n"))).await;
}

#[tokio::test]
async fn a_pin_is_looked_for_among_all_kinds_of_keys() {
    for at in 0..3 {
        let server = Server::with(Setup {
            host_keys: vec![Algorithm::Ed25519, RSA, ECDSA],
            ..Setup::default()
        })
        .await;
        accepted(&server, pin(print(&server.host_keys[at]))).await;
    }
    // A server with nothing but ECDSA.
    let server = Server::with(Setup {
        host_keys: vec![ECDSA],
        ..Setup::default()
    })
    .await;
    let error = refused(&server, pin(print(new_key(ECDSA).public_key()))).await;
    accepted(&server, pin(print(&server.host_keys[0]))).await;
    assert!(
        matches!(error.fault(), Fault::HostKeyChanged { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_unknown_host_that_has_only_ecdsa_is_told_with_its_fingerprint() {
    let server = Server::with(Setup {
        host_keys: vec![ECDSA],
        ..Setup::default()
    })
    .await;
    let error = refused(&server, Trust::default()).await;
    assert!(
        error.to_string().contains(&print(&server.host_keys[0])),
        "{error}"
    );
}

#[tokio::test]
async fn an_alias_is_looked_up_instead_of_address_and_port() {
    let server = Server::start().await;
    let key = server.host_keys[0].to_openssh().unwrap();
    let mut target = server.target();
    target.trust = server.known_hosts(&format!(
        "proxy {key}
"
    ));
    target.alias = Some("Proxy".into());
    server.dialer().connect(&target).await.unwrap();
    target.alias = Some("other".into());
    assert!(server.dialer().connect(&target).await.is_err());
}

#[tokio::test]
async fn a_changed_key_says_what_it_can_mean() {
    let server = Server::start().await;
    let error = refused(&server, pin(print(new_key(ECDSA).public_key()))).await;
    let next = error.next();
    for meaning in ["reinstalled", "another server", "in between"] {
        assert!(next.contains(meaning), "{next}");
    }
}

#[tokio::test]
async fn an_authority_is_not_taken_for_a_key() {
    let server = Server::start().await;
    let key = server.host_keys[0].to_openssh().unwrap();
    let trust = server.known_hosts(&format!("@cert-authority HOST {key}\n"));
    let error = refused(&server, trust).await;
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
    assert!(
        error.next().contains("certificate of that authority"),
        "{}",
        error.next()
    );
}

#[tokio::test]
async fn a_known_hosts_file_that_cant_be_read_is_an_error() {
    let server = Server::start().await;
    let trust = Trust {
        pinned: None,
        known_hosts: vec![server.dir.path().to_owned()],
    };
    let error = refused(&server, trust).await;
    assert!(matches!(error.fault(), Fault::KnownHosts { .. }), "{error}");
}

#[tokio::test]
async fn a_server_tells_its_keys_without_a_login() {
    let server = Server::with(Setup {
        host_keys: vec![ECDSA, Algorithm::Ed25519],
        ..Setup::default()
    })
    .await;
    let target = server.target();
    let found = server.dialer().host_keys(&target).await.unwrap();
    let kinds: Vec<_> = found.iter().map(|key| key.algorithm.as_str()).collect();
    assert_eq!(kinds, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
    assert_eq!(found[0].fingerprint, print(&server.host_keys[1]));
    assert_eq!(
        found[0].line,
        server.host_keys[1].to_openssh().unwrap().trim_end()
    );
    assert_eq!(server.logins(), 0);
    // What is told first is what a pin is compared with.
    accepted(&server, pin(found[0].fingerprint.clone())).await;
}

#[tokio::test]
async fn a_port_that_refuses_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start().await;
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = server.dialer().connect(&target).await.err().unwrap();
    assert_eq!(error.stage(), Stage::Connect);
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.next().contains("sshd"), "{}", error.next());
    let error = server.dialer().host_keys(&target).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn a_port_that_says_nothing_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start().await;
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    let limit = Duration::from_secs(2);
    target.patience.connect = limit;
    let began = Instant::now();
    let error = server.dialer().connect(&target).await.err().unwrap();
    // The others here get ten.
    assert!(began.elapsed() < Duration::from_secs(9));
    assert_eq!(error.stage(), Stage::Connect);
    assert!(
        matches!(error.fault(), Fault::HandshakeTimeout { after } if *after == limit),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_that_hangs_up_is_no_ssh_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start().await;
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    target.patience.connect = Duration::from_secs(4);
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = server.dialer().connect(&target).await.err().unwrap();
    assert_eq!(error.stage(), Stage::Connect);
    assert!(matches!(error.fault(), Fault::HungUp { .. }), "{error}");
}

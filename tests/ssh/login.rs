//! With which keys we log in, and what is said when none will do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use provision::ssh::{Dialer, Error, Fault, Keys, Session, Stage};
use russh::MethodKind;
use russh::keys::Algorithm;
use russh::keys::key::safe_rng;

use crate::server::{ECDSA, RSA, Server, Setup, dialer, new_key};

async fn log_in(server: &Server, key: Option<&str>, dialer: &Dialer) -> Result<Session, Error> {
    let mut target = server.target();
    target.identity.key = key.map(PathBuf::from);
    dialer.connect(&target).await
}

async fn turned_down(server: &Server, key: Option<&str>, dialer: &Dialer) -> Error {
    let error = log_in(server, key, dialer).await.err().unwrap();
    assert_eq!(error.stage(), Stage::Authenticate, "{error}");
    error
}

#[tokio::test]
async fn keys_of_every_kind_log_in() {
    for kind in [Algorithm::Ed25519, ECDSA, RSA] {
        let server = Server::with(Setup {
            user_key: kind.clone(),
            ..Setup::default()
        })
        .await;
        let session = log_in(&server, Some("~/key"), &server.dialer()).await;
        assert!(session.is_ok(), "{kind}: {:?}", session.err());
    }
}

#[tokio::test]
async fn a_named_key_is_the_only_one_tried() {
    let server = Server::start().await;
    server.write_key(".ssh/id_ed25519", &server.user_key);
    server.write_key("other", &new_key(Algorithm::Ed25519));
    let error = turned_down(&server, Some("~/other"), &server.dialer()).await;
    assert!(error.is_auth());
    assert_eq!(server.logins(), 1);
    let shown = error.to_string();
    assert!(shown.contains("deploy is refused with"), "{shown}");
    assert!(shown.contains("other"), "{shown}");
    assert!(shown.contains("the server accepts"), "{shown}");
    assert!(shown.contains("password"), "{shown}");
}

#[tokio::test]
async fn another_user_is_turned_down_as_a_login() {
    let server = Server::start().await;
    let mut target = server.target();
    target.user = "root".into();
    let error = server.dialer().connect(&target).await.err().unwrap();
    assert!(error.is_auth(), "{error}");
    assert!(error.to_string().contains("root"), "{error}");
}

#[tokio::test]
async fn without_a_named_key_the_usual_files_are_tried() {
    let server = Server::start().await;
    server.write_key(".ssh/id_ed25519", &new_key(Algorithm::Ed25519));
    server.write_key(".ssh/id_ecdsa", &server.user_key);
    assert!(log_in(&server, None, &server.dialer()).await.is_ok());
}

#[tokio::test]
async fn without_a_key_the_server_is_asked_what_it_takes() {
    let server = Server::start().await;
    let error = turned_down(&server, None, &server.dialer()).await;
    assert!(matches!(error.fault(), Fault::NoKeys { .. }), "{error}");
    let shown = error.to_string();
    assert!(shown.contains("accepts publickey, password"), "{shown}");
    assert!(shown.contains("password (there is no terminal"), "{shown}");
    assert!(error.next().contains("terminal"), "{}", error.next());
    assert_eq!(server.logins(), 1);
}

#[tokio::test]
async fn one_key_costs_one_question_and_one_signature() {
    // The question can't be left out with russh; nothing else may come on top.
    let server = Server::start().await;
    log_in(&server, Some("~/key"), &server.dialer())
        .await
        .unwrap();
    assert_eq!(server.logins(), 1);
    assert_eq!(server.saw.signatures.load(Ordering::SeqCst), 1);
    assert_eq!(server.saw.interactive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_key_file_that_isnt_there_is_named() {
    let server = Server::start().await;
    let error = turned_down(&server, Some("~/nowhere"), &server.dialer()).await;
    assert!(
        matches!(error.fault(), Fault::KeyUnreadable { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(!error.is_auth(), "another user wouldn't help");
}

#[tokio::test]
async fn a_file_that_is_no_key_is_named() {
    let server = Server::start().await;
    for text in [
        "not a key\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    ] {
        std::fs::write(server.dir.path().join("junk"), text).unwrap();
        let error = turned_down(&server, Some("~/junk"), &server.dialer()).await;
        assert!(matches!(error.fault(), Fault::KeyInvalid { .. }), "{error}");
        assert!(error.to_string().contains("junk"), "{error}");
    }
}

fn encrypted(server: &Server) {
    let key = server.user_key.encrypt(&mut safe_rng(), "open sesame");
    server.write_key("locked", &key.unwrap());
}

#[tokio::test]
async fn a_key_with_a_passphrase_asks_for_ssh_add() {
    let server = Server::start().await;
    encrypted(&server);
    let error = turned_down(&server, Some("~/locked"), &server.dialer()).await;
    assert!(
        matches!(error.fault(), Fault::KeyEncrypted { .. }),
        "{error}"
    );
    assert!(
        error.next().starts_with("run `ssh-add "),
        "{}",
        error.next()
    );
    assert!(error.next().contains("/locked`, or"), "{}", error.next());
    assert!(
        error.next().contains("--ask-key-passphrase"),
        "{}",
        error.next()
    );
    assert_eq!(server.saw.signatures.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_usual_key_with_a_passphrase_is_passed_over_if_nobody_is_there_to_ask() {
    let server = Server::start().await;
    let key = server.user_key.encrypt(&mut safe_rng(), "open sesame");
    server.write_key(".ssh/id_ed25519", &key.unwrap());
    let error = turned_down(&server, None, &server.dialer()).await;
    assert!(
        error.to_string().contains("id_ed25519 has a passphrase"),
        "{error}"
    );
    server.write_key(".ssh/id_rsa", &server.user_key);
    log_in(&server, None, &server.dialer()).await.unwrap();
}

#[tokio::test]
async fn a_key_with_a_passphrase_logs_in_when_the_agent_holds_it() {
    let server = Server::start().await;
    encrypted(&server);
    let keys = with_agent(&server, server.user_key.clone());
    log_in(&server, Some("~/locked"), &keys).await.unwrap();
}

#[tokio::test]
async fn a_public_key_alone_picks_the_key_of_the_agent() {
    let server = Server::start().await;
    let keys = with_agent(&server, server.user_key.clone());
    log_in(&server, Some("~/key.pub"), &keys).await.unwrap();
    std::fs::remove_file(server.dir.path().join("key")).unwrap();
    log_in(&server, Some("~/key"), &keys).await.unwrap();
}

#[tokio::test]
async fn a_named_key_the_agent_doesnt_hold_isnt_replaced_by_one_it_does() {
    let server = Server::start().await;
    server.write_key("other", &new_key(Algorithm::Ed25519));
    let keys = with_agent(&server, server.user_key.clone());
    let error = turned_down(&server, Some("~/other.pub"), &keys).await;
    assert!(
        matches!(error.fault(), Fault::KeyNotInAgent { .. }),
        "{error}"
    );
    assert!(error.next().ends_with("/other`"), "{}", error.next());
    assert_eq!(server.logins(), 0);
}

#[tokio::test]
async fn the_agents_keys_are_tried_without_a_named_one() {
    let server = Server::start().await;
    let keys = with_agent(&server, server.user_key.clone());
    log_in(&server, None, &keys).await.unwrap();
    let elsewhere = Server::start().await;
    let error = turned_down(&elsewhere, None, &keys).await;
    assert!(error.to_string().contains("me@laptop"), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_gone_doesnt_keep_a_file_from_being_used() {
    let server = Server::start().await;
    let gone = Some(server.dir.path().join("gone"));
    let keys = dialer(Keys::new(Some(server.dir.path().to_owned()), gone));
    let error = turned_down(&server, None, &keys).await;
    assert!(error.to_string().contains("agent"), "{error}");
    server.write_key(".ssh/id_ed25519", &server.user_key);
    log_in(&server, None, &keys).await.unwrap();
}

#[tokio::test]
async fn a_server_that_hangs_up_on_too_many_keys_asks_for_one() {
    let server = Server::with(Setup {
        most_attempts: 2,
        ..Setup::default()
    })
    .await;
    for name in ["id_ed25519", "id_ecdsa", "id_rsa"] {
        server.write_key(&format!(".ssh/{name}"), &new_key(Algorithm::Ed25519));
    }
    let error = turned_down(&server, None, &server.dialer()).await;
    assert!(matches!(error.fault(), Fault::AuthCutOff { .. }), "{error}");
    assert!(error.is_auth());
    assert!(error.next().contains("`key`"), "{}", error.next());
}

#[tokio::test]
async fn a_server_that_wants_more_than_a_key_says_what() {
    let server = Server::with(Setup {
        also_wants: Some(MethodKind::Password),
        ..Setup::default()
    })
    .await;
    let error = turned_down(&server, Some("~/key"), &server.dialer()).await;
    assert!(
        matches!(error.fault(), Fault::AuthIncomplete { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("also wants password"), "{error}");
}

#[tokio::test]
async fn a_security_key_signs_through_the_agent_and_its_touch_is_announced() {
    let key = new_key(Algorithm::Ed25519);
    let server = Server::with(Setup {
        user_public: Some(crate::agent::hardware(&key)),
        ..Setup::default()
    })
    .await;
    let socket = crate::agent::start_hardware(server.dir.path(), key);
    let (notes, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let keys = Keys::new(Some(server.dir.path().to_owned()), Some(socket));
    let dialer = Dialer::new(keys, Arc::new(provision::ssh::Nobody), Some(notes));
    log_in(&server, None, &dialer).await.unwrap();
    let note = heard.try_recv().unwrap();
    assert!(note.text.contains("touch the security key"), "{note:?}");
    assert!(note.text.contains("sk-ssh-ed25519@openssh.com"), "{note:?}");
}

fn with_agent(server: &Server, key: russh::keys::PrivateKey) -> Dialer {
    let socket = crate::agent::start(server.dir.path(), key);
    dialer(Keys::new(Some(server.dir.path().to_owned()), Some(socket)))
}

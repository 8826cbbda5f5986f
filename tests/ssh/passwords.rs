//! What only the operator can answer, and what is said if nobody does.

use std::sync::Arc;
use std::time::Duration;

use provision::ssh::{Error, Fault, Question, Session};
use russh::MethodKind;
use russh::keys::key::safe_rng;

use crate::server::{Asked, Round, Server, Setup};

const SECRET: &str = "canary-7c1f-open-sesame";

const INTERACTIVE: MethodKind = MethodKind::KeyboardInteractive;

async fn with_password() -> Server {
    Server::with(Setup {
        password: Some(SECRET),
        ..Setup::default()
    })
    .await
}

async fn asking(rounds: Vec<Round>) -> Server {
    Server::with(Setup {
        methods: vec![MethodKind::PublicKey, INTERACTIVE],
        rounds,
        ..Setup::default()
    })
    .await
}

fn password_prompt(prompt: &'static str) -> Vec<Round> {
    vec![Round {
        instructions: "",
        prompts: vec![(prompt, false, SECRET)],
    }]
}

/// Logs in without any key.
async fn log_in(server: &Server, asked: &Arc<Asked>) -> Result<Session, Error> {
    let mut target = server.target();
    target.identity.key = None;
    server.dialer_with(asked).connect(&target).await
}

fn password(again: bool) -> Question {
    Question::Password {
        host: "app1".into(),
        user: "deploy".into(),
        again,
    }
}

#[tokio::test]
async fn a_password_logs_in_where_there_is_no_key() {
    let server = with_password().await;
    let asked = Asked::new(&[SECRET]);
    log_in(&server, &asked).await.unwrap();
    assert_eq!(asked.questions(), [password(false)]);
}

#[tokio::test]
async fn a_password_comes_after_the_keys() {
    let server = with_password().await;
    server.write_key(
        ".ssh/id_ed25519",
        &crate::server::new_key(crate::server::ECDSA),
    );
    let asked = Asked::new(&[SECRET]);
    log_in(&server, &asked).await.unwrap();
    assert_eq!(server.logins(), 1, "the key first, and nothing besides");
}

#[tokio::test]
async fn a_wrong_password_is_asked_for_again_three_times_at_most() {
    let server = with_password().await;
    let asked = Asked::new(&["wrong", SECRET]);
    log_in(&server, &asked).await.unwrap();
    assert_eq!(asked.questions(), [password(false), password(true)]);

    let asked = Asked::new(&["one", "two", "three", SECRET]);
    let error = log_in(&server, &asked).await.err().unwrap();
    assert_eq!(asked.questions().len(), 3);
    assert!(error.is_auth(), "{error}");
    assert!(
        error.to_string().contains("refused with 3 passwords"),
        "{error}"
    );
}

#[tokio::test]
async fn the_same_wrong_password_isnt_sent_twice() {
    let server = with_password().await;
    let asked = Asked::new(&["stale", "stale", "stale"]);
    let error = log_in(&server, &asked).await.err().unwrap();
    assert_eq!(*server.saw.passwords.lock().unwrap(), ["stale"]);
    assert!(error.to_string().contains("wrong before"), "{error}");
}

#[tokio::test]
async fn an_answer_that_isnt_given_sends_nothing() {
    let server = with_password().await;
    let asked = Asked::new(&[]);
    let error = log_in(&server, &asked).await.err().unwrap();
    assert!(
        error.to_string().contains("password (no answer was given)"),
        "{error}"
    );
    assert!(server.saw.passwords.lock().unwrap().is_empty());
    assert_eq!(asked.questions().len(), 1);
}

#[tokio::test]
async fn a_password_that_may_not_be_asked_for_isnt() {
    let server = with_password().await;
    let asked = Asked::new(&[SECRET]);
    let mut target = server.target();
    target.identity.key = None;
    target.identity.password = false;
    let error = server
        .dialer_with(&asked)
        .connect(&target)
        .await
        .err()
        .unwrap();
    assert!(matches!(error.fault(), Fault::NoKeys { .. }), "{error}");
    assert!(asked.questions().is_empty());
}

#[tokio::test]
async fn keys_that_may_not_be_tried_arent() {
    let server = with_password().await;
    let asked = Asked::new(&[SECRET]);
    let mut target = server.target();
    target.identity.keys = false;
    server.dialer_with(&asked).connect(&target).await.unwrap();
    assert!(server.saw.offered.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_usual_prompt_is_asked_as_a_password_and_others_in_the_servers_words() {
    let server = asking(password_prompt("(deploy@app1) Password: ")).await;
    let asked = Asked::new(&["wrong", SECRET]);
    log_in(&server, &asked).await.unwrap();
    assert_eq!(asked.questions(), [password(false), password(true)]);

    for (prompt, echo) in [
        ("Verification code: ", false),
        ("One-time password (OATH): ", false),
        ("Password: ", true),
    ] {
        let server = asking(vec![Round {
            instructions: "look at\u{1b}[31m your phone\n",
            prompts: vec![(prompt, echo, SECRET)],
        }])
        .await;
        let asked = Asked::new(&[SECRET]);
        log_in(&server, &asked).await.unwrap();
        let expected = Question::Prompt {
            host: "app1".into(),
            user: "deploy".into(),
            instruction: "look at[31m your phone".into(),
            prompt: prompt.into(),
            echo,
        };
        assert_eq!(asked.questions(), [expected]);
    }
}

#[tokio::test]
async fn several_rounds_and_empty_ones_are_answered() {
    let server = asking(vec![
        Round {
            instructions: "",
            prompts: vec![("Password: ", false, SECRET)],
        },
        Round {
            instructions: "a word to you",
            prompts: vec![],
        },
        Round {
            instructions: "",
            prompts: vec![("City: ", true, "Paris"), ("Year: ", true, "1999")],
        },
    ])
    .await;
    let asked = Asked::new(&[SECRET, "Paris", "1999"]);
    log_in(&server, &asked).await.unwrap();
    assert_eq!(asked.questions().len(), 3);
}

#[tokio::test]
async fn prompts_without_an_answer_leave_the_password_to_be_tried() {
    let server = Server::with(Setup {
        methods: vec![INTERACTIVE, MethodKind::Password],
        password: Some(SECRET),
        rounds: vec![Round {
            instructions: "",
            prompts: vec![("Code: ", false, "1"), ("Colour: ", false, "red")],
        }],
        ..Setup::default()
    })
    .await;
    struct OnlyPasswords;
    impl provision::ssh::Ask for OnlyPasswords {
        fn ask<'a>(&'a self, question: &'a Question) -> provision::ssh::Answer<'a> {
            Box::pin(async move {
                match question {
                    Question::Password { .. } => Ok(provision::shell::Secret::new(SECRET)),
                    _ => Err(provision::ssh::Unanswered::NoTerminal),
                }
            })
        }
    }
    let keys = provision::ssh::Keys::new(Some(server.dir.path().to_owned()), None);
    let dialer = provision::ssh::Dialer::new(keys, Arc::new(OnlyPasswords), None);
    let mut target = server.target();
    target.identity.key = None;
    dialer.connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_key_and_a_password_log_in_together() {
    let server = Server::with(Setup {
        also_wants: Some(MethodKind::Password),
        password: Some(SECRET),
        ..Setup::default()
    })
    .await;
    let asked = Asked::new(&["wrong", SECRET]);
    server
        .dialer_with(&asked)
        .connect(&server.target())
        .await
        .unwrap();
    assert_eq!(asked.questions(), [password(false), password(true)]);
}

#[tokio::test]
async fn a_key_and_a_code_log_in_together() {
    let code = || Setup {
        also_wants: Some(INTERACTIVE),
        rounds: vec![Round {
            instructions: "",
            prompts: vec![("Verification code: ", false, "123456")],
        }],
        ..Setup::default()
    };
    let server = Server::with(code()).await;
    let asked = Asked::new(&["123456"]);
    server
        .dialer_with(&asked)
        .connect(&server.target())
        .await
        .unwrap();

    let server = Server::with(code()).await;
    let asked = Asked::new(&["1", "2", "3"]);
    let error = server.dialer_with(&asked).connect(&server.target()).await;
    let error = error.err().unwrap();
    assert!(
        matches!(error.fault(), Fault::AuthIncomplete { .. }),
        "{error}"
    );
    let shown = error.to_string();
    assert!(shown.contains("/key is accepted for deploy"), "{shown}");
    assert!(shown.contains("also wants keyboard-interactive"), "{shown}");
    assert!(shown.contains("refused: answers"), "{shown}");
}

#[tokio::test]
async fn a_password_that_must_be_changed_says_so_and_isnt_changed() {
    let server = asking(vec![
        Round {
            instructions: "",
            prompts: vec![("Password: ", false, SECRET)],
        },
        Round {
            instructions: "You are required to change your password immediately.",
            prompts: vec![("New password: ", false, "x")],
        },
    ])
    .await;
    let asked = Asked::new(&[SECRET]);
    let error = log_in(&server, &asked).await.err().unwrap();
    assert!(
        matches!(error.fault(), Fault::PasswordExpired { .. }),
        "{error}"
    );
    assert_eq!(asked.questions().len(), 1);
}

#[tokio::test]
async fn the_operators_time_isnt_the_servers() {
    let server = with_password().await;
    let asked = Asked::slow(&[SECRET], Duration::from_secs(5));
    let mut target = server.target();
    target.identity.key = None;
    target.patience.login = Duration::from_secs(3);
    server.dialer_with(&asked).connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_server_that_doesnt_wait_for_the_answer_is_told() {
    let server = Server::with(Setup {
        password: Some(SECRET),
        // The key exchange on the same thread counts, too.
        waits: Some(Duration::from_secs(3)),
        ..Setup::default()
    })
    .await;
    let asked = Asked::slow(&[SECRET], Duration::from_secs(8));
    let error = log_in(&server, &asked).await.err().unwrap();
    assert!(matches!(error.fault(), Fault::AuthCutOff { .. }), "{error}");
    assert!(error.next().contains("LoginGraceTime"), "{}", error.next());
}

fn locked(server: &Server, name: &str) {
    let key = server.user_key.encrypt(&mut safe_rng(), SECRET);
    server.write_key(name, &key.unwrap());
}

#[tokio::test]
async fn a_passphrase_is_asked_for_once_for_many_hosts() {
    let server = Server::start().await;
    locked(&server, "locked");
    let asked = Asked::slow(&["wrong", SECRET], Duration::from_millis(50));
    let dialer = server.dialer_with(&asked);
    let mut target = server.target();
    target.identity.key = Some("~/locked".into());
    let all = (0..5).map(|_| {
        let (dialer, target) = (dialer.clone(), target.clone());
        tokio::spawn(async move { dialer.connect(&target).await.map(drop) })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    let key = server.dir.path().join("locked");
    let passphrase = |again| Question::Passphrase {
        key: key.clone(),
        again,
    };
    assert_eq!(asked.questions(), [passphrase(false), passphrase(true)]);
}

#[tokio::test]
async fn a_passphrase_is_asked_for_only_if_the_key_would_do() {
    let server = Server::start().await;
    let other = crate::server::new_key(crate::server::ECDSA);
    let other = other.encrypt(&mut safe_rng(), SECRET).unwrap();
    server.write_key(".ssh/id_ecdsa", &other);
    locked(&server, ".ssh/id_rsa");
    let asked = Asked::new(&[SECRET]);
    log_in(&server, &asked).await.unwrap();
    let [Question::Passphrase { key, .. }] = &asked.questions()[..] else {
        panic!("{:?}", asked.questions());
    };
    assert!(key.ends_with("id_rsa"), "{key:?}");
}

#[tokio::test]
async fn three_wrong_passphrases_end_it() {
    let server = Server::start().await;
    locked(&server, "locked");
    let mut target = server.target();
    target.identity.key = Some("~/locked".into());
    let asked = Asked::new(&["1", "2", "3", SECRET]);
    let dialer = server.dialer_with(&asked);
    for _ in 0..2 {
        let error = dialer.connect(&target).await.err().unwrap();
        assert!(
            matches!(error.fault(), Fault::KeyPassphrase { .. }),
            "{error}"
        );
        assert_eq!(asked.questions().len(), 3, "asked anew for the next host");
    }

    // A usual file is passed over, with the reason.
    locked(&server, ".ssh/id_ed25519");
    let asked = Asked::new(&[]);
    let error = log_in(&server, &asked).await.err().unwrap();
    assert!(
        error
            .to_string()
            .contains("has a passphrase: no answer was given"),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_can_be_unlocked_before_it_is_needed() {
    let server = Server::start().await;
    locked(&server, "locked");
    let keys = provision::ssh::Keys::new(Some(server.dir.path().to_owned()), None);
    let asked = Asked::new(&[SECRET]);
    keys.unlock(std::path::Path::new("~/locked"), asked.as_ref())
        .await
        .unwrap();
    keys.unlock(std::path::Path::new("~/key"), asked.as_ref())
        .await
        .unwrap();
    let dialer = provision::ssh::Dialer::new(keys, Arc::new(provision::ssh::Nobody), None);
    let mut target = server.target();
    target.identity.key = Some("~/locked".into());
    dialer.connect(&target).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_shown() {
    let server = Server::with(Setup {
        password: Some("another"),
        methods: vec![INTERACTIVE, MethodKind::Password],
        rounds: password_prompt("Password: "),
        ..Setup::default()
    })
    .await;
    locked(&server, ".ssh/id_ed25519");
    let asked = Asked::new(&[
        "canary-7c1f-a",
        "canary-7c1f-b",
        "canary-7c1f-c",
        "canary-7c1f-d",
    ]);
    let (notes, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let keys = provision::ssh::Keys::new(Some(server.dir.path().to_owned()), None);
    let dialer = provision::ssh::Dialer::new(keys, asked.clone(), Some(notes));
    let mut target = server.target();
    target.identity.key = None;
    let error = dialer.connect(&target).await.err().unwrap();
    let mut shown = format!("{error} {error:?} {} {dialer:?}", error.next());
    while let Ok(note) = heard.try_recv() {
        shown += &note.text;
    }
    shown += &format!("{:?}", asked.questions());
    assert!(!shown.contains("canary"), "{shown}");
    // Each was asked for and used: three as passphrases, the last as a password, and then none
    // was left.
    assert_eq!(asked.questions().len(), 5);
}

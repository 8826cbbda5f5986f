//! Servers that take few commands on a connection, and connections that fall silent.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use provision::ssh::{Exec, Fault, Input, Patience, Target};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::relay::{Relay, Treat};
use crate::server::Server;
use crate::sshd::{Sshd, dialer, told};

/// More than anything here takes; a hang is a failure, not a wait.
const HANG: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_after_one_another_need_one_connection_where_it_takes_one_command() {
    let Some(server) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let (dialer, _notes) = dialer();
    let session = dialer.connect(&server.target("app1")).await.unwrap();
    for _ in 0..30 {
        session.exec(Exec::new("true")).await.unwrap();
    }
    assert_eq!((session.connections(), session.execs()), (1, 30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_side_by_side_get_further_connections_where_one_takes_few() {
    for (most, connections) in [(1, 8..=8), (3, 3..=5)] {
        let Some(server) = Sshd::start(&format!("MaxSessions {most}\nMaxStartups 50")) else {
            return;
        };
        let (dialer, mut notes) = dialer();
        let session = dialer.connect(&server.target("app1")).await.unwrap();
        // All eight are there at once, or none ends.
        let dir = server.dir.path().display();
        let run = |number: usize| {
            session.exec(Exec::new(format!(
                "touch {dir}/run{number}; while [ $(ls {dir} | grep -c ^run) -lt 8 ]; do sleep 0.05; \
                 [ -e {dir}/key ] || exit 1; done"
            )))
        };
        let all = async {
            tokio::join!(
                run(1),
                run(2),
                run(3),
                run(4),
                run(5),
                run(6),
                run(7),
                run(8)
            )
        };
        let all = timeout(HANG, all).await.expect("they wait for each other");
        assert!(all.0.is_ok() && all.7.is_ok());
        assert!(
            connections.contains(&session.connections()),
            "{}",
            session.connections()
        );
        let told = told(&mut notes);
        assert!(
            told.iter().any(|note| note.contains("refuses more than")),
            "{told:?}"
        );
        assert_eq!(session.execs(), 8);
        timeout(HANG, session.close()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_given_up_doesnt_keep_others_from_running() {
    let Some(server) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let (dialer, _notes) = dialer();
    // While it runs; and while the server is still asked for its channel, or just after.
    for limit in [Duration::from_secs(5), Duration::ZERO] {
        let session = dialer.connect(&server.target("app1")).await.unwrap();
        let sleep = Exec {
            limit: Some(limit),
            ..Exec::new("sleep 60")
        };
        let error = session.exec(sleep).await.unwrap_err();
        assert!(matches!(error.fault(), Fault::Limit { .. }));
        assert!(
            session
                .exec(Exec::new("true"))
                .await
                .unwrap()
                .status
                .success()
        );
        assert_eq!(session.connections(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_command_at_all_refuses() {
    let Some(server) = Sshd::start("MaxSessions 0") else {
        return;
    };
    let (dialer, _notes) = dialer();
    let session = dialer.connect(&server.target("app1")).await.unwrap();
    let error = session.exec(Exec::new("true")).await.unwrap_err();
    assert!(
        matches!(error.fault(), Fault::ExecRefused { .. }),
        "{error}"
    );
    assert!(error.next().contains("MaxSessions"));
    assert_eq!(server.logins(), 1);
}

/// Asked for a sign of life each 0.2 s, lost after 0.8 s.
fn impatient(target: Target) -> Target {
    Target {
        patience: Patience {
            alive_interval: Duration::from_millis(200),
            alive_count: 3,
            ..target.patience
        },
        ..target
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_falls_silent_is_noticed_in_whatever_it_was_used_for() {
    for upload in [false, true] {
        let server = Server::start().await;
        let relay = Relay::to(server.port, |_| Treat::Pass).await;
        let mut target = impatient(server.target());
        target.port = relay.port;
        let session = server.dialer().connect(&target).await.unwrap();
        let (sender, pieces) = mpsc::channel(1);
        let feed = tokio::spawn(async move {
            while upload && sender.send(Ok(vec![7; 64 * 1024])).await.is_ok() {}
            if !upload {
                std::future::pending::<()>().await;
            }
        });
        let request = Exec {
            input: Input::Stream(pieces),
            ..Exec::new("count")
        };
        let silence = async {
            // Longer than signs of life are waited for: so far they came.
            sleep(Duration::from_millis(1500)).await;
            relay.silence();
            Instant::now()
        };
        let run = async { timeout(HANG, session.exec(request)).await.unwrap() };
        let (lost, began) = tokio::join!(run, silence);
        let error = lost.unwrap_err();
        assert!(error.is_lost(), "{error}");
        // Of itself a connection is given up after twelve to fifteen.
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        assert!(session.is_closed());
        feed.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_closed_is_noticed_at_once() {
    let server = Server::start().await;
    let relay = Relay::to(server.port, |_| Treat::Pass).await;
    let mut target = server.target();
    target.port = relay.port;
    let session = server.dialer().connect(&target).await.unwrap();
    let cut = async {
        while server.saw.commands.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        relay.cut();
        Instant::now()
    };
    let (lost, began) = tokio::join!(session.exec(Exec::new("hang")), cut);
    assert!(lost.unwrap_err().is_lost());
    // A silent one is after twelve to fifteen.
    let after = began.elapsed();
    assert!(after < Duration::from_secs(8), "{after:?}");
    assert!(session.is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_writes_without_end_ends_in_a_failure() {
    let Some(server) = Sshd::start("") else {
        return;
    };
    let (dialer, _notes) = dialer();
    let session = dialer.connect(&server.target("app1")).await.unwrap();
    let error = timeout(HANG, session.exec(Exec::new("yes")))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error.fault(), Fault::TooMuch { .. }), "{error}");
    // On its standard error it may: that is for people.
    let loud = Exec::new("head -c 60000000 /dev/zero >&2; echo done");
    let done = timeout(HANG, session.exec(loud)).await.unwrap().unwrap();
    assert_eq!(done.stdout, b"done\n");
    assert!(done.stderr.len() < 30_000_000);
}

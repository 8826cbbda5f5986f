//! The way to a server: names, commands, servers that hang up or hang.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use provision::ssh::{Address, Error, Exec, Family, Fault, Patience, Stage, Target, Via};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, Msg, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::relay::{Relay, Treat};
use crate::server::{Server, new_key, print};
use crate::sshd::{dialer, told};

/// More than anything here takes; a hang is a failure, not a wait.
const HANG: Duration = Duration::from_secs(300);
/// A short time for a connection: enough on a busy machine, and less than the ten seconds that
/// others get here.
const SHORT: Duration = Duration::from_secs(2);

fn within(connect: Duration, target: Target) -> Target {
    Target {
        patience: Patience {
            connect,
            ..target.patience
        },
        ..target
    }
}

/// What connecting there fails with, and how long it took.
async fn failure(target: &Target) -> (Error, Duration) {
    let (dialer, _notes) = dialer();
    let began = Instant::now();
    let outcome = timeout(HANG, dialer.connect(target)).await;
    (outcome.expect("it hangs").err().unwrap(), began.elapsed())
}

#[tokio::test]
async fn a_name_is_looked_up_and_the_family_kept_to() {
    let server = Server::start().await;
    let mut target = server.target();
    target.address = Address::Name("localhost".into());
    for family in [Family::Any, Family::V4] {
        target.family = family;
        let session = server.dialer().connect(&target).await.unwrap();
        assert!(session.local_address().unwrap().is_ipv4());
    }
    target.address = Address::Ip(Ipv4Addr::LOCALHOST.into());
    target.family = Family::V6;
    let (error, _) = failure(&target).await;
    assert_eq!(error.stage(), Stage::Resolve);
    assert!(
        error
            .to_string()
            .contains("no IPv6 address, only 127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_that_isnt_there_fails_at_its_look_up() {
    let server = Server::start().await;
    let mut target = within(SHORT, server.target());
    target.address = Address::Name("nobody.invalid".into());
    let (error, after) = failure(&target).await;
    assert_eq!(error.stage(), Stage::Resolve, "{error}");
    assert!(error.to_string().contains("nobody.invalid"), "{error}");
    assert!(error.next().contains("resolver"), "{}", error.next());
    // A resolver that gives no answer takes ten.
    assert!(after < Duration::from_secs(5), "{after:?}");
}

#[tokio::test]
async fn a_port_that_is_closed_fails_at_once() {
    let server = Server::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    drop(listener);
    let (error, after) = failure(&target).await;
    assert!(matches!(error.fault(), Fault::Unreachable(_)), "{error}");
    // It may take ten.
    assert!(after < Duration::from_secs(5), "{after:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_tried_again() {
    let server = Server::start().await;
    let ways = ["", "Exceeded MaxStartups\r\n"];
    let relay = Relay::to(server.port, move |number| match ways.get(number) {
        Some(words) => Treat::HangUp(words),
        None => Treat::Pass,
    })
    .await;
    let mut target = server.target();
    target.port = relay.port;
    let (dialer, mut notes) = dialer();
    let session = dialer.connect(&target).await.unwrap();
    session.exec(Exec::new("both")).await.unwrap();
    assert_eq!(relay.connections(), 3);
    let told = told(&mut notes);
    assert!(told[0].contains("trying again"), "{told:?}");
    assert!(told[1].contains("Exceeded MaxStartups"), "{told:?}");
}

#[tokio::test]
async fn a_server_that_always_hangs_up_is_tried_thrice_and_more_while_there_is_time() {
    for (words, expected) in [
        ("", "closed"),
        ("Not allowed at this time\r\n", "Not allowed"),
    ] {
        let relay = Relay::to(1, move |_| Treat::HangUp(words)).await;
        let server = Server::start().await;
        let mut target = within(Duration::from_secs(4), server.target());
        target.port = relay.port;
        let (dialer, mut notes) = dialer();
        let began = Instant::now();
        let outcome = timeout(HANG, dialer.connect(&target)).await;
        let error = outcome.expect("it hangs").err().unwrap();
        let after = began.elapsed();
        assert!(
            matches!(error.fault(), Fault::HungUp { tries: 3.., .. }),
            "{error}"
        );
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.next().contains("MaxStartups"), "{}", error.next());
        assert!(relay.connections() >= 3);
        assert!(after < Duration::from_secs(15), "{after:?}");
        // However slow the machine is: the pauses alone, of which tenths of seconds are told, fit
        // into the four seconds.
        let told = told(&mut notes);
        let pauses: f64 = told.iter().filter_map(|note| pause(note)).sum();
        assert!(pauses > 0.0 && pauses < 4.5, "{told:?}");
    }
}

/// How long it is until the next try, in seconds.
fn pause(note: &str) -> Option<f64> {
    let (_, after) = note.split_once("trying again in ")?;
    after.strip_suffix(" s")?.parse().ok()
}

#[tokio::test]
async fn a_server_that_hung_up_and_then_hangs_is_told_with_its_words() {
    let server = Server::start().await;
    let relay = Relay::to(server.port, |number| match number {
        0 => Treat::HangUp("Not allowed at this time\r\n"),
        _ => Treat::StopAfter(0),
    })
    .await;
    let mut target = within(Duration::from_secs(4), server.target());
    target.port = relay.port;
    let (error, _) = failure(&target).await;
    assert!(
        matches!(error.fault(), Fault::HungUp { tries: 2, .. }),
        "{error}"
    );
    assert_eq!(error.stage(), Stage::Connect);
    assert!(error.to_string().contains("Not allowed"), "{error}");
}

#[tokio::test]
async fn what_isnt_ssh_is_said_in_its_own_words_and_not_tried_again() {
    let relay = Relay::to(1, |_| Treat::HangUp("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let server = Server::start().await;
    let mut target = server.target();
    target.port = relay.port;
    let (error, _) = failure(&target).await;
    assert!(matches!(error.fault(), Fault::NotSsh { .. }), "{error}");
    assert!(
        error.to_string().contains("HTTP/1.1 400 Bad Request"),
        "{error}"
    );
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn lines_before_the_identification_do_no_harm() {
    let server = Server::start().await;
    let relay = Relay::to(server.port, |_| Treat::Greet("Welcome.\r\nBe kind.\r\n")).await;
    let mut target = server.target();
    target.port = relay.port;
    let (dialer, _notes) = dialer();
    let session = dialer.connect(&target).await.unwrap();
    session.exec(Exec::new("both")).await.unwrap();
}

#[tokio::test]
async fn at_most_three_connections_to_a_server_arent_logged_in_yet() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = Server::start().await;
    // Long enough for each to be seen before it goes.
    let mut target = within(Duration::from_secs(4), server.target());
    target.port = listener.local_addr().unwrap().port();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (open, peak) = (Arc::clone(&now), Arc::clone(&most));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            peak.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let open = Arc::clone(&open);
            tokio::spawn(async move {
                // Says nothing until the client goes.
                while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let (dialer, _notes) = dialer();
    let one = || dialer.connect(&target);
    let all = async { tokio::join!(one(), one(), one(), one(), one(), one()) };
    assert!(timeout(HANG, all).await.unwrap().0.is_err());
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_try_that_is_given_up_leaves_no_connection_behind() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let server = Server::start().await;
    let mut target = within(Duration::from_secs(4), server.target());
    target.port = listener.local_addr().unwrap().port();
    // In the middle of the key exchange russh itself would hold on.
    let ended = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-hangs\r\n").await.unwrap();
        while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
    });
    let (error, _) = failure(&target).await;
    assert!(
        matches!(error.fault(), Fault::HandshakeTimeout { .. }),
        "{error}"
    );
    timeout(HANG, ended)
        .await
        .expect("the connection is still there")
        .unwrap();
}

/// Bash, since every Debian has it: what `nc` does.
fn netcat(port: u16) -> String {
    format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & exec cat >&3")
}

/// The process whose number a command writes there, a line of its own.
async fn process(pid: &Path) -> PathBuf {
    let written = async {
        loop {
            let text = std::fs::read_to_string(pid).unwrap_or_default();
            if let Some(number) = text.strip_suffix('\n') {
                return Path::new("/proc").join(number);
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HANG, written).await.expect("the command hangs")
}

/// Waits until a process is gone. A zombie would still be there.
async fn gone(process: &Path) {
    while process.exists() {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_command_is_a_way_and_ends_with_the_connection() {
    let server = Server::start().await;
    let pid = server.dir.path().join("pid");
    let mut target = server.target();
    target.via = Via::Command(format!(
        "bash -c 'echo $$ >{}; echo on my way >&2; {}'",
        pid.display(),
        netcat(server.port)
    ));
    let (dialer, mut notes) = dialer();
    for how in ["closed", "dropped"] {
        let session = dialer.connect(&target).await.unwrap();
        let done = session.exec(Exec::new("both")).await.unwrap();
        assert_eq!(done.stdout, b"out\nmore\n");
        assert_eq!(session.local_address(), None);
        let process = process(&pid).await;
        assert!(process.exists());
        if how == "closed" {
            session.close().await;
        } else {
            drop(session);
        }
        timeout(HANG, gone(&process))
            .await
            .expect("the command outlives the connection");
    }
    let told = told(&mut notes);
    assert!(
        told.contains(&"app1: ProxyCommand: on my way".to_owned()),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_command_that_ignores_its_end_is_ended() {
    let server = Server::start().await;
    let pid = server.dir.path().join("pid");
    let mut target = within(Duration::from_secs(5), server.target());
    target.via = Via::Command(format!(
        "bash -c 'trap : TERM HUP PIPE; echo $$ >{}; while :; do sleep 0.1; done'",
        pid.display()
    ));
    let ((error, _), process) = tokio::join!(failure(&target), process(&pid));
    assert!(
        matches!(error.fault(), Fault::HandshakeTimeout { .. }),
        "{error}"
    );
    timeout(HANG, gone(&process))
        .await
        .expect("the command lives on");
}

#[tokio::test]
async fn a_command_that_fails_says_why() {
    let server = Server::start().await;
    let mut target = server.target();
    target.via = Via::Command("sh -c 'echo no such tunnel >&2; exit 7'".into());
    let (error, after) = failure(&target).await;
    assert!(
        matches!(error.fault(), Fault::ProxyCommand { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("exit status: 7") && text.contains("no such tunnel"),
        "{text}"
    );
    // It may take ten.
    assert!(after < Duration::from_secs(8), "{after:?}");
}

/// Where a server stops answering.
#[derive(Clone, Copy, PartialEq)]
enum Stuck {
    Login,
    Open,
    Exec,
    /// After all is said but the goodbye.
    Close,
}

struct Stubborn(Stuck);

impl server::Handler for Stubborn {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some(
            "Property of\x07 Example Ltd.\r\n\r\nGo away.\r\n".into(),
        ))
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if self.0 == Stuck::Login {
            std::future::pending::<()>().await;
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.0 == Stuck::Open {
            // It keeps the connection alive, and this question open.
            std::mem::forget(reply);
            return Ok(());
        }
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        if self.0 == Stuck::Close {
            session.channel_success(id)?;
            session.data(id, &b"all"[..])?;
            session.exit_status_request(id, 0)?;
            session.eof(id)?;
        }
        Ok(())
    }
}

/// What a stubborn server is given to answer in.
const ANSWERS: Duration = Duration::from_secs(3);

async fn stubborn(stuck: Stuck) -> (Server, Target) {
    // For the client's key and directory.
    let server = Server::start().await;
    let host_key: PrivateKey = new_key(Algorithm::Ed25519);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut target = within(Duration::from_secs(30), server.target());
    if stuck != Stuck::Close {
        target.patience.login = ANSWERS;
    }
    target.port = listener.local_addr().unwrap().port();
    target.trust.pinned = Some(print(host_key.public_key()));
    let config = Arc::new(server::Config {
        keys: vec![host_key],
        auth_rejection_time: Duration::ZERO,
        ..server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                // Ends in an error when the client gives up.
                if let Ok(running) = server::run_stream(config, stream, Stubborn(stuck)).await {
                    let _ = running.await;
                }
            });
        }
    });
    (server, target)
}

#[tokio::test]
async fn a_server_that_hangs_before_ssh_is_set_up_fails_in_time() {
    let server = Server::start().await;
    // Nothing; within the identification; all of that; within the key exchange.
    for bytes in [0, 5, 30, 400] {
        let relay = Relay::to(server.port, move |_| Treat::StopAfter(bytes)).await;
        let mut target = within(SHORT, server.target());
        target.port = relay.port;
        let (error, after) = failure(&target).await;
        assert_eq!(error.stage(), Stage::Connect);
        let in_time = matches!(error.fault(), Fault::HandshakeTimeout { after: SHORT });
        assert!(in_time, "after {bytes} bytes: {error}");
        assert!(after < Duration::from_secs(6), "{after:?}");
        assert_eq!(relay.connections(), 1);
    }
}

#[tokio::test]
async fn a_server_that_hangs_at_the_login_fails_in_time() {
    let (_server, target) = stubborn(Stuck::Login).await;
    let (error, after) = failure(&target).await;
    assert_eq!(error.stage(), Stage::Authenticate);
    assert!(
        matches!(error.fault(), Fault::AuthTimeout { after: ANSWERS }),
        "{error}"
    );
    assert!(after < Duration::from_secs(15), "{after:?}");
}

#[tokio::test]
async fn a_server_that_hangs_at_a_command_fails_in_time() {
    for stuck in [Stuck::Open, Stuck::Exec] {
        let (_server, target) = stubborn(stuck).await;
        let (dialer, _notes) = dialer();
        let session = dialer.connect(&target).await.unwrap();
        let began = Instant::now();
        let outcome = timeout(HANG, session.exec(Exec::new("x"))).await;
        let error = outcome.expect("it hangs").unwrap_err();
        assert_eq!(error.stage(), Stage::Exec);
        assert!(
            matches!(error.fault(), Fault::ExecTimeout { after: ANSWERS }),
            "{error}"
        );
        let after = began.elapsed();
        assert!(after < Duration::from_secs(15), "{after:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_closes_what_has_ended_isnt_waited_for() {
    let (_server, target) = stubborn(Stuck::Close).await;
    let (dialer, _notes) = dialer();
    let session = dialer.connect(&target).await.unwrap();
    let outcome = timeout(HANG, session.exec(Exec::new("x"))).await;
    assert_eq!(outcome.expect("it hangs").unwrap().stdout, b"all");
}

#[tokio::test]
async fn a_banner_is_told_line_by_line() {
    let (_server, target) = stubborn(Stuck::Close).await;
    let (dialer, mut notes) = dialer();
    dialer.connect(&target).await.unwrap();
    let told = told(&mut notes);
    assert_eq!(told[0], "app1: the server says: Property of Example Ltd.");
    assert_eq!(told[1], "app1: the server says: Go away.");
}

//! Commands end as the server says they end, with all their output.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use provision::ssh::{Done, Exec, Fault, Input, Session, Stage, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::server::{Server, Setup, dialer};

const MIB: usize = 1024 * 1024;
/// More than anything here takes; a hang is a failure, not a wait.
const HANG: Duration = Duration::from_secs(300);

async fn session(server: &Server) -> Session {
    server.dialer().connect(&server.target()).await.unwrap()
}

async fn run(command: &str) -> Result<Done, provision::ssh::Error> {
    let server = Server::start().await;
    let session = session(&server).await;
    timeout(HANG, session.exec(Exec::new(command)))
        .await
        .expect("the command hangs")
}

#[tokio::test]
async fn output_error_output_and_exit_code_are_kept_apart() {
    let done = run("both").await.unwrap();
    assert_eq!(done.status, Status::Code(3));
    assert!(!done.status.success());
    assert_eq!(done.stdout, b"out\nmore\n");
    assert_eq!(done.stderr, b"err\n");
}

#[tokio::test]
async fn output_after_the_exit_code_is_kept() {
    let done = run("late").await.unwrap();
    assert!(done.status.success());
    assert_eq!(done.stdout, b"late out");
    assert_eq!(done.stderr, b"late err");
}

#[tokio::test]
async fn an_exit_code_after_the_end_of_output_is_kept() {
    let done = run("eof first").await.unwrap();
    assert_eq!(done.status, Status::Code(5));
    assert_eq!(done.stdout, b"out");
}

#[tokio::test]
async fn an_end_without_a_status_is_a_failure() {
    let error = run("no status").await.unwrap_err();
    assert!(matches!(error.fault(), Fault::NoExitStatus), "{error}");
    assert_eq!(error.stage(), Stage::Exec);
}

#[tokio::test]
async fn a_signal_is_named() {
    let done = run("killed").await.unwrap();
    assert_eq!(done.status, Status::Signal("KILL".into()));
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_command_is_lost() {
    for how in ["with a word", "without a word", "after the status"] {
        let error = run(&format!("lose {how}")).await.unwrap_err();
        assert!(error.is_lost(), "{how}: {error}");
        assert_eq!(error.stage(), Stage::Exec);
    }
}

#[tokio::test]
async fn the_last_words_of_a_lost_connection_are_told() {
    let error = run("lose with a word").await.unwrap_err();
    assert!(error.to_string().contains("going down"), "{error}");
}

#[tokio::test]
async fn a_command_on_a_lost_connection_is_lost_too() {
    let server = Server::start().await;
    let session = session(&server).await;
    let first = session.exec(Exec::new("lose without a word")).await;
    assert!(first.unwrap_err().is_lost());
    let second = timeout(HANG, session.exec(Exec::new("both")))
        .await
        .unwrap();
    assert!(second.unwrap_err().is_lost());
    assert!(session.is_closed());
}

#[tokio::test]
async fn a_command_the_server_wont_run_is_refused() {
    let error = run("refuse").await.unwrap_err();
    assert!(
        matches!(error.fault(), Fault::ExecRefused { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_comes_back_is_read_while_input_is_still_written() {
    let server = Server::start().await;
    let session = session(&server).await;
    let (sender, pieces) = mpsc::channel(1);
    let (lines, mut seen) = mpsc::unbounded_channel();
    let request = Exec {
        input: Input::Stream(pieces),
        lines: Some(lines),
        ..Exec::new("cat")
    };
    // Each piece waits until the one before it is back.
    let talk = async move {
        for round in 0..20 {
            sender
                .send(Ok(format!("{round}\n").into_bytes()))
                .await
                .unwrap();
            assert_eq!(seen.recv().await, Some(round.to_string()));
        }
    };
    let (done, ()) = timeout(HANG, async { tokio::join!(session.exec(request), talk) })
        .await
        .expect("reading waits for writing");
    assert!(done.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_mebibytes_go_through_cat_and_back() {
    let server = Server::start().await;
    let session = session(&server).await;
    let bytes: Vec<u8> = (0..32 * MIB).map(|at| (at / 7) as u8).collect();
    let request = Exec {
        input: Input::Bytes(bytes.clone()),
        most: 32 * MIB,
        ..Exec::new("cat")
    };
    // The connection serves others meanwhile.
    let other = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        session.exec(Exec::new("both")).await
    };
    let (done, other) = timeout(HANG, async { tokio::join!(session.exec(request), other) })
        .await
        .expect("writing waits for reading");
    assert!(
        done.unwrap().stdout == bytes,
        "what came back isn't what was sent"
    );
    assert_eq!(other.unwrap().status, Status::Code(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_taken_as_fast_as_the_command_reads() {
    let server = Server::start().await;
    let session = session(&server).await;
    let (sender, pieces) = mpsc::channel(2);
    let feed = async move {
        for _ in 0..256 {
            sender.send(Ok(vec![7; 64 * 1024])).await.unwrap();
        }
    };
    let request = Exec {
        input: Input::Stream(pieces),
        ..Exec::new("count")
    };
    let (done, ()) = timeout(HANG, async { tokio::join!(session.exec(request), feed) })
        .await
        .unwrap();
    assert_eq!(done.unwrap().stdout, (16 * MIB).to_string().as_bytes());
}

#[tokio::test]
async fn a_command_that_doesnt_read_holds_the_stream_back() {
    let server = Server::with(Setup {
        unread: 8,
        ..Setup::default()
    })
    .await;
    let session = session(&server).await;
    let (sender, pieces) = mpsc::channel(1);
    let request = Exec {
        input: Input::Stream(pieces),
        limit: Some(Duration::from_millis(500)),
        ..Exec::new("pair")
    };
    let feed = async move {
        let mut taken = 0;
        while sender.send(Ok(vec![7; 64 * 1024])).await.is_ok() {
            taken += 64 * 1024;
        }
        taken
    };
    let (done, taken) = tokio::join!(session.exec(request), feed);
    assert!(matches!(done.unwrap_err().fault(), Fault::Limit { .. }));
    // The window is 2 MiB; the rest lies in queues.
    assert!(taken < 10 * MIB, "{taken} bytes were taken for nobody");
}

#[tokio::test]
async fn input_that_fails_here_ends_the_command() {
    let server = Server::start().await;
    let session = session(&server).await;
    let (sender, pieces) = mpsc::channel(2);
    sender.send(Ok(b"top secret".to_vec())).await.unwrap();
    sender
        .send(Err(std::io::Error::other("disk on fire")))
        .await
        .unwrap();
    let request = Exec {
        input: Input::Stream(pieces),
        ..Exec::new("count")
    };
    let error = timeout(HANG, session.exec(request))
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("disk on fire"), "{error}");
    assert!(!format!("{error:?}").contains("top secret"));
}

#[tokio::test]
async fn a_command_that_ends_before_it_has_read_all_ends_with_its_status() {
    let server = Server::start().await;
    let session = session(&server).await;
    let request = Exec {
        input: Input::Bytes(vec![7; 8 * MIB]),
        ..Exec::new("early")
    };
    let done = timeout(HANG, session.exec(request)).await.unwrap().unwrap();
    assert_eq!(done.status, Status::Code(7));
    // The connection is none the worse for it.
    assert!(session.exec(Exec::new("late")).await.is_ok());
}

#[tokio::test]
async fn two_commands_run_side_by_side() {
    let server = Server::start().await;
    let session = session(&server).await;
    // Each of them waits for the other.
    let pair = async {
        tokio::join!(
            session.exec(Exec::new("pair")),
            session.exec(Exec::new("pair"))
        )
    };
    let (one, two) = timeout(HANG, pair).await.expect("they wait for each other");
    assert!(one.unwrap().status.success() && two.unwrap().status.success());
    assert_eq!(session.execs(), 2);
}

#[tokio::test]
async fn the_ninth_command_waits_its_turn() {
    let server = Server::start().await;
    let session = session(&server).await;
    let hang = || {
        session.exec(Exec {
            limit: Some(Duration::from_secs(3)),
            ..Exec::new("hang")
        })
    };
    let ninth = async {
        let all = async {
            while server.saw.commands.load(Ordering::SeqCst) < 8 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(HANG, all).await.expect("not all eight run");
        session.exec(Exec::new("both")).await
    };
    let began = Instant::now();
    let (.., done) = tokio::join!(
        hang(),
        hang(),
        hang(),
        hang(),
        hang(),
        hang(),
        hang(),
        hang(),
        ninth
    );
    assert_eq!(done.unwrap().status, Status::Code(3));
    assert!(
        began.elapsed() >= Duration::from_millis(2900),
        "it didn't wait"
    );
}

#[tokio::test]
async fn a_command_over_its_limit_is_given_up_and_its_channel_closed() {
    let server = Server::start().await;
    let session = session(&server).await;
    let request = Exec {
        limit: Some(Duration::from_secs(2)),
        ..Exec::new("hang")
    };
    let error = session.exec(request).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Limit { .. }), "{error}");
    assert!(!error.is_lost());
    let closed = async {
        while server.saw.given_up.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(HANG, closed).await.expect("the channel stays open");
    assert!(session.exec(Exec::new("both")).await.is_ok());
}

#[tokio::test]
async fn lines_come_while_the_command_runs() {
    let server = Server::start().await;
    let session = session(&server).await;
    let (sender, mut lines) = mpsc::unbounded_channel();
    let request = Exec {
        lines: Some(sender),
        limit: Some(HANG),
        ..Exec::new("hang")
    };
    // "hang" never ends: a line that came only at the end would never come.
    tokio::select! {
        line = lines.recv() => assert_eq!(line.as_deref(), Some("working")),
        done = session.exec(request) => panic!("it ended: {done:?}"),
    }
}

#[tokio::test]
async fn a_flood_of_small_pieces_comes_through_whole() {
    let done = run("flood").await.unwrap();
    assert_eq!(done.stdout.len(), 2000 * "a line of output\n".len());
}

#[tokio::test]
async fn what_is_sent_is_never_shown() {
    let request = Exec {
        input: Input::Bytes(b"top secret".to_vec()),
        ..Exec::new("early")
    };
    let shown = format!("{request:?}");
    assert!(
        shown.contains("10 bytes") && !shown.contains("secret"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_session_knows_its_ends_and_says_goodbye() {
    let server = Server::start().await;
    let session = session(&server).await;
    let local = session.local_address().unwrap();
    assert!(local.ip().is_loopback());
    assert_ne!(local.port(), server.port);
    assert_eq!(session.host(), "app1");
    timeout(HANG, session.close()).await.unwrap();
}

/// Passes bytes on after a while, however many come: a long line, not a thin one.
async fn slow(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let due = Instant::now() + delay;
            sender.send((due, piece[..length].to_vec())).unwrap();
        }
    };
    let write = async move {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(read, write);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_command_cost_eight_round_trips() {
    let server = Server::start().await;
    let port = server.port;
    let round_trip = Duration::from_millis(600);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    target.patience.connect = HANG;
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            tokio::spawn(slow(client_read, server_write, round_trip / 2));
            tokio::spawn(slow(server_read, client_write, round_trip / 2));
        }
    });
    let dialer = dialer(provision::ssh::Keys::new(None, None));
    // A machine that has other work to do makes it longer, and nothing makes it shorter: one good
    // one will do.
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let began = Instant::now();
        let session = dialer.connect(&target).await.unwrap();
        session.exec(Exec::new("both")).await.unwrap();
        best = best.min(began.elapsed().as_secs_f64() / round_trip.as_secs_f64());
        if best < 7.9 {
            break;
        }
    }
    // The handshake of TCP, the eighth, isn't slowed down here.
    assert!(best < 7.9, "{best} round trips and that of TCP");
}

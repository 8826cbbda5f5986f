//! Commands that somebody sits at: a terminal like the one here, streams as they are, and nobody
//! is faster than the other side.

use std::path::Path;
use std::time::{Duration, Instant};

use provision::ssh::{Fault, Piece, Receiving, Sending, Session, Size, Status, Terminal};
use tokio::time::timeout;

use crate::server::{Server, Setup};
use crate::sshd::{Sshd, dialer};

const MIB: usize = 1024 * 1024;
/// More than anything here takes; a hang is a failure, not a wait.
const HANG: Duration = Duration::from_secs(300);

fn terminal(columns: u32, rows: u32) -> Terminal {
    Terminal {
        kind: "screen-256color".to_owned(),
        size: Size {
            characters: (columns, rows),
            pixels: (0, 0),
        },
    }
}

/// All that still comes, and the end.
async fn all(receiving: &mut Receiving) -> (Vec<u8>, Vec<u8>, Status) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match timeout(HANG, receiving.next())
            .await
            .expect("it hangs")
            .unwrap()
        {
            Piece::Stdout(bytes) => stdout.extend(bytes),
            Piece::Stderr(bytes) => stderr.extend(bytes),
            Piece::Ended(status) => return (stdout, stderr, status),
        }
    }
}

/// Waits until this has come.
async fn shows(receiving: &mut Receiving, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        match timeout(HANG, receiving.next())
            .await
            .expect("it hangs")
            .unwrap()
        {
            Piece::Stdout(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} after {seen}"),
        }
    }
    seen
}

async fn at(server: &Server, command: &str) -> (Session, Receiving, Sending) {
    let session = server.dialer().connect(&server.target()).await.unwrap();
    let (receiving, sending) = session.attach(command.to_owned(), None).await.unwrap();
    (session, receiving, sending)
}

async fn real(sshd: &Sshd) -> Session {
    let (dialer, _notes) = dialer();
    dialer.connect(&sshd.target("one")).await.unwrap()
}

/// Waits until a file is there.
async fn appears(path: &Path) -> bool {
    let begin = Instant::now();
    while !path.exists() && begin.elapsed() < HANG {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    path.exists()
}

#[tokio::test]
async fn streams_come_apart_and_the_exit_code_is_the_commands() {
    let server = Server::start().await;
    let (_session, mut receiving, _sending) = at(&server, "both").await;
    let ended = all(&mut receiving).await;
    let (out, err) = (b"out\nmore\n".to_vec(), b"err\n".to_vec());
    assert_eq!(ended, (out, err, Status::Code(3)));
    for (command, status) in [
        ("late", Status::Code(0)),
        ("eof first", Status::Code(5)),
        ("killed", Status::Signal("KILL".into())),
    ] {
        let (_session, mut receiving, _sending) = at(&server, command).await;
        assert_eq!(all(&mut receiving).await.2, status, "{command}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_end_of_the_command() {
    let server = Server::start().await;
    for how in ["with a word", "without a word", "after the status"] {
        let (_session, mut receiving, _sending) = at(&server, &format!("lose {how}")).await;
        shows(&mut receiving, "half a li").await;
        let lost = timeout(HANG, receiving.next()).await.unwrap().unwrap_err();
        assert!(lost.is_lost(), "{how}: {lost}");
    }
}

#[tokio::test]
async fn a_command_the_server_wont_run_is_refused() {
    let server = Server::start().await;
    let session = server.dialer().connect(&server.target()).await.unwrap();
    let refused = session.attach("refuse".to_owned(), None).await;
    let error = refused.err().expect("it is refused");
    assert!(
        matches!(error.fault(), Fault::ExecRefused { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn input_arrives_whole_and_a_slow_reader_holds_it_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let session = real(&sshd).await;
    let go = sshd.dir.path().join("go");
    let command = format!(
        "until [ -e {} ]; do sleep 0.1; done; wc -c; echo end >&2; exit 4",
        go.display()
    );
    let (mut receiving, sending) = session.attach(command, None).await.unwrap();
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let sending_all = async {
        for _ in 0..64 {
            sending.send(vec![b'x'; MIB]).await.unwrap();
            sent.fetch_add(MIB, std::sync::atomic::Ordering::SeqCst);
        }
        sending.end().await;
    };
    let looking = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let early = sent.load(std::sync::atomic::Ordering::SeqCst);
        std::fs::write(&go, "").unwrap();
        early
    };
    let ((), early, (stdout, stderr, status)) =
        tokio::join!(sending_all, looking, all(&mut receiving));
    // The window of the channel, and the pipe.
    assert!(early < 16 * MIB, "{early} bytes went to nobody");
    assert_eq!(
        String::from_utf8_lossy(&stdout).trim(),
        (64 * MIB).to_string()
    );
    assert_eq!((&stderr[..], status), (&b"end\n"[..], Status::Code(4)));
}

#[tokio::test]
async fn output_that_nobody_takes_holds_the_command_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let session = real(&sshd).await;
    let written = sshd.dir.path().join("written");
    let command = format!(
        "head -c {} /dev/zero; echo >{}",
        64 * MIB,
        written.display()
    );
    let (mut receiving, _sending) = session.attach(command, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!written.exists(), "all of it lies somewhere");
    let (stdout, _, status) = all(&mut receiving).await;
    assert_eq!((stdout.len(), status), (64 * MIB, Status::Code(0)));
    assert!(written.exists());
}

#[tokio::test]
async fn bytes_of_every_kind_come_back_as_they_are() {
    let server = Server::with(Setup {
        unread: 64,
        ..Setup::default()
    })
    .await;
    let (_session, mut receiving, sending) = at(&server, "cat").await;
    let bytes: Vec<u8> = (0..=255).cycle().take(3 * MIB).collect();
    let typing = async {
        for piece in bytes.chunks(10_007) {
            sending.send(piece.to_vec()).await.unwrap();
        }
        sending.end().await;
    };
    let ((), (stdout, _, status)) = tokio::join!(typing, all(&mut receiving));
    assert!(stdout == bytes, "{} bytes of {}", stdout.len(), bytes.len());
    assert_eq!(status, Status::Code(0));
}

#[tokio::test]
async fn the_terminal_there_is_as_large_as_the_one_here_and_follows_it() {
    let Some(sshd) = Sshd::start("") else { return };
    let session = real(&sshd).await;
    let command = "trap 'stty size; exit 9' WINCH; tty; stty -a | grep -o -- '-echo '; \
                   stty size; echo \"$TERM.\"; while :; do sleep 0.1; done";
    let here = terminal(101, 37);
    let attached = session.attach(command.to_owned(), Some(&here)).await;
    let (mut receiving, sending) = attached.unwrap();
    let seen = shows(&mut receiving, ".\r\n").await;
    assert!(seen.contains("/dev/"), "{seen}");
    assert!(seen.contains("37 101\r\n"), "{seen}");
    assert!(seen.contains("screen-256color."), "{seen}");
    assert!(seen.contains("-echo"), "a password would show: {seen}");
    sending.resize(terminal(132, 50).size).await;
    let (stdout, stderr, status) = all(&mut receiving).await;
    assert_eq!(String::from_utf8_lossy(&stdout), "50 132\r\n");
    assert_eq!((stderr, status), (Vec::new(), Status::Code(9)));
}

#[tokio::test]
async fn whoever_leaves_hangs_the_terminal_up() {
    let Some(sshd) = Sshd::start("") else { return };
    let session = real(&sshd).await;
    let hup = sshd.dir.path().join("hup");
    let command = format!(
        "trap 'echo >{}; exit' HUP; echo ready; while :; do sleep 0.1; done",
        hup.display()
    );
    let here = terminal(80, 24);
    let attached = session.attach(command, Some(&here)).await;
    let (mut receiving, sending) = attached.unwrap();
    shows(&mut receiving, "ready").await;
    drop((receiving, sending));
    assert!(appears(&hup).await, "it goes on without anybody");
}

#[tokio::test]
async fn a_server_that_gives_no_terminal_says_so() {
    let Some(sshd) = Sshd::start("PermitTTY no") else {
        return;
    };
    let session = real(&sshd).await;
    let here = terminal(80, 24);
    let refused = session.attach("true".to_owned(), Some(&here)).await;
    let error = refused.err().expect("there is one");
    assert!(error.to_string().contains("PermitTTY"), "{error}");
    let (mut receiving, _sending) = session.attach("true".to_owned(), None).await.unwrap();
    assert_eq!(all(&mut receiving).await.2, Status::Code(0));
}

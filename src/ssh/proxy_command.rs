//! The way through a command (`ProxyCommand`, ssh_config(5)): its standard input and output
//! are the stream.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use super::note::Teller;

/// How long a command may take to end by itself once nobody needs it.
const ENDS_WITHIN: Duration = Duration::from_millis(200);
/// How long to wait for the words of one that ended.
const WORDS_WITHIN: Duration = Duration::from_millis(500);
/// How many of its last lines are kept.
const LAST_LINES: usize = 5;
/// A line is cut at this length (bytes).
const LONGEST_LINE: u64 = 500;

/// A running command as a stream. When it goes, the command is ended.
pub(super) struct Piped {
    input: ChildStdin,
    output: ChildStdout,
    _needed: oneshot::Sender<()>,
}

/// How a command ended.
#[derive(Clone)]
struct Ended {
    well: bool,
    status: String,
}

/// What has become of a command.
pub(super) struct Report {
    ended: watch::Receiver<Option<Ended>>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Report {
    /// Why the command failed, if it did: a moment is given to it to say so. One that ends well
    /// (`nc`) has only passed on that the server hung up.
    pub(super) async fn fault(&mut self) -> Option<Fault> {
        let ended = timeout(WORDS_WITHIN, self.ended.wait_for(Option::is_some)).await;
        let status = match ended {
            Ok(Ok(ended)) => ended.clone().filter(|ended| !ended.well)?.status,
            _ => return None,
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Fault::ProxyCommand {
            status,
            said: last.iter().cloned().collect(),
        })
    }
}

/// Starts a command by the operator's shell, as `ssh` does.
pub(super) fn start(command: &str, teller: Teller) -> io::Result<(Piped, Report)> {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let mut child = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()))
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::other("the command has no pipe");
    let input = child.stdin.take().ok_or_else(missing)?;
    let output = child.stdout.take().ok_or_else(missing)?;
    let words = child.stderr.take().ok_or_else(missing)?;
    let (needed, unneeded) = oneshot::channel();
    let (ended, report) = watch::channel(None);
    let last = Arc::new(Mutex::new(VecDeque::new()));
    let listening = tokio::spawn(listen(words, teller, Arc::clone(&last)));
    tokio::spawn(async move {
        let status = keep(&mut child, unneeded).await;
        // What it said before it ended is to be there before the end is told. A child of its own
        // may hold the pipe open.
        let _ = timeout(ENDS_WITHIN, listening).await;
        ended.send_replace(Some(status));
    });
    let piped = Piped {
        input,
        output,
        _needed: needed,
    };
    Ok((
        piped,
        Report {
            ended: report,
            last,
        },
    ))
}

/// Waits for a command to end, or ends it when it isn't needed any more. It is reaped either way.
async fn keep(child: &mut Child, unneeded: oneshot::Receiver<()>) -> Ended {
    tokio::select! {
        ended = child.wait() => return said(ended),
        _ = unneeded => {}
    }
    tokio::select! {
        ended = child.wait() => said(ended),
        () = sleep(ENDS_WITHIN) => {
            // It fails where the command has just ended.
            let _ = child.kill().await;
            said(child.wait().await)
        }
    }
}

fn said(ended: io::Result<std::process::ExitStatus>) -> Ended {
    match ended {
        Ok(status) => Ended {
            well: status.success(),
            status: status.to_string(),
        },
        Err(cause) => Ended {
            well: false,
            status: cause.to_string(),
        },
    }
}

/// Passes on what a command says on its standard error.
async fn listen(words: ChildStderr, teller: Teller, last: Arc<Mutex<VecDeque<String>>>) {
    let mut words = BufReader::new(words);
    loop {
        let mut line = Vec::new();
        match (&mut words)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(1..) => {}
            _ => return,
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        teller.tell(format!("ProxyCommand: {line}"));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

//! The bytes of a connection, watched: what a server says before it speaks SSH, and whether
//! it still takes what we send.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// How much of what comes before SSH is kept (bytes).
const MOST_HEARD: usize = 1024;

/// A way to a server: bytes there, bytes back.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The beginning of what a server sent, up to its SSH identification.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Takes in a piece; false when nothing more is wanted.
    fn take(&self, piece: &[u8]) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_HEARD - all.len();
        all.extend_from_slice(&piece[..piece.len().min(room)]);
        all.len() < MOST_HEARD && !identified(&all)
    }

    /// The first line that isn't SSH's, as far as it can be shown.
    pub(super) fn words(&self) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&all);
        text.lines()
            .take_while(|line| !line.starts_with("SSH-"))
            .map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect())
            .find(|line: &String| !line.trim().is_empty())
    }

    /// Whether the server has said that it speaks SSH.
    pub(super) fn is_ssh(&self) -> bool {
        identified(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// RFC 4253, section 4.2: other lines may come before the identification.
fn identified(all: &[u8]) -> bool {
    all.split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"SSH-"))
}

/// A stream that is watched.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    heard: Heard,
    listening: bool,
    /// How long the other side may take nothing at all. While russh writes it doesn't ask for
    /// signs of life, so a dead line in the middle of an upload is only noticed here.
    patience: Option<Duration>,
    stuck: Option<Pin<Box<Sleep>>>,
    /// `None`: it is kept.
    kept: Option<oneshot::Receiver<()>>,
    cut: bool,
}

/// Ends the stream when it is dropped, unless the stream is to be kept. russh holds on to that of
/// a connection which is given up during the key exchange.
pub(super) struct Keep(oneshot::Sender<()>);

impl Keep {
    pub(super) fn keep(self) {
        // It fails where the stream is gone.
        let _ = self.0.send(());
    }
}

impl Wire {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        heard: Heard,
        patience: Option<Duration>,
    ) -> (Self, Keep) {
        let (keep, kept) = oneshot::channel();
        let wire = Self {
            stream,
            heard,
            listening: true,
            patience,
            stuck: None,
            kept: Some(kept),
            cut: false,
        };
        (wire, Keep(keep))
    }

    /// Whether nobody wants it any more.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(kept) = &mut self.kept
            && let Poll::Ready(outcome) = Pin::new(kept).poll(cx)
        {
            self.kept = None;
            self.cut = outcome.is_err();
        }
        self.cut
    }

    /// Ends a write that has stood still for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(patience)) = (&outcome, self.patience) else {
            self.stuck = None;
            return outcome;
        };
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        if stuck.as_mut().poll(cx).is_ready() {
            let after = patience.as_secs_f32();
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nothing that was sent was taken for {after} s"),
            )));
        }
        Poll::Pending
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.listening && outcome.is_ready() {
            self.listening = self.heard.take(&buf.filled()[before..]);
        }
        outcome
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn words_before_the_identification_are_kept_and_those_after_arent() {
        let (ours, mut theirs) = duplex(4096);
        let heard = Heard::default();
        let (mut wire, _keep) = Wire::new(Box::new(ours), heard.clone(), None);
        theirs.write_all(b"\r\nNot al").await.unwrap();
        assert!(wire.read(&mut [0; 64]).await.unwrap() > 0);
        assert!(!heard.is_ssh());
        theirs
            .write_all(b"lowed\x1b at this time\r\nSSH-2.0-x\r\nmore")
            .await
            .unwrap();
        assert!(wire.read(&mut [0; 64]).await.unwrap() > 0);
        assert!(heard.is_ssh());
        assert_eq!(heard.words().as_deref(), Some("Not allowed at this time"));
        assert!(!wire.listening);
    }

    #[tokio::test]
    async fn a_stream_that_isnt_kept_ends() {
        for kept in [true, false] {
            let (ours, _theirs) = duplex(8);
            let (mut wire, keep) = Wire::new(Box::new(ours), Heard::default(), None);
            if kept {
                keep.keep();
            } else {
                drop(keep);
            }
            let mut byte = [0];
            let read = tokio::time::timeout(Duration::from_millis(20), wire.read(&mut byte));
            assert_eq!(read.await.is_err(), kept);
        }
    }

    #[tokio::test]
    async fn a_write_that_nobody_takes_ends() {
        let (ours, _theirs) = duplex(8);
        let (mut wire, _keep) = Wire::new(
            Box::new(ours),
            Heard::default(),
            Some(Duration::from_millis(150)),
        );
        let error = wire.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_write_that_is_taken_slowly_goes_on() {
        let (ours, mut theirs) = duplex(8);
        let (mut wire, _keep) = Wire::new(
            Box::new(ours),
            Heard::default(),
            Some(Duration::from_secs(2)),
        );
        let read = async {
            for _ in 0..40 {
                sleep(Duration::from_millis(60)).await;
                theirs.read_exact(&mut [0]).await.unwrap();
            }
        };
        let (outcome, ()) = tokio::join!(wire.write_all(&[0; 48]), read);
        outcome.unwrap();
    }
}

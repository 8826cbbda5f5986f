//! One connection to a server, logged in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{Channel, Disconnect};
use tokio::time::{sleep, timeout};

use super::handler::{Handler, Refusals, Said};

/// How long to wait for a goodbye to be sent.
const GOODBYE: Duration = Duration::from_millis(500);

/// One connection to a server, logged in.
pub(super) struct Link {
    pub(super) handle: Handle<Handler>,
    pub(super) local: Option<SocketAddr>,
    /// Streams to other servers that go through it.
    pub(super) riders: AtomicUsize,
    said: Said,
    refusals: Refusals,
    forwarding: AtomicUsize,
    /// Commands on it that we wait for.
    taken: AtomicUsize,
    /// Commands on it that we gave up; the server may still count them.
    left: AtomicUsize,
    full: AtomicBool,
}

impl Link {
    pub(super) fn new(
        handle: Handle<Handler>,
        local: Option<SocketAddr>,
        said: Said,
        refusals: Refusals,
    ) -> Self {
        Self {
            handle,
            local,
            riders: AtomicUsize::new(0),
            said,
            refusals,
            forwarding: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            full: AtomicBool::new(false),
        }
    }

    /// Whether the connection is over.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// The server's last words.
    pub(super) fn said(&self) -> Option<String> {
        self.said.get()
    }

    /// Says goodbye.
    pub(super) async fn close(&self) {
        let goodbye = self
            .handle
            .disconnect(Disconnect::ByApplication, "done", "en");
        let sent = timeout(GOODBYE, goodbye).await;
        if matches!(sent, Ok(Ok(()))) {
            let gone = async {
                while !self.is_closed() {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            let _ = timeout(GOODBYE, gone).await;
        }
    }

    /// Has the server connect to another. A refusal comes with the server's words, if they are
    /// sure to be about this one.
    pub(super) async fn forward(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Channel<client::Msg>, (russh::Error, Option<String>)> {
        let _one = Counted::new(&self.forwarding);
        self.refusals.take();
        let opened = self
            .handle
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0)
            .await;
        let error = match opened {
            Ok(channel) => return Ok(channel),
            Err(error @ russh::Error::ChannelOpenFailure(_)) => error,
            Err(error) => return Err((error, None)),
        };
        // russh hands on the words a moment after the refusal, and doesn't say whose they are. They
        // may be none: then there is nothing more to wait for either.
        for _ in 0..100 {
            if self.forwarding.load(Ordering::SeqCst) > 1 {
                break;
            }
            if let Some(words) = self.refusals.take() {
                return Err((error, Some(words).filter(|words| !words.is_empty())));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err((error, None))
    }

    /// A place for one more command, if fewer than this many run on it.
    pub(super) fn seat(self: &Arc<Self>, most: usize) -> Option<Seat> {
        let room = |taken| (taken < most).then_some(taken + 1);
        let free = !self.full.load(Ordering::SeqCst)
            && self
                .taken
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, room)
                .is_ok();
        free.then(|| Seat(Arc::clone(self)))
    }

    /// Takes no more commands: one that was given up keeps a place the server won't free.
    pub(super) fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }
}

/// Counts while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A command's place on a connection.
pub(super) struct Seat(Arc<Link>);

impl Seat {
    pub(super) fn link(&self) -> &Link {
        &self.0
    }

    /// The connection, for whoever outlives this place on it.
    pub(super) fn shared(&self) -> Arc<Link> {
        Arc::clone(&self.0)
    }

    /// Other commands that the server may count on this connection.
    pub(super) fn others(&self) -> (usize, usize) {
        let taken = self.0.taken.load(Ordering::SeqCst);
        (taken - 1, self.0.left.load(Ordering::SeqCst))
    }

    /// The command is given up.
    pub(super) fn leave(&self) {
        self.0.left.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

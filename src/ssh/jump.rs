//! The way through a bastion: a channel of its connection as the stream to a target.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use russh::{ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, client};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Fault;
use super::link::Link;
use super::target::Target;

/// What a target may have sent that its connection hasn't taken yet (bytes). An honest one stays
/// below the windows of the commands that run on it, eight times 2 MiB.
const MOST_HELD: usize = 32 * 1024 * 1024;
/// How long to wait for a channel's end to be sent.
const GOODBYE: Duration = Duration::from_millis(500);

/// Opens a way to a target through a bastion.
pub(super) async fn through(
    link: &Arc<Link>,
    bastion: &Target,
    target: &Target,
    deadline: Instant,
) -> Result<Jump, Fault> {
    let name = || bastion.host.clone();
    let host = target.address.to_string();
    let opening = link.forward(&host, target.port);
    match timeout_at(deadline, opening).await {
        Ok(Ok(channel)) => {
            let (from, to) = channel.split();
            Ok(Jump::new(from, to, Rider::new(link)))
        }
        Ok(Err((russh::Error::ChannelOpenFailure(reason), words))) => Err(Fault::ForwardRefused {
            bastion: name(),
            forbidden: matches!(reason, ChannelOpenFailure::AdministrativelyProhibited),
            what: words.unwrap_or_else(|| match reason {
                ChannelOpenFailure::AdministrativelyProhibited => "it isn't allowed to".to_owned(),
                ChannelOpenFailure::ConnectFailed => "it can't reach it".to_owned(),
                other => format!("{other:?}"),
            }),
        }),
        Ok(Err((_, _))) => Err(Fault::BastionLost {
            bastion: name(),
            said: link.said(),
        }),
        Err(_) => Err(Fault::ForwardTimeout {
            bastion: name(),
            after: target.patience.connect,
        }),
    }
}

/// Keeps a bastion's connection while a stream goes through it.
struct Rider(Arc<Link>);

impl Rider {
    fn new(link: &Arc<Link>) -> Self {
        link.riders.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(link))
    }
}

impl Drop for Rider {
    fn drop(&mut self) {
        self.0.riders.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A channel of a bastion's connection as a stream.
///
/// What comes out of the channel is taken at once and held here, however slowly the
/// connection inside reads. russh would else stop reading the bastion's connection as a whole
/// (one queue of 100 messages a channel, then it waits), and every other target behind the
/// bastion with it; and a connection inside that waits to write would never be told that it
/// may. How much is held is bounded by the windows of the connection inside.
pub(super) struct Jump {
    incoming: UnboundedReceiver<ChannelMsg>,
    /// The piece that is being read, and how far.
    piece: Option<(ChannelMsg, usize)>,
    held: Arc<AtomicUsize>,
    outgoing: Pin<Box<dyn AsyncWrite + Send>>,
    /// Ends when the channel does: a write that waits for the window would wait for ever.
    ended: oneshot::Receiver<()>,
}

impl Jump {
    fn new(from: ChannelReadHalf, to: ChannelWriteHalf<client::Msg>, rider: Rider) -> Self {
        let (sender, incoming) = unbounded_channel();
        let (ending, ended) = oneshot::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let outgoing = Box::pin(to.make_writer());
        tokio::spawn(pump(from, to, sender, Arc::clone(&held), (ending, rider)));
        Self {
            incoming,
            piece: None,
            held,
            outgoing,
            ended,
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.ended.is_terminated() || Pin::new(&mut self.ended).poll(cx).is_ready()
    }
}

/// Takes what comes out of a channel until it ends, or until nobody wants it any more.
async fn pump(
    mut from: ChannelReadHalf,
    to: ChannelWriteHalf<client::Msg>,
    sender: UnboundedSender<ChannelMsg>,
    held: Arc<AtomicUsize>,
    until_the_end: (oneshot::Sender<()>, Rider),
) {
    loop {
        let message = tokio::select! {
            message = from.wait() => message,
            () = sender.closed() => break,
        };
        match message {
            // An empty piece would read as the end.
            Some(ChannelMsg::Data { data }) if !data.is_empty() => {
                let length = data.len();
                if held.fetch_add(length, Ordering::SeqCst) + length > MOST_HELD
                    || sender.send(ChannelMsg::Data { data }).is_err()
                {
                    break;
                }
            }
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
    // What is still on its way to us mustn't block the others either.
    drop(from);
    let _ = timeout(GOODBYE, to.close()).await;
    drop(until_the_end);
}

impl AsyncRead for Jump {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_none() {
            let next = ready!(self.incoming.poll_recv(cx));
            self.piece = next.map(|message| (message, 0));
        }
        // Nothing comes any more: the end.
        let Some((ChannelMsg::Data { data }, at)) = &mut self.piece else {
            return Poll::Ready(Ok(()));
        };
        let rest = &data[*at..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        *at += length;
        if *at == data.len() {
            self.piece = None;
        }
        self.held.fetch_sub(length, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Jump {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.poll_ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.outgoing.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_ended(cx) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.outgoing.as_mut().poll_flush(cx)
    }

    /// The channel is closed when the stream goes.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

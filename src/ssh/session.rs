//! A connection that is logged in, and commands run over it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::{Channel, client};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::attached::{Receiving, Sending, Terminal, attach};
use super::connect;
use super::error::{Error, Stage};
use super::exec::{Done, Exec, run};
use super::fault::Fault;
use super::link::{Link, Seat};
use super::shared::Shared;
use super::target::Target;

/// Commands at once. sshd refuses the eleventh on one connection (MaxSessions).
const AT_ONCE: usize = 8;
/// A server may need a moment to free the place of a command that has just ended.
const FREES_WITHIN: Duration = Duration::from_millis(600);

/// A connection to one host, logged in; several where the server takes few commands on one.
pub struct Session {
    shared: Shared,
    target: Target,
    first: Arc<Link>,
    /// Those that were opened for more commands.
    further: Mutex<Vec<Arc<Link>>>,
    /// Held while one of them is opened.
    opening: tokio::sync::Mutex<()>,
    /// Commands that the server takes on one connection, as far as we know.
    most: AtomicUsize,
    slots: Semaphore,
    execs: AtomicUsize,
}

impl Session {
    pub(super) fn new(shared: Shared, target: Target, link: Arc<Link>) -> Self {
        Self {
            shared,
            target,
            first: link,
            further: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            most: AtomicUsize::new(AT_ONCE),
            slots: Semaphore::new(AT_ONCE),
            execs: AtomicUsize::new(0),
        }
    }

    /// The host's name in site.toml.
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// How many commands were started.
    pub fn execs(&self) -> usize {
        self.execs.load(Ordering::Relaxed)
    }

    /// How many connections it has: more than one where the server takes fewer commands at
    /// once on one (`MaxSessions`) than were run.
    pub fn connections(&self) -> usize {
        1 + self.further().len()
    }

    /// What it is a connection to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Our end of the connection; `None` behind a bastion or a command.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.first.local
    }

    /// Whether the connection is over. Of several, the first counts.
    pub fn is_closed(&self) -> bool {
        self.first.is_closed()
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.first
    }

    /// Says goodbye, unless others go through it (see [`Dialer::adopt`]). A session that is merely
    /// dropped ends too, without a word.
    pub async fn close(self) {
        let mut all = self.further();
        all.push(Arc::clone(&self.first));
        for link in all {
            if link.riders.load(Ordering::SeqCst) == 0 {
                link.close().await;
            }
        }
    }

    /// Runs a command to its end. Up to eight run at once; more wait. Where the server takes fewer
    /// on one connection, further ones are opened.
    ///
    /// A command that ends without reading all its input is no error: its status is what counts.
    ///
    /// # Errors
    /// Everything but an ended command, with whatever status: see [`Fault`]. Of another stage than
    /// [`Stage::Exec`] if a further connection is needed and can't be had.
    pub async fn exec(&self, request: Exec) -> Result<Done, Error> {
        let limit = request.limit;
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let run = self.run(request);
        match limit {
            Some(after) => timeout(after, run)
                .await
                .unwrap_or_else(|_| Err(self.fail(Fault::Limit { after }))),
            None => run.await,
        }
    }

    /// Starts a command that somebody sits at, with a terminal like the one that is given. It
    /// takes none of the eight places of [`Self::exec`].
    ///
    /// # Errors
    /// If the server won't start it, or gives no terminal.
    pub async fn attach(
        &self,
        command: String,
        terminal: Option<&Terminal>,
    ) -> Result<(Receiving, Sending), Error> {
        let (channel, seat) = self.channel().await?;
        self.execs.fetch_add(1, Ordering::Relaxed);
        attach(channel, seat, &self.target, command, terminal).await
    }

    async fn run(&self, request: Exec) -> Result<Done, Error> {
        let (channel, seat) = self.channel().await?;
        self.execs.fetch_add(1, Ordering::Relaxed);
        run(channel, seat, request, self.target.patience.login)
            .await
            .map_err(|fault| self.fail(fault))
    }

    fn fail(&self, fault: Fault) -> Error {
        Error::new(&self.target, Stage::Exec, fault)
    }

    fn further(&self) -> Vec<Arc<Link>> {
        let mut all = self.further.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|link| !link.is_closed());
        all.clone()
    }

    /// A channel for a command, on whichever connection the server gives one.
    async fn channel(&self) -> Result<(Channel<client::Msg>, Seat), Error> {
        let after = self.target.patience.login;
        let mut until = None;
        loop {
            let seat = self.seat().await?;
            let mut asked = Asked {
                seat: &seat,
                answered: false,
            };
            let opening = timeout(after, seat.link().handle.channel_open_session()).await;
            asked.answered = opening.is_ok();
            drop(asked);
            let reason = match opening {
                Ok(Ok(channel)) => return Ok((channel, seat)),
                Ok(Err(russh::Error::ChannelOpenFailure(reason))) => reason,
                Ok(Err(_)) => {
                    let said = seat.link().said();
                    return Err(self.fail(Fault::Lost { said }));
                }
                Err(_) => return Err(self.fail(Fault::ExecTimeout { after })),
            };
            match seat.others() {
                (0, 0) => {
                    // Nothing is open that we know of. It may be that the server hasn't yet
                    // taken in the end of the one before.
                    let until = *until.get_or_insert_with(|| Instant::now() + FREES_WITHIN);
                    if Instant::now() >= until {
                        let what = format!("no session: {reason:?}");
                        return Err(self.fail(Fault::ExecRefused { what }));
                    }
                    sleep(Duration::from_millis(30)).await;
                }
                // One that was given up is still there.
                (0, _) => seat.link().fill(),
                (others, left) => {
                    let known = self.most.fetch_min(others + left, Ordering::SeqCst);
                    if known > others + left {
                        self.shared.note(
                            &self.target.host,
                            format!(
                                "the server refuses more than {} commands at once on a \
                                 connection: opening a further one",
                                others + left
                            ),
                        );
                    }
                }
            }
        }
    }

    /// A place for a command, on a further connection if need be.
    async fn seat(&self) -> Result<Seat, Error> {
        if self.is_closed() {
            let said = self.first.said();
            return Err(self.fail(Fault::Lost { said }));
        }
        if let Some(seat) = self.free_seat() {
            return Ok(seat);
        }
        let _opening = self.opening.lock().await;
        loop {
            // Somebody else may have opened one meanwhile, or left one.
            if let Some(seat) = self.free_seat() {
                return Ok(seat);
            }
            let link = Arc::new(connect::link(&self.shared, &self.target).await?);
            self.further
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(link);
        }
    }

    fn free_seat(&self) -> Option<Seat> {
        let most = self.most.load(Ordering::SeqCst);
        let first = std::iter::once(Arc::clone(&self.first));
        first.chain(self.further()).find_map(|link| link.seat(most))
    }
}

/// A server that was asked for a channel. If nobody waits for its answer any more, it may open one
/// all the same, and nobody would close that: it counts as one that was given up.
struct Asked<'a> {
    seat: &'a Seat,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.seat.leave();
        }
    }
}

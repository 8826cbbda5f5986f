//! A command that somebody sits at: its output is handed on piece by piece as it comes, its input
//! as it is typed, and it has a terminal if there is one on this side.
//!
//! Nothing is collected. Who reads slowly slows the command down, and what is sent waits for the
//! command to take it (RFC 4254, section 5.2: the window).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, client};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Error, Stage};
use super::exec::{CLOSES_WITHIN, GOODBYE, Status, name};
use super::fault::Fault;
use super::link::{Link, Seat};
use super::target::Target;

/// A terminal on this side, of which the server makes the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its kind, as `$TERM` names it.
    pub kind: String,
    /// How large it is.
    pub size: Size,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns and rows, in characters.
    pub characters: (u32, u32),
    /// Width and height, in pixels; 0 where it isn't known.
    pub pixels: (u32, u32),
}

/// What comes of an attached command.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// From its standard output; with a terminal, all it writes.
    Stdout(Vec<u8>),
    /// From its standard error.
    Stderr(Vec<u8>),
    /// It has ended, and nothing more comes.
    Ended(Status),
}

/// What an attached command writes, and how it ends.
pub struct Receiving {
    output: ChannelReadHalf,
    link: Arc<Link>,
    target: Target,
    /// What came before the command was confirmed.
    early: VecDeque<ChannelMsg>,
    status: Option<Status>,
    eof: bool,
    closed: Arc<AtomicBool>,
}

/// The way into an attached command. It closes its channel when it goes, which hangs up the
/// terminal.
pub struct Sending {
    channel: Option<(ChannelWriteHalf<client::Msg>, Seat)>,
    closed: Arc<AtomicBool>,
}

/// Starts a command on a channel, with a terminal if one is given. The server has to take it up
/// within this time.
pub(super) async fn attach(
    channel: Channel<client::Msg>,
    seat: Seat,
    target: &Target,
    command: String,
    terminal: Option<&Terminal>,
) -> Result<(Receiving, Sending), Error> {
    let link = seat.shared();
    let (output, input) = channel.split();
    let closed = Arc::new(AtomicBool::new(false));
    let mut receiving = Receiving {
        output,
        link,
        target: target.clone(),
        early: VecDeque::new(),
        status: None,
        eof: false,
        closed: Arc::clone(&closed),
    };
    let sending = Sending {
        channel: Some((input, seat)),
        closed,
    };
    let Some((channel, _)) = &sending.channel else {
        return Err(receiving.lost());
    };
    let after = target.patience.login;
    let deadline = Instant::now() + after;
    if let Some(Terminal { kind, size }) = terminal {
        let ((columns, rows), (width, height)) = (size.characters, size.pixels);
        // Nothing that is sent before the command reads shows: a password for sudo may be among
        // it. Who reads it sets the terminal as it needs it.
        let quiet = [(Pty::ECHO, 0)];
        let asked = channel.request_pty(true, kind, columns, rows, width, height, &quiet);
        asked.await.map_err(|_| receiving.lost())?;
        let refused = "it gives no terminal (PermitTTY or restrict?)";
        receiving.confirmed(deadline, after, refused).await?;
    }
    let asked = channel.exec(true, command).await;
    asked.map_err(|_| receiving.lost())?;
    let refused = "the request failed";
    receiving.confirmed(deadline, after, refused).await?;
    Ok((receiving, sending))
}

impl Receiving {
    /// Waits until the server has taken a request up.
    async fn confirmed(
        &mut self,
        deadline: Instant,
        after: Duration,
        refused: &str,
    ) -> Result<(), Error> {
        loop {
            match timeout_at(deadline, self.output.wait()).await {
                Err(_) => return Err(self.fail(Fault::ExecTimeout { after })),
                Ok(None) => return Err(self.lost()),
                Ok(Some(ChannelMsg::Success)) => return Ok(()),
                Ok(Some(ChannelMsg::Failure)) => {
                    let what = refused.to_owned();
                    return Err(self.fail(Fault::ExecRefused { what }));
                }
                Ok(Some(message)) => self.early.push_back(message),
            }
        }
    }

    /// The next that comes. It may be given up and asked for again without a loss.
    ///
    /// # Errors
    /// If the connection breaks, or the server doesn't say how the command ended.
    pub async fn next(&mut self) -> Result<Piece, Error> {
        loop {
            let message = match self.early.pop_front() {
                Some(message) => Some(message),
                // All is known. Only the server's place for it isn't free yet.
                None if self.eof && self.status.is_some() => {
                    let closing = timeout(CLOSES_WITHIN, self.output.wait()).await;
                    closing.unwrap_or(Some(ChannelMsg::Close))
                }
                None => self.output.wait().await,
            };
            match message {
                Some(ChannelMsg::Data { data }) => return Ok(Piece::Stdout(data.to_vec())),
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    return Ok(Piece::Stderr(data.to_vec()));
                }
                // Neither is the last: status and output may follow.
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.status = Some(Status::Code(exit_status));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.status = Some(Status::Signal(name(&signal_name)));
                }
                Some(ChannelMsg::Eof) => self.eof = true,
                Some(ChannelMsg::Close) => {
                    self.closed.store(true, Ordering::SeqCst);
                    return match self.status.clone() {
                        Some(status) => Ok(Piece::Ended(status)),
                        None => Err(self.fail(Fault::NoExitStatus)),
                    };
                }
                Some(_) => {}
                // Without a close, only what came before an end of output is sure to be all.
                None => {
                    return match self.status.clone().filter(|_| self.eof) {
                        Some(status) => Ok(Piece::Ended(status)),
                        None => Err(self.lost()),
                    };
                }
            }
        }
    }

    fn lost(&self) -> Error {
        let said = self.link.said();
        self.fail(Fault::Lost { said })
    }

    fn fail(&self, fault: Fault) -> Error {
        Error::new(&self.target, Stage::Exec, fault)
    }
}

/// The command takes nothing more: it or its connection is gone. How it ended is for
/// [`Receiving`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Sending {
    /// Sends input, as fast as the command takes it.
    ///
    /// # Errors
    /// If the command is gone.
    pub async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        match &self.channel {
            Some((channel, _)) => channel.data_bytes(bytes).await.map_err(|_| Gone),
            None => Err(Gone),
        }
    }

    /// Ends the input.
    pub async fn end(&self) {
        if let Some((channel, _)) = &self.channel {
            // It fails where the command is gone.
            let _ = channel.eof().await;
        }
    }

    /// Tells the size that the terminal has now.
    pub async fn resize(&self, size: Size) {
        let ((columns, rows), (width, height)) = (size.characters, size.pixels);
        if let Some((channel, _)) = &self.channel {
            // It fails where the command is gone.
            let _ = channel.window_change(columns, rows, width, height).await;
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some((channel, seat)) = self.channel.take() else {
            return;
        };
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        seat.leave();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Fails where the connection or the channel is gone: nothing to close then.
                let _ = timeout(GOODBYE, channel.close()).await;
            });
        }
    }
}

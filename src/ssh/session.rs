//! A connection that is logged in, and commands run over it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::Handle;
use russh::{ChannelMsg, ChannelWriteHalf, Disconnect, Sig, client};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::time::timeout;

use super::error::{Error, Fault, Stage};
use super::handler::{Handler, Said};
use super::output::Output;
use super::target::Target;

/// Commands at once on one connection. sshd refuses the eleventh (MaxSessions).
const AT_ONCE: usize = 8;
/// How long to wait for a goodbye to be sent.
const GOODBYE: Duration = Duration::from_millis(500);

/// A connection to one host, logged in.
pub struct Session {
    target: Target,
    local: Option<SocketAddr>,
    handle: Handle<Handler>,
    said: Said,
    slots: Semaphore,
    execs: AtomicUsize,
}

/// One command.
#[derive(Debug)]
pub struct Exec {
    /// Shell text, for the user's login shell.
    pub command: String,
    /// What it gets to read.
    pub input: Input,
    /// Gets each line of output as it comes, of both streams, without its end.
    pub lines: Option<UnboundedSender<String>>,
    /// How long it may take, the wait for a free slot not counted. None: as long as it likes.
    pub limit: Option<Duration>,
}

impl Exec {
    /// A command with nothing to read, no time limit and no live output.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            input: Input::Empty,
            lines: None,
            limit: None,
        }
    }
}

/// What a command gets to read.
pub enum Input {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// These pieces, taken as fast as the command reads. An error ends the command.
    Stream(Receiver<io::Result<Vec<u8>>>),
}

/// Says how much, never what: it may be a secret.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this exit code.
    Code(u32),
    /// By this signal, `KILL`.
    Signal(String),
}

impl Status {
    /// Whether it ended by itself with code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// A command that ended.
pub struct Done {
    /// How.
    pub status: Status,
    /// All it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// All it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// Says how much came, never what: it may hold a secret.
impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("status", &self.status)
            .field("stdout", &format_args!("{} bytes", self.stdout.len()))
            .field("stderr", &format_args!("{} bytes", self.stderr.len()))
            .finish()
    }
}

impl Session {
    pub(super) fn new(
        target: Target,
        local: Option<SocketAddr>,
        handle: Handle<Handler>,
        said: Said,
    ) -> Self {
        Self {
            target,
            local,
            handle,
            said,
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

    /// What it is a connection to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Our end of the connection; `None` behind a bastion or a command.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Says goodbye. A session that is merely dropped ends too, without a word.
    pub async fn close(self) {
        let goodbye = self
            .handle
            .disconnect(Disconnect::ByApplication, "done", "en");
        let sent = timeout(GOODBYE, goodbye).await;
        if matches!(sent, Ok(Ok(()))) {
            let _ = timeout(GOODBYE, self.handle).await;
        }
    }

    /// Runs a command to its end. Up to eight run at once; more wait.
    ///
    /// A command that ends without reading all its input is no error: its status is what counts.
    ///
    /// # Errors
    /// Everything but an ended command, with whatever status: see [`Fault`].
    pub async fn exec(&self, request: Exec) -> Result<Done, Error> {
        let fail = |fault| Error::new(&self.target, Stage::Exec, fault);
        let limit = request.limit;
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.map_err(|_| fail(self.lost()))?;
        let run = self.run(request);
        match limit {
            Some(after) => timeout(after, run)
                .await
                .unwrap_or(Err(Fault::Limit { after })),
            None => run.await,
        }
        .map_err(fail)
    }

    fn lost(&self) -> Fault {
        Fault::Lost {
            said: self.said.get(),
        }
    }

    async fn run(&self, request: Exec) -> Result<Done, Fault> {
        let Exec {
            command,
            input,
            lines,
            limit: _,
        } = request;
        let channel = match self.handle.channel_open_session().await {
            Ok(channel) => channel,
            Err(russh::Error::ChannelOpenFailure(reason)) => {
                return Err(Fault::ExecRefused {
                    what: format!("no session: {reason:?}"),
                });
            }
            Err(_) => return Err(self.lost()),
        };
        self.execs.fetch_add(1, Ordering::Relaxed);
        let (mut output, channel) = channel.split();
        let mut feed = Feed(Some(channel));
        feed.exec(command).await.map_err(|_| self.lost())?;

        let mut end = End::default();
        let mut stdout = Output::new(lines.clone());
        let mut stderr = Output::new(lines);
        {
            let mut feeding = pin!(feed.all(input));
            let mut fed = false;
            // Both ways at once: a command that writes while it reads would else wait for us for
            // ever, and with it everything else on the connection.
            loop {
                tokio::select! {
                    message = output.wait() => match message {
                        Some(ChannelMsg::Data { data }) => stdout.take(&data),
                        Some(ChannelMsg::ExtendedData { data, .. }) => stderr.take(&data),
                        Some(ChannelMsg::ExitStatus { exit_status }) => {
                            end.status = Some(Status::Code(exit_status));
                        }
                        Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                            end.status = Some(Status::Signal(name(&signal_name)));
                        }
                        Some(ChannelMsg::Failure) => {
                            return Err(Fault::ExecRefused { what: "the request failed".to_owned() });
                        }
                        // Neither is the last: status and output may follow.
                        Some(ChannelMsg::Eof) => end.eof = true,
                        Some(ChannelMsg::Close) => {
                            end.closed = true;
                            break;
                        }
                        Some(_) => {}
                        None => break,
                    },
                    outcome = &mut feeding, if !fed => {
                        outcome.map_err(Fault::Input)?;
                        fed = true;
                    }
                }
            }
        }
        if end.closed {
            feed.0 = None;
        }
        let stdout = stdout.end();
        let stderr = stderr.end();
        match end.status {
            // Without a close, only what came before an end of output is sure to be all of it.
            Some(status) if end.closed || end.eof => Ok(Done {
                status,
                stdout,
                stderr,
            }),
            None if end.closed => Err(Fault::NoExitStatus),
            _ => Err(self.lost()),
        }
    }
}

/// What has been seen of a command's end.
#[derive(Default)]
struct End {
    status: Option<Status>,
    eof: bool,
    closed: bool,
}

fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// The way into a command. Closes its channel when it goes, so that one given up (time limit,
/// a caller that went away) doesn't take up one of the server's sessions.
struct Feed(Option<ChannelWriteHalf<client::Msg>>);

impl Feed {
    async fn exec(&self, command: String) -> Result<(), russh::Error> {
        match &self.0 {
            Some(channel) => channel.exec(true, command).await,
            None => Ok(()),
        }
    }

    /// Sends all input. That the command doesn't take it is for its status to say.
    async fn all(&self, input: Input) -> io::Result<()> {
        let Some(channel) = &self.0 else {
            return Ok(());
        };
        match input {
            Input::Empty => {}
            Input::Bytes(bytes) => {
                if channel.data_bytes(bytes).await.is_err() {
                    return Ok(());
                }
            }
            Input::Stream(mut pieces) => {
                while let Some(piece) = pieces.recv().await {
                    if channel.data_bytes(piece?).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        // An error means that the command is gone; its status says how.
        let _ = channel.eof().await;
        Ok(())
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let (Some(channel), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                // Fails where the connection or the channel is gone: nothing to close then.
                let _ = timeout(GOODBYE, channel.close()).await;
            });
        }
    }
}

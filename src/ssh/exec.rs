//! One command on a connection: what it gets to read, what it writes, how it ends.

use std::fmt;
use std::io;
use std::pin::pin;
use std::time::Duration;

use russh::{Channel, ChannelMsg, ChannelWriteHalf, Sig, client};
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use super::link::Seat;
use super::output::{Output, Over};

/// How much of a command's output is kept (bytes), if nothing else is said.
const MOST_OUTPUT: usize = 16 * 1024 * 1024;
/// How long to wait for a channel's end to be sent.
pub(super) const GOODBYE: Duration = Duration::from_millis(500);
/// How long a server may take to close what has ended in all else.
pub(super) const CLOSES_WITHIN: Duration = Duration::from_secs(2);

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
    /// How much it may write to its standard output (bytes), 16 MiB. More is a failure: an answer
    /// cut short could be taken for a whole one. Of its standard error, which is for people,
    /// the beginning and the end are kept.
    pub most: usize,
}

impl Exec {
    /// A command with nothing to read, no time limit and no live output.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            input: Input::Empty,
            lines: None,
            limit: None,
            most: MOST_OUTPUT,
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
    /// What it wrote to its standard error; the middle is left out if it is very long.
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

/// Runs a command on a channel to its end. The server has to take it up within this time.
pub(super) async fn run(
    channel: Channel<client::Msg>,
    seat: Seat,
    request: Exec,
    answers_within: Duration,
) -> Result<Done, Fault> {
    let Exec {
        command,
        input,
        lines,
        limit: _,
        most,
    } = request;
    let (mut output, channel) = channel.split();
    let mut feed = Feed(Some((channel, seat)));
    feed.exec(command).await?;

    let mut end = End::default();
    let mut stdout = Output::new(lines.clone(), most, Over::Fails);
    let mut stderr = Output::new(lines, most, Over::LosesItsMiddle);
    {
        let mut feeding = pin!(feed.all(input));
        let mut fed = false;
        let mut waiting = pin!(sleep(answers_within));
        let mut answered = false;
        // Both ways at once: a command that writes while it reads would else wait for us for
        // ever, and with it everything else on the connection.
        loop {
            tokio::select! {
                message = output.wait() => {
                    match message {
                        Some(ChannelMsg::Data { data }) => stdout.take(&data)?,
                        Some(ChannelMsg::ExtendedData { data, .. }) => stderr.take(&data)?,
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
                        // The window: it says nothing about the command.
                        Some(ChannelMsg::WindowAdjusted { .. }) => continue,
                        Some(_) => {}
                        None => break,
                    }
                    answered = true;
                    if end.eof && end.status.is_some() {
                        // All is known. Only the server's place for it isn't free yet.
                        waiting.set(sleep(CLOSES_WITHIN));
                        answered = false;
                    }
                }
                outcome = &mut feeding, if !fed => {
                    outcome.map_err(Fault::Input)?;
                    fed = true;
                }
                () = &mut waiting, if !answered => {
                    if end.eof && end.status.is_some() {
                        break;
                    }
                    return Err(Fault::ExecTimeout { after: answers_within });
                }
            }
        }
    }
    let fault = feed.lost();
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
        _ => Err(fault),
    }
}

/// What has been seen of a command's end.
#[derive(Default)]
struct End {
    status: Option<Status>,
    eof: bool,
    closed: bool,
}

/// A signal's name.
pub(super) fn name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

/// The way into a command. Closes its channel when it goes, so that one given up (time limit,
/// a caller that went away) doesn't take up one of the server's sessions.
struct Feed(Option<(ChannelWriteHalf<client::Msg>, Seat)>);

impl Feed {
    fn lost(&self) -> Fault {
        Fault::Lost {
            said: self.0.as_ref().and_then(|(_, seat)| seat.link().said()),
        }
    }

    async fn exec(&self, command: String) -> Result<(), Fault> {
        match &self.0 {
            Some((channel, _)) => channel.exec(true, command).await.map_err(|_| self.lost()),
            None => Ok(()),
        }
    }

    /// Sends all input. That the command doesn't take it is for its status to say.
    async fn all(&self, input: Input) -> io::Result<()> {
        let Some((channel, _)) = &self.0 else {
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
        let Some((channel, seat)) = self.0.take() else {
            return;
        };
        seat.leave();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Fails where the connection or the channel is gone: nothing to close then.
                let _ = timeout(GOODBYE, channel.close()).await;
            });
        }
    }
}

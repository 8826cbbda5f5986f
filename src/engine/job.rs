//! A long operation: on the server it outlives the connection that started it, and its result
//! is collected over another one where that broke.
//!
//! `sh/job.sh` takes all input in, starts `sh/job-run.sh` beyond the reach of the connection's
//! end, and goes on as `sh/job-follow.sh`, which shows what the job prints and its end: one exec
//! where nothing breaks. What is noted of a job lies on a tmpfs: after a power cut there is no
//! such job, and the operation counts as not done.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, channel, unbounded_channel};

use super::act::bytes;
use super::failure::lost;
use super::lock::{HOLDER, RUN, TURN};
use super::remote::Remote;
use super::token::token;
use crate::event::Failure;
use crate::resource::{Action, Content, Op};
use crate::shell::{Cmd, Script};
use crate::ssh::{Done, Input, Status};

const START: Script = Script(include_str!("sh/job.sh"));
const RUNNER: &str = include_str!("sh/job-run.sh");
const FOLLOW: &str = include_str!("sh/job-follow.sh");

/// Where build contexts are kept: they may be larger than a tmpfs.
const LARGE: &str = "/var/lib/provision/job";
/// How long a job may wait for its turn, with some room for the way there.
const TURN_LIMIT: Duration = Duration::from_secs(1860);

/// How a job ended.
pub(super) enum Ended {
    /// It is done.
    Well,
    /// It failed.
    Badly(Failure),
    /// The server doesn't know it: it was never started, or the power was cut.
    Gone,
}

/// A job, on whichever connection.
pub(super) struct Job<'a> {
    id: String,
    op: &'a Op,
    cmd: &'a Cmd,
    content: &'a Content,
    limit: Duration,
    start: Instant,
    /// How often each line has been shown.
    shown: HashMap<String, usize>,
    /// How many lines had been shown when this was asked last.
    asked: usize,
}

impl<'a> Job<'a> {
    /// A job for a long operation; `None` for any other.
    ///
    /// # Errors
    /// If this machine has no random numbers.
    pub(super) fn new(op: &'a Op) -> Result<Option<Self>, getrandom::Error> {
        let Action::Run {
            cmd, input, limit, ..
        } = &op.action
        else {
            return Ok(None);
        };
        if !op.is_long() {
            return Ok(None);
        }
        Ok(Some(Self {
            id: token()?,
            op,
            cmd,
            content: input,
            limit: *limit,
            start: Instant::now(),
            shown: HashMap::new(),
            asked: 0,
        }))
    }

    /// Its name on the server.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it has printed anything new since this was asked last.
    pub(super) fn came_on(&mut self) -> bool {
        let count = self.shown.values().sum();
        std::mem::replace(&mut self.asked, count) < count
    }

    /// Starts it and follows it to its end.
    ///
    /// # Errors
    /// If that was cut off; the job may go on.
    pub(super) async fn start(
        &mut self,
        remote: &Remote,
        step: &str,
        fence: &str,
        cache: &Path,
    ) -> Result<Ended, Failure> {
        // Secrets are kept where a power cut leaves nothing of them.
        let spool = match self.content {
            Content::Empty => "-".to_owned(),
            Content::Text(_) | Content::Secret(_) => format!("{RUN}/input"),
            Content::Context(_) => LARGE.to_owned(),
        };
        let cmd = Cmd::script(START, [format!("{RUN}/job"), spool])
            .args([&self.id, HOLDER, fence, FOLLOW, RUNNER])
            .args([TURN, &self.limit.as_secs().to_string(), &self.op.what])
            .args(self.cmd.argv().iter().cloned());
        let input = ended_by(bytes(self.content, cache), &self.id);
        self.listen(remote, step, cmd, input).await
    }

    /// Follows it over a new connection: what has been shown is not shown again.
    ///
    /// # Errors
    /// If that was cut off; the job may go on.
    pub(super) async fn follow(&mut self, remote: &Remote, step: &str) -> Result<Ended, Failure> {
        let cmd = Cmd::script(Script(FOLLOW), [&format!("{RUN}/job"), &self.id]);
        self.listen(remote, step, cmd, Input::Empty).await
    }

    async fn listen(
        &mut self,
        remote: &Remote,
        step: &str,
        cmd: Cmd,
        input: Input,
    ) -> Result<Ended, Failure> {
        let (sender, mut lines) = unbounded_channel::<String>();
        let mark = format!("provision:{} ", self.id);
        let mut known = self.shown.clone();
        let shown = &mut self.shown;
        let forward = async {
            let mut blank = false;
            while let Some(line) = lines.recv().await {
                if line.starts_with(&mark) {
                    // The line end before it is not the job's.
                    blank = false;
                    continue;
                }
                // Nothing is lost where an empty line comes late.
                if std::mem::take(&mut blank) {
                    remote.tell(step, "");
                }
                if line.is_empty() {
                    blank = true;
                    continue;
                }
                match known.get_mut(&line) {
                    Some(count) if *count > 0 => *count -= 1,
                    _ => {
                        remote.tell(step, &line);
                        *shown.entry(line).or_default() += 1;
                    }
                }
            }
        };
        let limit = self.limit + TURN_LIMIT;
        let exec = remote.exec(&cmd, input, Some(sender), Some(limit));
        let (done, ()) = tokio::join!(exec, forward);
        let mut done = done.map_err(|e| lost(&e))?;
        match taken_off(&mut done.stdout, &self.id) {
            Some(Some(code)) => Ok(self.ended(remote, done, code)),
            Some(None) => Ok(Ended::Gone),
            // Whatever ended here, it was not the job.
            None => Err(remote.undone(self.op, self.cmd, &done)),
        }
    }

    fn ended(&self, remote: &Remote, mut done: Done, code: u32) -> Ended {
        done.status = Status::Code(code);
        if done.status.success() {
            return Ended::Well;
        }
        let mut failed = remote.undone(self.op, self.cmd, &done);
        // What `timeout` says of a command that it ended, unless that said so of itself.
        if matches!(code, 124 | 137) && self.start.elapsed() >= self.limit {
            let seconds = self.limit.as_secs();
            failed.what = format!("could not {}: it was ended after {seconds} s", self.op.what);
        }
        Ended::Badly(failed)
    }
}

/// Takes the mark of a job's end off its output. `Some(None)`: there is no such job.
fn taken_off(stdout: &mut Vec<u8>, id: &str) -> Option<Option<u32>> {
    let start = format!("provision:{id} ");
    let line = stdout.strip_suffix(b"\n")?;
    let at = line.iter().rposition(|byte| *byte == b'\n')?;
    let end = match std::str::from_utf8(&line[at + 1..])
        .ok()?
        .strip_prefix(&start)?
    {
        "gone" => None,
        code => Some(code.parse().ok()?),
    };
    stdout.truncate(at);
    Some(end)
}

/// The input with an end that tells a whole one from one that was cut off.
fn ended_by(input: Input, id: &str) -> Input {
    match input {
        Input::Empty => Input::Empty,
        Input::Bytes(mut bytes) => {
            bytes.extend_from_slice(id.as_bytes());
            Input::Bytes(bytes)
        }
        Input::Stream(pieces) => Input::Stream(stream_ended_by(pieces, id.as_bytes().to_vec())),
    }
}

type Pieces = Receiver<std::io::Result<Vec<u8>>>;

fn stream_ended_by(mut pieces: Pieces, end: Vec<u8>) -> Pieces {
    let (sender, receiver) = channel(8);
    tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            let failed = piece.is_err();
            if sender.send(piece).await.is_err() || failed {
                return;
            }
        }
        let _gone = sender.send(Ok(end)).await;
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(text: &str) -> (Option<Option<u32>>, String) {
        let mut stdout = text.as_bytes().to_vec();
        let end = taken_off(&mut stdout, "1f");
        (end, String::from_utf8(stdout).unwrap())
    }

    #[test]
    fn the_mark_is_taken_off_and_the_output_stays_as_it_was() {
        assert_eq!(off("\nprovision:1f 0\n"), (Some(Some(0)), String::new()));
        let whole = "a\n\nprovision:1f 7\n";
        assert_eq!(off(whole), (Some(Some(7)), "a\n".to_owned()));
        let open = "a\nb\nprovision:1f 100\n";
        assert_eq!(off(open), (Some(Some(100)), "a\nb".to_owned()));
        assert_eq!(off("\nprovision:1f gone\n"), (Some(None), String::new()));
    }

    #[test]
    fn output_without_the_mark_of_this_job_at_its_end_is_no_end() {
        for text in [
            "",
            "a\n",
            "\nprovision:1f 0",
            "\nprovision:1f 0\nmore\n",
            "\nprovision:2f 0\n",
            "\nprovision:1f\n",
            "\nprovision:1f x\n",
            "\n provision:1f 0\n",
        ] {
            assert_eq!(off(text), (None, text.to_owned()));
        }
    }

    #[tokio::test]
    async fn a_stream_that_fails_has_no_end() {
        for fails in [false, true] {
            let (sender, pieces) = channel(4);
            sender.send(Ok(b"ab".to_vec())).await.unwrap();
            if fails {
                let _ = sender.send(Err(std::io::Error::other("gone"))).await;
            }
            drop(sender);
            let mut ended = stream_ended_by(pieces, b"1f".to_vec());
            let mut all = Vec::new();
            while let Some(Ok(piece)) = ended.recv().await {
                all.extend(piece);
            }
            assert_eq!(all, if fails { &b"ab"[..] } else { &b"ab1f"[..] });
        }
    }
}

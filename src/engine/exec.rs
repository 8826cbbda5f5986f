//! One command in one way of being root: sent, its output parted from what a login shell and
//! sudo printed first, and a password given only where sudo asks for it.
//!
//! A password must reach neither a shell nor the command. sudo doesn't read it where it isn't
//! needed (NOPASSWD, a ticket that still holds), and reads on where it was wrong. So it is sent
//! when the prompt is seen and not before, and the command's own input is sent when the command
//! has said that it runs. A second prompt means that the password was wrong: sudo is ended
//! there, so that it counts one failure and takes no input of ours for a guess.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::mpsc::{Sender, UnboundedSender, channel, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::way::Way;
use super::wrap::{self, Mark, Marks};
use crate::shell::Cmd;
use crate::ssh::{self, Done, Exec, Input, Session, Status};

/// How long sudo may take until it asks, fails or begins; PAM waits two seconds after a wrong
/// password, and asks a directory server for the user.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long ending sudo may take.
const KILLED: Duration = Duration::from_secs(10);

/// What a command gets, and who listens.
pub(super) struct Request {
    pub input: Input,
    /// Gets the command's own lines as they come.
    pub lines: Option<UnboundedSender<String>>,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Came {
    /// The command ran; this is its own output.
    Ran(Done),
    /// The login shell never came to our command. This is all that was printed.
    NoShell(Done),
    /// sudo or doas didn't run it. This is what they said.
    NotRoot(Done),
    /// sudo asked a second time.
    WrongPassword,
    /// sudo neither asked in a way that we know nor began.
    Silent,
}

/// Runs a command in one way of being root.
pub(super) async fn exec(
    session: &Session,
    way: &Way,
    cmd: &Cmd,
    request: Request,
) -> Result<Came, ssh::Error> {
    let marks = match Marks::new() {
        Ok(marks) => marks,
        Err(e) => {
            return Ok(Came::NotRoot(unsaid(&format!(
                "no random numbers here: {e}"
            ))));
        }
    };
    let mut exec = Exec::new(wrap::as_root(way, cmd, &marks));
    exec.limit = request.limit;
    let password = match way {
        Way::SudoWith(password) => Some(password),
        Way::Root | Way::Sudo | Way::Doas => None,
    };
    let (sender, mut heard) = unbounded_channel();
    if request.lines.is_some() || password.is_some() {
        exec.lines = Some(sender);
    } else {
        drop(sender);
    }
    let mut gate = None;
    if password.is_some() {
        let (stdin, input) = channel(1);
        exec.input = Input::Stream(input);
        gate = Some((stdin, request.input));
    } else {
        exec.input = request.input;
    }
    let mut ear = Ear::new(way, &marks);
    let lines = request.lines;
    let pass = |heard: Heard| {
        if let (Heard::Line(line), Some(lines)) = (heard, &lines) {
            // Nobody listens any more: the output is still collected.
            let _gone = lines.send(line);
        }
    };
    let done = {
        let mut running = pin!(session.exec(exec));
        let mut patience = pin!(sleep(PATIENCE));
        let mut asked = false;
        let mut pouring: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        loop {
            tokio::select! {
                biased;
                Some(line) = heard.recv() => match ear.hear(line) {
                    Heard::Prompt if asked => {
                        // The end of its input, or a signal that it handles, would be one more
                        // failure to pam_faillock(8); sudo-rs 0.2 even tries an empty password.
                        if let Some(process) = ear.process {
                            // Fails where it has ended by itself: all the better.
                            let _gone = timeout(KILLED, session.exec(kill(process))).await;
                        }
                        return Ok(Came::WrongPassword);
                    }
                    Heard::Prompt => {
                        asked = true;
                        if let (Some((stdin, _)), Some(password)) = (&gate, password) {
                            let line = format!("{}\n", password.reveal()).into_bytes();
                            // Its one place is free; if the command is gone, its end says how.
                            let _sent = stdin.try_send(Ok(line));
                        }
                    }
                    Heard::Ready => {
                        if let Some((stdin, input)) = gate.take() {
                            pouring = Some(Box::pin(pour(input, stdin)));
                        }
                    }
                    other => pass(other),
                },
                done = &mut running => break done?,
                () = poured(&mut pouring), if pouring.is_some() => pouring = None,
                () = &mut patience, if gate.is_some() => return Ok(Came::Silent),
            }
        }
    };
    while let Ok(line) = heard.try_recv() {
        pass(ear.hear(line));
    }
    Ok(judge(done, way, &marks))
}

/// Which part of the output is the command's own, if it ran at all.
fn judge(done: Done, way: &Way, marks: &Marks) -> Came {
    let begin = marks.begin(way);
    if let Some(stdout) = wrap::after(&done.stdout, begin) {
        return Came::Ran(Done {
            stdout: stdout.to_vec(),
            stderr: wrap::after(&done.stderr, begin)
                .unwrap_or(&done.stderr)
                .to_vec(),
            status: done.status,
        });
    }
    match wrap::after(&done.stdout, &marks.shell) {
        None => Came::NoShell(done),
        Some(stdout) => {
            let stderr = wrap::after(&done.stderr, &marks.shell).unwrap_or(&done.stderr);
            // What came before the prompt is sudo's lecture.
            let stderr = match way {
                Way::SudoWith(_) => wrap::after_last(past_process(stderr, marks), &marks.prompt),
                Way::Root | Way::Sudo | Way::Doas => stderr,
            };
            Came::NotRoot(Done {
                stdout: stdout.to_vec(),
                stderr: stderr.to_vec(),
                status: done.status,
            })
        }
    }
}

/// What follows the line that names the process.
fn past_process<'a>(stderr: &'a [u8], marks: &Marks) -> &'a [u8] {
    let end = stderr.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) if stderr.starts_with(marks.process.as_bytes()) => &stderr[end + 1..],
        _ => stderr,
    }
}

/// Something of our own in place of a command's end.
pub(super) fn unsaid(why: &str) -> Done {
    Done {
        status: Status::Code(1),
        stdout: Vec::new(),
        stderr: why.as_bytes().to_vec(),
    }
}

/// Ends a process of the user's. sudo is one (its real user id) until it has authenticated.
fn kill(process: u32) -> Exec {
    Exec::new(format!("exec /bin/sh -c 'kill -KILL {process}'"))
}

async fn poured(pouring: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    if let Some(pouring) = pouring {
        pouring.await;
    }
}

/// Passes the command's input on. Its end is the end of what the command reads.
async fn pour(input: Input, stdin: Sender<io::Result<Vec<u8>>>) {
    match input {
        Input::Empty => {}
        Input::Bytes(bytes) => {
            // A command that is gone takes no more; its status says how it ended.
            let _gone = stdin.send(Ok(bytes)).await;
        }
        Input::Stream(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                if stdin.send(piece).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// sudo asks.
    Prompt,
    /// The command runs.
    Ready,
    /// The command's own.
    Line(String),
    /// Nobody's business: a mark, or what was printed before.
    Nothing,
}

/// Listens to the lines of both streams.
struct Ear<'a> {
    marks: &'a Marks,
    begins: Mark,
    shell: bool,
    open: bool,
    /// The process that becomes sudo.
    process: Option<u32>,
}

impl<'a> Ear<'a> {
    fn new(way: &Way, marks: &'a Marks) -> Self {
        Self {
            marks,
            begins: match way {
                Way::Root => Mark::Shell,
                Way::Sudo | Way::SudoWith(_) | Way::Doas => Mark::Ready,
            },
            shell: false,
            open: false,
            process: None,
        }
    }

    fn hear(&mut self, line: String) -> Heard {
        let mark = self.marks.of(&line);
        if mark == Some(self.begins) && !self.open {
            self.open = true;
            return Heard::Ready;
        }
        match mark {
            None if self.open => Heard::Line(line),
            // A shell that traces what it does shows the prompt's mark too, but before.
            Some(Mark::Prompt) if self.shell && !self.open => Heard::Prompt,
            None if self.shell => {
                if let Some((_, process)) = line.split_once(&self.marks.process) {
                    self.process = process.parse().ok();
                }
                Heard::Nothing
            }
            Some(Mark::Shell) => {
                self.shell = true;
                Heard::Nothing
            }
            _ => Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::Secret;

    fn heard(way: &Way, lines: &[&str]) -> Vec<Heard> {
        let marks = Marks::from_nonce("n");
        let mut ear = Ear::new(way, &marks);
        lines.iter().map(|l| ear.hear((*l).to_owned())).collect()
    }

    fn done(stdout: &str, stderr: &str) -> Done {
        Done {
            status: Status::Code(1),
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        }
    }

    #[test]
    fn lines_before_the_command_begins_are_nobodys() {
        let said = heard(
            &Way::Root,
            &[
                "Welcome!",
                "hi provision:n:shell",
                "one",
                "provision:n:shell",
                "two",
            ],
        );
        let line = |text: &str| Heard::Line(text.to_owned());
        assert_eq!(
            said,
            [
                Heard::Nothing,
                Heard::Ready,
                line("one"),
                Heard::Nothing,
                line("two")
            ]
        );
    }

    #[test]
    fn a_prompt_counts_only_between_the_shell_and_the_command() {
        let way = Way::SudoWith(Secret::new("secret"));
        let said = heard(
            &way,
            &[
                "+ exec /bin/sh -c ... provision:n:password",
                "provision:n:shell",
                "We trust you have received the usual lecture",
                "[sudo: provision:n:password",
                "] Password: provision:n:ready",
                "provision:n:password",
            ],
        );
        let nothing = || Heard::Nothing;
        assert_eq!(
            said,
            [
                nothing(),
                nothing(),
                nothing(),
                Heard::Prompt,
                Heard::Ready,
                nothing()
            ]
        );
    }

    #[test]
    fn the_process_that_asks_is_known_when_it_does() {
        let marks = Marks::from_nonce("n");
        let way = Way::SudoWith(Secret::new("secret"));
        let mut ear = Ear::new(&way, &marks);
        for line in ["provision:n:shell", "provision:n:process 812"] {
            assert_eq!(ear.hear(line.to_owned()), Heard::Nothing);
        }
        let prompt = ear.hear("[sudo: provision:n:password".to_owned());
        assert_eq!((prompt, ear.process), (Heard::Prompt, Some(812)));
    }

    #[test]
    fn only_the_commands_own_output_is_kept() {
        let marks = Marks::from_nonce("n");
        let printed = done(
            "rc\nprovision:n:shell\nprovision:n:ready\nout\n",
            "tty?\nprovision:n:shell\nsudo: unable to resolve host\nprovision:n:ready\nerr\n",
        );
        match judge(printed, &Way::Sudo, &marks) {
            Came::Ran(done) => {
                assert_eq!(done.stdout, b"out\n");
                assert_eq!(done.stderr, b"err\n");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_sudo_said_is_parted_from_what_the_shell_said_and_from_the_prompt() {
        let marks = Marks::from_nonce("n");
        let printed = done(
            "rc\nprovision:n:shell\n",
            "tty?\nprovision:n:shell\nBe careful.\nprovision:n:password\nbob is not in the sudoers file.\n",
        );
        match judge(printed, &Way::SudoWith(Secret::new("secret")), &marks) {
            Came::NotRoot(done) => {
                assert_eq!(done.stderr, b"bob is not in the sudoers file.\n");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            judge(done("Go away.\n", ""), &Way::Sudo, &marks),
            Came::NoShell(_)
        ));
    }
}

//! Questions on the terminal, one at a time, and without a trace of the answer.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use crate::shell::Secret;
use crate::ssh::Unanswered;

/// A question that waits for its turn on the terminal.
#[derive(Debug)]
pub(super) struct Prompt {
    /// What is shown before the cursor.
    pub text: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Secret, Unanswered>>,
}

/// Whether somebody sits there: both ends of the terminal are ours.
pub(super) fn somebody() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks, and waits for the answer. Blocks the thread.
pub(super) fn ask(text: &str, echo: bool) -> Result<Secret, Unanswered> {
    // A question may hold what a server said.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let answer = if echo {
        seen(&text)
    } else {
        rpassword::prompt_password(text)
    };
    match answer {
        Ok(answer) => Ok(Secret::new(answer)),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(Unanswered::Cancelled),
        Err(e) => Err(Unanswered::Failed(format!("read from the terminal: {e}"))),
    }
}

fn seen(text: &str) -> std::io::Result<String> {
    let mut out = File::options().write(true).open("/dev/tty")?;
    write!(out, "{text}")?;
    out.flush()?;
    let mut line = String::new();
    if BufReader::new(File::open("/dev/tty")?).read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal's settings, to be put back if a question is broken off by Ctrl-C: the thread
/// that asks can't do it then.
pub(super) struct Settings(Option<(File, Termios)>);

impl Settings {
    /// As they are now.
    pub(super) fn now() -> Self {
        let read = || {
            let tty = File::open("/dev/tty").ok()?;
            let settings = tcgetattr(&tty).ok()?;
            Some((tty, settings))
        };
        Self(read())
    }

    /// Puts them back.
    pub(super) fn restore(self) {
        if let Some((tty, settings)) = self.0 {
            // A terminal that is gone has no settings.
            let _ = tcsetattr(&tty, OptionalActions::Now, &settings);
        }
    }
}

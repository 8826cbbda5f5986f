//! Questions on the terminal, one at a time, and without a trace of the answer.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use crate::shell::Secret;
use crate::ssh::Unanswered;

/// Ctrl-C was pressed.
#[derive(Debug)]
pub(super) struct Interrupted;

/// What came of a question.
pub(super) type Answered = Result<Result<Secret, Unanswered>, Interrupted>;

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
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether somebody can be asked although stdin may be a file: there is a terminal of ours, and
/// what is said shows.
pub(super) fn somewhere() -> bool {
    io::stderr().is_terminal() && File::open("/dev/tty").is_ok()
}

/// Asks, and waits for the answer. Blocks the thread.
pub(super) fn ask(text: &str, echo: bool) -> Answered {
    // A question may hold what a server said.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let answer = if echo {
        seen(&text)
    } else {
        rpassword::prompt_password(text)
    };
    match answer {
        Ok(answer) => Ok(Ok(Secret::new(answer))),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(Err(Unanswered::Cancelled)),
        // While the answer isn't shown, the terminal sends no signal by itself.
        Err(e) if e.kind() == ErrorKind::Interrupted => Err(Interrupted),
        Err(e) => {
            let why = format!("the terminal can't be read: {e}");
            Ok(Err(Unanswered::Failed(why)))
        }
    }
}

fn seen(text: &str) -> io::Result<String> {
    let mut out = File::options().write(true).open("/dev/tty")?;
    write!(out, "{text}")?;
    out.flush()?;
    let mut line = String::new();
    if BufReader::new(File::open("/dev/tty")?).read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a yes. A thread waits for the answer, so that Ctrl-C is heard.
///
/// # Errors
/// Ctrl-C.
pub(super) async fn confirmed(question: &str) -> Result<bool, Interrupted> {
    let answer = answered(&format!("{question} [y/N] ")).await?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

/// Asks for a site's name before it is removed.
///
/// # Errors
/// Ctrl-C.
pub(super) async fn typed(name: &str) -> Result<bool, Interrupted> {
    let question = format!("all of this will be lost; type the site's name, {name}, to go on: ");
    Ok(answered(&question).await?.trim() == name)
}

/// A line from the terminal, empty if there is none.
async fn answered(question: &str) -> Result<String, Interrupted> {
    anstream::eprint!("{question}");
    let _flushed = io::stderr().flush();
    let reading = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    tokio::select! {
        answer = reading => Ok(answer.ok().and_then(Result::ok).unwrap_or_default()),
        _ = tokio::signal::ctrl_c() => {
            anstream::eprintln!();
            Err(Interrupted)
        }
    }
}

/// The terminal's settings, to be put back if a question is broken off: the thread that asks
/// can't do it then.
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

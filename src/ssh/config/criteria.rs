//! `Match` of ssh_config(5).

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::ConfigError;
use super::notes::Note;
use super::own::{Exec, Reader};
use super::pattern::in_list;

/// How often a command is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// What is wrong with a Match.
pub(super) enum Fault {
    /// The line.
    Line(String),
    /// Something else.
    Other(ConfigError),
}

impl Fault {
    /// The error, with its place.
    pub(super) fn at(self, path: &Path, line: usize) -> ConfigError {
        match self {
            Self::Line(what) => ConfigError::Line {
                path: path.to_owned(),
                line,
                what,
            },
            Self::Other(error) => error,
        }
    }
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Line(what)
    }
}

impl Reader<'_> {
    /// Whether the lines after a Match apply. In a `mute` file no command is run.
    pub(super) fn match_applies(&mut self, words: &[String], mute: bool) -> Result<bool, Fault> {
        let mut words = words.iter();
        let mut applies = true;
        let mut seen = 0;
        while let Some(word) = words.next() {
            let (not, plain) = match word.strip_prefix('!') {
                Some(plain) => (true, plain),
                None => (false, word.as_str()),
            };
            // `host=web` is `host web`.
            let (name, joined) = match plain.split_once('=') {
                Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
                None => (plain.to_ascii_lowercase(), None),
            };
            if joined.is_none() && name == "all" {
                if seen > 1 || words.next().is_some() {
                    return Err("`all` has to stand alone after Match".to_owned().into());
                }
                return Ok(applies && !not);
            }
            seen += 1;
            if joined.is_none() && matches!(name.as_str(), "final" | "canonical") {
                self.wants_last |= name == "final" && !not;
                applies &= self.last != not;
                continue;
            }
            let value = joined.or_else(|| words.next().map(String::as_str));
            let may_be_empty = matches!(name.as_str(), "tagged" | "command");
            let value = value
                .filter(|value| may_be_empty || !value.is_empty())
                .ok_or_else(|| format!("nothing after `{name}` of Match"))?;
            applies &= self.holds(&name, value, applies && !mute)? != not;
        }
        if seen == 0 {
            return Err("nothing after Match".to_owned().into());
        }
        Ok(applies)
    }

    /// Whether one criterion holds. A command is only run if it `matters`.
    fn holds(&mut self, name: &str, value: &str, matters: bool) -> Result<bool, Fault> {
        let local = &self.place.local.user;
        let list = value.to_ascii_lowercase();
        Ok(match name {
            "host" => {
                let host = self.remote().map_err(Fault::Other)?;
                in_list(&list, &host.to_ascii_lowercase())
            }
            "originalhost" => in_list(&list, &self.typed.to_ascii_lowercase()),
            "user" => in_list(value, self.values.first("user").unwrap_or(local)),
            "localuser" => in_list(value, local),
            "tagged" => match self.values.first("tag") {
                None => value.is_empty(),
                Some(tag) => in_list(value, tag),
            },
            // Nothing is run yet when the configuration is read; ssh -G sees it so, too.
            "command" => value.is_empty(),
            "sessiontype" => in_list(value, "shell"),
            "localnetwork" | "version" => {
                self.notes.push(Note::criterion(name));
                false
            }
            "exec" => {
                let command = self.expand(value, false).map_err(Fault::Line)?;
                self.asked |= matters;
                matters
                    && match self.exec {
                        Exec::Run(deadline) => run(&command, deadline).map_err(Fault::Other)?,
                        Exec::Assume(success) => success,
                    }
            }
            _ => return Err(format!("Match knows no `{name}`").into()),
        })
    }
}

/// Runs a command of `Match exec` as ssh does, in the operator's shell; whether it succeeds.
fn run(command: &str, deadline: Instant) -> Result<bool, ConfigError> {
    let shell = std::env::var_os("SHELL").filter(|shell| Path::new(shell).is_absolute());
    let shell = shell.unwrap_or_else(|| "/bin/sh".into());
    let failed = |cause| ConfigError::Machine {
        what: "run a command of `Match exec`",
        cause,
    };
    let begun = Instant::now();
    let mut child = Command::new(shell)
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // ^C is for us to act on.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status.success());
        }
        if Instant::now() >= deadline {
            // It may have ended just now; either way there is nothing left to do.
            let _ = child.kill();
            let _ = child.wait();
            return Err(ConfigError::Limit {
                after: begun.elapsed(),
                command: Some(command.to_owned()),
            });
        }
        sleep(GLANCE);
    }
}

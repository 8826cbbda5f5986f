//! What only the operator can answer: passphrases, passwords, and whatever else a server asks.
//!
//! This room asks; who answers (a terminal, a command, the environment) is for the caller.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use crate::shell::Secret;

/// An answer that is on its way.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Secret, Unanswered>> + Send + 'a>>;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The passphrase of a private key.
    Passphrase {
        /// Its file.
        key: PathBuf,
        /// Whether an earlier answer was wrong.
        again: bool,
    },
    /// The password that a user logs in with.
    Password {
        /// The host's name in site.toml, or that of a bastion.
        host: String,
        /// The user on it.
        user: String,
        /// Whether an earlier answer was wrong.
        again: bool,
    },
    /// A prompt of the server's own (keyboard-interactive, RFC 4256).
    Prompt {
        /// The host's name in site.toml, or that of a bastion.
        host: String,
        /// The user on it.
        user: String,
        /// What the server says before it asks, if anything.
        instruction: String,
        /// The prompt, in the server's words.
        prompt: String,
        /// Whether the answer may be seen while it is typed.
        echo: bool,
    },
    /// The password that a user becomes root with.
    Sudo {
        /// The host's name in site.toml.
        host: String,
        /// The user on it.
        user: String,
        /// Whether an earlier answer was wrong.
        again: bool,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody is there to ask.
    NoTerminal,
    /// The operator gave none.
    Cancelled,
    /// The command or variable that should have it doesn't, in a sentence.
    Failed(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => f.write_str("there is no terminal to ask on"),
            Self::Cancelled => f.write_str("no answer was given"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Somebody who answers.
pub trait Ask: Send + Sync {
    /// Asks one question. Questions of several hosts may come at once.
    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a>;
}

/// Answers nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Ask for Nobody {
    fn ask<'a>(&'a self, _: &'a Question) -> Answer<'a> {
        Box::pin(async { Err(Unanswered::NoTerminal) })
    }
}

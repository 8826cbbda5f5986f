//! Events → what people and machines read.
//!
//! | file | what it does |
//! |---|---|
//! | `ledger` | keeps what the events said, and answers questions about it |
//! | `page` | rows of text with a meaning for colours; nothing unsafe for a terminal gets in |
//! | `words` | durations, counts and lists as words |
//! | `plan`, `failure`, `matrix`, `proof`, `audit`, `status`, `restart`, `remarks`, `kept`, `closing` | the ledger as pages |
//! | `story` | which page is due at which event |
//! | `terminal`, `plain`, `json` | where it goes |
//!
//! The ledger and all pages are pure, so that what people see is tested as text.

use std::io::Write;

use crate::event::Event;

mod audit;
mod closing;
mod failure;
mod json;
mod kept;
mod ledger;
mod matrix;
mod page;
mod plain;
mod plan;
mod proof;
mod remarks;
mod restart;
mod status;
mod story;
mod terminal;
#[cfg(test)]
mod tests;
mod words;

pub use json::Json;
pub use ledger::{Change, Host, Ledger, Restart, Step};
pub use plain::Plain;
pub use terminal::Terminal;

/// Shows a run as it goes.
///
/// A reporter never fails: when nobody reads any more (a closed pipe), the work on the
/// servers goes on all the same.
pub trait Reporter {
    /// Takes note of an event, and shows it if it is worth showing.
    fn event(&mut self, event: &Event);

    /// Called before the operator is asked whether to go on: shows in short what would be
    /// done, and clears the lines that move. The next event brings them back.
    fn question(&mut self) {}

    /// Called before the operator is asked for something else, a password: clears the lines
    /// that move. The next event brings them back.
    fn pause(&mut self) {}

    /// Called once, at the very end, also when the run broke off: says what is still to be
    /// said and leaves the terminal clean.
    fn finish(&mut self);
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line that moves for each host (on standard error), results above it.
    Terminal,
    /// Plain lines without a single control character: for logs and pipes.
    Plain,
    /// One JSON object a line, one line an event.
    Json,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Show what remote commands print, as they print it (`-v`).
    pub output: bool,
    /// Show details up to this depth: 2 for connections (`-vv`), 3 for commands (`-vvv`).
    pub depth: u8,
}

/// Makes the reporter of a kind; results go to `out`, which should be standard output.
///
/// Colours follow `anstream`'s choice for standard output: `NO_COLOR`, `CLICOLOR_FORCE`,
/// `TERM` and whether it is a terminal. [`Kind::Plain`] and [`Kind::Json`] have none.
pub fn reporter(
    kind: Kind,
    verbosity: Verbosity,
    out: Box<dyn Write + Send>,
) -> Box<dyn Reporter + Send> {
    match kind {
        Kind::Terminal => Box::new(Terminal::new(verbosity, out)),
        Kind::Plain => Box::new(Plain::new(verbosity, out)),
        Kind::Json => Box::new(Json::new(verbosity, out)),
    }
}

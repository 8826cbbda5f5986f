//! One JSON object a line, one line an event.

use std::fmt::Write as _;
use std::io::Write;

use super::page::is_harmful;
use super::{Reporter, Verbosity};
use crate::event::Event;

/// Writes every event as a line of JSON, at once; details as deep as asked for.
pub struct Json {
    verbosity: Verbosity,
    out: Box<dyn Write + Send>,
}

impl Json {
    /// A reporter that writes to `out`.
    pub fn new(verbosity: Verbosity, out: Box<dyn Write + Send>) -> Self {
        Self { verbosity, out }
    }
}

impl Reporter for Json {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Detail { depth, .. } if *depth > self.verbosity.depth) {
            return;
        }
        let line = match serde_json::to_string(event) {
            Ok(line) => escape(&line),
            // Events hold strings, numbers and lists of them, so this can't happen; if it
            // ever does, whoever reads along must learn that a line is missing.
            Err(error) => {
                serde_json::json!({"event": "lost", "why": error.to_string()}).to_string()
            }
        };
        // A closed pipe must not stop the work on the servers.
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn finish(&mut self) {
        let _ = self.out.flush();
    }
}

/// Escapes what JSON may hold raw and a terminal still obeys (DEL, C1, direction controls).
/// They can stand inside of strings only, where the escape means the same character.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if is_harmful(c) {
            // Writing to a String can't fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

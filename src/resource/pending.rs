//! A restart or reload that a written file still needs.
//!
//! Whoever writes such a file leaves a marker on the server first; the marker goes when the
//! reload has worked. So a reload is not forgotten when the connection, the program or the
//! power is lost in between.

use super::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs};
use crate::event::State;
use crate::shell::Cmd;

const CLEAR: &str = include_str!("sh/clear.sh");

/// A reload that is due while its marker is there.
#[derive(Clone, Debug)]
pub struct Pending {
    what: String,
    marker: String,
    cmd: Cmd,
}

impl Pending {
    /// `what` ("restart docker") is done by `cmd` while the marker file is there.
    pub fn new(what: impl Into<String>, marker: impl Into<String>, cmd: Cmd) -> Self {
        Self {
            what: what.into(),
            marker: marker.into(),
            cmd,
        }
    }
}

impl Resource for Pending {
    fn id(&self) -> String {
        self.what.clone()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::File {
            path: self.marker.clone(),
            content: Reveal::Never,
        }]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        Ok(match seen.file(&self.marker)? {
            None => State::InSync,
            Some(_) => differs("due since a file it reads was written"),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        vec![
            Op::run(self.what.clone(), self.cmd.clone()),
            Op::script("note that it is done", CLEAR, [self.marker.clone()]),
        ]
    }
}

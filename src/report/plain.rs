//! Plain lines, for logs and pipes.

use std::io::Write;

use super::page::Page;
use super::story::Story;
use super::{Reporter, Verbosity};
use crate::event::Event;

/// Writes a line for each notable event, at once, without any control character.
pub struct Plain {
    story: Story,
    out: Box<dyn Write + Send>,
}

impl Plain {
    /// A reporter that writes to `out`.
    pub fn new(verbosity: Verbosity, out: Box<dyn Write + Send>) -> Self {
        Self::telling(Story::new(verbosity, true), out)
    }

    pub(super) fn telling(story: Story, out: Box<dyn Write + Send>) -> Self {
        Self { story, out }
    }

    fn print(&mut self, page: &Page) {
        if !page.is_empty() {
            // A closed pipe must not stop the work on the servers.
            let text = page.text(false);
            let _ = self
                .out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush());
        }
    }
}

impl Reporter for Plain {
    fn event(&mut self, event: &Event) {
        let page = self.story.tell(event);
        self.print(&page);
    }

    fn question(&mut self) {
        let page = self.story.preview();
        self.print(&page);
    }

    fn finish(&mut self) {
        let page = self.story.close();
        self.print(&page);
    }
}

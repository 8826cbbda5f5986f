//! What a command writes: all of it at its end, and its lines as they come.

use tokio::sync::mpsc::UnboundedSender;

/// A line longer than this (bytes) is passed on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// Collects output, and passes its lines on as they end.
pub(super) struct Output {
    all: Vec<u8>,
    passed: usize,
    lines: Option<UnboundedSender<String>>,
}

impl Output {
    pub(super) fn new(lines: Option<UnboundedSender<String>>) -> Self {
        Self {
            all: Vec::new(),
            passed: 0,
            lines,
        }
    }

    /// Takes in a piece of output.
    pub(super) fn take(&mut self, data: &[u8]) {
        let mut searched = self.all.len();
        self.all.extend_from_slice(data);
        if self.lines.is_none() {
            return;
        }
        while let Some(found) = self.all[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + found;
            self.pass(end);
            self.passed = end + 1;
            searched = end + 1;
        }
        if self.all.len() - self.passed > LONGEST_LINE {
            let end = self.all.len();
            self.pass(end);
            self.passed = end;
        }
    }

    /// Passes on what lies between the last end of a line and here.
    fn pass(&mut self, end: usize) {
        let line = &self.all[self.passed..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(lines) = &self.lines {
            // Nobody listens any more: the output is still collected.
            let _ = lines.send(String::from_utf8_lossy(line).into_owned());
        }
    }

    /// All of it; what came after the last end of a line is a line too.
    pub(super) fn end(mut self) -> Vec<u8> {
        let end = self.all.len();
        if self.passed < end {
            self.pass(end);
        }
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    fn lines_of(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let (sender, mut receiver) = unbounded_channel();
        let mut output = Output::new(Some(sender));
        for piece in pieces {
            output.take(piece);
        }
        let all = output.end();
        let mut lines = Vec::new();
        while let Ok(line) = receiver.try_recv() {
            lines.push(line);
        }
        (lines, all)
    }

    #[test]
    fn lines_are_whole_however_the_pieces_fall() {
        let (lines, all) = lines_of(&[b"on", b"e\ntwo\r\n\nth", b"ree", b"\nrest"]);
        assert_eq!(lines, ["one", "two", "", "three", "rest"]);
        assert_eq!(all, b"one\ntwo\r\n\nthree\nrest");
    }

    #[test]
    fn an_end_of_line_at_the_end_makes_no_empty_line() {
        assert_eq!(lines_of(&[b"one\n"]).0, ["one"]);
        assert!(lines_of(&[]).0.is_empty());
    }

    #[test]
    fn a_line_without_end_is_passed_on_in_pieces() {
        let (lines, all) = lines_of(&[&[b'x'; LONGEST_LINE + 1], b"y\n"]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LONGEST_LINE + 1);
        assert_eq!(lines[1], "y");
        assert_eq!(all.len(), LONGEST_LINE + 3);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let (lines, all) = lines_of(&[b"\xff\n"]);
        assert_eq!(lines, ["\u{fffd}"]);
        assert_eq!(all, b"\xff\n");
    }
}

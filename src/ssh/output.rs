//! What a command writes: all of it at its end, and its lines as they come.

use tokio::sync::mpsc::UnboundedSender;

use super::fault::Fault;

/// A line longer than this (bytes) is passed on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// What becomes of output that is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The command has failed.
    Fails,
    /// The beginning and the end are kept.
    LosesItsMiddle,
}

/// Collects output, and passes its lines on as they end.
pub(super) struct Output {
    all: Vec<u8>,
    /// How much of it has been passed on as lines.
    passed: usize,
    /// How much may be kept (bytes).
    most: usize,
    over: Over,
    /// How much was left out (bytes), after the first half of what may be kept.
    cut: usize,
    lines: Option<UnboundedSender<String>>,
}

impl Output {
    pub(super) fn new(lines: Option<UnboundedSender<String>>, most: usize, over: Over) -> Self {
        Self {
            all: Vec::new(),
            passed: 0,
            most,
            over,
            cut: 0,
            lines,
        }
    }

    /// Takes in a piece of output.
    ///
    /// # Errors
    /// If that makes it longer than it may be, where that is a failure.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Fault> {
        let searched = self.all.len();
        self.all.extend_from_slice(data);
        if self.lines.is_some() {
            self.pass_lines(searched);
        }
        if self.all.len() <= self.most {
            return Ok(());
        }
        if self.over == Over::Fails {
            return Err(Fault::TooMuch { most: self.most });
        }
        // Not at every piece: what is kept is moved each time.
        if self.all.len() - self.most >= self.most / 2 {
            let first = self.most / 2;
            let mut last = self.all.len() - (self.most - first);
            if self.lines.is_some() {
                last = last.min(self.passed);
            }
            if last > first {
                self.all.drain(first..last);
                self.cut += last - first;
                self.passed = self.passed.saturating_sub(last - first);
            }
        }
        Ok(())
    }

    fn pass_lines(&mut self, mut searched: usize) {
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
        if self.cut > 0 {
            let mark = format!("\n[{} bytes are left out here]\n", self.cut);
            let at = self.most / 2;
            self.all.splice(at..at, mark.into_bytes());
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
        let mut output = Output::new(Some(sender), 1 << 20, Over::Fails);
        for piece in pieces {
            output.take(piece).unwrap();
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

    #[test]
    fn too_much_is_a_failure_where_all_of_it_counts() {
        let mut output = Output::new(None, 8, Over::Fails);
        output.take(b"12345678").unwrap();
        let fault = output.take(b"9").unwrap_err();
        assert!(matches!(fault, Fault::TooMuch { most: 8 }));
    }

    #[test]
    fn too_much_for_people_keeps_its_ends_and_every_line_was_passed_on() {
        let (sender, mut receiver) = unbounded_channel();
        let mut output = Output::new(Some(sender), 1000, Over::LosesItsMiddle);
        for line in 0..10_000 {
            output.take(format!("line {line}\n").as_bytes()).unwrap();
            assert!(output.all.len() < 2000);
        }
        let all = String::from_utf8(output.end()).unwrap();
        assert!(all.starts_with("line 0\nline 1\n"), "{all}");
        assert!(all.ends_with("line 9998\nline 9999\n"), "{all}");
        let kept: usize = all.lines().filter(|line| line.starts_with("line")).count();
        assert!(kept > 80, "{kept} lines are kept");
        assert_eq!(all.matches("bytes are left out here").count(), 1);
        for line in 0..10_000 {
            assert_eq!(receiver.try_recv().unwrap(), format!("line {line}"));
        }
    }
}

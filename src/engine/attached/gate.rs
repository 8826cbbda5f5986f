//! What an attached command prints, parted from what a login shell and sudo printed before.

use super::super::way::Way;
use super::super::wrap::Marks;

/// How much may be printed before the command begins (bytes).
const MOST: usize = 64 * 1024;

/// A stream of output. With a terminal there is only the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// What was met in a piece of output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// The command's own.
    Own(Vec<u8>),
    /// sudo asks for the password.
    Prompt,
}

/// Lets only through what comes after the mark.
pub(super) struct Gate {
    marks: Marks,
    begin: String,
    shell: bool,
    stdout: Half,
    stderr: Half,
    /// Lines that were nobody's: the reason, if the command doesn't begin.
    said: Vec<String>,
}

#[derive(Default)]
struct Half {
    /// Marks that are still to come until the rest is the command's own.
    left: usize,
    held: Vec<u8>,
}

impl Gate {
    pub(super) fn new(way: &Way, marks: &Marks, terminal: bool) -> Self {
        let half = |left| Half {
            left,
            held: Vec::new(),
        };
        Self {
            begin: marks.begin(way).to_owned(),
            marks: marks.clone(),
            shell: false,
            // A terminal shows the marks of both streams, one after the other.
            stdout: half(if terminal { 2 } else { 1 }),
            stderr: half(if terminal { 0 } else { 1 }),
            said: Vec::new(),
        }
    }

    /// Whether the command runs.
    pub(super) fn is_open(&self) -> bool {
        self.stdout.left == 0
    }

    /// What was said before, if it doesn't begin.
    pub(super) fn said(&self) -> String {
        let rest = [&self.stdout, &self.stderr].map(|half| String::from_utf8_lossy(&half.held));
        format!("{}\n{}\n{}", self.said.join("\n"), rest[0], rest[1])
    }

    /// Takes in a piece; `None` if too much is printed before the command begins.
    pub(super) fn take(&mut self, stream: Stream, bytes: Vec<u8>) -> Option<Vec<Met>> {
        let half = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if half.left == 0 {
            return Some(vec![Met::Own(bytes)]);
        }
        half.held.extend_from_slice(&bytes);
        let mut met = Vec::new();
        while let Some(end) = half.held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = half.held.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            self.shell |= line.ends_with(&self.marks.shell);
            if line.ends_with(&self.begin) {
                half.left -= 1;
                if half.left == 0 {
                    met.push(Met::Own(std::mem::take(&mut half.held)));
                    return Some(met);
                }
            } else if self.shell && line.ends_with(&self.marks.prompt) {
                met.push(Met::Prompt);
            } else if !line.contains(&self.marks.process) && !line.ends_with(&self.marks.shell) {
                self.said.push(line.to_owned());
            }
        }
        let told: usize = self.said.iter().map(String::len).sum();
        (half.held.len() + told <= MOST).then_some(met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::Secret;

    fn gate(way: &Way, terminal: bool) -> Gate {
        Gate::new(way, &Marks::from_nonce("n"), terminal)
    }

    fn own(bytes: &[u8]) -> Met {
        Met::Own(bytes.to_vec())
    }

    #[test]
    fn each_stream_begins_after_its_own_mark() {
        let mut gate = gate(&Way::Root, false);
        let out = gate.take(Stream::Stdout, b"Welcome!\nprovision:n:sh".to_vec());
        assert_eq!(out, Some(vec![]));
        assert!(!gate.is_open());
        let out = gate.take(Stream::Stdout, b"ell\n\x00\xffone".to_vec());
        assert_eq!(out, Some(vec![own(b"\x00\xffone")]));
        assert!(gate.is_open());
        let err = gate.take(Stream::Stderr, b"tty?\nprovision:n:shell\n".to_vec());
        assert_eq!(err, Some(vec![own(b"")]));
        let err = gate.take(Stream::Stderr, b"provision:n:shell\n".to_vec());
        assert_eq!(err, Some(vec![own(b"provision:n:shell\n")]));
    }

    #[test]
    fn a_terminal_shows_the_marks_of_both_streams_before_the_command() {
        let mut gate = gate(&Way::Sudo, true);
        let shown = "hi\r\nprovision:n:shell\r\nprovision:n:shell\r\nprovision:n:ready\r\n";
        assert_eq!(gate.take(Stream::Stdout, shown.into()), Some(vec![]));
        assert!(!gate.is_open());
        let shown = "provision:n:ready\r\n>>> ";
        let met = gate.take(Stream::Stdout, shown.into());
        assert_eq!(met, Some(vec![own(b">>> ")]));
        assert!(gate.is_open());
    }

    #[test]
    fn sudo_is_heard_between_the_shell_and_the_command() {
        let way = Way::SudoWith(Secret::new("secret"));
        let mut gate = gate(&way, true);
        let traced = "+ exec ... provision:n:password\r\nprovision:n:shell\r\n";
        assert_eq!(gate.take(Stream::Stdout, traced.into()), Some(vec![]));
        let asks =
            "provision:n:shell\r\nprovision:n:process 812\r\n[sudo: provision:n:password\r\n";
        let met = gate.take(Stream::Stdout, asks.into());
        assert_eq!(met, Some(vec![Met::Prompt]));
        let refuses = "bob is not in the sudoers file.\r\n";
        assert_eq!(gate.take(Stream::Stdout, refuses.into()), Some(vec![]));
        assert!(gate.said().contains("bob is not"), "{}", gate.said());
        assert!(!gate.said().contains("812"), "{}", gate.said());
    }

    #[test]
    fn a_shell_that_prints_without_end_is_given_up() {
        let mut gate = gate(&Way::Root, false);
        let mut pieces = 0;
        while gate.take(Stream::Stdout, b"yes\n".repeat(1000)).is_some() {
            pieces += 1;
            assert!(pieces < 100);
        }
        assert!(!gate.is_open());
    }
}

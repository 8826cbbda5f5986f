//! A file as it was read, and how a mistake points into it.

use std::ops::Range;
use std::path::Path;

use super::mistake::Excerpt;
use super::{Error, Mistake};

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) name: String,
    pub(super) text: String,
    hidden: Vec<Range<usize>>,
}

impl Document {
    /// A file's text under the name the operator knows it by.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            hidden: Vec::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or is not UTF-8. `mend` tells the operator what to do then.
    pub fn open(path: &Path, mend: &str) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable {
            file: path.to_owned(),
            source,
            mend: mend.to_owned(),
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let name = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text)),
            Err(wrong) => {
                let at = wrong.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(wrong.as_bytes()).into_owned();
                let document = Self::new(name, text);
                Err(document.mistake(
                    at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
                    "this byte is not UTF-8",
                    "save the file as UTF-8",
                ))
            }
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Marks places (in bytes) that no picture may show: stars stand in their stead.
    pub fn hide(&mut self, spans: impl IntoIterator<Item = Range<usize>>) {
        self.hidden.extend(spans);
    }

    /// Whether a place is marked so.
    pub(super) fn is_hidden(&self, at: usize) -> bool {
        self.hidden.iter().any(|span| span.contains(&at))
    }

    /// The line and the column (in characters) of a byte, both from 1.
    pub fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.boundary(at)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[start..].chars().count() + 1)
    }

    /// A mistake at this place.
    pub fn mistake(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Error {
        self.build(span, what.into(), instead.into(), None)
    }

    /// A mistake at this place, which clashes with another one; `label` says what stands
    /// there.
    pub fn clash(
        &self,
        span: Range<usize>,
        other: Range<usize>,
        label: impl Into<String>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Error {
        self.build(
            span,
            what.into(),
            instead.into(),
            Some((other, label.into())),
        )
    }

    /// A mistake at this place of a file whose lines hold secrets: only the position is
    /// shown.
    pub fn mistake_unseen(
        &self,
        at: usize,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Error {
        let (line, column) = self.position(at);
        Error::Mistake(Box::new(Mistake {
            file: self.name.clone(),
            line,
            column,
            what: what.into(),
            instead: instead.into(),
            excerpt: None,
        }))
    }

    fn build(
        &self,
        span: Range<usize>,
        what: String,
        instead: String,
        also: Option<(Range<usize>, String)>,
    ) -> Error {
        let (line, column) = self.position(span.start);
        let span = self.one_line(span);
        let also = also.map(|(other, label)| (self.one_line(other), label));
        let (text, moved) = self.masked();
        Error::Mistake(Box::new(Mistake {
            file: self.name.clone(),
            line,
            column,
            what,
            instead,
            excerpt: Some(Excerpt {
                span: moved(span.start)..moved(span.end),
                also: also.map(|(other, label)| (moved(other.start)..moved(other.end), label)),
                text,
            }),
        }))
    }

    /// The part of a span on its first line: a table's or a long string's span would
    /// otherwise draw a box around half the file.
    fn one_line(&self, span: Range<usize>) -> Range<usize> {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end.max(start));
        let line = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        start..end.min(line)
    }

    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// The text with one star for each hidden character, and where each byte went.
    fn masked(&self) -> (String, impl Fn(usize) -> usize) {
        let mut text = String::with_capacity(self.text.len());
        // (byte here, byte there), wherever the two drift apart.
        let mut drift: Vec<(usize, usize)> = vec![(0, 0)];
        for (at, c) in self.text.char_indices() {
            let hidden = self.is_hidden(at);
            let shown = if hidden && c != '\n' && c != '\r' {
                '*'
            } else {
                c
            };
            text.push(shown);
            if shown.len_utf8() != c.len_utf8() {
                drift.push((at + c.len_utf8(), text.len()));
            }
        }
        let moved = move |at: usize| {
            let before = drift.partition_point(|(here, _)| *here <= at);
            let (here, there) = drift[before.saturating_sub(1)];
            there + (at - here)
        };
        (text, moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let document = Document::new("f", "a\nü = 1\n");
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(
            document.position(document.text().find('=').unwrap()),
            (2, 3)
        );
        assert_eq!(document.position(9999), (3, 1));
    }

    #[test]
    fn a_hidden_value_is_starred_and_what_follows_is_still_pointed_at() {
        let mut document = Document::new("f", "a = \"gehüim\", b = x\n");
        document.hide(std::iter::once(4..13));
        let error = document.mistake(19..20, "wrong", "");
        let picture = error.to_string();
        assert!(
            !picture.contains("geh") && !picture.contains("im"),
            "{picture}"
        );
        assert!(picture.contains("f:1:19"), "{picture}");
        let lines: Vec<&str> = picture.lines().collect();
        let x = lines[3].find('x').unwrap();
        assert_eq!(lines[4].find('^'), Some(x), "{picture}");
    }

    #[test]
    fn a_mistake_in_a_file_of_secrets_shows_no_line_of_it() {
        let document = Document::new("env", "A=1\nhunter2\n");
        let picture = document.mistake_unseen(4, "wrong", "right").to_string();
        assert!(
            picture.contains("env:2:1") && !picture.contains("hunter2"),
            "{picture}"
        );
    }
}

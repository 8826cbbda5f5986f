//! Rows of text, each piece with a meaning that may become a colour.
//!
//! Whatever enters a row is made harmless on the way in, so no renderer can forget it:
//! names and output come from servers, and a terminal obeys what it is sent.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Dim,
    Good,
    Change,
    Unknown,
    Bad,
}

impl Ink {
    fn style(self) -> Style {
        match self {
            Ink::Plain => Style::new(),
            Ink::Strong => Style::new().bold(),
            Ink::Dim => Style::new().dimmed(),
            Ink::Good => AnsiColor::Green.on_default(),
            Ink::Change => AnsiColor::Yellow.on_default(),
            Ink::Unknown => AnsiColor::Cyan.on_default(),
            Ink::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// One row.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pieces: Vec<(Ink, String)>,
}

impl Row {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Appends text.
    pub(super) fn ink(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        let text = harmless(text.as_ref());
        if !text.is_empty() {
            self.pieces.push((ink, text));
        }
        self
    }

    /// Appends text without emphasis.
    pub(super) fn plain(self, text: impl AsRef<str>) -> Self {
        self.ink(Ink::Plain, text)
    }

    /// Goes to a column; leaves at least a space if the text is already past it.
    pub(super) fn to(self, column: usize) -> Self {
        let width = self.width();
        let gap = if width == 0 {
            column
        } else {
            column.saturating_sub(width).max(1)
        };
        self.plain(" ".repeat(gap))
    }

    /// Appends another row.
    pub(super) fn row(mut self, other: Row) -> Self {
        self.pieces.extend(other.pieces);
        self
    }

    /// Width in columns of a terminal, some of whose characters take two.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    fn write(&self, colour: bool, to: &mut String) {
        let last = self
            .pieces
            .iter()
            .rposition(|(_, text)| !text.trim_end().is_empty());
        let Some(last) = last else { return };
        for (at, (ink, text)) in self.pieces.iter().enumerate().take(last + 1) {
            let text = if at == last { text.trim_end() } else { text };
            if colour && *ink != Ink::Plain {
                let style = ink.style();
                // Writing to a String can't fail.
                let _ = write!(to, "{style}{text}{style:#}");
            } else {
                to.push_str(text);
            }
        }
    }
}

/// Rows, one below the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    rows: Vec<Row>,
}

impl Page {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// An empty row, unless the page is still empty or ends with one.
    pub(super) fn gap(&mut self) {
        if self.rows.last().is_some_and(|row| row.width() > 0) {
            self.rows.push(Row::new());
        }
    }

    pub(super) fn append(&mut self, other: Page) {
        self.rows.extend(other.rows);
    }

    /// Puts a label to the left of a page: before its first row, the others below it.
    pub(super) fn labelled(label: Row, width: usize, body: Page) -> Page {
        let mut label = Some(label);
        let rows = body
            .rows
            .into_iter()
            .map(|row| label.take().unwrap_or_default().to(width).row(row))
            .collect();
        Page { rows }
    }

    /// Moves everything to the right.
    pub(super) fn indented(self, by: usize) -> Page {
        Page::labelled(Row::new(), by, self)
    }

    /// The text, each row ended by a newline; with escape sequences only if `colour`.
    pub(super) fn text(&self, colour: bool) -> String {
        let mut text = String::new();
        for row in &self.rows {
            row.write(colour, &mut text);
            text.push('\n');
        }
        text
    }
}

/// Whether a terminal might obey this character, or a reader be deceived by it.
///
/// Beside the control characters of ISO 6429 (C0, DEL, C1) these are Unicode's line and
/// paragraph separators and its direction controls, which can make text read as something
/// it isn't (Unicode Technical Report 36, "bidirectional text spoofing").
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(c, '\u{2066}'..='\u{2069}')
}

/// The text with every harmful character spelled out; tabs become four spaces.
pub(super) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push_str("    "),
            c if is_harmful(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

//! Env files: `NAME=value`, one a line, with quotes for what a line can't hold.
//!
//! Docker, Compose and shells each read such files in their own way. Here the grammar is
//! this, and the value that comes out is what the container gets, byte for byte:
//!
//! - empty lines and lines that begin with `#` are skipped; `export ` before a name too;
//! - a bare value goes to the end of its line, literally; white space after it is dropped;
//! - a value in single quotes is literal and may span lines;
//! - a value in double quotes may span lines and knows `\n \r \t \" \\ \$`.

use std::collections::BTreeMap;

use super::EnvName;
use crate::input::{Document, Error};
use crate::shell::Secret;

/// One variable of an env file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: EnvName,
    pub value: Secret,
    /// The line its name stands on, from 1.
    pub line: usize,
    /// The last line of its value, from 1.
    pub end: usize,
}

/// The variables of an env file, in its order.
///
/// # Errors
/// The first mistake, by file, line and column; its line is not shown.
pub(super) fn parse(document: &Document) -> Result<Vec<Entry>, Error> {
    let text = document.text();
    let mut entries = Vec::new();
    let mut seen: BTreeMap<EnvName, usize> = BTreeMap::new();
    // Editors on other systems put a byte order mark first.
    let mut at = text.find(|c| c != '\u{feff}').unwrap_or(text.len());
    if let Some(nul) = text.find('\0') {
        return Err(document.mistake_unseen(nul, "an env file can't hold a NUL", "leave it out"));
    }
    while at < text.len() {
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |newline| at + newline);
        let line = &text[at..end];
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            at = end + 1;
            continue;
        }
        let start = at + (line.len() - trimmed.len());
        let (name, name_at, value_at) = name(document, start, end)?;
        let number = document.position(name_at).0;
        if let Some(first) = seen.insert(name.clone(), number) {
            return Err(document.mistake_unseen(
                name_at,
                format!("{name} is already set on line {first}"),
                "keep one of them",
            ));
        }
        let (value, next) = value(document, value_at, end)?;
        entries.push(Entry {
            name,
            value: Secret::new(value),
            line: number,
            end: document.position(next.min(text.len()).saturating_sub(1)).0,
        });
        at = next;
    }
    Ok(entries)
}

/// The name, where it begins and where its value begins.
fn name(document: &Document, start: usize, end: usize) -> Result<(EnvName, usize, usize), Error> {
    let line = &document.text()[start..end];
    let exported = line
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map(str::trim_start);
    let line = exported.unwrap_or(line);
    let name_at = end - line.len();
    let Some((name, _)) = line.split_once('=') else {
        return Err(document.mistake_unseen(
            name_at,
            "this line has no `=`",
            "write NAME=value; a value of several lines goes into quotes",
        ));
    };
    // The text before `=` isn't repeated: it may be a part of a secret.
    EnvName::new(name)
        .map(|checked| (checked, name_at, name_at + name.len() + 1))
        .map_err(|_| {
            document.mistake_unseen(
                name_at,
                "what stands before `=` can't name a variable",
                "write letters, digits and _, not a digit first, and no space before `=`",
            )
        })
}

/// The value that begins here, and where the next line begins.
fn value(document: &Document, at: usize, end: usize) -> Result<(String, usize), Error> {
    let text = document.text();
    match text[at..end].chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (value, after) = quoted(document, at, quote)?;
            let next = text[after..]
                .find('\n')
                .map_or(text.len(), |newline| after + newline);
            let rest = text[after..next].trim();
            if rest.is_empty() || rest.starts_with('#') {
                return Ok((value, next + 1));
            }
            Err(document.mistake_unseen(
                after,
                "something follows the closing quote",
                "put all of the value into the quotes",
            ))
        }
        Some(c) if c.is_whitespace() && !text[at..end].trim().is_empty() => Err(document
            .mistake_unseen(
                at,
                "there is a space after `=`",
                "leave it out, or put the value into quotes if the space belongs to it",
            )),
        _ => Ok((text[at..end].trim_end().to_owned(), end + 1)),
    }
}

/// A quoted value, and where its closing quote ends.
fn quoted(document: &Document, at: usize, quote: char) -> Result<(String, usize), Error> {
    let mut value = String::new();
    let mut chars = document.text()[at..].char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            _ if c == quote => return Ok((value, at + offset + 1)),
            '\\' if quote == '"' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(same @ ('"' | '\\' | '$')) => value.push(same),
                _ => {
                    return Err(document.mistake_unseen(
                        at + offset,
                        "this is no escape",
                        r#"write one of \n \r \t \" \\ \$, or put the value into single quotes"#,
                    ));
                }
            },
            _ => value.push(c),
        }
    }
    Err(document.mistake_unseen(
        at,
        "this quote is never closed",
        format!("close it with {quote}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(&Document::new("env", text))
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name.to_string(), entry.value.reveal().to_owned()))
            .collect()
    }

    fn one(text: &str) -> String {
        let all = values(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].1.clone()
    }

    #[test]
    fn a_bare_value_is_literal_to_the_end_of_its_line() {
        assert_eq!(
            one("A=x y # no comment $B `id` 100% \\n  \n"),
            "x y # no comment $B `id` 100% \\n"
        );
        assert_eq!(one("A="), "");
        assert_eq!(one("A=  \r\n"), "");
        assert_eq!(one("A=it's=fine\r\n"), "it's=fine");
    }

    #[test]
    fn single_quotes_keep_everything_and_double_quotes_know_six_escapes() {
        assert_eq!(one("A='a\\n\"$b\n c '"), "a\\n\"$b\n c ");
        assert_eq!(one(r#"A="\n\r\t\"\\\$$x`y`""#), "\n\r\t\"\\$$x`y`");
        assert_eq!(one("A=\"first\nsecond\" # a note\n"), "first\nsecond");
    }

    #[test]
    fn comments_exports_and_empty_lines_are_no_values() {
        let text = "\u{feff}# a comment\n\n  export A=1\nexport\tB=2\nexported=3\n";
        let names: Vec<String> = values(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "B", "exported"]);
    }

    #[test]
    fn a_mistake_names_its_line_and_column_and_never_its_text() {
        for (text, place, what) in [
            ("A=1\nhunter2\n", "env:2:1", "has no `=`"),
            ("A=1\n\n hunter2 =x\n", "env:3:2", "can't name a variable"),
            ("A= hunter2", "env:1:3", "a space after"),
            ("A='hunter2\nB=1\n", "env:1:3", "never closed"),
            ("A=\"hunter2\\q\"", "env:1:11", "no escape"),
            ("A='x' hunter2\n", "env:1:6", "follows the closing quote"),
            ("A=hunter2\nB=2\nA=3\n", "env:3:1", "already set on line 1"),
            ("A=hunter2\nB=\0\n", "env:2:3", "NUL"),
        ] {
            let shown = parse(&Document::new("env", text)).unwrap_err().to_string();
            assert!(shown.contains(place), "{text:?}: {shown}");
            assert!(shown.contains(what), "{text:?}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

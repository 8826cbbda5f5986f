//! TOML to plain structs, and what the parser's complaints mean to an operator.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, Error, alternatives, closest};

/// What to write where a required key is missing: table (empty for the top), key, example.
pub type Example = (&'static str, &'static str, &'static str);

impl Document {
    /// The document's TOML as `T`.
    ///
    /// # Errors
    /// One mistake, with its place and what to write instead; `examples` helps with keys
    /// that are missing.
    pub fn read<T: DeserializeOwned>(&self, examples: &[Example]) -> Result<T, Error> {
        let (root, faults) = DeTable::parse_recoverable(&self.text);
        if let Some(fault) = faults.first() {
            return Err(self.mistake(
                fault.span().unwrap_or(0..0),
                format!("this is not TOML: {}", fault.message()),
                "",
            ));
        }
        toml::from_str(&self.text).map_err(|fault| self.translate(&fault, root.get_ref(), examples))
    }

    fn translate(
        &self,
        fault: &toml::de::Error,
        root: &DeTable<'_>,
        examples: &[Example],
    ) -> Error {
        let span = fault.span().unwrap_or(0..0);
        let path = locate(root, &span);
        let message = fault.message();
        if message.starts_with("unknown field ") {
            return self.unknown_key(span, &path, message);
        }
        if let Some(rest) = message.strip_prefix("missing field ") {
            return self.missing_key(span, &path, rest.trim_matches('`'), examples);
        }
        let place = path
            .last()
            .map_or("this value".to_owned(), |key| format!("`{key}`"));
        let found = message
            .strip_prefix("invalid type: ")
            .or_else(|| message.strip_prefix("invalid value: "));
        if let Some((found, expected)) = found.and_then(|found| found.rsplit_once(", expected ")) {
            let expected = wanted(expected);
            return self.mistake(
                span,
                format!("{place} must be {expected}, not {}", kind(found)),
                format!("write {expected}"),
            );
        }
        self.mistake(span, format!("{place}: {message}"), "")
    }

    fn unknown_key(&self, span: Range<usize>, path: &[String], message: &str) -> Error {
        let key = path.last().map_or("", String::as_str);
        let table = &path[..path.len().saturating_sub(1)];
        let known: Vec<&str> = message
            .rsplit_once(", expected ")
            .map_or("", |(_, expected)| expected)
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        let what = if table.is_empty() {
            format!("there is no key `{key}` at the top of {}", self.name)
        } else {
            format!("{} has no key `{key}`", table_name(table))
        };
        let instead = match closest(key, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", alternatives(known)),
        };
        self.mistake(span, what, instead)
    }

    fn missing_key(
        &self,
        span: Range<usize>,
        path: &[String],
        key: &str,
        examples: &[Example],
    ) -> Error {
        // Hosts all have the same keys: an example for `hosts.*` is meant for each.
        let table = match path {
            [first, _] if first == "hosts" => "hosts.*".to_owned(),
            _ => path.join("."),
        };
        let example = examples
            .iter()
            .find(|(in_table, of_key, _)| *in_table == table && *of_key == key)
            .map_or_else(
                || format!("{key} = …"),
                |(_, _, example)| (*example).to_owned(),
            );
        let (what, instead) = match path {
            [] if example.starts_with('[') => {
                let header = example.lines().next().unwrap_or_default();
                (
                    format!("{} has no table {header}", self.name),
                    format!("add\n{example}"),
                )
            }
            [] => (
                format!("{} lacks the key `{key}`", self.name),
                format!("add `{example}` at the top"),
            ),
            _ => (
                format!("{} lacks the key `{key}`", table_name(path)),
                format!("add `{example}`"),
            ),
        };
        // The parser has no place for what is missing at the top: the file's first line is
        // where to add it.
        self.mistake(span, what, instead)
    }
}

fn table_name(path: &[String]) -> String {
    format!("[{}]", path.join("."))
}

/// The keys that lead to a place.
fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Vec<String> {
    let mut path = Vec::new();
    descend(table, span, &mut path);
    path
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        if holds(&key.span(), span) || within(value, span, path) {
            return true;
        }
        path.pop();
    }
    false
}

fn within(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    // A table's parts need not lie within its own span: its header is elsewhere.
    let inside = match value.get_ref() {
        DeValue::Table(table) => descend(table, span, path),
        DeValue::Array(items) => items.iter().any(|item| within(item, span, path)),
        _ => false,
    };
    inside || holds(&value.span(), span)
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    !inner.is_empty() && outer.start <= inner.start && inner.end <= outer.end
}

/// What is wanted, in the operator's words.
fn wanted(expected: &str) -> &str {
    match expected {
        "a string" => "a string in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" => "a whole number, 0 or more",
        other => other,
    }
}

/// What was found, without its value: that may be a secret.
fn kind(found: &str) -> &str {
    const KINDS: [(&str, &str); 7] = [
        ("string", "a string"),
        ("integer", "this number"),
        ("floating point", "a fraction"),
        ("boolean", "true or false"),
        ("sequence", "a list"),
        ("map", "a table"),
        ("datetime", "a date"),
    ];
    KINDS
        .iter()
        .find(|(start, _)| found.starts_with(start))
        .map_or("this", |(_, kind)| kind)
}

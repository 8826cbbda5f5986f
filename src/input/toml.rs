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
            return Err(self.not_toml(fault));
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
        let found = message
            .strip_prefix("invalid type: ")
            .or_else(|| message.strip_prefix("invalid value: "));
        if let Some((found, expected)) = found.and_then(|found| found.rsplit_once(", expected ")) {
            return self.wrong_kind(span, &path, found, expected, examples);
        }
        self.mistake(span, format!("{}: {message}", place(&path)), "")
    }

    fn not_toml(&self, fault: &toml::de::Error) -> Error {
        let span = fault.span().unwrap_or(0..0);
        let key = self.text.get(span.clone()).unwrap_or_default();
        if fault.message() == "duplicate key" {
            let what = format!("`{key}` is set twice");
            return self.mistake(span, what, "keep one of them");
        }
        let instead = if fault.message().contains("must be quoted") {
            "put it into quotes"
        } else {
            "mend the syntax; https://toml.io shows it"
        };
        let what = format!("this is not TOML: {}", fault.message());
        self.mistake(span, what, instead)
    }

    fn wrong_kind(
        &self,
        span: Range<usize>,
        path: &Place,
        found: &str,
        expected: &str,
        examples: &[Example],
    ) -> Error {
        let literal = self.text.get(span.clone()).unwrap_or_default();
        let expected = wanted(expected);
        let place = place(path);
        if found.starts_with("integer") && expected.starts_with("a whole number") {
            let what = format!("{place} can't be {literal}");
            return self.mistake(span, what, format!("write {expected}"));
        }
        let simple = !literal.contains(['"', '\\', '[', '{', '\n']);
        let example = path.keys.split_last().and_then(|(key, table)| {
            let table = table.join(".");
            let mut all = examples.iter();
            all.find(|(of, name, _)| *of == table && name == key)
        });
        let instead = if self.is_hidden(span.start) {
            format!("write {expected}")
        } else if expected == STRING && simple {
            format!("write \"{literal}\"")
        } else if expected == LIST && found.starts_with("string") {
            format!("write [{literal}]")
        } else if let Some((_, _, example)) = example {
            format!("write `{example}`")
        } else {
            format!("write {expected}")
        };
        let what = format!("{place} must be {expected}, not {}", kind(found));
        self.mistake(span, what, instead)
    }

    fn unknown_key(&self, span: Range<usize>, place: &Place, message: &str) -> Error {
        let path = place.keys.as_slice();
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
            format!("{} has no key `{key}`", place.table(table))
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
        place: &Place,
        key: &str,
        examples: &[Example],
    ) -> Error {
        let path = place.keys.as_slice();
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
                format!("{} lacks the key `{key}`", place.table(path)),
                format!("add `{example}`"),
            ),
        };
        // The parser has no place for what is missing at the top: the file's first line is
        // where to add it.
        self.mistake(span, what, instead)
    }
}

/// Where in the tables a place is.
#[derive(Debug, Default)]
struct Place {
    /// The keys that lead to it.
    keys: Vec<String>,
    /// Whether it is an entry of a list that the last key names.
    in_list: bool,
    /// Whether its table is one of several of the same name.
    in_tables: bool,
}

impl Place {
    /// The table of these keys, as its header would be written.
    fn table(&self, keys: &[String]) -> String {
        let keys = keys.join(".");
        if self.in_tables {
            format!("[[{keys}]]")
        } else {
            format!("[{keys}]")
        }
    }
}

fn place(place: &Place) -> String {
    match place.keys.last() {
        Some(key) if place.in_list => format!("each of `{key}`"),
        Some(key) => format!("`{key}`"),
        None => "this value".to_owned(),
    }
}

fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Place {
    let mut place = Place::default();
    descend(table, span, &mut place);
    place
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, place: &mut Place) -> bool {
    for (key, value) in table {
        place.keys.push(key.get_ref().to_string());
        if holds(&key.span(), span) || within(value, span, place) {
            return true;
        }
        place.keys.pop();
    }
    false
}

fn within(value: &Spanned<DeValue<'_>>, span: &Range<usize>, place: &mut Place) -> bool {
    // A table's parts need not lie within its own span: its header is elsewhere.
    let inside = match value.get_ref() {
        DeValue::Table(table) => descend(table, span, place),
        DeValue::Array(items) => items.iter().any(|item| {
            let found = within(item, span, place);
            place.in_tables |= found && item.get_ref().is_table();
            place.in_list |= found && item.span() == *span && !item.get_ref().is_table();
            found
        }),
        _ => false,
    };
    inside || holds(&value.span(), span)
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    !inner.is_empty() && outer.start <= inner.start && inner.end <= outer.end
}

const STRING: &str = "a string in quotes";
const LIST: &str = "a list in [ ]";

/// What is wanted, in the operator's words.
fn wanted(expected: &str) -> &str {
    match expected {
        "a string" => STRING,
        "a boolean" => "true or false",
        "a sequence" => LIST,
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
        ("integer", "a number"),
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

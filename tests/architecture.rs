//! The house as ARCHITECTURE.md draws it, held against what src/ really says.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may import.
const ROOMS: &[(&str, &[&str])] = &[
    ("shell", &[]),
    ("event", &[]),
    ("input", &[]),
    ("site", &["input", "shell"]),
    ("playbook", &["input", "shell", "site"]),
    ("resource", &["shell", "event"]),
    ("lint", &["resource", "event", "shell"]),
    ("proof", &["event"]),
    ("secrets", &["shell"]),
    (
        "step",
        &[
            "playbook", "resource", "site", "shell", "proof", "event", "lint",
        ],
    ),
    ("plan", &["step", "resource", "site", "playbook"]),
    ("ssh", &["shell"]),
    ("vantage", &["shell"]),
    (
        "engine",
        &[
            "plan", "resource", "ssh", "vantage", "event", "proof", "site", "shell", "step", "lint",
        ],
    ),
    ("report", &["event"]),
    ("lab", &["shell", "site"]),
    (
        "cli",
        &[
            "engine", "event", "input", "lab", "lint", "plan", "playbook", "proof", "report",
            "resource", "secrets", "shell", "site", "ssh", "step", "vantage",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// What a sitting holds, with some room to spare.
const LONGEST: usize = 600;

/// A file of src.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Path below src, with `/`.
    fn name(&self) -> String {
        let below = self.path.strip_prefix(src()).unwrap();
        below.to_str().unwrap().replace('\\', "/")
    }

    fn room(&self) -> String {
        let name = self.name();
        let first = name.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first).to_owned()
    }

    /// How many modules deep the file lies below the crate's root.
    fn depth(&self) -> usize {
        let name = self.name();
        match name.as_str() {
            "lib.rs" | "main.rs" => 0,
            _ => name.split('/').count() - usize::from(name.ends_with("/mod.rs")),
        }
    }

    /// Whether all of the file is compiled for tests only.
    fn is_test(&self) -> bool {
        let name = self.name();
        name.ends_with("/tests.rs") || name.contains("/tests/")
    }

    fn code(&self) -> String {
        code(&self.text)
    }

    /// The code that ships: without test modules.
    fn shipped(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        without_tests(&self.code())
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![src()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "src has {} files", found.len());
    found
}

/// The text with comments, strings and characters blanked out, line by line as before.
fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, from: usize, to: usize| {
        for &c in &chars[from..to.min(chars.len())] {
            out.push(if c == '\n' { '\n' } else { ' ' });
        }
    };
    while at < chars.len() {
        let start = at;
        let after_word = start > 0 && is_word(chars[start - 1]);
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
                blank(&mut out, start, at);
            }
            ('/', Some('*')) => {
                let mut open = 0;
                while at < chars.len() {
                    match (chars[at], chars.get(at + 1)) {
                        ('/', Some('*')) => (open, at) = (open + 1, at + 2),
                        ('*', Some('/')) => (open, at) = (open - 1, at + 2),
                        _ => at += 1,
                    }
                    if open == 0 {
                        break;
                    }
                }
                blank(&mut out, start, at);
            }
            ('r', Some('"' | '#')) if !after_word || chars[start - 1] == 'b' => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                if chars.get(at + 1 + hashes) != Some(&'"') {
                    out.push('r');
                    at += 1;
                    continue;
                }
                at += hashes + 2;
                let end: String = format!("\"{}", "#".repeat(hashes));
                let end: Vec<char> = end.chars().collect();
                while at < chars.len() && !chars[at..].starts_with(&end) {
                    at += 1;
                }
                at += end.len();
                blank(&mut out, start, at);
            }
            ('"', _) => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                blank(&mut out, start, at);
            }
            // A character, and not a lifetime.
            ('\'', Some(next)) if *next == '\\' || chars.get(at + 2) == Some(&'\'') => {
                at += if *next == '\\' { 3 } else { 2 };
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
                blank(&mut out, start, at);
            }
            (c, _) => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// Code without its `#[cfg(test)] mod … { … }`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        out.push_str(before);
        let body = &marked[MARK.len()..];
        let mut open = 0_usize;
        let end = body.char_indices().find_map(|(at, c)| {
            match c {
                '{' => open += 1,
                '}' => open = open.saturating_sub(1),
                _ => {}
            }
            (open == 0 && (c == '}' || c == ';')).then_some(at + 1)
        });
        rest = &body[end.unwrap_or(body.len())..];
    }
    out.push_str(rest);
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words and marks; `::` is one mark.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, next) = rest.split_at(length);
        found.push(token);
        rest = next.trim_start();
    }
    found
}

/// The first names after `root::`, in `use` lines, groups and paths inside code.
fn named_after(code: &str, root: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let mut names = BTreeSet::new();
    for at in 0..tokens.len() {
        let inner = at > 0 && tokens[at - 1] == "::" && at > 1 && is_word_token(tokens[at - 2]);
        if tokens[at] == root && !inner {
            collect(&tokens, at + 1, &mut names);
        }
    }
    names
}

fn is_word_token(token: &str) -> bool {
    token.starts_with(is_word)
}

/// What stands after a path's root: `::name` or `::{name, …}`.
fn collect(tokens: &[&str], at: usize, names: &mut BTreeSet<String>) {
    if tokens.get(at) != Some(&"::") {
        return;
    }
    if tokens.get(at + 1) != Some(&"{") {
        names.extend(tokens.get(at + 1).map(|name| (*name).to_owned()));
        return;
    }
    let (mut open, mut first) = (1, true);
    for token in &tokens[at + 2..] {
        match *token {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => first = true,
            name if open == 1 && first => {
                names.insert(name.to_owned());
                first = false;
            }
            _ => {}
        }
        if open == 0 {
            return;
        }
    }
}

/// The rooms a file names: by `crate::`, or by as many `super::` as lead to the root.
fn rooms_named(code: &str, depth: usize) -> BTreeSet<String> {
    let mut names = named_after(code, "crate");
    let tokens = tokens(code);
    // Whether each open brace is a module's.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "{" => braces.push(at >= 2 && tokens[at - 2] == "mod"),
            "}" => {
                braces.pop();
            }
            "super" => {
                let start = at;
                while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2) == Some(&"super") {
                    at += 2;
                }
                let ups = (at - start) / 2 + 1;
                if ups >= depth + braces.iter().filter(|is_mod| **is_mod).count() {
                    collect(&tokens, at + 1, &mut names);
                }
            }
            _ => {}
        }
        at += 1;
    }
    names
}

fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    ROOMS.iter().copied().collect()
}

/// Imports that the table doesn't know: "room → other (file)".
fn strangers(room: &str, name: &str, code: &str, depth: usize) -> Vec<String> {
    let table = allowed();
    let Some(may) = table.get(room) else {
        return vec![format!("{room} ({name}) is not in the table")];
    };
    let named = match room {
        "main" => named_after(code, "provision"),
        _ => rooms_named(code, depth),
    };
    named
        .iter()
        .filter(|other| *other != room && !may.contains(&other.as_str()))
        .map(|other| format!("{room} → {other} ({name})"))
        .collect()
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|file| strangers(&file.room(), &file.name(), &file.code(), file.depth()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_room_of_the_table_exists() {
    let built: BTreeSet<String> = sources().iter().map(Source::room).collect();
    let drawn: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(built, drawn);
}

#[test]
fn nothing_in_the_table_flows_back() {
    let mut left = allowed();
    while !left.is_empty() {
        let done: Vec<&str> = left
            .iter()
            .filter(|(_, may)| may.iter().all(|other| !left.contains_key(other)))
            .map(|(room, _)| *room)
            .collect();
        assert!(!done.is_empty(), "these import each other: {left:?}");
        left.retain(|room, _| !done.contains(room));
    }
}

#[test]
fn architecture_md_draws_the_same_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| room | may import |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut drawn = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let others: BTreeSet<String> = match cells[1] {
            "nothing" => BTreeSet::new(),
            "every room" => ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect(),
            some => some.split(", ").map(str::to_owned).collect(),
        };
        for room in cells[0].split(", ") {
            drawn.insert(room.trim_matches('`').to_owned(), others.clone());
        }
    }
    for (room, may) in ROOMS {
        let mut may: BTreeSet<String> = may.iter().map(|other| (*other).to_owned()).collect();
        let shown = drawn.remove(*room);
        if *room == "cli" {
            may.extend(["cli", "main", "lib"].map(str::to_owned));
        }
        assert_eq!(shown, Some(may), "{room}");
    }
    assert!(drawn.is_empty(), "{drawn:?}");
}

#[test]
fn russh_is_named_in_its_room_alone() {
    for file in sources().iter().filter(|file| file.room() != "ssh") {
        let code = file.code();
        assert!(!tokens(&code).contains(&"russh"), "{}", file.name());
    }
}

#[test]
fn steps_resources_and_what_leads_to_a_plan_do_no_io() {
    let pure = ["step", "resource", "proof", "plan", "event", "shell"];
    for file in sources() {
        if !pure.contains(&file.room().as_str()) {
            continue;
        }
        let shipped = file.shipped();
        assert!(!tokens(&shipped).contains(&"tokio"), "{}", file.name());
        let std = named_after(&shipped, "std");
        for door in ["fs", "process", "env", "thread", "io"] {
            assert!(!std.contains(door), "{} names std::{door}", file.name());
        }
    }
}

#[test]
fn no_code_that_ships_unwraps_or_expects() {
    for file in sources() {
        let shipped = file.shipped();
        for panics in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
            let at = shipped.find(panics);
            assert!(at.is_none(), "{} has {panics}", file.name());
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_fits_a_sitting() {
    for file in sources() {
        assert!(file.text.starts_with("//!"), "{} has no doc", file.name());
        let lines = file.text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", file.name());
    }
}

/// The parser above is held against lines that break the rules.
mod parser {
    use super::*;

    #[test]
    fn a_planted_import_is_found_however_it_is_written() {
        for bad in [
            "use crate::ssh::Keys;",
            "use crate::{shell::Cmd, ssh::{self, Keys}};",
            "use crate::{\n    event::State,\n    ssh,\n};",
            "pub use crate::ssh;",
            "fn f() -> crate::ssh::Error { todo() }",
            "use super::super::ssh::Keys;",
            "mod tests { use super::super::super::ssh; }",
        ] {
            let found = strangers("step", "step/bad.rs", &code(bad), 2);
            assert_eq!(found, ["step → ssh (step/bad.rs)"], "{bad}");
        }
    }

    #[test]
    fn a_glob_of_the_whole_crate_is_found() {
        let found = strangers("step", "step/bad.rs", "use crate::*;", 2);
        assert_eq!(found, ["step → * (step/bad.rs)"]);
    }

    #[test]
    fn a_room_that_is_not_in_the_table_is_found() {
        let found = strangers("attic", "attic.rs", "", 1);
        assert_eq!(found, ["attic (attic.rs) is not in the table"]);
    }

    #[test]
    fn comments_strings_and_the_room_itself_are_no_imports() {
        let fine = "//! [`Keys`](crate::ssh::Keys)\n/* crate::ssh /* crate::ssh */ */\n\
                    use super::Cx; use crate::step::Cx;\n\
                    const A: &str = \"crate::ssh\"; const B: &str = r#\"\"crate::ssh\"#;\n\
                    const C: char = '\"'; fn f<'a>(_: &'a str) {} const D: char = '\\'';\n\
                    use crate::shell::Cmd;";
        assert_eq!(strangers("step", "step/fine.rs", &code(fine), 2), [""; 0]);
    }

    #[test]
    fn test_modules_are_left_out_and_what_follows_them_is_not() {
        let text = "a.ok();\n#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }\n\
                    #[cfg(test)]\nmod more;\nb.unwrap();";
        let shipped = without_tests(&code(text));
        assert_eq!(shipped.matches(".unwrap()").count(), 1);
        assert!(shipped.contains("b.unwrap()"), "{shipped}");
    }
}

//! PATTERNS of ssh_config(5), and the paths of Include (glob(7)).

use std::path::{Path, PathBuf};

/// How many paths an Include may come to.
const MOST: usize = 4096;

/// A piece of a pattern.
#[derive(Debug)]
enum Piece {
    Many,
    One,
    Char(char),
    /// Ranges, and whether it is everything but these.
    Class(Vec<(char, char)>, bool),
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class(ranges, not) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not
            }
        }
    }
}

/// Whether `text` is all of what the pieces say. Goes back to the last `*` only, so that the
/// time is at most length times length.
fn fits(pieces: &[Piece], text: &[char]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pieces.get(at) {
            Some(Piece::Many) => {
                star = Some((at, seen));
                at += 1;
            }
            Some(piece) if piece.takes(text[seen]) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((many, from)) => {
                    star = Some((many, from + 1));
                    at = many + 1;
                    seen = from + 1;
                }
                None => return false,
            },
        }
    }
    pieces[at..]
        .iter()
        .all(|piece| matches!(piece, Piece::Many))
}

/// Whether a pattern of `*` and `?` speaks for a text. Case counts.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pieces: Vec<Piece> = pattern
        .chars()
        .map(|c| match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            c => Piece::Char(c),
        })
        .collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pieces, &text)
}

/// Whether a comma-separated list of patterns speaks for a text: one of them does, and none
/// with a `!` does.
pub(super) fn in_list(list: &str, text: &str) -> bool {
    let mut positive = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, text) => return false,
            Some(_) => {}
            // An empty list names nothing, not the empty text.
            None => positive |= !list.is_empty() && matches(pattern, text),
        }
    }
    positive
}

/// The files an Include names, in order: an absolute path in which `*`, `?` and `[…]` stand
/// for names that don't begin with a dot.
pub(super) fn files(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let pieces = glob(part);
        let literal: Option<String> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Char(c) => Some(*c),
                _ => None,
            })
            .collect();
        found = match literal {
            Some(name) => found.into_iter().map(|path| path.join(&name)).collect(),
            None => found
                .iter()
                .flat_map(|path| named(path, part, &pieces))
                .take(MOST)
                .collect(),
        };
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    found
}

fn named(directory: &Path, part: &str, pieces: &[Piece]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| part.starts_with('.') || !name.starts_with('.'))
        .filter(|name| fits(pieces, &name.chars().collect::<Vec<_>>()))
        .collect();
    names.sort();
    names.iter().map(|name| directory.join(name)).collect()
}

fn glob(part: &str) -> Vec<Piece> {
    let chars: Vec<char> = part.chars().collect();
    let mut pieces = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        let (piece, length) = match chars[at] {
            '*' => (Piece::Many, 1),
            '?' => (Piece::One, 1),
            '\\' if at + 1 < chars.len() => (Piece::Char(chars[at + 1]), 2),
            '[' => class(&chars[at..]).unwrap_or((Piece::Char('['), 1)),
            c => (Piece::Char(c), 1),
        };
        pieces.push(piece);
        at += length;
    }
    pieces
}

/// `[a-z]`, `[!a]`, and how long it is; `None` if it isn't closed.
fn class(chars: &[char]) -> Option<(Piece, usize)> {
    let not = matches!(chars.get(1), Some('!' | '^'));
    let first = 1 + usize::from(not);
    // A `]` that comes first is one of the set.
    let end = first + 1 + chars.get(first + 1..)?.iter().position(|c| *c == ']')?;
    let set = &chars[first..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            ranges.push((set[at], set[at + 2]));
            at += 3;
        } else {
            ranges.push((set[at], set[at]));
            at += 1;
        }
    }
    Some((Piece::Class(ranges, not), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_speaks_for_what_ssh_config_says() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*.co.uk", "a.co.uk", true),
            ("192.168.0.?", "192.168.0.7", true),
            ("192.168.0.?", "192.168.0.77", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("Web", "web", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        for (list, text, expected) in [
            ("a,b", "b", true),
            ("*,!b", "b", false),
            ("!b", "a", false),
            ("!b,*", "a", true),
            ("", "", false),
        ] {
            assert_eq!(in_list(list, text), expected, "{list} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        assert!(!matches(&"*a".repeat(400), &"a".repeat(399)));
        assert!(!matches(
            &format!("{}b", "a*".repeat(400)),
            &"a".repeat(4000)
        ));
    }

    #[test]
    fn the_files_of_an_include_come_in_order_and_without_hidden_ones() {
        let home = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", ".c.conf", "d.txt", "x[1].conf"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            files(&format!("{}/{pattern}", home.path().display()))
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf", "x[1].conf"]);
        assert_eq!(names("[a]*"), ["a.conf"]);
        assert_eq!(names("[!a]*.conf"), ["b.conf", "x[1].conf"]);
        assert_eq!(names("?.txt"), ["d.txt"]);
        assert_eq!(names("[b-d]*"), ["b.conf", "d.txt"]);
        assert_eq!(names(r"x\[1].conf"), ["x[1].conf"]);
        assert_eq!(names("none*"), [""; 0]);
        assert_eq!(names("a.conf"), ["a.conf"]);
    }
}

//! One value in a text of `NAME=value` lines; all else stays as it is, comments too.

use crate::shell::Secret;

/// `text` with `name` set to this value: in place of the lines `at` (from 0, end exclusive) where
/// it stood, or at the end.
pub fn put(
    text: &Secret,
    name: &str,
    value: &Secret,
    at: Option<std::ops::Range<usize>>,
) -> Secret {
    let line = format!("{name}={}", quoted(value.reveal()));
    let mut out = String::with_capacity(text.reveal().len() + line.len() + 1);
    let at = at.unwrap_or(usize::MAX..usize::MAX);
    let mut placed = false;
    for (number, old) in text.reveal().lines().enumerate() {
        if at.contains(&number) {
            if !placed {
                out.push_str(&line);
                out.push('\n');
            }
            placed = true;
            continue;
        }
        out.push_str(old);
        out.push('\n');
    }
    if !placed {
        out.push_str(&line);
        out.push('\n');
    }
    let line = Secret::new(line);
    drop(line);
    Secret::new(out)
}

/// A value as the grammar of env files takes it: bare where that is the same, else in quotes.
fn quoted(value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._~/:@%+=,^!*()".contains(c));
    if plain || value.is_empty() {
        return value.to_owned();
    }
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' | '$' => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_in_its_place_and_everything_else_stays() {
        let text = Secret::new("# first\nA=1\nB='x\ny'\nC=3\n");
        let set = |name: &str, value: &str, at| {
            put(&text, name, &Secret::new(value), at)
                .reveal()
                .to_owned()
        };
        assert_eq!(set("A", "2", Some(1..2)), "# first\nA=2\nB='x\ny'\nC=3\n");
        assert_eq!(set("B", "z", Some(2..4)), "# first\nA=1\nB=z\nC=3\n");
        assert_eq!(
            set("D", "a b", None),
            "# first\nA=1\nB='x\ny'\nC=3\nD='a b'\n"
        );
        assert_eq!(
            put(&Secret::new(""), "A", &Secret::new("it's \"$x\""), None).reveal(),
            "A=\"it's \\\"\\$x\\\"\"\n"
        );
    }
}

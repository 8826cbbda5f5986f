//! An environment file that Compose reads back byte for byte.
//!
//! Compose's `env_file` strips quotes, interpolates `$` and reads `\n` inside double quotes
//! (compose-go's `dotenv`). So every value is written in double quotes with exactly the
//! escapes that it undoes.

use std::collections::BTreeMap;

use crate::shell::Secret;

/// The file for these variables, in the order of their names.
pub fn render<'a, K: AsRef<str> + 'a>(
    variables: impl IntoIterator<Item = (K, &'a Secret)>,
) -> Secret {
    let mut sorted = BTreeMap::new();
    for (name, value) in variables {
        sorted.insert(name.as_ref().to_owned(), value);
    }
    let mut text = String::new();
    for (name, value) in sorted {
        text.push_str(&name);
        text.push_str("=\"");
        for c in value.reveal().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '$' => text.push_str("\\$"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                c => text.push(c),
            }
        }
        text.push_str("\"\n");
    }
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_compose_would_read_is_escaped() {
        let value = Secret::new("a \"b\" 'c' $HOME `id` \\ 100%\nend");
        let text = render([("X", &value)]);
        assert_eq!(
            text.reveal(),
            "X=\"a \\\"b\\\" 'c' \\$HOME `id` \\\\ 100%\\nend\"\n"
        );
    }
}

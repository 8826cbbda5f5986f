//! A line of ssh_config(5): its keyword, and its arguments with quotes taken off.

/// What stands between words, and where a line ends (a CR is such a space).
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A line that says something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// In lower case.
    pub(super) keyword: String,
    /// Everything after the keyword and its `=`, unparsed.
    pub(super) rest: &'a str,
}

impl<'a> Line<'a> {
    /// Takes a line apart; `None` for blanks and comments.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let line = line
            .trim_end_matches(|c| c == '\x0c' || SPACE.contains(&c))
            .trim_start_matches(SPACE);
        let (mut keyword, mut rest) = keyword(line)?;
        if keyword.is_empty() {
            (keyword, rest) = self::keyword(rest)?;
        }
        if keyword.is_empty() || keyword.starts_with('#') {
            return None;
        }
        keyword.make_ascii_lowercase();
        Some(Self {
            keyword,
            rest: rest.trim_start_matches(SPACE),
        })
    }

    /// The arguments: quotes (either kind) and backslashes taken off, comments left out.
    /// `None` if a quote isn't closed.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        words(self.rest)
    }

    /// The rest as the options take it that hold a whole command.
    pub(super) fn command(&self) -> &'a str {
        self.rest
            .trim_start_matches(|c| c == '=' || SPACE.contains(&c))
    }
}

/// The keyword, and what follows it and at most one `=`.
fn keyword(line: &str) -> Option<(String, &str)> {
    let ends = |c: char| c == '"' || c == '=' || SPACE.contains(&c);
    let Some(at) = line.find(ends) else {
        return Some((line.to_owned(), ""));
    };
    let (word, rest) = line.split_at(at);
    if let Some(quoted) = rest.strip_prefix('"') {
        // A quote that isn't closed: ssh passes over the line.
        let (inner, rest) = quoted.split_once('"')?;
        return Some((format!("{word}{inner}"), rest));
    }
    let rest = match rest.strip_prefix('=') {
        Some(rest) => rest,
        None => {
            let rest = rest.trim_start_matches(SPACE);
            rest.strip_prefix('=').unwrap_or(rest)
        }
    };
    Some((word.to_owned(), rest))
}

fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match chars.peek() {
            None | Some('#') => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => {
                    let escaped = |next: &char| {
                        matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' ')
                    };
                    word.push(chars.next_if(escaped).unwrap_or(c));
                }
                (' ' | '\t', None) => break,
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

/// A time as sshd_config(5) writes it under TIME FORMATS, in seconds: `90`, `5m`, `1h30m`.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let mut total = 0_u32;
    let mut number: Option<u32> = None;
    let mut plain = false;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' if !plain => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        plain |= unit == 1;
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    match number {
        Some(_) if plain => None,
        Some(number) => total.checked_add(number),
        None => (!text.is_empty()).then_some(total),
    }
    .filter(|seconds| i32::try_from(*seconds).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<(String, Vec<String>)> {
        let line = Line::parse(text)?;
        let words = line.words()?;
        Some((line.keyword, words))
    }

    #[test]
    fn keyword_and_arguments_are_parted_as_ssh_does() {
        let table: [(&str, &str, &[&str]); 12] = [
            ("Host a b", "host", &["a", "b"]),
            ("  \tHost\ta\r", "host", &["a"]),
            ("Port=22", "port", &["22"]),
            ("Port = 22", "port", &["22"]),
            ("Port =22", "port", &["22"]),
            ("\"Port\" 22", "port", &["22"]),
            ("IdentityFile \"a b\" # why", "identityfile", &["a b"]),
            ("IdentityFile 'a b'", "identityfile", &["a b"]),
            (r"IdentityFile a\ b", "identityfile", &["a b"]),
            (r#"IdentityFile "a\"b\\""#, "identityfile", &["a\"b\\"]),
            (r"IdentityFile a\nb", "identityfile", &["a\\nb"]),
            ("User a#b", "user", &["a#b"]),
        ];
        for (text, keyword, words) in table {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(line(text), Some((keyword.to_owned(), words)), "{text}");
        }
        for text in ["", "  ", "# Host a", "\t#x", "\"Host a"] {
            assert_eq!(Line::parse(text), None, "{text}");
        }
        assert_eq!(Line::parse("User \"a").unwrap().words(), None);
    }

    #[test]
    fn a_command_keeps_its_quotes_and_its_hash() {
        let line = Line::parse("ProxyCommand = sh -c 'nc %h %p' # x\r\n").unwrap();
        assert_eq!(line.command(), "sh -c 'nc %h %p' # x");
    }

    #[test]
    fn times_are_read_as_ssh_reads_them() {
        let table = [
            ("0", Some(0)),
            ("90", Some(90)),
            ("5m", Some(300)),
            ("1h30", Some(3630)),
            ("1h30m", Some(5400)),
            ("1w2D", Some(777_600)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
            ("99999999999", None),
            ("4000000000", None),
        ];
        for (text, expected) in table {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}

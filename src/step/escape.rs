//! One escaper for each format of the templates.

use std::fmt::{self, Write};

/// Inside double quotes in YAML that Compose reads: quotes, backslashes and control
/// characters escaped, `$` doubled so that Compose doesn't interpolate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Yaml;

impl askama::filters::Escaper for Yaml {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' => dest.write_str("\\\"")?,
                '\\' => dest.write_str("\\\\")?,
                '$' => dest.write_str("$$")?,
                c if c.is_control() => write!(dest, "\\u{:04x}", c as u32)?,
                c => dest.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Formats whose values are all of a grammar that can't break them (see `site::name`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl askama::filters::Escaper for Plain {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        dest.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::filters::Escaper as _;

    #[test]
    fn yaml_values_stay_inside_their_quotes_and_compose_sees_no_variable() {
        let mut out = String::new();
        Yaml.write_escaped_str(&mut out, "a\"b\\c$HOME\n").unwrap();
        assert_eq!(out, "a\\\"b\\\\c$$HOME\\u000a");
    }
}

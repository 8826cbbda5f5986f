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

/// One word of a systemd unit's command line (systemd.service(5), "Command lines"): no
/// specifier, no variable, no quote, no second word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

impl askama::filters::Escaper for Systemd {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '%' => dest.write_str("%%")?,
                '$' => dest.write_str("$$")?,
                c if c.is_control() || " \"'\\;".contains(c) => {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        write!(dest, "\\x{byte:02x}")?;
                    }
                }
                c => dest.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::filters::Escaper as _;

    #[test]
    fn a_systemd_word_stays_one_word_without_specifiers() {
        let mut out = String::new();
        Systemd.write_escaped_str(&mut out, "a b%n$HOME\"").unwrap();
        assert_eq!(out, "a\\x20b%%n$$HOME\\x22");
    }

    #[test]
    fn yaml_values_stay_inside_their_quotes_and_compose_sees_no_variable() {
        let mut out = String::new();
        Yaml.write_escaped_str(&mut out, "a\"b\\c$HOME\n").unwrap();
        assert_eq!(out, "a\\\"b\\\\c$$HOME\\u000a");
    }
}

//! Commands for a remote POSIX shell, built so that no value can become shell text.
//!
//! A [`Cmd`] is an argument vector; it is quoted in one place. A [`Script`] is a
//! literal of this program: values reach it as `$1`, `$2`, … and never by splicing.

use std::fmt;

use zeroize::Zeroize;

/// A value that must not be shown. It has no `Display`, and its `Debug` is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of a value that must not be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Callers send it over stdin or compare it, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Replaces known secret values in remote output before it becomes an event.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Hidden wherever they stand, the longest first.
    parts: Vec<Secret>,
    /// Hidden where they are all of a line.
    lines: Vec<Secret>,
}

impl Mask {
    /// Values shorter than this are not masked: they would blank out ordinary words.
    const SHORTEST: usize = 6;

    /// A mask for these values, and for each line of those that span several.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut mask = Self::default();
        for secret in secrets {
            mask.add(secret);
        }
        mask
    }

    fn add(&mut self, secret: &Secret) {
        let parts = &mut self.parts;
        for line in secret.reveal().lines().chain([secret.reveal()]) {
            if line.len() >= Self::SHORTEST && !parts.iter().any(|p| p.reveal() == line) {
                parts.push(Secret::new(line));
            }
        }
        // Longest first, so that a secret that contains another is hidden whole.
        parts.sort_by_key(|p| std::cmp::Reverse(p.reveal().len()));
    }

    /// Hides a password from now on. A short one is hidden where it is all of a line, as when a
    /// terminal or a program shows what was typed: elsewhere it may be an ordinary word, and
    /// blanking that out would tell what it is.
    pub fn hide(&mut self, password: &Secret) {
        self.add(password);
        let value = password.reveal().trim();
        let short = !value.is_empty() && value.len() < Self::SHORTEST;
        if short && !self.lines.iter().any(|line| line.reveal() == value) {
            self.lines.push(Secret::new(value));
        }
    }

    /// `text` with every known value replaced by `***`.
    pub fn apply(&self, text: &str) -> String {
        let masked = self.parts.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.reveal(), "***")
        });
        if self.lines.is_empty() {
            return masked;
        }
        masked
            .split_inclusive('\n')
            .map(|line| {
                let word = line.trim();
                match self.lines.iter().any(|short| short.reveal() == word) {
                    true => line.replace(word, "***"),
                    false => line.to_owned(),
                }
            })
            .collect()
    }
}

/// A POSIX sh text that is part of this program. Values come in as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Script(pub &'static str);

/// One command with its arguments, quoted by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmd {
    argv: Vec<String>,
}

impl Cmd {
    /// A command by program name.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            argv: vec![program.into()],
        }
    }

    /// A script of ours with its arguments as `$1`, `$2`, …; it stops at the first error.
    pub fn script<I, S>(script: Script, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self::new("sh")
            .args(["-euc", script.0, "provision"])
            .args(args)
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// The argument vector.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The command as one line of POSIX shell.
    pub fn to_shell(&self) -> String {
        self.argv
            .iter()
            .map(|arg| quote(arg))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The command as an operator would read it in a report: the text of a script is left out,
    /// be it the command itself or what another one is told to call.
    pub fn shown(&self) -> String {
        let mut shown = Vec::new();
        let mut rest = self.argv.as_slice();
        while let [first, more @ ..] = rest {
            rest = match rest {
                [sh, flag, _, name, args @ ..]
                    if sh == "sh" && flag == "-euc" && name == "provision" =>
                {
                    shown.push("sh …".to_owned());
                    args
                }
                _ => {
                    let text = first.lines().count() > 3;
                    shown.push(if text { "…".to_owned() } else { quote(first) });
                    more
                }
            };
        }
        shown.join(" ")
    }
}

/// One word of POSIX shell that stands for exactly `value`.
///
/// NUL can't be part of an argument on any Unix; it is dropped here and refused where
/// values enter (site.toml).
pub fn quote(value: &str) -> String {
    let value = value.replace('\0', "");
    match shlex::try_quote(&value) {
        Ok(word) => word.into_owned(),
        Err(_) => "''".to_owned(),
    }
}

#[cfg(test)]
#[path = "../tests/on_server/executable.rs"]
pub(crate) mod executable;

#[cfg(test)]
mod tests {
    use super::*;

    fn through_sh(cmd: &Cmd) -> Vec<u8> {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(cmd.to_shell())
            .output()
            .unwrap()
            .stdout
    }

    #[test]
    fn arguments_reach_the_program_byte_for_byte() {
        for value in [
            "",
            "a b",
            "it's",
            "\"q\"",
            "$HOME `id` $(id)",
            "100%s\\n",
            "line\nbreak",
            "-n",
            "*?[a]",
            "é ✓",
        ] {
            let cmd = Cmd::new("printf").args(["%s", value]);
            assert_eq!(through_sh(&cmd), value.as_bytes(), "{value:?}");
            let cmd = Cmd::script(Script("printf %s \"$1\""), [value]);
            assert_eq!(through_sh(&cmd), value.as_bytes(), "{value:?}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn the_mask_hides_long_values_and_their_lines_but_leaves_short_words() {
        let mask = Mask::new(&[
            Secret::new("no"),
            Secret::new("topsecret"),
            Secret::new("first\nsecond"),
        ]);
        assert_eq!(mask.apply("no topsecret, second"), "no ***, ***");
    }

    #[test]
    fn a_typed_password_is_hidden_a_short_one_where_it_is_all_of_a_line() {
        let mut mask = Mask::default();
        mask.hide(&Secret::new("hunter2"));
        mask.hide(&Secret::new("no"));
        assert_eq!(
            mask.apply("no, hunter2 it is\n no\r\nnot\n"),
            "no, *** it is\n ***\r\nnot\n"
        );
    }

    #[test]
    fn a_shown_script_leaves_its_text_out() {
        let cmd = Cmd::script(Script("echo \"$1\""), ["a b"]);
        assert_eq!(cmd.shown(), "sh … 'a b'");
        let checked = cmd.args(["x", "sh", "-euc", "a\nlong\nscript\n", "provision", "y"]);
        assert_eq!(checked.arg("1\n2\n3\n4").shown(), "sh … 'a b' x sh … y …");
    }
}

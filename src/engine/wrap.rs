//! A command as text for a login shell of any kind, with marks that part its output from
//! whatever else was printed before it.
//!
//! sshd hands the text of an exec to the user's login shell: sh, bash, zsh, fish, csh, tcsh.
//! They agree on little. csh has no line break in quotes and looks for `!` even there; fish takes
//! backslashes apart where the others don't. So what they get is one line: `/bin/sh -c` with a
//! script in single quotes that has no single quote, backslash, `!` or line break in it, and the
//! characters that are missing there as arguments, which `/bin/sh` puts in where they belong.
//! The processes that come of it have their plain arguments again.

use super::token::token;
use super::way::Way;
use crate::shell::Cmd;

/// Lines that nobody can guess, for one exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Printed to both streams as soon as the login shell has come to our command.
    pub shell: String,
    /// Printed to both streams by the command itself, once it is root.
    pub ready: String,
    /// sudo's prompt.
    pub prompt: String,
    /// Stands before the number of the process that becomes sudo.
    pub process: String,
}

impl Marks {
    /// New marks.
    ///
    /// # Errors
    /// If this machine has no random numbers.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self::from_nonce(&token()?))
    }

    pub(super) fn from_nonce(nonce: &str) -> Self {
        Self {
            shell: format!("provision:{nonce}:shell"),
            ready: format!("provision:{nonce}:ready"),
            prompt: format!("provision:{nonce}:password"),
            process: format!("provision:{nonce}:process "),
        }
    }

    /// The mark after which a command's own output begins.
    pub(super) fn begin(&self, way: &Way) -> &str {
        match way {
            Way::Root => &self.shell,
            Way::Sudo | Way::SudoWith(_) | Way::Doas => &self.ready,
        }
    }

    /// Which mark ends this line, if any. What a shell or sudo wrote in front of it without
    /// ending its line is no matter.
    pub(super) fn of(&self, line: &str) -> Option<Mark> {
        if line.ends_with(&self.shell) {
            Some(Mark::Shell)
        } else if line.ends_with(&self.ready) {
            Some(Mark::Ready)
        } else if line.ends_with(&self.prompt) {
            Some(Mark::Prompt)
        } else {
            None
        }
    }
}

/// A kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Shell,
    Ready,
    Prompt,
}

/// What follows a mark in a command's output; `None` if the mark isn't there.
pub(super) fn after<'a>(output: &'a [u8], mark: &str) -> Option<&'a [u8]> {
    let line = format!("{mark}\n");
    let at = output
        .windows(line.len())
        .position(|window| window == line.as_bytes())?;
    Some(&output[at + line.len()..])
}

/// What follows a mark where it stands last, or all of it.
pub(super) fn after_last<'a>(output: &'a [u8], mark: &str) -> &'a [u8] {
    let mut rest = output;
    while let Some(after) = after(rest, mark) {
        rest = after;
    }
    rest
}

/// The text that runs a command as root, for any login shell.
///
/// SSH_CONNECTION is handed on under another name, since sudo drops it. sudo itself speaks
/// English, so that its reasons can be told apart; the command keeps its LC_ALL.
pub(super) fn as_root(way: &Way, cmd: &Cmd, marks: &Marks) -> String {
    const CONNECTION: &str = "PROVISION_SSH_CONNECTION=\"$SSH_CONNECTION\"";
    let mut script = Sh::default();
    script.mark(&marks.shell);
    let become_root = match way {
        Way::Root => {
            script.text("exec env ").text(CONNECTION);
            script.words(cmd.argv());
            return script.for_any_shell();
        }
        Way::Sudo => "sudo -n",
        Way::SudoWith(_) => "sudo -S -p ",
        Way::Doas => "doas -n",
    };
    if matches!(way, Way::SudoWith(_)) {
        script
            .text("echo \"")
            .text(&marks.process)
            .text("$$\" >&2;");
    }
    script.text("l=${LC_ALL-};LC_ALL=C;export LC_ALL;exec ");
    script.text(become_root);
    if matches!(way, Way::SudoWith(_)) {
        // With an end of line: only whole lines are seen as they come.
        script.word(&format!("{}\n", marks.prompt));
    }
    script.text(" env LC_ALL=\"$l\" ").text(CONNECTION);
    let ready = &marks.ready;
    let inner = format!("echo {ready};echo {ready} >&2;exec \"$@\"");
    let inner = ["sh", "-c", &inner, "provision"].map(str::to_owned);
    script.words(&inner).words(cmd.argv());
    script.for_any_shell()
}

/// The longest word: BSD csh takes 8,192 bytes.
const LONGEST_WORD: usize = 6000;

/// A script for `/bin/sh` without the characters that login shells disagree on.
#[derive(Default)]
struct Sh {
    text: String,
    /// Whether a line break is in it, as `$n`.
    breaks: bool,
    /// Whether any other character is missing in it.
    lacks: bool,
}

/// The characters that come as arguments: `$1`, `$2`, … and how every shell takes them.
const LACKING: [(char, &str); 6] = [
    ('\'', "\"'\""),
    ('"', "'\"'"),
    ('$', "'$'"),
    ('`', "'`'"),
    ('\\', "\\\\"),
    ('!', "\\!"),
];

impl Sh {
    /// Adds text of ours: it has to be free of those characters.
    fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn mark(&mut self, mark: &str) -> &mut Self {
        self.text(&format!("echo {mark};echo {mark} >&2;"))
    }

    fn words(&mut self, words: &[String]) -> &mut Self {
        for word in words {
            self.text.push(' ');
            self.word(word);
        }
        self
    }

    /// Adds one word that stands for exactly this value. NUL can't be part of one.
    fn word(&mut self, value: &str) -> &mut Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+=@%".contains(c);
        if !value.is_empty() && value.chars().all(plain) {
            return self.text(value);
        }
        self.text.push('"');
        for c in value.chars() {
            if let Some(at) = LACKING.iter().position(|(lacking, _)| *lacking == c) {
                self.lacks = true;
                self.text.push_str(&format!("${{{}}}", at + 1));
            } else if c == '\n' {
                self.breaks = true;
                self.text.push_str("${n}");
            } else if c == '\0' {
            } else if c == ' ' || c.is_ascii_graphic() {
                self.text.push(c);
            } else {
                // csh takes bytes beyond ASCII for its own marks in some locales.
                self.text.push_str("$(printf \"");
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    self.text.push_str(&format!("\\{byte:03o}"));
                }
                self.text.push_str("\")");
            }
        }
        self.text.push('"');
        self
    }

    fn for_any_shell(&self) -> String {
        let mut script = String::new();
        if self.breaks {
            script.push_str("n=$(printf \"\\012.\");n=${n%.};");
        }
        script.push_str(&self.text);
        let mut pieces: Vec<&str> = Vec::new();
        let mut rest = script.as_str();
        // All of it is ASCII.
        while rest.len() > LONGEST_WORD {
            let (piece, more) = rest.split_at(LONGEST_WORD);
            pieces.push(piece);
            rest = more;
        }
        if pieces.is_empty() && !self.lacks {
            return format!("exec /bin/sh -c '{rest}'");
        }
        let lacking = LACKING.map(|(_, argument)| argument).join(" ");
        if pieces.is_empty() {
            return format!("exec /bin/sh -c '{rest}' provision {lacking}");
        }
        pieces.push(rest);
        let mut line = "exec /bin/sh -c 'eval \"".to_owned();
        for at in 0..pieces.len() {
            line.push_str(&format!("${{{}}}", LACKING.len() + 1 + at));
        }
        line.push_str(&format!("\"' provision {lacking}"));
        for piece in pieces {
            line.push_str(&format!(" '{piece}'"));
        }
        line
    }
}

#[cfg(test)]
mod tests;

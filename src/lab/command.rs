//! Programs of this machine, run to their end and checked.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::shell::quote;

use super::Error;

/// Lines of a failed program's output that its error keeps.
const LAST_LINES: usize = 15;

/// Runs a program and returns what it wrote to stdout.
pub(super) fn run(program: &str, args: &[&str]) -> Result<String, Error> {
    finish(Command::new(program).args(args), b"")
}

/// Whether a program ends well. For questions such as `iptables -C`; its output is dropped.
pub(super) fn succeeds(program: &str, args: &[&str]) -> Result<bool, Error> {
    let mut command = Command::new(program);
    let status = command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) => Ok(status.success()),
        Err(source) => Err(Error::Start {
            command: shown(&command),
            source,
        }),
    }
}

/// Runs a command with `input` on stdin and returns its stdout; failure keeps the end of
/// both outputs.
pub(super) fn finish(command: &mut Command, input: &[u8]) -> Result<String, Error> {
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let start = |source| Error::Start {
        command: shown(command),
        source,
    };
    let mut child = spawned.map_err(start)?;
    // Inputs here are a few lines, less than a pipe holds: writing before reading can't
    // block. A program that ends without reading it is judged by its exit status.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Command {
        command: shown(command),
        status: output.status.to_string(),
        output: last_lines(&text),
    })
}

/// The last lines of a program's output.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// A command as an operator would type it.
fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_reported_with_its_command_and_the_end_of_its_output() {
        let error = run("sh", &["-c", "seq 1 40; echo broken >&2; exit 3"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c"), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.ends_with("40\nbroken"), "{text}");
        assert!(!text.contains("\n5\n"), "{text}");
    }

    #[test]
    fn input_reaches_the_program_and_its_output_comes_back() {
        let text = finish(&mut Command::new("cat"), b"select 1;").unwrap();
        assert_eq!(text, "select 1;");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run("no-such-program-anywhere", &[]).unwrap_err();
        assert!(error.to_string().contains("no-such-program-anywhere"));
    }
}

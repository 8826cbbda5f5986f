//! The text through the shells that users log in with. CI has all of them.

use std::process::{Command, Stdio};

use super::*;
use crate::shell::Script;

/// Login shells, by the names that Debian's packages give them.
const SHELLS: [&str; 8] = ["sh", "dash", "bash", "zsh", "ksh", "fish", "tcsh", "csh"];

/// The shells of the list that are here. One that isn't is named, and fails where CI says that
/// all have to be.
fn shells() -> Vec<&'static str> {
    let here = |shell: &&str| {
        let found = Command::new(shell)
            .args(["-c", "exit 0"])
            .stdin(Stdio::null())
            .status();
        let found = found.is_ok_and(|status| status.success());
        if !found {
            let all = std::env::var_os("CI").is_some_and(|ci| ci == "1");
            assert!(!all, "{shell} has to be installed here");
            eprintln!("left out: {shell} isn't installed");
        }
        found
    };
    SHELLS.into_iter().filter(here).collect()
}

/// What a command prints whose text is given to a shell as sshd gives it.
fn through(shell: &str, cmd: &Cmd) -> (Vec<u8>, Vec<u8>) {
    let marks = Marks::from_nonce("n0");
    let text = as_root(&Way::Root, cmd, &marks);
    let output = Command::new(shell)
        .args(["-c", &text])
        .env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let stdout = after(&output.stdout, &marks.shell);
    let stdout = stdout.unwrap_or_else(|| panic!("{shell}: {text}\n{said}"));
    let stderr = after(&output.stderr, &marks.shell).unwrap();
    (stdout.to_vec(), stderr.to_vec())
}

const VALUES: &[&str] = &[
    "",
    " ",
    "a b",
    "it's",
    "''",
    "\"q\"",
    "$HOME `id` $(id) ${n} ${1} $1 $n",
    "100%s\\n",
    "\\",
    "\\\\",
    "\\'",
    "a\\",
    "line\nbreak",
    "\nfirst and last\n\n",
    "tab\tbell\u{7}escape\u{1b}return\r",
    "!",
    "!! !$ !-1 wow!",
    "^a^b",
    "-n",
    "*?[a] {a,b} ~ ~root",
    "# ; & | < > ( )",
    "=ls",
    "%1",
    "a=b",
    "é ✓ \u{1f512}",
    "--",
];

#[test]
fn arguments_reach_the_program_byte_for_byte_through_every_login_shell() {
    for shell in shells() {
        for value in VALUES {
            let cmd = Cmd::new("printf").args(["%s", value]);
            let (stdout, _) = through(shell, &cmd);
            assert_eq!(stdout, value.as_bytes(), "{shell}: {value:?}");
        }
        let all = Cmd::new("printf").arg("%s|").args(VALUES.iter().copied());
        let (stdout, _) = through(shell, &all);
        let expected: String = VALUES.iter().map(|value| format!("{value}|")).collect();
        assert_eq!(String::from_utf8_lossy(&stdout), expected, "{shell}");
    }
}

#[test]
fn scripts_run_with_their_arguments_through_every_login_shell() {
    const SCRIPT: &str = "# It isn't \"quoted\": `no`\nfor word; do\n    printf '%s\\n' \"<$word>\"\ndone\n! false && \
                          echo \"$PROVISION_SSH_CONNECTION\" >&2\n";
    for shell in shells() {
        let cmd = Cmd::script(Script(SCRIPT), ["a b", "c'd"]);
        let (stdout, stderr) = through(shell, &cmd);
        assert_eq!(stdout, b"<a b>\n<c'd>\n", "{shell}");
        assert_eq!(stderr, b"192.0.2.1 50000 192.0.2.2 22\n", "{shell}");
    }
}

#[test]
fn long_texts_reach_the_program_through_every_login_shell() {
    let long = "It's a long story!\n".repeat(600);
    for shell in shells() {
        let (stdout, _) = through(shell, &Cmd::new("printf").args(["%s", &long]));
        assert_eq!(stdout.len(), long.len(), "{shell}");
    }
}

#[test]
fn the_text_is_one_line_of_ascii_without_what_shells_disagree_on() {
    let marks = Marks::from_nonce("n0");
    let cmd = Cmd::new("printf").args(VALUES.iter().copied());
    for way in [Way::Root, Way::Sudo, Way::Doas] {
        let text = as_root(&way, &cmd, &marks);
        assert!(text.is_ascii() && !text.contains('\n'), "{text}");
        let script = text.split('\'').nth(1).unwrap();
        assert!(!script.contains('!') && !script.contains("\\\\"), "{text}");
    }
}

#[test]
fn a_password_is_not_part_of_the_text() {
    let marks = Marks::from_nonce("n0");
    let way = Way::SudoWith(crate::shell::Secret::new("swordfish"));
    let text = as_root(&way, &Cmd::new("sh").arg("-s"), &marks);
    assert!(!text.contains("swordfish"), "{text}");
    assert!(
        text.contains("sudo -S -p \"provision:n0:password${n}\" env"),
        "{text}"
    );
}

#[test]
fn a_plain_command_stays_readable() {
    let marks = Marks::from_nonce("n0");
    let text = as_root(&Way::Root, &Cmd::new("sh").arg("-s"), &marks);
    assert_eq!(
        text,
        "exec /bin/sh -c 'echo provision:n0:shell;echo provision:n0:shell >&2;exec env \
         PROVISION_SSH_CONNECTION=\"$SSH_CONNECTION\" sh -s'"
    );
}

#[test]
fn what_comes_after_a_mark_begins_after_its_line() {
    assert_eq!(
        after(b"Welcome M\nout\nM\n", "M"),
        Some(b"out\nM\n".as_slice())
    );
    assert_eq!(after(b"+ echo M;\nno", "M"), None);
    assert_eq!(after(b"", "M"), None);
}

/// A sudo that reads its password as the real one does, and says which process and language it is.
const SUDO: &str = r#"#!/bin/sh
[ "$1 $2" = "-S -p" ] || exit 9
prompt=$3
shift 3
printf 'Be careful.\n%s' "$prompt" >&2
read -r given
[ "$given" = swordfish ] || exit 1
echo "sudo is $$ in $LC_ALL" >&2
exec "$@"
"#;

#[test]
fn with_a_password_the_command_gets_its_input_and_language_through_every_login_shell() {
    use std::io::Write;

    let dir = tempfile::tempdir().unwrap();
    let sudo = dir.path().join("sudo");
    crate::shell::executable::write(&sudo, SUDO);
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let marks = Marks::from_nonce("n0");
    let way = Way::SudoWith(crate::shell::Secret::new("swordfish"));
    let cmd = Cmd::script(Script("echo \"$1 in <$LC_ALL>\"\ncat"), ["it's"]);
    for shell in shells() {
        let mut child = Command::new(shell)
            .args(["-c", &as_root(&way, &cmd, &marks)])
            .env("PATH", &path)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"swordfish\nthe input\n").unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let own = after(&output.stdout, &marks.ready);
        let own = own.unwrap_or_else(|| panic!("{shell}: {said}"));
        assert_eq!(
            String::from_utf8_lossy(own),
            "it's in <C.UTF-8>\nthe input\n",
            "{shell}"
        );
        let line = |start: &str| said.lines().find_map(|line| line.strip_prefix(start));
        let process = line(&marks.process).unwrap();
        assert_eq!(
            line("sudo is "),
            Some(format!("{process} in C").as_str()),
            "{shell}"
        );
        assert!(
            said.lines()
                .any(|line| marks.of(line) == Some(Mark::Prompt)),
            "{shell}: {said}"
        );
        assert_eq!(
            after(&output.stderr, &marks.ready),
            Some(b"".as_slice()),
            "{shell}"
        );
    }
}

//! Passphrases of keys, against OpenSSH's own sshd.

use crate::home::Home;
use crate::sshd::Sshd;
use crate::terminal::{Ended, Terminal};

const PASSPHRASE: &str = "tall-otter-83";

/// An sshd, and a home whose key for it has a passphrase.
fn locked() -> Option<(Sshd, Home)> {
    let sshd = Sshd::start("")?;
    let target = sshd.target("one");
    let home = Home::new(
        &format!("key = \"locked\"\nuser = {:?}", target.user),
        &[("one", sshd.port, &target.trust.pinned.unwrap(), "")],
    );
    home.lock(&sshd.dir.path().join("key"), "locked", PASSPHRASE);
    Some((sshd, home))
}

/// Connections, without the one that asked whether it runs.
fn connections(sshd: &Sshd) -> usize {
    sshd.log().matches("Connection from").count() - 1
}

fn is_clean(ended: &Ended) {
    assert!(!ended.screen.contains(PASSPHRASE), "{}", ended.screen);
    assert_eq!(ended.settings[0], ended.settings[1], "{}", ended.screen);
    assert!(!ended.settings[0].is_empty());
}

#[test]
fn the_passphrase_of_a_key_is_asked_for_and_not_shown() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.answers("locked: ", PASSPHRASE);
    let ended = terminal.ends();
    println!("{}", ended.screen);
    is_clean(&ended);
    assert_eq!(sshd.logins(), 1, "{}", ended.screen);
}

#[test]
fn a_wrong_passphrase_is_asked_for_again() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.answers("locked: ", "not-this-one");
    terminal.answers("wrong; passphrase of ", PASSPHRASE);
    let ended = terminal.ends();
    is_clean(&ended);
    assert!(!ended.screen.contains("not-this-one"), "{}", ended.screen);
    assert_eq!(sshd.logins(), 1, "{}", ended.screen);
}

#[test]
fn three_wrong_passphrases_end_it_before_any_login() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    for turn in ["first", "second", "third"] {
        terminal.answers("passphrase of ", turn);
    }
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(ended.code, 3, "{}", ended.screen);
    assert_eq!(ended.screen.matches("passphrase of ").count(), 3);
    let told = ended.rows().join("\n");
    assert!(told.contains("✗ authenticate"), "{told}");
    assert!(told.contains("locked"), "{told}");
    assert_eq!(sshd.logins(), 0);
}

#[test]
fn a_passphrase_can_be_asked_for_before_anything_else() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan --ask-key-passphrase") else {
        return;
    };
    terminal.shows("passphrase of ");
    assert_eq!(connections(&sshd), 0, "{}", sshd.log());
    terminal.types_hidden(&format!("{PASSPHRASE}\n"));
    let ended = terminal.ends();
    is_clean(&ended);
    // Asked for once, and used.
    assert_eq!(ended.screen.matches("passphrase of ").count(), 1);
    assert_eq!(sshd.logins(), 1, "{}", ended.screen);
}

#[test]
fn wrong_passphrases_that_were_asked_for_first_end_it_with_the_key_named() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan --ask-key-passphrase") else {
        return;
    };
    for _ in 0..3 {
        terminal.answers("passphrase of ", "wrong");
    }
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(ended.code, 3, "{}", ended.screen);
    let told = ended.rows().join("\n");
    assert!(told.contains("locked"), "{told}");
    assert_eq!(connections(&sshd), 0, "{}", sshd.log());
}

#[test]
fn ctrl_c_at_the_question_ends_it_with_130_and_a_clean_terminal() {
    let Some((sshd, home)) = locked() else { return };
    for arguments in [
        "plan",
        "plan --ask-key-passphrase",
        "verify",
        "run",
        "run --yes",
    ] {
        let Some(mut terminal) = Terminal::call(home.path(), arguments) else {
            return;
        };
        terminal.shows("locked: ");
        terminal.types_hidden("half\u{3}");
        let ended = terminal.ends();
        is_clean(&ended);
        assert_eq!(ended.code, 130, "{arguments}: {}", ended.screen);
        assert!(!ended.screen.contains("half"), "{}", ended.screen);
        assert!(ended.screen.contains("interrupted"), "{}", ended.screen);
    }
    assert_eq!(sshd.logins(), 0);
}

#[test]
fn no_answer_is_told_as_such() {
    let Some((sshd, home)) = locked() else { return };
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.shows("locked: ");
    terminal.types_hidden("\u{4}");
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(ended.code, 3, "{}", ended.screen);
    let told = ended.rows().join("\n");
    assert!(told.contains("no answer was given"), "{told}");
    assert_eq!(sshd.logins(), 0);
}

#[test]
fn moving_lines_and_the_question_keep_out_of_each_others_way() {
    let Some((_sshd, home)) = locked() else {
        return;
    };
    let Some(mut terminal) = Terminal::call(home.path(), "plan -vv") else {
        return;
    };
    terminal.shows("locked: ");
    let asked = terminal.screen().len();
    // Some turns of the spinner, if it went on.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(terminal.screen().len(), asked, "{}", terminal.screen());
    terminal.types_hidden(&format!("{PASSPHRASE}\n"));
    let ended = terminal.ends();
    is_clean(&ended);
    let rows = ended.rows();
    let question = rows.iter().find(|row| row.contains("passphrase of"));
    let question = question.unwrap_or_else(|| panic!("{}", ended.screen));
    assert!(question.starts_with("passphrase of "), "{question:?}");
    assert!(question.ends_with("locked: "), "{question:?}");
    let way = rows.iter().find(|row| row.contains(" directly; tries "));
    let way = way.unwrap_or_else(|| panic!("{}", ended.screen));
    assert!(way.starts_with("one  · "), "{way:?}");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let Some((sshd, home)) = locked() else { return };
    for arguments in [&["plan"][..], &["run", "--yes"]] {
        let output = home.call(arguments, &[]);
        let said = crate::home::said(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("✗ authenticate"), "{said}");
        assert!(said.contains("ssh-add "), "{said}");
        assert!(said.contains("--ask-key-passphrase"), "{said}");
    }
    assert_eq!(sshd.logins(), 0);
}

//! Passwords that a server, or sudo on it, asks for.

use std::time::Duration;

use crate::home::Home;
use crate::host::{Host, Setup};
use crate::terminal::{Ended, Terminal};

const PASSWORD: &str = "calm-heron-27";
const SUDO: &str = "brisk-lynx-64";

fn is_clean(ended: &Ended) {
    for secret in [PASSWORD, SUDO] {
        assert!(!ended.screen.contains(secret), "{}", ended.screen);
    }
    assert_eq!(ended.settings[0], ended.settings[1], "{}", ended.screen);
    assert!(!ended.settings[0].is_empty());
}

fn with_password() -> Host {
    Host::start(Setup {
        password: Some(PASSWORD),
        sudo: SUDO,
        ..Setup::default()
    })
}

fn home(hosts: &[(&str, &Host)]) -> Home {
    // The same user on first contact and later, so that they are asked for at once.
    let ssh = "user = \"deploy\"\nbootstrap = \"deploy\"";
    let hosts: Vec<_> = hosts
        .iter()
        .map(|(name, host)| (*name, host.port, host.fingerprint.as_str(), ""))
        .collect();
    Home::new(ssh, &hosts)
}

#[test]
fn the_password_of_the_login_and_that_of_sudo_are_asked_for() {
    let host = with_password();
    let home = home(&[("one", &host)]);
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.answers("password of deploy on one: ", PASSWORD);
    terminal.answers("sudo password of deploy on one: ", SUDO);
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(host.given(), [PASSWORD]);
    assert!(host.ran() > 0, "{}", ended.screen);
    assert_eq!(host.turned_down(), 0);
}

#[test]
fn wrong_passwords_are_asked_for_again_and_then_given_up() {
    let host = with_password();
    let home = home(&[("one", &host)]);
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.answers("password of deploy on one: ", "wrong-one");
    terminal.answers("wrong; password of deploy on one: ", PASSWORD);
    for turn in 0..3 {
        let again = if turn == 0 { "" } else { "wrong; " };
        let question = format!("{again}sudo password of deploy on one: ");
        terminal.answers(&question, &format!("wrong-sudo-{turn}"));
    }
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(host.given(), ["wrong-one", PASSWORD]);
    assert_eq!((ended.code, host.ran()), (3, 0), "{}", ended.screen);
    assert_eq!(host.turned_down(), 3, "one each");
    assert!(!ended.screen.contains("wrong-sudo"), "{}", ended.screen);
    let told = ended.rows().join("\n");
    assert!(told.contains("✗ sudo"), "{told}");
}

#[test]
fn what_the_server_asks_is_shown_in_its_words_and_answers_only_where_they_may_be_seen() {
    let host = Host::start(Setup {
        prompts: vec![
            ("Badge \u{1b}[31mnumber: ", true, "4711-open"),
            ("Code: ", false, PASSWORD),
        ],
        sudo: SUDO,
        ..Setup::default()
    });
    let home = home(&[("one", &host)]);
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.shows("deploy on one: Badge [31mnumber: ");
    terminal.types("4711-open\n");
    terminal.answers("deploy on one: Code: ", PASSWORD);
    terminal.answers("sudo password of deploy on one: ", SUDO);
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(host.given(), ["4711-open", PASSWORD]);
    assert!(ended.screen.contains("4711-open"), "{}", ended.screen);
    assert!(host.ran() > 0, "{}", ended.screen);
}

#[test]
fn hosts_that_ask_at_once_are_asked_one_after_the_other_and_sudo_once_for_all() {
    let hosts = [with_password(), with_password()];
    let home = home(&[("one", &hosts[0]), ("two", &hosts[1])]);
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.shows("password of deploy on ");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(terminal.screen().matches("password of").count(), 1);
    terminal.types_hidden(&format!("{PASSWORD}\n"));
    terminal.answers("password of deploy on ", PASSWORD);
    terminal.answers("sudo password of deploy on ", SUDO);
    let ended = terminal.ends();
    is_clean(&ended);
    for host in &hosts {
        assert_eq!(host.given(), [PASSWORD], "{}", ended.screen);
        assert!(host.ran() > 0, "{}", ended.screen);
        assert_eq!(host.turned_down(), 0);
    }
    assert_eq!(ended.screen.matches("password of").count(), 3);
}

#[test]
fn a_server_that_hung_up_before_the_answer_is_told_as_such() {
    let host = Host::start(Setup {
        password: Some(PASSWORD),
        hangs_up: true,
        ..Setup::default()
    });
    let home = home(&[("one", &host)]);
    let Some(mut terminal) = Terminal::call(home.path(), "plan") else {
        return;
    };
    terminal.shows("password of deploy on one: ");
    host.hang_up();
    // Whether it has noticed by then or runs into it with the answer is all the same.
    std::thread::sleep(Duration::from_millis(500));
    terminal.types_hidden(&format!("{PASSWORD}\n"));
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(ended.code, 3, "{}", ended.screen);
    let told = ended.rows().join("\n");
    assert!(told.contains("hung up on deploy"), "{told}");
    assert!(told.contains("LoginGraceTime"), "{told}");
}

#[test]
fn ctrl_c_at_the_last_question_before_a_change_ends_it() {
    let host = with_password();
    let home = home(&[("one", &host)]);
    let Some(mut terminal) = Terminal::call(home.path(), "run") else {
        return;
    };
    terminal.answers("password of deploy on one: ", PASSWORD);
    terminal.answers("sudo password of deploy on one: ", SUDO);
    terminal.shows("go on? [y/N] ");
    terminal.types("\u{3}");
    let ended = terminal.ends();
    is_clean(&ended);
    assert_eq!(ended.code, 130, "{}", ended.screen);
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let host = with_password();
    let home = home(&[("one", &host)]);
    let output = home.call(&["plan"], &[]);
    let said = crate::home::said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no terminal"), "{said}");
    assert!(said.contains("next"), "{said}");
    assert_eq!(host.given(), [""; 0]);
}

#[test]
fn sudo_without_a_terminal_says_what_to_do() {
    let host = with_password();
    let ssh = "user = \"deploy\"\nbootstrap = \"deploy\"\npassword = { env = \"VPS\" }";
    let home = Home::new(ssh, &[("one", host.port, &host.fingerprint, "")]);
    let output = home.call(&["plan"], &[("VPS", PASSWORD)]);
    let said = crate::home::said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("✗ sudo: "), "{said}");
    assert!(said.contains("no terminal"), "{said}");
    assert!(said.contains("sudo_password"), "{said}");
    assert_eq!((host.ran(), host.turned_down()), (0, 0));
}

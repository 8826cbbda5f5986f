//! `provision trust` at a terminal: what it asks, and what comes of the answers.

use crate::home::Home;
use crate::host::{Host, Setup};
use crate::terminal::Terminal;

fn home(host: &Host, ssh: &str) -> Home {
    let home = Home::new(ssh, &[("one", host.port, "SHA256:x", "")]);
    let site = std::fs::read_to_string(home.path().join("site.toml")).unwrap();
    home.write("site.toml", &site.replace("host_key = \"SHA256:x\"\n", ""));
    home
}

fn pinned(home: &Home) -> bool {
    let site = std::fs::read_to_string(home.path().join("site.toml")).unwrap();
    site.contains("host_key")
}

#[test]
fn a_key_is_pinned_after_a_yes_and_only_then() {
    let host = Host::start(Setup::default());
    for (answer, code, pins) in [("n\n", 0, false), ("\u{3}", 130, false), ("y\n", 0, true)] {
        let home = home(&host, "user = \"deploy\"");
        let Some(mut terminal) = Terminal::call(home.path(), "trust") else {
            return;
        };
        terminal.shows(&host.fingerprint);
        terminal.shows("pin them? [y/N] ");
        terminal.types(answer);
        let ended = terminal.ends();
        assert_eq!(ended.code, code, "{answer:?}: {}", ended.screen);
        assert_eq!(pinned(&home), pins, "{answer:?}: {}", ended.screen);
        assert_eq!(ended.settings[0], ended.settings[1]);
    }
    assert!(host.given().is_empty(), "nobody logs in for that");
}

#[test]
fn ctrl_c_at_the_password_of_a_bastion_ends_it_with_a_clean_terminal() {
    let setup = Setup {
        password: Some("a password"),
        ..Setup::default()
    };
    let (bastion, host) = (Host::start(setup), Host::start(Setup::default()));
    let jump = format!(
        "known_hosts = \"known_hosts\"\njump = \"deploy@127.0.0.1:{}\"",
        bastion.port
    );
    let home = home(&host, &jump);
    let known = format!("[127.0.0.1]:{} {}\n", bastion.port, bastion.public);
    home.write("known_hosts", &known);
    let Some(mut terminal) = Terminal::call(home.path(), "trust") else {
        return;
    };
    terminal.shows("password of deploy on 127.0.0.1: ");
    terminal.types_hidden("half\u{3}");
    let ended = terminal.ends();
    assert_eq!(ended.code, 130, "{}", ended.screen);
    assert!(!ended.screen.contains("half"), "{}", ended.screen);
    assert_eq!(ended.settings[0], ended.settings[1], "{}", ended.screen);
    assert!(!pinned(&home));
}

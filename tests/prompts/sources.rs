//! Answers that come without anybody at a terminal: `$SSH_ASKPASS`, and what site.toml names.

use crate::home::{Home, said};
use crate::host::{Host, Setup};
use crate::sshd::Sshd;
use crate::terminal::Terminal;

const PASSWORD: &str = "plain-crane-51";
const SUDO: &str = "noble-stoat-19";
const PASSPHRASE: &str = "quick-viper-72";

fn host() -> Host {
    Host::start(Setup {
        password: Some(PASSWORD),
        sudo: SUDO,
        ..Setup::default()
    })
}

/// A site with this host, and where its passwords are.
fn home(host: &Host, ssh: &str, more: &str) -> Home {
    let ssh = format!("user = \"deploy\"\nbootstrap = \"deploy\"\n{ssh}");
    Home::new(&ssh, &[("one", host.port, &host.fingerprint, more)])
}

#[test]
fn askpass_answers_where_there_is_no_terminal() {
    let host = host();
    let home = home(&host, "", "");
    let program = home.program(
        "askpass",
        &format!(
            "#!/bin/sh\nprintf '%s\\n' \"$1\" >>asked\ncase $1 in\n*sudo*) echo {SUDO} ;;\n\
             *) echo {PASSWORD} ;;\nesac\n"
        ),
    );
    let askpass = ("SSH_ASKPASS", program.as_str());
    let asked = home.path().join("asked");

    // As with ssh: only where there is a display, or it is forced, and never if it is forbidden.
    for more in [
        &[][..],
        &[("SSH_ASKPASS_REQUIRE", "never"), ("DISPLAY", ":0")],
        &[("SSH_ASKPASS_REQUIRE", "prefer")],
    ] {
        let output = home.call(&["plan"], &[&[askpass][..], more].concat());
        assert!(said(&output).contains("no terminal"), "{}", said(&output));
        assert!(!asked.exists());
    }
    for more in [
        ("SSH_ASKPASS_REQUIRE", "force"),
        ("DISPLAY", ":0"),
        ("WAYLAND_DISPLAY", "wayland-0"),
    ] {
        let ran = host.ran();
        let output = home.call(&["plan"], &[askpass, more]);
        assert!(host.ran() > ran, "{more:?}: {}", said(&output));
        let questions = std::fs::read_to_string(&asked).unwrap();
        assert_eq!(
            questions,
            "password of deploy on one: \nsudo password of deploy on one: \n"
        );
        std::fs::remove_file(&asked).unwrap();
    }
}

#[test]
fn at_a_terminal_askpass_is_used_only_where_that_is_wished() {
    let host = host();
    let home = home(&host, "sudo_password = { env = \"VPS_SUDO\" }", "");
    let program = home.program("askpass", &format!("#!/bin/sh\necho {PASSWORD}\n"));
    let wishes: [(&[(&str, &str)], bool); 4] = [
        (&[("DISPLAY", ":0")], false),
        (&[("SSH_ASKPASS_REQUIRE", "prefer")], false),
        (
            &[("SSH_ASKPASS_REQUIRE", "prefer"), ("DISPLAY", ":0")],
            true,
        ),
        (&[("SSH_ASKPASS_REQUIRE", "force")], true),
    ];
    for (wish, used) in wishes {
        let set = [("SSH_ASKPASS", program.as_str()), ("VPS_SUDO", SUDO)];
        let ran = host.ran();
        let environment = [&set[..], wish].concat();
        let Some(mut terminal) = Terminal::call_with(home.path(), "plan", &environment) else {
            return;
        };
        if !used {
            terminal.answers("password of deploy on one: ", PASSWORD);
        }
        let ended = terminal.ends();
        assert!(host.ran() > ran, "{wish:?}: {}", ended.screen);
        let asked = ended.screen.contains("password of deploy");
        assert_eq!(asked, !used, "{wish:?}: {}", ended.screen);
    }
}

#[test]
fn askpass_gives_the_passphrase_of_a_key() {
    let Some(sshd) = Sshd::start("") else { return };
    let target = sshd.target("one");
    let home = Home::new(
        &format!("key = \"locked\"\nuser = {:?}", target.user),
        &[("one", sshd.port, &target.trust.pinned.unwrap(), "")],
    );
    home.lock(&sshd.dir.path().join("key"), "locked", PASSPHRASE);
    let program = home.program("askpass", &format!("#!/bin/sh\necho {PASSPHRASE}\n"));
    let environment = [
        ("SSH_ASKPASS", program.as_str()),
        ("SSH_ASKPASS_REQUIRE", "force"),
    ];
    for arguments in [&["plan"][..], &["plan", "--json", "--ask-key-passphrase"]] {
        let before = sshd.logins();
        let output = home.call(arguments, &environment);
        assert_eq!(sshd.logins(), before + 1, "{}", said(&output));
        assert!(!said(&output).contains(PASSPHRASE));
    }
}

#[test]
fn askpass_that_fails_is_told_with_what_it_said() {
    let host = host();
    let home = home(&host, "", "");
    let program = home.program("askpass", "#!/bin/sh\necho 'no display here' >&2\nexit 7\n");
    let environment = [
        ("SSH_ASKPASS", program.as_str()),
        ("SSH_ASKPASS_REQUIRE", "force"),
    ];
    let output = home.call(&["plan"], &environment);
    assert_eq!(output.status.code(), Some(3));
    for told in ["SSH_ASKPASS (", "exit status: 7", "no display here"] {
        assert!(said(&output).contains(told), "{told}: {}", said(&output));
    }
}

#[test]
fn variables_and_commands_of_site_toml_answer() {
    let host = host();
    let home = home(
        &host,
        "password = { env = \"VPS_PASSWORD\" }",
        "sudo_password = { command = [\"./show\", \"vps/one\"] }",
    );
    home.program(
        "show",
        &format!("#!/bin/sh\necho \"$1\" >>asked\necho {SUDO}\necho another line\n"),
    );
    let output = home.call(&["plan"], &[("VPS_PASSWORD", PASSWORD)]);
    assert!(host.ran() > 0, "{}", said(&output));
    assert_eq!(host.given(), [PASSWORD]);
    assert_eq!(host.turned_down(), 0);
    let asked = std::fs::read_to_string(home.path().join("asked")).unwrap();
    assert_eq!(asked, "vps/one\n", "once a run");
    for secret in [PASSWORD, SUDO] {
        assert!(!said(&output).contains(secret), "{}", said(&output));
    }
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let host = host();
    let home = home(&host, "password = { env = \"VPS_PASSWORD\" }", "");
    for environment in [&[][..], &[("VPS_PASSWORD", "")]] {
        let output = home.call(&["plan"], environment);
        assert_eq!(output.status.code(), Some(3));
        assert!(said(&output).contains("VPS_PASSWORD"), "{}", said(&output));
        assert!(said(&output).contains("not set"), "{}", said(&output));
    }
    assert!(host.given().is_empty(), "nothing was sent");
}

#[test]
fn a_command_that_fails_or_prints_nothing_is_told() {
    let host = host();
    for (text, told) in [
        (
            "#!/bin/sh\necho 'the store is locked' >&2\nexit 2\n",
            "the store is locked",
        ),
        ("#!/bin/sh\n", "it printed nothing"),
        ("#!/bin/sh\nprintf '\\377\\n'\n", "it isn't UTF-8"),
    ] {
        let home = home(&host, "password = { command = [\"./show\", \"one\"] }", "");
        home.program("show", text);
        let output = home.call(&["plan"], &[]);
        assert_eq!(output.status.code(), Some(3));
        assert!(said(&output).contains(told), "{}", said(&output));
        assert!(said(&output).contains("`./show one`"), "{}", said(&output));
    }
    assert!(host.given().is_empty(), "nothing was sent");
}

#[test]
fn a_password_from_a_source_is_tried_once() {
    let host = host();
    let home = home(
        &host,
        "password = { env = \"VPS_PASSWORD\" }\nsudo_password = { env = \"VPS_SUDO\" }",
        "",
    );
    let wrong = "not-the-one-33";
    let output = home.call(&["plan"], &[("VPS_PASSWORD", wrong)]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(host.given(), [wrong]);
    let told = "doesn't take the password that the environment variable VPS_PASSWORD gives";
    assert!(said(&output).contains(told), "{}", said(&output));

    let environment = [("VPS_PASSWORD", PASSWORD), ("VPS_SUDO", wrong)];
    let output = home.call(&["plan"], &environment);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((host.turned_down(), host.ran()), (1, 0));
    assert!(said(&output).contains("✗ sudo"), "{}", said(&output));
    assert!(!said(&output).contains(wrong), "{}", said(&output));
}

//! Who may log in: the sudo user and its keys, and sshd's hardening.

use super::{Seen, diff, ops, probe_of, state};
use crate::resource::sshd::{DROP_IN, Hardening};
use crate::resource::user::User;
use crate::resource::{Action, Content, Observed, Resource as _};

const FIT: &str = "shell /bin/bash\nhome /home/deploy\ngroup sudo\nkey AAAA1";

fn user_seen(user: &User, status: i32, text: &str) -> Seen {
    Seen::default().printed(probe_of(user), &["deploy"], status, text)
}

#[test]
fn a_user_has_a_login_the_sudo_group_and_a_key() {
    let user = User::new("deploy").bootstrap(Some("root"));
    let seen = |status, text: &str| user_seen(&user, status, text);
    let loose_ssh = format!("{FIT}\nloose 777 deploy /home/deploy/.ssh");
    let loose_home = format!("{FIT}\nloose 775 deploy /home/deploy");
    for (seen, expected) in [
        (seen(0, FIT), "in sync"),
        (seen(0, "missing"), "differs: missing"),
        (
            seen(0, "shell /bin/sh\nhome /home/deploy"),
            "differs: not in group sudo, no key to log in with",
        ),
        (
            seen(0, &loose_ssh),
            "differs: 777 deploy /home/deploy/.ssh: sshd would not read it",
        ),
        (
            seen(0, &loose_home),
            "refused: others than deploy can write to its home, so sshd ignores its keys (mode \
             and owner: 775 deploy /home/deploy)",
        ),
        (
            seen(0, "shell /usr/sbin/nologin\nhome /home/deploy\ngroup sudo"),
            "refused: deploy has the shell /usr/sbin/nologin, so it is a service's account",
        ),
        (
            seen(0, "shell /bin/sh\nhome /nonexistent"),
            "refused: deploy has the home \"/nonexistent\", where no keys can lie",
        ),
        (
            seen(1, ""),
            "unreadable: user deploy: the user database could not be read: ",
        ),
        (
            Seen::default(),
            "unreadable: a script's output: was not read on this host",
        ),
    ] {
        assert!(
            state(&user, &seen).starts_with(expected),
            "{}\n{expected}",
            state(&user, &seen)
        );
    }
    assert_eq!(
        ops(&user, &seen(0, "missing")),
        "make deploy a sudo user with a key: sh … deploy root sudo else <- \"\""
    );
}

#[test]
fn keys_that_are_listed_are_added_to_those_that_are_there() {
    let keys = ["ssh-ed25519 AAAA1 a", "ssh-ed25519 AAAA2 b"].map(str::to_owned);
    let user = User::new("deploy").keys(&keys);
    assert_eq!(
        diff(&user, &user_seen(&user, 0, FIT)),
        "+ ssh-ed25519 AAAA2 b"
    );
    let both = format!("{FIT}\nkey AAAA2\nkey AAAA3");
    assert_eq!(state(&user, &user_seen(&user, 0, &both)), "in sync");
    assert_eq!(
        ops(&user, &user_seen(&user, 0, FIT)),
        "make deploy a sudo user with a key: sh … deploy '' sudo all <- \"ssh-ed25519 AAAA1 \
         a\\nssh-ed25519 AAAA2 b\\n\""
    );
    let spare = User::new("deploy").or_keys(&keys);
    assert_eq!(state(&spare, &user_seen(&spare, 0, FIT)), "in sync");
}

#[test]
fn a_user_that_sudo_asks_for_a_password_is_made_by_the_operator() {
    let user = User::new("deploy").of_the_operator();
    assert!(state(&user, &user_seen(&user, 0, "missing")).starts_with("refused: there is no user"));
    let no_group = FIT.replace("group sudo\n", "");
    assert_eq!(state(&user, &user_seen(&user, 0, &no_group)), "in sync");
    assert_eq!(
        ops(&user, &user_seen(&user, 0, &no_group)),
        "let deploy in with a key: sh … deploy '' - else <- \"\""
    );
}

const SSHD: &str = "/etc/ssh/sshd_config";
const MARKER: &str = "/var/lib/provision/pending/sshd";
const INCLUDES: &str = "Include /etc/ssh/sshd_config.d/*.conf\n";
const SOFT: &str = "permitrootlogin without-password root 198.51.100.7\npasswordauthentication yes deploy 198.51.100.7";

/// The hardening's script has a fixed name among its facts.
fn sshd(resource: &Hardening, config: &str, status: i32, text: &str) -> Seen {
    Seen::default()
        .file(SSHD, config)
        .absent(DROP_IN)
        .absent(MARKER)
        .printed(probe_of(resource), &["deploy"], status, text)
}

/// What a run of ours would put.
fn hard() -> String {
    let on = Hardening::on("deploy");
    match &on.converge(&Observed::default())[0].action {
        Action::Put {
            content: Content::Text(text),
            ..
        } => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sshd_is_hardened_where_it_lets_in_root_or_a_password() {
    let on = Hardening::on("deploy");
    let held =
        "permitrootlogin no root 198.51.100.7\npasswordauthentication no deploy 198.51.100.7";
    let with = |config, text| sshd(&on, config, 0, text);
    for (seen, expected) in [
        (with(INCLUDES, held), "in sync"),
        (with(INCLUDES, held).file(DROP_IN, &hard()), "in sync"),
        (
            with(INCLUDES, SOFT),
            "differs: root or a password is let in",
        ),
        (
            with(INCLUDES, SOFT).file(DROP_IN, "PermitRootLogin yes\n"),
            "differs: root or a password is let in",
        ),
        (
            with(INCLUDES, held).file(DROP_IN, &hard()).file(MARKER, ""),
            "differs: sshd has not read it yet",
        ),
        (
            with(INCLUDES, SOFT).file(DROP_IN, &hard()),
            "refused: /etc/ssh/sshd_config.d/00-provision.conf is there, and sshd decides otherwise",
        ),
        (
            with("Port 22\n", SOFT),
            "refused: /etc/ssh/sshd_config doesn't include",
        ),
        (
            with(
                "PermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\n",
                SOFT,
            ),
            "refused: /etc/ssh/sshd_config sets permitrootlogin before",
        ),
        (
            sshd(&on, INCLUDES, 1, "line 3: Bad configuration option"),
            "refused: sshd refuses its own configuration: line 3",
        ),
        (
            with(INCLUDES, SOFT).absent(SSHD),
            "refused: there is no /etc/ssh/sshd_config",
        ),
    ] {
        let state = state(&on, &seen);
        assert!(state.starts_with(expected), "{state}\n{expected}");
    }
    assert!(on.guarded());
    let put = ops(&on, &with(INCLUDES, SOFT));
    assert!(put.contains("checked by sh … deploy"), "{put}");
    assert!(
        put.ends_with(&format!("let sshd read its configuration: sh … {MARKER}")),
        "{put}"
    );
}

#[test]
fn hardening_that_is_no_longer_asked_for_is_taken_back() {
    let off = Hardening::off();
    let seen = || Seen::default().absent(DROP_IN).absent(MARKER);
    assert_eq!(state(&off, &seen()), "in sync");
    let there = seen().file(DROP_IN, &hard());
    assert_eq!(
        state(&off, &there),
        "differs: site.toml no longer asks for it"
    );
    assert_eq!(
        ops(&off, &there),
        format!(
            "remove {DROP_IN}: sh … {DROP_IN} {MARKER}\nlet sshd read its configuration: sh … \
             {MARKER}"
        )
    );
    let killed = seen().file(MARKER, "");
    assert_eq!(
        ops(&off, &killed),
        format!("let sshd read its configuration: sh … {MARKER}")
    );
}

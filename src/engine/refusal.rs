//! Why a user who is logged in can't become root, in the operator's words.
//!
//! sudo's and doas' own words were seen on Debian 12 and 13: sudo 1.9, sudo-rs 0.2, OpenDoas 6.

use super::failure::failure;
use crate::event::Failure;
use crate::ssh::{Done, Status};

/// A user who can't become root.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub failure: Failure,
    /// The user whom the server says to take instead.
    pub instead: Option<String>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            instead: None,
        }
    }
}

/// What sudo or doas said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no such program.
    Absent,
    /// It wants a password.
    WantsPassword,
    /// The password was wrong.
    WrongPassword,
    /// The user may not.
    NotAllowed,
    /// It wants a terminal (`requiretty`, sudoers(5)).
    WantsTerminal,
    /// The account is locked or has expired.
    Locked,
    /// Something else.
    Other,
}

/// Reads what sudo or doas said as they ended.
pub(super) fn said(status: &Status, text: &str) -> Said {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if *status == Status::Code(127) && !says(&["sudo: ", "sudo-rs: ", "doas: "])
        || says(&["exec: sudo: not found", "exec: doas: not found"])
    {
        Said::Absent
    } else if says(&["must have a tty"]) {
        Said::WantsTerminal
    } else if says(&[
        "not in the sudoers file",
        "is not allowed to",
        "may not run sudo",
        "I'm afraid I can't do that",
        "doas: Operation not permitted",
        "doas: doas is not enabled",
    ]) {
        Said::NotAllowed
    } else if says(&[
        "account validation failure",
        "password expired",
        "account has expired",
    ]) {
        Said::Locked
    } else if says(&[
        "incorrect password attempt",
        "incorrect authentication attempt",
        "Authentication failed",
    ]) {
        Said::WrongPassword
    } else if says(&[
        "a password is required",
        "authentication is required",
        "a terminal is required",
        "doas: Authentication required",
        "doas: Authorization required",
    ]) {
        Said::WantsPassword
    } else {
        Said::Other
    }
}

/// sudo did not make the user root.
pub(super) fn by_sudo(user: &str, host: &str, said: Said, text: &str) -> Failure {
    let (what, next) = match said {
        Said::Absent => (
            format!("{user} isn't root, and there is neither sudo nor doas"),
            format!("install sudo on {host} as root, or set ssh.bootstrap to root"),
        ),
        Said::WantsPassword => (
            format!("{user} can't become root without a password"),
            no_password(user),
        ),
        Said::WrongPassword => (
            format!("{user} can't become root: sudo doesn't take the password"),
            format!("run again with the password that `sudo -v` takes from {user} on {host}"),
        ),
        Said::NotAllowed => (
            format!("{user} can't become root: sudo doesn't allow it"),
            format!(
                "let {user} use sudo on {host} (/etc/sudoers.d), or set ssh.bootstrap to a user \
                 who can"
            ),
        ),
        Said::WantsTerminal => (
            format!("{user} can't become root: sudo wants a terminal (requiretty)"),
            format!("put `Defaults:{user} !requiretty` into /etc/sudoers.d on {host}"),
        ),
        Said::Locked => (
            format!("{user} can't become root: the account is locked or has expired"),
            format!("see `chage -l {user}` and `passwd -S {user}` on {host}, and unlock it"),
        ),
        Said::Other => (
            format!("{user} can't become root: sudo fails"),
            format!("see what `sudo true` says to {user} on {host}"),
        ),
    };
    failed("sudo", what, text, next)
}

/// doas did not make the user root.
pub(super) fn by_doas(user: &str, host: &str, said: Said, text: &str) -> Failure {
    let (what, next) = match said {
        Said::WantsPassword => (
            format!(
                "{user} can't become root: doas wants a password, which it reads from a terminal \
                 only"
            ),
            format!(
                "put `permit nopass {user}` into /etc/doas.conf on {host}, or install sudo there"
            ),
        ),
        _ => (
            format!("{user} can't become root: doas doesn't allow it"),
            format!("put `permit nopass {user}` into /etc/doas.conf on {host}"),
        ),
    };
    failed("sudo", what, text, next)
}

/// sudo wants a password, and there is none.
pub(super) fn unanswered(user: &str, why: &str) -> Failure {
    let what = format!("{user} can't become root without a password, and {why}");
    failed("sudo", what, "", no_password(user))
}

/// sudo neither asked for a password nor began.
pub(super) fn silent(user: &str, host: &str) -> Failure {
    failed(
        "sudo",
        format!("{user} can't become root: sudo asks for something other than a password"),
        "",
        format!(
            "see what `sudo true` asks {user} for on {host}; {}",
            no_password(user)
        ),
    )
}

fn no_password(user: &str) -> String {
    format!(
        "let {user} use sudo without a password (NOPASSWD in /etc/sudoers.d), give the password \
         (on a terminal, or by ssh.sudo_password), or set ssh.bootstrap to a user who can"
    )
}

/// The login shell ended before it came to our command, or something stood in its place.
pub(super) fn no_shell(user: &str, host: &str, done: &Done, printed: &str) -> Refusal {
    let says = |words: &[&str]| words.iter().any(|word| printed.contains(word));
    let instead = instead(printed);
    let what = format!(
        "{user} is let in, but the login shell ended ({}) before any command of ours ran",
        done.status
    );
    let next = if let Some(instead) = &instead {
        format!("set ssh.bootstrap to {instead}")
    } else if says(&[
        "assword change required",
        "password has expired",
        "required to change your",
    ]) {
        format!("log in to {host} as {user} on a terminal once and change the password")
    } else if says(&["not available", "not permitted to log in", "nologin"]) {
        format!(
            "give {user} a login shell on {host} (`usermod --shell /bin/bash {user}`), or name \
             another user in site.toml"
        )
    } else if says(&["restricted"]) {
        format!("give {user} an unrestricted login shell on {host}")
    } else {
        format!(
            "see what `ssh {user}@{host} echo here` prints: there may be a forced command \
             (command= in authorized_keys, ForceCommand), a login shell such as /bin/false, or an \
             `exit` in a file that the shell reads first"
        )
    };
    Refusal {
        failure: failed("exec", what, printed, next),
        instead,
    }
}

/// Whom cloud images say to log in as, in a line that answers every command of root's:
/// `Please login as the user "ubuntu" rather than the user "root".` (cloud-init,
/// `disable_root_opts`).
fn instead(printed: &str) -> Option<String> {
    let (_, rest) = printed.split_once("lease login as the user \"")?;
    let (name, rest) = rest.split_once('"')?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    let sound = !name.is_empty()
        && name.len() <= 32
        && name.chars().all(fits)
        && !name.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    (sound && rest.trim_start().starts_with("rather than the user")).then(|| name.to_owned())
}

/// One failure of several users, each with its reason. The words of the one who came furthest
/// lead.
pub(super) fn together(mut all: Vec<Failure>) -> Failure {
    let far = |failure: &Failure| match failure.stage.as_str() {
        "authenticate" => 0,
        "exec" => 1,
        "sudo" => 2,
        _ => 3,
    };
    let mut first = 0;
    for at in 1..all.len() {
        if far(&all[at]) > far(&all[first]) {
            first = at;
        }
    }
    if all.is_empty() {
        return failure("authenticate", "there is no user to log in as", "");
    }
    let mut lead = all.remove(first);
    for other in all {
        lead.what.push_str("; ");
        lead.what.push_str(&other.what);
    }
    lead
}

fn failed(stage: &str, what: String, printed: &str, next: String) -> Failure {
    let mut failure = failure(stage, what, printed);
    failure.next = Some(next);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_sudo_and_doas_are_told_apart() {
        for (status, text, expected) in [
            (127, "/bin/sh: 1: exec: sudo: not found", Said::Absent),
            (127, "/bin/sh: line 1: exec: doas: not found", Said::Absent),
            (1, "sudo: a password is required", Said::WantsPassword),
            (
                1,
                "sudo-rs: interactive authentication is required",
                Said::WantsPassword,
            ),
            (
                1,
                "bob is not in the sudoers file.\nThis incident",
                Said::NotAllowed,
            ),
            (
                1,
                "Sorry, user bob is not allowed to execute '/usr/bin/env' as root on a.",
                Said::NotAllowed,
            ),
            (
                1,
                "sudo-rs: I'm sorry bob. I'm afraid I can't do that",
                Said::NotAllowed,
            ),
            (
                1,
                "sudo: sorry, you must have a tty to run sudo",
                Said::WantsTerminal,
            ),
            (
                1,
                "Sorry, try again.\nsudo: 1 incorrect password attempt",
                Said::WrongPassword,
            ),
            (
                1,
                "sudo: account validation failure, is your account locked?",
                Said::Locked,
            ),
            (1, "doas: Authentication required", Said::WantsPassword),
            (1, "doas: Operation not permitted", Said::NotAllowed),
            (1, "sudo: the disk is full", Said::Other),
        ] {
            assert_eq!(said(&Status::Code(status), text), expected, "{text}");
        }
    }

    #[test]
    fn the_user_of_a_cloud_image_is_taken_from_its_line_alone() {
        let line = |name: &str| {
            format!("Please login as the user \"{name}\" rather than the user \"root\".\n")
        };
        assert_eq!(instead(&line("ubuntu")).as_deref(), Some("ubuntu"));
        for name in ["", "-oProxyCommand", "a b", "Ubuntu;id"] {
            assert_eq!(instead(&line(name)), None, "{name}");
        }
        assert_eq!(instead("This account is currently not available."), None);
    }

    #[test]
    fn of_several_users_the_one_who_came_furthest_leads_and_all_are_named() {
        let refused = |stage: &str, what: &str| failed(stage, what.to_owned(), "", "do".to_owned());
        let all = together(vec![
            refused("authenticate", "deploy is refused"),
            refused("sudo", "debian can't become root"),
        ]);
        assert_eq!(all.stage, "sudo");
        assert_eq!(all.what, "debian can't become root; deploy is refused");
        let both = together(vec![
            refused("authenticate", "deploy is refused"),
            refused("authenticate", "root is refused"),
        ]);
        assert_eq!(both.what, "deploy is refused; root is refused");
    }
}

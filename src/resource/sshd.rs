//! sshd without root's login and without passwords: a drop-in that is read before all others,
//! since to sshd the first value of a keyword counts (sshd_config(5)).

use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{differs, line_diff, sha256};
use crate::event::{Line, State};
use crate::shell::{Cmd, Script};

const CONFIG: &str = "/etc/ssh/sshd_config";
/// The drop-in. A cloud image's own is `50-cloud-init.conf`.
pub const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-provision.conf";
/// Left while sshd has still to read it.
const MARKER: &str = "/var/lib/provision/pending/sshd";

const HARD: &str = "\
# Written by provision (harden in site.toml). Here the first value of a keyword counts.
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
";

/// The keywords of [`HARD`], as `sshd -T` prints them, and an older name of the last.
const KEYWORDS: [&str; 4] = [
    "permitrootlogin",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
];

const PROBE: Script = Script(concat!(
    include_str!("sh/sshd-values.sh"),
    include_str!("sh/sshd-probe.sh")
));
const CHECK: Script = Script(concat!(
    include_str!("sh/sshd-values.sh"),
    include_str!("sh/sshd-check.sh")
));
const RELOAD: &str = include_str!("sh/sshd-reload.sh");
const REMOVE: &str = include_str!("sh/sshd-remove.sh");

/// Root's login and passwords off in sshd; or our drop-in gone.
#[derive(Clone, Debug)]
pub struct Hardening {
    user: Option<String>,
}

impl Hardening {
    /// On: `user` is the one who comes in from then on.
    pub fn on(user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
        }
    }

    /// Off: what an earlier run has put is taken back; what others have set stays.
    pub fn off() -> Self {
        Self { user: None }
    }

    fn compare_on(&self, user: &str, seen: &Observed) -> Result<State, Unreadable> {
        let Some(config) = seen.text(CONFIG)? else {
            return Ok(refused(
                format!("there is no {CONFIG}: this is not OpenSSH's server"),
                "install openssh-server, or leave `harden` out of site.toml",
            ));
        };
        let printed = seen.sh(PROBE, &[user.to_owned()])?;
        if printed.status != 0 {
            return Ok(refused(
                format!("sshd refuses its own configuration: {}", printed.text),
                "mend it: `sshd -t` on the server names file and line",
            ));
        }
        let soft: Vec<&str> = printed
            .text
            .lines()
            .filter(|line| line.split(' ').nth(1) != Some("no"))
            .collect();
        let file = seen.file(DROP_IN)?;
        let pending = seen.file(MARKER)?.is_some();
        if soft.is_empty() && !pending {
            // Ours or not: it holds.
            return Ok(State::InSync);
        }
        let ours = file.is_some_and(|file| file.sha256.as_deref() == Some(sha256(HARD).as_str()));
        if ours && pending {
            return Ok(differs("sshd has not read it yet"));
        }
        if let Some(before) = read_before(&config) {
            return Ok(before);
        }
        if ours {
            return Ok(refused(
                format!(
                    "{DROP_IN} is there, and sshd decides otherwise: {}",
                    soft.join(", ")
                ),
                "another file or a Match block says so: look for the keyword in /etc/ssh",
            ));
        }
        let old = file.and_then(|file| file.content.as_deref());
        let old = String::from_utf8_lossy(old.unwrap_or_default());
        Ok(State::Differs {
            what: "root or a password is let in".to_owned(),
            lines: line_diff(&old, HARD),
        })
    }
}

fn refused(what: impl Into<String>, mend: impl Into<String>) -> State {
    State::Refused {
        what: what.into(),
        mend: mend.into(),
    }
}

/// What in the main file would count before the drop-in does.
fn read_before(config: &str) -> Option<State> {
    for line in config.lines() {
        let mut words = line
            .split(|c: char| c.is_whitespace() || c == '=')
            .map(|word| word.trim_matches('"'))
            .filter(|word| !word.is_empty());
        let Some(keyword) = words.next().map(str::to_ascii_lowercase) else {
            continue;
        };
        if keyword == "include" {
            let ours = |pattern: &str| {
                let pattern = pattern.strip_prefix("/etc/ssh/").unwrap_or(pattern);
                pattern == "sshd_config.d/*.conf" || pattern == "sshd_config.d/*"
            };
            if words.any(ours) {
                return None;
            }
        } else if keyword == "match" {
            break;
        } else if KEYWORDS.contains(&keyword.as_str()) && words.next() != Some("no") {
            return Some(refused(
                format!(
                    "{CONFIG} sets {keyword} before it includes {DROP_IN}, and the first counts"
                ),
                format!(
                    "move its line {:?} below the Include line, or take it out",
                    line.trim()
                ),
            ));
        }
    }
    Some(refused(
        format!("{CONFIG} doesn't include sshd_config.d for every login"),
        format!("add as its first line: Include /etc/ssh/sshd_config.d/*.conf (in {CONFIG})"),
    ))
}

impl Resource for Hardening {
    fn id(&self) -> String {
        "sshd without passwords and root's login".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let file = |path: &str, content| Fact::File {
            path: path.to_owned(),
            content,
        };
        let mut facts = vec![
            file(DROP_IN, Reveal::Unless(sha256(HARD))),
            file(MARKER, Reveal::Never),
        ];
        if let Some(user) = &self.user {
            facts.push(file(CONFIG, Reveal::Always));
            facts.push(Fact::Sh(PROBE, vec![user.clone()]));
        }
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if let Some(user) = &self.user {
            return self.compare_on(user, seen);
        }
        Ok(match (seen.file(DROP_IN)?, seen.file(MARKER)?) {
            (None, None) => State::InSync,
            (None, Some(_)) => differs("sshd has not read its configuration again yet"),
            (Some(_), _) => State::Differs {
                what: "site.toml no longer asks for it".to_owned(),
                lines: HARD
                    .lines()
                    .map(|line| Line::Removed(line.to_owned()))
                    .collect(),
            },
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let change = match &self.user {
            Some(user) => Some(Op {
                what: format!("write {DROP_IN}"),
                action: Action::Put {
                    path: DROP_IN.to_owned(),
                    content: Content::Text(HARD.to_owned()),
                    mode: 0o644,
                    owner: "root:root".to_owned(),
                    check: Some(Cmd::script(CHECK, [user.as_str(), DROP_IN])),
                    pending: vec![MARKER.to_owned()],
                },
            }),
            None if seen.file(DROP_IN).is_ok_and(|file| file.is_none()) => None,
            None => Some(Op::script(
                format!("remove {DROP_IN}"),
                REMOVE,
                [DROP_IN, MARKER],
            )),
        };
        let reload = Op::script("let sshd read its configuration", RELOAD, [MARKER]);
        change.into_iter().chain([reload]).collect()
    }

    fn guarded(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(config: &str) -> Option<String> {
        read_before(config).map(|state| match state {
            State::Refused { what, .. } => what,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_drop_in_has_to_be_included_before_a_keyword_of_it_is_set() {
        for good in [
            "Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\n",
            "# Match all\nPort 22\n include=\"sshd_config.d/*.conf\" other\n",
            "PermitRootLogin no\nInclude /etc/ssh/sshd_config.d/*.conf\n",
        ] {
            assert_eq!(said(good), None, "{good}");
        }
        for (bad, word) in [
            (
                "PasswordAuthentication yes\n",
                "sets passwordauthentication",
            ),
            (
                "permitrootlogin=yes\nInclude /etc/ssh/sshd_config.d/*.conf\n",
                "sets permitrootlogin",
            ),
            ("Port 22\n", "doesn't include"),
            (
                "#Include /etc/ssh/sshd_config.d/*.conf\n",
                "doesn't include",
            ),
            (
                "Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n",
                "doesn't include",
            ),
        ] {
            assert!(said(bad).is_some_and(|what| what.contains(word)), "{bad}");
        }
    }
}

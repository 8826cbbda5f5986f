//! A login with a shell, the sudo group and keys to come in with.

use super::{Content, Fact, Observed, Op, Resource, Unreadable, differs};
use crate::event::{Line, State};
use crate::shell::Script;

const PROBE: Script = Script(include_str!("sh/user-probe.sh"));
const MAKE: &str = include_str!("sh/user.sh");

/// A user who may log in with a key.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    /// Whose keys it gets if it has none; `None`: those of whom we came in as.
    bootstrap: Option<String>,
    keys: Vec<String>,
    /// Whether all of `keys` are wanted, or only any key at all.
    listed: bool,
    group: Option<&'static str>,
    made: bool,
}

/// What is the matter with a user.
#[derive(Default)]
struct Gap {
    what: Vec<String>,
    lines: Vec<Line>,
}

impl User {
    /// A user in group sudo who has a key: one of its own, or else those that let the bootstrap
    /// user in.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bootstrap: None,
            keys: Vec::new(),
            listed: false,
            group: Some("sudo"),
            made: true,
        }
    }

    /// Copies the keys of this user, if it is to have others' keys. Left out: those of whom we
    /// came in as.
    #[must_use]
    pub fn bootstrap(mut self, user: Option<&str>) -> Self {
        self.bootstrap = user.map(str::to_owned);
        self
    }

    /// Gets these keys (lines of authorized_keys) if there are no keys to copy.
    #[must_use]
    pub fn or_keys(mut self, keys: &[String]) -> Self {
        self.keys = keys.to_vec();
        self.listed = false;
        self
    }

    /// Has to have these keys (lines of authorized_keys); others are left alone.
    #[must_use]
    pub fn keys(mut self, keys: &[String]) -> Self {
        self.keys = keys.to_vec();
        self.listed = true;
        self
    }

    /// Has to be there already, and gets no group: sudo asks it for a password that only the
    /// operator can give it.
    #[must_use]
    pub fn of_the_operator(mut self) -> Self {
        self.group = None;
        self.made = false;
        self
    }

    fn printed<'o>(&self, seen: &'o Observed) -> Result<Vec<&'o str>, Unreadable> {
        let printed = seen.sh(PROBE, std::slice::from_ref(&self.name))?;
        if printed.status != 0 {
            let why = format!("the user database could not be read: {}", printed.text);
            return Err(Unreadable {
                fact: self.id(),
                why,
            });
        }
        Ok(printed.text.lines().collect())
    }

    fn gap(&self, printed: &[&str]) -> Gap {
        let mut gap = Gap::default();
        if self.group.is_some() && !printed.contains(&"group sudo") {
            gap.what.push("not in group sudo".to_owned());
        }
        for (_, about) in values(printed, "loose") {
            gap.what.push(format!("{about}: sshd would not read it"));
        }
        let has = |blob: Option<&str>| values(printed, "key").any(|(_, key)| Some(key) == blob);
        if self.listed {
            let missing = self.keys.iter();
            let missing = missing.filter(|line| !has(line.split(' ').nth(1)));
            gap.lines
                .extend(missing.map(|line| Line::Added(line.clone())));
            match gap.lines.len() {
                0 => {}
                1 => gap.what.push("a key is missing".to_owned()),
                n => gap.what.push(format!("{n} keys are missing")),
            }
        } else if values(printed, "key").next().is_none() {
            gap.what.push("no key to log in with".to_owned());
        }
        gap
    }
}

/// The values of the lines that begin with this word.
fn values<'a>(printed: &'a [&str], word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let split = printed.iter().filter_map(|line| line.split_once(' '));
    split.filter(move |(first, _)| *first == word)
}

/// What about a user that is there isn't ours to change.
fn unfit(name: &str, printed: &[&str]) -> Option<State> {
    let one = |word| values(printed, word).next().map(|(_, value)| value);
    let shell = one("shell").unwrap_or_default();
    if shell.ends_with("/nologin") || shell.ends_with("/false") {
        return Some(State::Refused {
            what: format!("{name} has the shell {shell}, so it is a service's account"),
            mend: format!(
                "name another user in site.toml (user in [ssh]), or give it a shell: \
                 chsh -s /bin/bash {name}"
            ),
        });
    }
    let home = one("home").unwrap_or_default();
    if !home.starts_with('/') || home == "/" || home == "/nonexistent" {
        return Some(State::Refused {
            what: format!("{name} has the home {home:?}, where no keys can lie"),
            mend: format!("give it one: usermod --home /home/{name} --move-home {name}"),
        });
    }
    let loose = values(printed, "loose").find(|(_, about)| about.ends_with(&format!(" {home}")));
    loose.map(|(_, about)| State::Refused {
        what: format!(
            "others than {name} can write to its home, so sshd ignores its keys \
             (mode and owner: {about})"
        ),
        mend: format!("take that back: chown {name} {home} && chmod go-w {home}"),
    })
}

impl Resource for User {
    fn id(&self) -> String {
        format!("user {}", self.name)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(PROBE, vec![self.name.clone()])]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let printed = self.printed(seen)?;
        if printed.contains(&"missing") {
            if !self.made {
                let name = &self.name;
                return Ok(State::Refused {
                    what: format!("there is no user {name}, and sudo is to ask it for a password"),
                    mend: format!(
                        "make it with a password: adduser {name} && adduser {name} sudo; or leave \
                         sudo = \"password\" out of site.toml"
                    ),
                });
            }
            return Ok(State::Differs {
                what: "missing".to_owned(),
                lines: self.gap(&["group sudo"]).lines,
            });
        }
        if let Some(refused) = unfit(&self.name, &printed) {
            return Ok(refused);
        }
        let Gap { what, lines } = self.gap(&printed);
        if what.is_empty() {
            return Ok(State::InSync);
        }
        if lines.is_empty() {
            return Ok(differs(what.join(", ")));
        }
        Ok(State::Differs {
            what: what.join(", "),
            lines,
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let what = match self.group {
            Some(_) => format!("make {} a sudo user with a key", self.name),
            None => format!("let {} in with a key", self.name),
        };
        let args = [
            self.name.clone(),
            self.bootstrap.clone().unwrap_or_default(),
            self.group.unwrap_or("-").to_owned(),
            if self.listed { "all" } else { "else" }.to_owned(),
        ];
        // In stdin, not among the arguments, which everybody on the server can see.
        let lines: String = self.keys.iter().map(|line| format!("{line}\n")).collect();
        vec![Op::script(what, MAKE, args).input(Content::Text(lines))]
    }
}

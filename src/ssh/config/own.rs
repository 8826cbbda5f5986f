//! Our own reader of ssh_config(5), for machines without OpenSSH and for what `ssh -G` can't
//! tell.
//!
//! It goes by what ssh does: user's file before the system's, the first value counts, lines of
//! blocks that don't apply are checked all the same, and `Match final` brings a second pass.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::error::ConfigError;
use super::expand::{Names, environment, expand};
use super::line::Line;
use super::local::Local;
use super::notes::{Note, unknown};
use super::pattern::{files, in_list, matches};
use super::values::{Values, option};
use super::{Request, Source};

/// How deep files may include files (as in ssh).
const DEEPEST: usize = 16;
/// How many files may be read for one host in one pass.
const MOST_FILES: usize = 4096;
/// How long a file may be, in bytes. A device has no end.
const LONGEST: u64 = 4 << 20;

/// What is read, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: Source,
    /// Where the system's `ssh_config` lies: /etc/ssh.
    pub(super) etc: PathBuf,
    pub(super) local: Arc<Local>,
}

/// What becomes of the commands of `Match exec`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exec {
    /// They are run, until then.
    Run(Instant),
    /// They aren't run and all end so.
    Assume(bool),
}

/// What was found, and what the operator should know.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) values: Values,
    /// Whether a command of `Match exec` had a say.
    pub(super) asked: bool,
    pub(super) notes: Vec<Note>,
}

/// Reads the configuration for one host.
///
/// # Errors
/// A line that is wrong, a file that is named and can't be read, a command without an end.
pub(super) fn read(place: &Place, request: &Request, exec: Exec) -> Result<Found, ConfigError> {
    let mut values = Values::default();
    if let Some(user) = &request.user {
        values.offer("user", vec![user.clone()]);
    }
    if let Some(port) = request.port {
        values.offer("port", vec![port.to_string()]);
    }
    let mut reader = Reader {
        place,
        typed: &request.host,
        host: request.host.clone(),
        last: false,
        wants_last: false,
        values,
        notes: Vec::new(),
        texts: BTreeMap::new(),
        opened: 0,
        exec,
        asked: false,
    };
    reader.pass()?;
    reader.host = addressed(&reader.remote()?);
    let canonical = reader.values.flag("canonicalizehostname", false);
    if reader.wants_last || canonical {
        let host = reader.host.clone();
        reader.values.set("hostname", vec![host]);
        reader.last = true;
        reader.pass()?;
    }
    reader.finish(request)
}

/// A host name in lower case; an address in its usual form, unless it is that but for the case.
fn addressed(host: &str) -> String {
    match host.parse::<std::net::IpAddr>() {
        Err(_) => host.to_ascii_lowercase(),
        Ok(address) => Some(address.to_string())
            .filter(|usual| !usual.eq_ignore_ascii_case(host))
            .unwrap_or_else(|| host.to_owned()),
    }
}

pub(super) struct Reader<'a> {
    pub(super) place: &'a Place,
    pub(super) typed: &'a str,
    /// What `Host` is held against: the host as typed, in the last pass its HostName.
    pub(super) host: String,
    pub(super) last: bool,
    pub(super) wants_last: bool,
    pub(super) values: Values,
    pub(super) notes: Vec<Note>,
    texts: BTreeMap<PathBuf, Arc<str>>,
    opened: usize,
    pub(super) exec: Exec,
    /// Whether a command of `Match exec` had a say.
    pub(super) asked: bool,
}

/// The file that is being read.
#[derive(Clone, Copy)]
struct Within<'a> {
    path: &'a Path,
    /// Whether it is the user's (or comes from there), not the system's.
    users: bool,
    /// Nothing in it applies: it is included where nothing does.
    mute: bool,
    depth: usize,
}

impl Reader<'_> {
    fn pass(&mut self) -> Result<(), ConfigError> {
        self.opened = 0;
        let place = self.place;
        let own = place.local.home.join(".ssh/config");
        let system = place.etc.join("ssh_config");
        let top = |path, users| Within {
            path,
            users,
            mute: false,
            depth: 0,
        };
        match &place.source {
            Source::None => Ok(()),
            Source::File(path) => {
                let text = self.load(path, false).map_err(|error| match error {
                    Unread::Io(cause) => ConfigError::Read {
                        path: path.clone(),
                        cause,
                    },
                    Unread::Permissions => ConfigError::Permissions { path: path.clone() },
                })?;
                self.file(top(path, true), &text, &mut true)
            }
            Source::Default => {
                for (path, users) in [(&own, true), (&system, false)] {
                    match self.load(path, users) {
                        Ok(text) => self.file(top(path, users), &text, &mut true)?,
                        Err(Unread::Io(cause)) if cause.kind() == io::ErrorKind::NotFound => {}
                        // ssh goes on without a word; a word is better.
                        Err(Unread::Io(cause)) => self.notes.push(Note::unread(path, &cause)),
                        Err(Unread::Permissions) => {
                            return Err(ConfigError::Permissions { path: path.clone() });
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// A file's text. Files are read once for both passes.
    fn load(&mut self, path: &Path, checked: bool) -> Result<Arc<str>, Unread> {
        self.opened += 1;
        if self.opened > MOST_FILES {
            return Err(Unread::Io(io::Error::other("too many files are included")));
        }
        if let Some(text) = self.texts.get(path) {
            return Ok(Arc::clone(text));
        }
        let file = File::open(path).map_err(Unread::Io)?;
        let about = file.metadata().map_err(Unread::Io)?;
        let owner = about.uid();
        if checked && ((owner != 0 && owner != self.place.local.uid) || about.mode() & 0o022 != 0) {
            return Err(Unread::Permissions);
        }
        let mut bytes = Vec::new();
        let length = file.take(LONGEST + 1).read_to_end(&mut bytes);
        if length.map_err(Unread::Io)? as u64 > LONGEST {
            return Err(Unread::Io(io::ErrorKind::FileTooLarge.into()));
        }
        let text = String::from_utf8_lossy(&bytes);
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(&text).into();
        self.texts.insert(path.to_owned(), Arc::clone(&text));
        Ok(text)
    }

    fn file(&mut self, at: Within<'_>, text: &str, active: &mut bool) -> Result<(), ConfigError> {
        for (number, line) in text.split('\n').enumerate() {
            let wrong = |what: String| ConfigError::Line {
                path: at.path.to_owned(),
                line: number + 1,
                what,
            };
            let Some(line) = Line::parse(line) else {
                continue;
            };
            if line.rest.is_empty() {
                return Err(wrong(format!("nothing after {}", line.keyword)));
            }
            let words = || {
                line.words()
                    .ok_or_else(|| wrong("a quote isn't closed".to_owned()))
            };
            match line.keyword.as_str() {
                "host" => *active = !at.mute & self.host_applies(&words()?).map_err(wrong)?,
                "match" => {
                    let applies = self.match_applies(&words()?, at.mute);
                    *active = !at.mute & applies.map_err(|fault| fault.at(at.path, number + 1))?;
                }
                "include" => {
                    for word in words()? {
                        self.include(at, &word, *active, &wrong)?;
                    }
                }
                keyword => match option(keyword) {
                    Some((name, kind)) => {
                        // Whom it spares a word, it spares it everywhere.
                        let active = *active || name == "ignoreunknown";
                        self.values.take(name, kind, &line, active).map_err(wrong)?;
                    }
                    None if self.ignores(keyword) => {}
                    None => self.notes.push(unknown(keyword, at.path, number + 1)),
                },
            }
        }
        Ok(())
    }

    fn ignores(&self, keyword: &str) -> bool {
        let lists = self.values.all("ignoreunknown");
        lists
            .iter()
            .any(|list| in_list(&list.to_ascii_lowercase(), keyword))
    }

    fn host_applies(&self, patterns: &[String]) -> Result<bool, String> {
        let mut applies = false;
        for pattern in patterns {
            if pattern.is_empty() {
                return Err("an empty pattern after Host".to_owned());
            }
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(pattern, &self.host) => return Ok(false),
                Some(_) => {}
                None => applies |= matches(pattern, &self.host),
            }
        }
        Ok(applies)
    }

    fn include(
        &mut self,
        at: Within<'_>,
        word: &str,
        active: bool,
        wrong: &dyn Fn(String) -> ConfigError,
    ) -> Result<(), ConfigError> {
        if word.is_empty() {
            return Err(wrong("an empty path after Include".to_owned()));
        }
        // Like ssh: a variable that isn't set leaves the Include out.
        let Ok(path) = self.expand(word, true) else {
            return Ok(());
        };
        if path.starts_with('~') && !at.users {
            return Err(wrong("`~` has no meaning in the system's files".to_owned()));
        }
        let path = self.place.local.tilde(&path);
        let path = match Path::new(&path).is_absolute() {
            true => path,
            false if at.users => self.place.local.tilde(&format!("~/.ssh/{path}")),
            false => format!("{}/{path}", self.place.etc.display()),
        };
        for path in files(&path) {
            if at.depth == DEEPEST {
                return Err(wrong(format!("files include each other {DEEPEST} deep")));
            }
            let text = match self.load(&path, true) {
                Ok(text) => text,
                Err(Unread::Io(cause)) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(Unread::Io(cause)) => return Err(ConfigError::Read { path, cause }),
                Err(Unread::Permissions) => return Err(ConfigError::Permissions { path }),
            };
            let inner = Within {
                path: &path,
                users: at.users,
                mute: at.mute || !active,
                depth: at.depth + 1,
            };
            // What the file makes of it ends with the file.
            self.file(inner, &text, &mut { active })?;
        }
        Ok(())
    }

    /// The host's name so far: HostName with `%h`, else what was typed.
    pub(super) fn remote(&self) -> Result<String, ConfigError> {
        match self.values.first("hostname") {
            Some(name) if !self.last => {
                expand(name, |c| (c == 'h').then(|| self.host.clone()), None).map_err(|what| {
                    ConfigError::Value {
                        key: "HostName".to_owned(),
                        value: name.to_owned(),
                        what,
                    }
                })
            }
            Some(name) => Ok(name.to_owned()),
            None => Ok(self.host.clone()),
        }
    }

    /// Puts in the tokens as they stand so far, for Include and `Match exec`.
    pub(super) fn expand(&self, text: &str, variables: bool) -> Result<String, String> {
        let local = &self.place.local;
        let host = self.remote().map_err(|error| error.to_string())?;
        let jump = self.jump();
        let names = Names {
            local,
            typed: self.typed,
            host: &host,
            port: self.port(),
            user: self.values.first("user").unwrap_or(&local.user),
            key_alias: self.values.first("hostkeyalias").unwrap_or(&host),
            jump: &jump,
        };
        let variable = variables.then_some(&environment as _);
        expand(text, |c| names.token(c), variable)
    }

    fn port(&self) -> u16 {
        let port = self.values.first("port");
        port.and_then(|port| port.parse().ok()).unwrap_or(22)
    }

    fn jump(&self) -> String {
        super::options::last_jump(self.values.first("proxyjump"))
    }

    /// Fills in what `ssh -G` would print: the host's name, defaults, expanded paths.
    fn finish(mut self, request: &Request) -> Result<Found, ConfigError> {
        let local = Arc::clone(&self.place.local);
        let (port, jump) = (self.port(), self.jump());
        let alias = self.values.first("hostkeyalias");
        let alias = alias.map_or_else(|| self.typed.to_owned(), str::to_ascii_lowercase);
        let mut names = Names {
            local: &local,
            typed: self.typed,
            host: &self.host,
            port,
            user: &local.user,
            key_alias: &alias,
            jump: &jump,
        };
        let mut values = self.values.clone();
        let wrong = |key: &str, value: &str, what| ConfigError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            what,
        };
        if let (None, Some(user)) = (&request.user, self.values.first("user")) {
            // User is part of %r and %C.
            let token = |c| names.token(c).filter(|_| !matches!(c, 'r' | 'C'));
            let user = expand(user, token, Some(&environment))
                .map_err(|what| wrong("User", user, what))?;
            values.set("user", vec![user]);
        }
        let user = values.first("user").unwrap_or(&local.user).to_owned();
        names.user = &user;
        values.set("hostname", vec![self.host.clone()]);
        values.set("port", vec![port.to_string()]);
        let home = |name: &str| format!("~/.ssh/{name}");
        let etc = |name: &str| format!("{}/{name}", self.place.etc.display());
        let (one, two) = ("known_hosts", "known_hosts2");
        values.offer("userknownhostsfile", vec![home(one), home(two)]);
        let (one, two) = ("ssh_known_hosts", "ssh_known_hosts2");
        values.offer("globalknownhostsfile", vec![etc(one), etc(two)]);
        for key in ["userknownhostsfile", "identityagent", "revokedhostkeys"] {
            let mut expanded = Vec::new();
            for value in values.all(key) {
                let path = local.tilde(value);
                let path = expand(&path, |c| names.token(c), Some(&environment))
                    .map_err(|what| wrong(key, value, what))?;
                expanded.push(path);
            }
            if !expanded.is_empty() {
                values.set(key, expanded);
            }
        }
        if values.flag("canonicalizehostname", false) {
            self.notes.push(Note::canonical());
        }
        Ok(Found {
            values,
            asked: self.asked,
            notes: self.notes,
        })
    }
}

/// Why a file has no text for us.
enum Unread {
    Io(io::Error),
    Permissions,
}

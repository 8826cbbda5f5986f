//! Who is asking: the operator's account and machine, as ssh sees them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::error::ConfigError;

/// The operator's account and machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    /// The user's name.
    pub(super) user: String,
    /// The user's number.
    pub(super) uid: u32,
    /// The machine's name.
    pub(super) machine: String,
    /// Where `~` is.
    pub(super) home: PathBuf,
}

impl Local {
    /// Asks the system. `home` is believed where it is given; otherwise it is what the passwd
    /// database says, as with ssh, else `$HOME`.
    pub(super) async fn ask(home: Option<PathBuf>) -> Result<Self, ConfigError> {
        let wrong = |cause| ConfigError::Machine {
            what: "ask who you are (id, uname)",
            cause,
        };
        let output = Command::new("/bin/sh")
            .args(["-c", "id -un; id -u; uname -n"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(wrong)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = said.lines();
        let mut line = || {
            let line = lines.next().map(str::trim).filter(|line| !line.is_empty());
            line.map(str::to_owned)
                .ok_or_else(|| wrong(io::ErrorKind::UnexpectedEof.into()))
        };
        let (user, uid, machine) = (line()?, line()?, line()?);
        let uid = uid
            .parse()
            .map_err(|_| wrong(io::ErrorKind::InvalidData.into()))?;
        let home = home
            .or_else(|| home_of(&user))
            .or_else(|| std::env::home_dir().filter(|home| !home.as_os_str().is_empty()))
            .ok_or_else(|| wrong(io::ErrorKind::NotFound.into()))?;
        Ok(Self {
            user,
            uid,
            machine,
            home,
        })
    }

    /// A path whose `~` or `~user` in front is spelled out. A user that isn't known here stays.
    pub(super) fn tilde(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else {
            return text.to_owned();
        };
        let (user, below) = match rest.split_once('/') {
            Some((user, below)) => (user, Some(below)),
            None => (rest, None),
        };
        let home = match user {
            "" => Some(self.home.clone()),
            user => home_of(user),
        };
        match (home, below) {
            (Some(home), Some(below)) => {
                format!("{}/{below}", shown(&home))
            }
            (Some(home), None) => shown(&home),
            (None, _) => text.to_owned(),
        }
    }
}

fn shown(home: &Path) -> String {
    let text = home.display().to_string();
    text.trim_end_matches('/').to_owned()
}

/// A home in /etc/passwd (passwd(5)).
fn home_of(user: &str) -> Option<PathBuf> {
    let text = std::fs::read("/etc/passwd").ok()?;
    String::from_utf8_lossy(&text).lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_and_only_in_front() {
        let local = Local {
            user: "ann".to_owned(),
            uid: 1000,
            machine: "desk".to_owned(),
            home: PathBuf::from("/home/ann/"),
        };
        for (text, expected) in [
            ("~", "/home/ann"),
            ("~/.ssh/id", "/home/ann/.ssh/id"),
            ("/a/~/b", "/a/~/b"),
            ("~nobody-of-this-name/x", "~nobody-of-this-name/x"),
            ("", ""),
        ] {
            assert_eq!(local.tilde(text), expected);
        }
    }
}

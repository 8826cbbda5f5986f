//! The lab's record of itself, and the lock that keeps two programs from working on it.

use std::fs::{File, OpenOptions, TryLockError};

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::{self, Layout};
use super::{Error, Suite};

/// What must be known from one command to the next. It holds secrets: no `Debug`, and its
/// file is for root alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The hosts' suite.
    pub suite: Suite,
    /// `ip_forward` before the lab.
    pub forwarding: String,
    /// The base tree hosts stand on.
    pub base: Option<std::path::PathBuf>,
    /// The database's layer.
    pub database: Option<std::path::PathBuf>,
    /// The database user's password.
    pub password: String,
    /// Django's secret key.
    pub secret_key: String,
    /// Where the app comes from.
    pub source: std::path::PathBuf,
}

impl State {
    /// The record of the lab that is up, if one is.
    pub fn load(layout: &Layout) -> Result<Option<Self>, Error> {
        let path = layout.state();
        if !path.exists() {
            return Ok(None);
        }
        serde_json::from_str(&layout::read(&path)?)
            .map(Some)
            .map_err(|source| Error::State { path, source })
    }

    /// Writes the record.
    pub fn save(&self, layout: &Layout) -> Result<(), Error> {
        let path = layout.state();
        let text = serde_json::to_string_pretty(self).map_err(|source| Error::State {
            path: path.clone(),
            source,
        })?;
        layout::write(&path, 0o600, text)
    }
}

/// Held while a command changes the lab. The kernel lets go of it when the program ends.
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes the lock or says who is in the way.
    pub fn take(layout: &Layout) -> Result<Self, Error> {
        layout::private_dir(&layout.cache)?;
        // Beside the directory, which `down` removes.
        let path = layout.dir.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy),
            Err(TryLockError::Error(source)) => Err(Error::file("lock", &path)(source)),
        }
    }
}

/// Held while something is made in the cache, which labs in other network namespaces share.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] File);

impl Turn {
    /// Waits until nobody else makes what this file stands for.
    pub fn wait(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::file("open", path))?;
        file.lock().map_err(Error::file("lock", path))?;
        Ok(Self(file))
    }
}

/// Unguessable text of hexadecimal digits.
pub(super) fn random(bytes: usize) -> Result<String, Error> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer)
        .map_err(|error| Error::Random(io::Error::other(error.to_string())))?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    fn layout(dir: &Path) -> Layout {
        Layout::new(&Options {
            directory: Some(dir.join("lab")),
            cache: Some(dir.join("cache")),
            ..Options::default()
        })
        .unwrap()
    }

    #[test]
    fn a_second_taker_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let first = Lock::take(&layout).unwrap();
        assert!(matches!(Lock::take(&layout), Err(Error::Busy)));
        drop(first);
        assert!(Lock::take(&layout).is_ok());
    }

    #[test]
    fn the_record_comes_back_as_it_was_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        layout::private_dir(&layout.dir).unwrap();
        assert!(State::load(&layout).unwrap().is_none());
        let state = State {
            suite: Suite::Bookworm,
            forwarding: "0".into(),
            base: None,
            database: None,
            password: random(16).unwrap(),
            secret_key: random(32).unwrap(),
            source: "/app".into(),
        };
        state.save(&layout).unwrap();
        let back = State::load(&layout).unwrap().unwrap();
        assert_eq!(back.password, state.password);
        assert_eq!(back.suite, Suite::Bookworm);
        let mode = std::fs::metadata(layout.state())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(layout.state(), "{").unwrap();
        assert!(matches!(State::load(&layout), Err(Error::State { .. })));
    }
}

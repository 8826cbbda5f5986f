//! Where the lab keeps its files: a state directory that `down` removes, and a cache that
//! stays.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::topology::Machine;
use super::{Error, Options};

/// The lab's paths.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// State of the lab that is up. Gone after `down`.
    pub dir: PathBuf,
    /// Trees and images. Stays.
    pub cache: PathBuf,
}

impl Layout {
    /// The paths for these options.
    ///
    /// # Errors
    /// When a path can't stand in a mount option or in site.toml.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let layout = Self {
            dir: options
                .directory
                .clone()
                .unwrap_or_else(|| PathBuf::from("/var/lib/provision-lab")),
            cache: options
                .cache
                .clone()
                .unwrap_or_else(|| PathBuf::from("/var/cache/provision-lab")),
        };
        for path in [&layout.dir, &layout.cache] {
            let text = path.to_str().unwrap_or_default();
            let bad = |c: char| matches!(c, ',' | ':' | '"' | '\'' | '\\') || c.is_control();
            if !path.is_absolute() || text.len() < 2 || text.contains(bad) {
                return Err(Error::Directory(path.clone()));
            }
        }
        Ok(layout)
    }

    /// The lab's record.
    pub fn state(&self) -> PathBuf {
        self.dir.join("lab.json")
    }

    /// The ready site.toml.
    pub fn site(&self) -> PathBuf {
        self.dir.join("site.toml")
    }

    /// The app's environment file.
    pub fn env_file(&self) -> PathBuf {
        self.dir.join("app.env")
    }

    /// The operator's private key.
    pub fn key(&self) -> PathBuf {
        self.dir.join("id_ed25519")
    }

    /// The hosts' keys, for OpenSSH.
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// The ACME directory's own CA and the root it issues from.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// The example app, where no other source is named.
    pub fn example(&self) -> PathBuf {
        self.dir.join("polls")
    }

    /// A service's directory: configuration, log, process record.
    pub fn service(&self, name: &str) -> PathBuf {
        self.dir.join("services").join(name)
    }

    /// A machine's directory.
    pub fn machine(&self, machine: &Machine) -> PathBuf {
        self.dir.join("hosts").join(machine.name)
    }

    /// A machine's SSH host keys, which survive a reset.
    pub fn host_keys(&self, machine: &Machine) -> PathBuf {
        self.machine(machine).join("ssh")
    }

    /// Where a machine's tree is mounted.
    pub fn root(&self, machine: &Machine) -> PathBuf {
        self.machine(machine).join("root")
    }
}

/// Makes a directory and those above it; the last one is for root alone.
pub(super) fn private_dir(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::file("make directory", path))
}

/// Makes a directory and those above it.
pub(super) fn dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file("make directory", path))
}

/// Writes a file whole, with this mode from its first byte on.
pub(super) fn write(path: &Path, mode: u32, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let _ = fs::remove_file(&part);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .and_then(|mut file| file.write_all(content.as_ref()))
        .and_then(|()| fs::rename(&part, path))
        .map_err(Error::file("write", path))
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// Removes a directory and all in it; nothing happens when it isn't there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A path as text. [`Layout::new`] refuses paths that aren't.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn at(directory: &str) -> Result<Layout, Error> {
        Layout::new(&Options {
            directory: Some(directory.into()),
            ..Options::default()
        })
    }

    #[test]
    fn a_directory_that_would_break_a_mount_option_or_site_toml_is_refused() {
        for path in ["lab", "/", "/a,b", "/a:b", "/a\"b", "/a\\b", "/a\nb", ""] {
            assert!(matches!(at(path), Err(Error::Directory(_))), "{path:?}");
        }
        assert!(at("/srv/my lab").is_ok());
    }

    #[test]
    fn a_written_file_has_its_mode_and_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.env");
        fs::write(&path, "old").unwrap();
        write(&path, 0o600, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

//! Clear text for an editor: in a directory of the operator's own, on a file system that is kept
//! in memory, and gone when this is dropped.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;
use crate::shell::Secret;

/// A text on its way through an editor.
#[derive(Debug)]
pub struct Clear {
    dir: PathBuf,
    file: PathBuf,
}

impl Clear {
    /// Writes the text below `memory`, a directory whose files never come to a disk.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn new(memory: &Path, name: &str, text: &Secret) -> Result<Self, Error> {
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |source| Error::File {
                what: "write",
                file,
                source,
            }
        };
        let mut unique = [0_u8; 8];
        getrandom::fill(&mut unique).map_err(|e| Error::Random(e.to_string()))?;
        let dir = memory.join(format!("provision-{:016x}", u64::from_ne_bytes(unique)));
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(failed(&dir))?;
        let file = dir.join(name);
        let clear = Self { dir, file };
        let options = || {
            File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&clear.file)
        };
        options()
            .and_then(|mut file| file.write_all(text.reveal().as_bytes()))
            .map_err(failed(&clear.file))?;
        Ok(clear)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// What it says now.
    ///
    /// # Errors
    /// If it can't be read, or is no text any more.
    pub fn text(&self) -> Result<Secret, Error> {
        let read = fs::read_to_string(&self.file);
        read.map(Secret::new).map_err(|source| Error::File {
            what: "read",
            file: self.file.clone(),
            source,
        })
    }

    /// A directory in memory: `$XDG_RUNTIME_DIR` (which is one by its specification), else
    /// /dev/shm.
    ///
    /// # Errors
    /// If this machine has neither: an editor would leave clear text on a disk.
    pub fn memory(runtime_dir: Option<PathBuf>) -> io::Result<PathBuf> {
        let places = runtime_dir.into_iter().chain([PathBuf::from("/dev/shm")]);
        let mut there = places.filter(|dir| dir.is_absolute() && dir.is_dir());
        there.next().ok_or_else(|| {
            io::Error::other(
                "there is no directory that is kept in memory ($XDG_RUNTIME_DIR or /dev/shm), and \
                 clear text isn't written to a disk: set one value with `provision secrets --set NAME`",
            )
        })
    }
}

impl Drop for Clear {
    fn drop(&mut self) {
        // The editor's own backups lie beside it.
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn clear_text_is_for_its_owner_alone_and_goes_with_all_that_lies_beside_it() {
        let memory = tempfile::tempdir().unwrap();
        let clear = Clear::new(memory.path(), "secrets.env", &Secret::new("A=1\n")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(clear.path()), 0o600);
        assert_eq!(mode(clear.path().parent().unwrap()), 0o700);
        fs::write(clear.path().with_extension("env~"), "backup").unwrap();
        fs::write(clear.path(), "A=2\n").unwrap();
        assert_eq!(clear.text().unwrap().reveal(), "A=2\n");
        drop(clear);
        assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0);
    }
}

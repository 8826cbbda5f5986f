//! A backup becomes a file on this machine: under another name until it is whole, for its owner
//! alone, and never in the place of another.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::archive::{self, Whole};
use super::carry::{here, size};
use crate::engine::failure::failure;
use crate::event::Failure;

/// A file that isn't whole yet; it goes unless it is kept.
pub(super) struct Coming {
    hidden: PathBuf,
    place: PathBuf,
    file: File,
}

impl Drop for Coming {
    fn drop(&mut self) {
        // It may have been kept, and so be there no more.
        let _ = fs::remove_file(&self.hidden);
    }
}

/// The file that a backup of this name is to become: `output` itself, or in it if that is a
/// directory; the working directory if none is said.
///
/// # Errors
/// If something is there already.
pub fn place(output: Option<&Path>, name: &str) -> io::Result<PathBuf> {
    let place = match output {
        None => PathBuf::from(name),
        Some(directory) if directory.is_dir() => directory.join(name),
        Some(file) => file.to_owned(),
    };
    if fs::symlink_metadata(&place).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    Ok(place)
}

impl Coming {
    /// Begins a file beside its place.
    pub(super) fn begin(output: Option<&Path>, name: &str) -> Result<Self, Box<Failure>> {
        let place = place(output, name).map_err(|e| taken(output, name, &e))?;
        let last = place.file_name().unwrap_or_default().to_string_lossy();
        let hidden = place.with_file_name(format!(".{last}.part"));
        // One that was cut off before.
        let _ = fs::remove_file(&hidden);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&hidden).map_err(|e| {
            let mut failed = here(&e);
            failed.what = format!("{} can't be written: {e}", hidden.display());
            Box::new(failed)
        })?;
        Ok(Self {
            hidden,
            place,
            file,
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Checks that it is the backup that was made, and gives it its name.
    ///
    /// # Errors
    /// If it isn't: then nothing of it is left.
    pub(super) fn keep(self, sha256: &str) -> Result<(PathBuf, Whole), Box<Failure>> {
        self.file.sync_all().map_err(|e| Box::new(here(&e)))?;
        let whole = archive::check(&self.hidden).map_err(|unfit| {
            let what = format!("what came is no backup: {}", unfit.why);
            Box::new(failure("check", what, ""))
        })?;
        if whole.sha256 != sha256 {
            let what = format!(
                "what came, {}, is not what lies on the server: the sums differ",
                size(whole.bytes)
            );
            return Err(Box::new(failure("check", what, "")));
        }
        // Not a rename, which would take another file's place.
        let linked = fs::hard_link(&self.hidden, &self.place);
        if let Err(e) = linked {
            if e.kind() == io::ErrorKind::AlreadyExists || self.place.exists() {
                return Err(taken(Some(&self.place), "", &e));
            }
            // A file system without hard links.
            fs::rename(&self.hidden, &self.place).map_err(|e| Box::new(here(&e)))?;
        }
        let directory = self.place.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new(".")));
        directory
            .and_then(|it| it.sync_all())
            .map_err(|e| Box::new(here(&e)))?;
        Ok((self.place.clone(), whole))
    }
}

fn taken(output: Option<&Path>, name: &str, error: &io::Error) -> Box<Failure> {
    let at = output.unwrap_or(Path::new(name)).display();
    let mut failed = failure("change", format!("{at} can't be written: {error}"), "");
    if error.kind() == io::ErrorKind::AlreadyExists {
        failed.what = format!("{at} is there already, and no backup takes another file's place");
        failed.next = Some("name another place: --output FILE".to_owned());
    }
    Box::new(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_no_backup_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let coming = Coming::begin(Some(dir.path()), "a.tar").unwrap();
        coming.file().write_all(b"half of it").unwrap();
        let mode = fs::metadata(dir.path().join(".a.tar.part")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let failed = coming.keep("00").unwrap_err();
        assert!(failed.what.contains("what came is no backup"), "{failed:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_file_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar");
        fs::write(&file, "precious").unwrap();
        for output in [dir.path(), &file] {
            let failed = Coming::begin(Some(output), "a.tar").err().unwrap();
            assert!(failed.what.contains("is there already"), "{failed:?}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

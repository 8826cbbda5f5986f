//! The files of a local source: what is sent to the servers as build context, and the
//! digest that tells one state of them from another. Both come from one list.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// One entry of a build context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextFile {
    /// Its path relative to the directory, with `/` between the parts.
    pub path: String,
    /// Where it lies on this machine.
    pub on_disk: PathBuf,
    /// What it is.
    pub kind: ContextKind,
}

/// What an entry of a build context is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContextKind {
    /// A directory.
    Directory,
    /// A file; of its mode only this matters, so that two checkouts of the same revision
    /// are the same.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link, kept as one.
    Link {
        /// What it points to, as it is written.
        target: PathBuf,
    },
}

/// Names that are never part of the context, at any depth.
const LEFT_OUT: [&str; 4] = [".git", "__pycache__", ".venv", "node_modules"];

/// Everything in a directory, sorted by path, without what version control, Python and
/// Node leave behind. Sockets, pipes and devices can't be sent and are left out too.
///
/// # Errors
/// A directory can't be read, or a name is not UTF-8.
pub fn context_files(dir: &Path) -> io::Result<Vec<ContextFile>> {
    let mut files = Vec::new();
    collect(dir, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<ContextFile>) -> io::Result<()> {
    let about = |path: &Path, source: io::Error| {
        io::Error::new(source.kind(), format!("{}: {source}", path.display()))
    };
    for entry in fs::read_dir(dir).map_err(|source| about(dir, source))? {
        let on_disk = entry?.path();
        let name = on_disk.file_name().unwrap_or_default();
        let Some(name) = name.to_str() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the name of {} is not UTF-8", on_disk.display()),
            ));
        };
        if LEFT_OUT.contains(&name) || name.ends_with(".pyc") {
            continue;
        }
        let path = format!("{prefix}{name}");
        let meta = fs::symlink_metadata(&on_disk).map_err(|source| about(&on_disk, source))?;
        let kind = if meta.is_symlink() {
            ContextKind::Link {
                target: fs::read_link(&on_disk)?,
            }
        } else if meta.is_dir() {
            collect(&on_disk, &format!("{path}/"), files)?;
            ContextKind::Directory
        } else if meta.is_file() {
            ContextKind::File {
                executable: meta.permissions().mode() & 0o100 != 0,
            }
        } else {
            continue;
        };
        files.push(ContextFile {
            path,
            on_disk,
            kind,
        });
    }
    Ok(())
}

/// A SHA-256 over the paths, kinds and contents of a directory, in hexadecimal.
///
/// # Errors
/// A file or directory can't be read.
pub(super) fn digest(dir: &Path) -> io::Result<String> {
    let mut sum = Sha256::new();
    for file in context_files(dir)? {
        // Each part is led by its length, so that no two lists look the same.
        part(&mut sum, file.path.as_bytes());
        match &file.kind {
            ContextKind::Directory => part(&mut sum, b"directory"),
            ContextKind::Link { target } => {
                part(&mut sum, b"link");
                part(&mut sum, target.as_os_str().as_bytes());
            }
            ContextKind::File { executable } => {
                part(&mut sum, if *executable { b"program" } else { b"file" });
                part(&mut sum, &content_sum(&file.on_disk)?);
            }
        }
    }
    Ok(hex(&sum.finalize()))
}

/// SHA-256 of a file's content.
pub(super) fn file_digest(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(hex(&content_sum(path)?))
}

fn part(sum: &mut Sha256, bytes: &[u8]) {
    sum.update((bytes.len() as u64).to_be_bytes());
    sum.update(bytes);
}

fn content_sum(path: &Path) -> io::Result<Vec<u8>> {
    let about =
        |source: io::Error| io::Error::new(source.kind(), format!("{}: {source}", path.display()));
    let mut file = fs::File::open(path).map_err(about)?;
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(about)? {
            0 => return Ok(sum.finalize().to_vec()),
            read => sum.update(&buffer[..read]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("Dockerfile", "FROM scratch\n"),
            ("polls/models.py", "x = 1\n"),
            ("polls/__pycache__/models.cpython.pyc", "cache"),
            ("stale.pyc", "cache"),
            (".git/HEAD", "ref"),
            (".venv/bin/python", ""),
            ("web/node_modules/x/index.js", ""),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("polls/models.py", dir.path().join("link")).unwrap();
        dir
    }

    #[test]
    fn the_context_is_sorted_and_leaves_caches_and_history_out() {
        let dir = project();
        let files = context_files(dir.path()).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            ["Dockerfile", "link", "polls", "polls/models.py", "web"]
        );
        assert_eq!(
            files[1].kind,
            ContextKind::Link {
                target: "polls/models.py".into()
            }
        );
    }

    #[test]
    fn the_digest_sees_content_names_links_and_the_executable_bit_and_nothing_else() {
        let dir = project();
        let at = |path: &str| dir.path().join(path);
        let seen = || digest(dir.path()).unwrap();
        let first = seen();
        assert_eq!(first.len(), 64);

        fs::write(at("stale.pyc"), "other").unwrap();
        fs::set_permissions(at("Dockerfile"), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(seen(), first, "caches and group bits don't count");

        let mut all = vec![first];
        fs::set_permissions(at("Dockerfile"), fs::Permissions::from_mode(0o740)).unwrap();
        all.push(seen());
        fs::write(at("polls/models.py"), "x = 2\n").unwrap();
        all.push(seen());
        fs::rename(at("polls/models.py"), at("polls/model.py")).unwrap();
        all.push(seen());
        fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("polls/model.py", at("link")).unwrap();
        all.push(seen());
        fs::create_dir(at("empty")).unwrap();
        all.push(seen());
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}

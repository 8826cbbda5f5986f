//! The example app, embedded, so that one binary is enough for a rehearsal.

use std::path::Path;

use super::{Error, layout};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../examples/polls/", $name)))),*]
    };
}

/// The files of examples/polls that a build needs: path below it, content.
const FILES: &[(&str, &[u8])] = files![
    ".dockerignore",
    "Dockerfile",
    "README.md",
    "manage.py",
    "mysite/__init__.py",
    "mysite/environment.py",
    "mysite/served_by.py",
    "mysite/settings.py",
    "mysite/urls.py",
    "mysite/wsgi.py",
    "polls/__init__.py",
    "polls/admin.py",
    "polls/apps.py",
    "polls/migrations/0001_initial.py",
    "polls/migrations/0002_sample_question.py",
    "polls/migrations/__init__.py",
    "polls/models.py",
    "polls/static/polls/polls.css",
    "polls/templates/polls/base.html",
    "polls/templates/polls/detail.html",
    "polls/templates/polls/index.html",
    "polls/templates/polls/results.html",
    "polls/urls.py",
    "polls/views.py",
    "requirements-object-storage.txt",
    "requirements.txt",
];

/// Writes the example app into a directory.
///
/// # Errors
/// When a file can't be written.
pub fn write(dir: &Path) -> Result<(), Error> {
    layout::dir(dir)?;
    for (name, content) in FILES {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            layout::dir(parent)?;
        }
        layout::write(&path, 0o644, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    /// Every file below a directory, but what a build leaves out or git ignores.
    fn found(dir: &Path, below: &Path, into: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap();
            if path.is_dir() {
                if name != "tests" && name != "__pycache__" {
                    found(&path, below, into);
                }
            } else if name != ".gitignore" && !name.ends_with(".sqlite3") {
                into.insert(
                    path.strip_prefix(below)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }

    #[test]
    fn every_file_of_the_example_is_embedded_and_written() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/polls");
        let out = tempfile::tempdir().unwrap();
        write(out.path()).unwrap();
        let (mut expected, mut written) = (BTreeSet::new(), BTreeSet::new());
        found(&source, &source, &mut expected);
        found(out.path(), out.path(), &mut written);
        assert_eq!(written, expected);
        assert!(written.contains("Dockerfile"));
    }
}

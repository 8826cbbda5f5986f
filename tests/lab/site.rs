//! The lab's site.toml, and variants of it.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Where the lab keeps its state.
pub fn lab() -> String {
    let named = std::env::var("PROVISION_LAB_DIRECTORY").ok();
    named.unwrap_or_else(|| "/var/lib/provision-lab".to_owned())
}

/// The site that `lab up` has written.
pub fn file() -> PathBuf {
    Path::new(&lab()).join("site.toml")
}

/// The lab's certificate authorities.
pub fn ca() -> String {
    format!("{}/ca.pem", lab())
}

/// A secret of the lab's app, by its name.
pub fn secret(name: &str) -> String {
    let env = std::fs::read_to_string(Path::new(&lab()).join("app.env")).unwrap();
    let line = env
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let value = line
        .unwrap_or_else(|| panic!("{name} is in app.env"))
        .to_owned();
    assert!(
        value.len() >= 16,
        "{name} is long enough not to be met by chance"
    );
    value
}

/// A site.toml of its own, in a directory that goes away.
pub struct Variant {
    dir: tempfile::TempDir,
}

impl Variant {
    /// The lab's site, changed.
    pub fn new(change: impl FnOnce(&mut Table)) -> Self {
        Self::beside(|site, _| change(site))
    }

    /// The same, with files beside it, which go into its directory.
    pub fn beside(change: impl FnOnce(&mut Table, &Path)) -> Self {
        let text = std::fs::read_to_string(file()).unwrap();
        let mut table: Table = text.parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        change(&mut table, dir.path());
        std::fs::write(dir.path().join("site.toml"), table.to_string()).unwrap();
        Self { dir }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("site.toml")
    }

    /// Its directory, which relative paths in it start from.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The table at a path of keys.
pub fn at<'a>(table: &'a mut Table, path: &[&str]) -> &'a mut Table {
    path.iter().fold(table, |table, key| {
        table.get_mut(*key).and_then(Value::as_table_mut).unwrap()
    })
}

/// Sets a value below a path of keys.
pub fn set(table: &mut Table, path: &[&str], value: impl Into<Value>) {
    let (last, parents) = path.split_last().unwrap();
    at(table, parents).insert((*last).to_owned(), value.into());
}

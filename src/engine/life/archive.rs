//! A backup as a file: a tar with the sums of its members in a manifest at its end.
//!
//! A file is taken for a backup only if it ends with the manifest and holds, in its order, what
//! that says: a file that was cut off anywhere has no manifest.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// The manifest's name.
const MANIFEST: &str = "manifest.json";
/// The form of the manifest that is understood.
const FORMAT: u32 = 1;
/// No manifest is larger (bytes).
const LARGEST_MANIFEST: u64 = 1024 * 1024;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The site.
    pub site: String,
    /// When it was made, in UTC: "20260102T030405Z".
    pub made: String,
    /// PostgreSQL's major version.
    pub postgres: u16,
    /// The database.
    pub database: String,
    /// The role that owned it.
    pub user: String,
    /// How many tables have rows of their own.
    pub tables: u64,
    /// How many rows they have in all.
    pub rows: u64,
    /// Its members in order.
    pub files: Vec<Member>,
}

/// A member of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// Whether uploaded files are part of it.
    pub fn has_media(&self) -> bool {
        self.files.iter().any(|member| member.name == "media.tar")
    }

    /// When it was made, in seconds since 1970.
    pub fn time(&self) -> Option<i64> {
        time(&self.made)
    }

    /// What is wrong with it beside its members, `None` if nothing.
    fn fault(&self) -> Option<&'static str> {
        let named = |name: &str| self.files.iter().any(|member| member.name == name);
        if self.format != FORMAT {
            Some("its manifest is of a form that this version doesn't know")
        } else if !named("database.dump") || !named("tables.txt") {
            Some("its manifest names no dump of a database")
        } else if time(&self.made).is_none() {
            Some("its manifest doesn't say when it was made")
        } else {
            None
        }
    }
}

/// A backup that was found to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub sha256: String,
}

/// Why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be used as a backup: {why}", .file.display())]
pub struct Unfit {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: Why,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It can't be read.
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    /// There is no manifest at its end.
    #[error("it is cut off, or no backup at all: there is no manifest at its end")]
    CutOff,
    /// The manifest can't be understood.
    #[error("its manifest can't be read: {0}")]
    Manifest(#[source] serde_json::Error),
    /// A member isn't what the manifest says.
    #[error("{0} in it is not what was put there: its sum differs")]
    Forged(String),
    /// Something that no backup has.
    #[error("{0}")]
    Strange(String),
}

/// Reads all of a file and says what kind of backup it is.
///
/// # Errors
/// If it isn't whole, or holds anything but what its manifest says.
pub fn check(file: &Path) -> Result<Whole, Unfit> {
    let unfit = |why| Unfit {
        file: file.to_owned(),
        why,
    };
    let opened = File::open(file).map_err(|e| unfit(Why::Unreadable(e)))?;
    read(opened).map_err(unfit)
}

fn read(source: impl Read) -> Result<Whole, Why> {
    let mut source = Summed::new(source);
    let mut found: Vec<Member> = Vec::new();
    let mut manifest = None;
    {
        let mut archive = tar::Archive::new(&mut source);
        // What ends within a header or a member is an error here, what ends between two isn't.
        let cut = |e: io::Error| match e.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => Why::Unreadable(e),
            _ => Why::CutOff,
        };
        for entry in archive.entries().map_err(cut)? {
            let mut entry = entry.map_err(cut)?;
            if manifest.is_some() {
                return Err(Why::Strange(
                    "something follows its manifest, which is to be the last".to_owned(),
                ));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() || name.contains('/') {
                return Err(Why::Strange(format!("{name:?} in it is no plain file")));
            }
            if name == MANIFEST {
                let mut text = Vec::new();
                let mut limited = (&mut entry).take(LARGEST_MANIFEST);
                limited.read_to_end(&mut text).map_err(cut)?;
                if text.len() as u64 != entry.size() {
                    return Err(Why::CutOff);
                }
                manifest = Some(serde_json::from_slice(&text).map_err(Why::Manifest)?);
                continue;
            }
            let mut member = Summed::new(&mut entry);
            member.drain().map_err(cut)?;
            let (bytes, sha256) = member.end();
            if bytes != entry.size() {
                return Err(Why::CutOff);
            }
            found.push(Member {
                name,
                bytes,
                sha256,
            });
        }
    }
    source.drain().map_err(Why::Unreadable)?;
    let (bytes, sha256) = source.end();
    let manifest: Manifest = manifest.ok_or(Why::CutOff)?;
    if let Some(fault) = manifest.fault() {
        return Err(Why::Strange(fault.to_owned()));
    }
    for (at, said) in manifest.files.iter().enumerate() {
        match found.get(at) {
            Some(seen) if seen == said => {}
            Some(seen) if seen.name == said.name => return Err(Why::Forged(said.name.clone())),
            _ => {
                return Err(Why::Strange(format!(
                    "{} is not where its manifest says",
                    said.name
                )));
            }
        }
    }
    if let Some(more) = found.get(manifest.files.len()) {
        return Err(Why::Strange(format!(
            "{} in it is not in its manifest",
            more.name
        )));
    }
    Ok(Whole {
        manifest,
        bytes,
        sha256,
    })
}

/// Sums what is read through it.
struct Summed<R> {
    from: R,
    sum: Sha256,
    bytes: u64,
}

impl<R: Read> Summed<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            sum: Sha256::new(),
            bytes: 0,
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(|_| ())
    }

    fn end(self) -> (u64, String) {
        let sum = self.sum.finalize();
        let sum = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        (self.bytes, sum)
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let got = buffer.get(..read).unwrap_or_default();
        self.sum.update(got);
        self.bytes += got.len() as u64;
        Ok(read)
    }
}

/// "20260102T030405Z" in seconds since 1970; `None` if it is no such time.
pub(super) fn time(stamp: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| {
        let part = stamp.get(from..to)?;
        let plain = part.bytes().all(|c| c.is_ascii_digit());
        plain.then(|| part.parse::<i64>().ok())?
    };
    let whole = stamp.len() == 16 && stamp.get(8..9)? == "T" && stamp.get(15..)? == "Z";
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    let ok = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !whole || !ok || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970 in the Gregorian calendar, the year taken to begin in March.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests;

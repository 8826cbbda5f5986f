//! Backups. All times are seconds since 1970.

use serde::Serialize;

/// A backup that lies on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name: "polls-20260102T030405Z.tar".
    pub name: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<i64>,
    /// Its size.
    pub bytes: u64,
    /// PostgreSQL's major version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<u16>,
    /// Rows in all tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Whether uploaded files are part of it.
    pub media: bool,
    /// What it lacks, if it isn't whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

/// A backup that was made, or brought here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The host it is from.
    pub host: String,
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of all of it, in hexadecimal digits.
    pub sha256: String,
    /// How many tables.
    pub tables: u64,
    /// How many rows they have.
    pub rows: u64,
    /// The file on this machine, if it was brought here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The directory on the server where it is kept.
    pub directory: String,
}

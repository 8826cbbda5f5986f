//! Why a file of the operator's could not be used.

use std::io;
use std::path::PathBuf;

use super::Mistake;

/// Why a file of the operator's could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in it is wrong. The text is the whole picture, without colour.
    #[error("{0}")]
    Mistake(Box<Mistake>),
    /// It can't be read.
    #[error("can't read {}: {source}; {mend}", file.display())]
    Unreadable {
        /// The file, as it was named.
        file: PathBuf,
        /// Why.
        source: io::Error,
        /// What the operator can do.
        mend: String,
    },
}

impl Error {
    /// The mistake, if that is what it is: its fields are what `--json` prints.
    pub fn mistake(&self) -> Option<&Mistake> {
        match self {
            Self::Mistake(mistake) => Some(mistake),
            Self::Unreadable { .. } => None,
        }
    }

    /// The error as a terminal shows it; the same as `Display`, but in colour if wanted.
    pub fn picture(&self, colour: bool) -> String {
        match self {
            Self::Mistake(mistake) => mistake.picture(colour),
            Self::Unreadable { .. } => format!("error: {self}"),
        }
    }
}

//! `provision init`: a commented site.toml.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Error;
use crate::site;

/// Writes the starter, and never over a file that is there.
pub(super) fn init(file: &Path) -> Result<u8, Error> {
    let write = || -> std::io::Result<()> {
        let mut new = OpenOptions::new().write(true).create_new(true).open(file)?;
        new.write_all(site::starter().as_bytes())
    };
    match write() {
        Ok(()) => {
            anstream::println!(
                "{} is written; fill it in, then: provision trust, provision plan, provision run",
                file.display()
            );
            Ok(0)
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::Exists(file.to_owned())),
        Err(cause) => Err(Error::Write {
            path: file.to_owned(),
            cause,
        }),
    }
}

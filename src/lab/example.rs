//! The example app, embedded, so that one binary is enough for a rehearsal.

use std::path::Path;

use super::{Error, layout};

/// The files of examples/polls: path below it, content.
const FILES: &[(&str, &[u8])] = &[];

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

//! The site.toml that `provision init` writes.

/// A commented site.toml that loads as it is, once its hosts and its key exist.
pub fn starter() -> &'static str {
    include_str!("../../templates/site.toml")
}

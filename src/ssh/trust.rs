//! Which host keys count.

use std::path::PathBuf;

/// Whom we take a server's word from. There is no "anybody".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The fingerprint pinned in site.toml, `SHA256:…`. If there is one, it alone counts.
    pub pinned: Option<String>,
    /// Files to look the address up in, otherwise.
    pub known_hosts: Vec<PathBuf>,
}

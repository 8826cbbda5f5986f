//! Public halves, to be put on a server.

use std::path::Path;

use russh::keys::PublicKey;
use russh::keys::agent::AgentIdentity;

use super::super::target::Identity;
use super::Keys;
use super::file::public_beside;

impl Keys {
    /// Lines for a server's authorized_keys, chosen as ssh-copy-id(1) does: the key that
    /// site.toml names, else the configured files, else the agent's keys, else the usual files.
    /// Asks for no passphrase; a key whose public half can't be had without one is left out.
    pub async fn public_keys(&self, identity: &Identity) -> Vec<String> {
        if let Some(named) = &identity.key {
            return lines(self.half(&self.expand(named)));
        }
        let of_files = |files: &[std::path::PathBuf]| {
            lines(
                files
                    .iter()
                    .filter_map(|path| self.half(&self.expand(path))),
            )
        };
        let configured = of_files(&identity.files);
        if !configured.is_empty() {
            return configured;
        }
        if let Some(socket) = self.socket(&identity.agent)
            && !identity.only
        {
            let held = self.held(&socket).await.identities;
            let keys = held.into_iter().filter_map(|identity| match identity {
                AgentIdentity::PublicKey { mut key, comment } => {
                    key.set_comment(comment);
                    Some(key)
                }
                // A certificate ends; whoever wants it on a server installs its authority.
                AgentIdentity::Certificate { .. } => None,
            });
            let held = lines(keys);
            if !held.is_empty() {
                return held;
            }
        }
        of_files(&self.usual())
    }

    /// The public half of a key file. The `.pub` has the comment.
    fn half(&self, path: &Path) -> Option<PublicKey> {
        public_beside(path).or_else(|| self.file(path).ok()?.public().cloned())
    }
}

fn lines(keys: impl IntoIterator<Item = PublicKey>) -> Vec<String> {
    let mut lines = Vec::new();
    for key in keys {
        // A line break in a comment would begin another line, which a server would obey.
        let line = key.to_openssh().unwrap_or_default();
        let line: String = line.trim().chars().filter(|c| !c.is_control()).collect();
        if !line.is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

//! Kinds of things on a server, each as three pure functions: what to read, what it means,
//! what to run. Only the engine touches the network.
//!
//! | file | a resource is |
//! |---|---|
//! | [`file`] | a file with content, mode and owner; a directory |
//! | [`merged_json`] | our keys in somebody else's JSON file |
//! | [`packages`] | Debian packages |
//! | [`repository`] | a third party's Debian repository |
//! | [`unit`] | a systemd unit, enabled and running |
//! | [`user`] | a login with sudo and keys |
//! | [`sshd`] | sshd without root's login and without passwords |
//! | [`pending`] | a restart or reload that a written file still needs |
//! | [`ufw`] | ufw's rules and whether it is on; what the rules of others let in |
//! | [`ufw_docker`] | the rules that put Docker's ports behind ufw, on file and live |
//! | [`leftover`] | a guarded change that was never confirmed |
//! | [`image`] | a container image, built or pulled |
//! | [`compose`] | a Compose project's containers |
//! | [`task`] | a command that is run once for what it depends on |
//! | [`postgres`] | PostgreSQL: its volume, its container, the app's role and database |
//! | [`nginx`] | nginx's site configuration, for the certificate that is there |
//! | [`nginx_build`] | what the nginx of an image can do |
//! | [`served`] | nginx with the certificate that is on file |
//! | [`retired`] | units and files of ours that are no longer wanted |
//! | [`certificate`] | a certificate: an authority's, the operator's or one that signs itself |
//! | [`old_images`] | images of earlier revisions that go |
//! | [`orphans`] | containers of the site whose role has moved |
//! | [`purged`] | a package that is not to be there |
//! | [`requirement`] | something a host must be, that we don't change |

pub mod certificate;
pub mod compose;
pub mod fact;
pub mod file;
pub mod gather;
pub mod image;
pub mod leftover;
pub mod merged_json;
pub mod nginx;
pub mod nginx_build;
pub mod old_images;
pub mod op;
pub mod orphans;
pub mod packages;
pub mod pending;
pub mod postgres;
pub mod purged;
pub mod repository;
pub mod requirement;
pub mod retired;
pub mod served;
pub mod sshd;
pub mod task;
pub mod ufw;
pub mod ufw_docker;
pub mod unit;
pub mod user;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::event::{Line, Remark, State};
pub use fact::{Fact, Observed, Reveal, Unreadable};
pub use op::{Action, Content, Op};

/// One thing on one server.
pub trait Resource: fmt::Debug + Send + Sync {
    /// What it is called in plans and reports: "file /etc/docker/daemon.json". Two resources
    /// with one id on a host are the same thing.
    fn id(&self) -> String;

    /// What has to be read to know its state.
    fn facts(&self) -> Vec<Fact>;

    /// What the facts mean.
    ///
    /// # Errors
    /// If a fact could not be read. That is a failure, never "in sync".
    fn compare(&self, seen: &Observed) -> Result<State, Unreadable>;

    /// What closes the gap. Called only when [`Resource::compare`] says `Differs`.
    fn converge(&self, seen: &Observed) -> Vec<Op>;

    /// What should be known beside its state: what is unsound without being ours to change.
    fn remarks(&self, _seen: &Observed) -> Vec<Remark> {
        Vec::new()
    }

    /// Whether closing the gap could cut the operator off, so that it is done under a guard.
    fn guarded(&self) -> bool {
        false
    }
}

/// "Not as it should be", with no text to compare.
pub fn differs(what: impl Into<String>) -> State {
    State::Differs {
        what: what.into(),
        lines: Vec::new(),
    }
}

/// "Can't be known before that step has run."
pub fn unknown(until: &str) -> State {
    State::Unknown {
        until: until.to_owned(),
    }
}

/// A difference of two texts, with two lines of context around each change.
pub fn line_diff(old: &str, new: &str) -> Vec<Line> {
    let diff = similar::TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(2) {
        for op in group {
            for change in diff.iter_changes(&op) {
                let text = change.value().trim_end_matches('\n').to_owned();
                lines.push(match change.tag() {
                    similar::ChangeTag::Delete => Line::Removed(text),
                    similar::ChangeTag::Insert => Line::Added(text),
                    similar::ChangeTag::Equal => Line::Context(text),
                });
            }
        }
    }
    lines
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

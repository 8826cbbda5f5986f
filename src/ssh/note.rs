//! What is worth telling about connections, and to whom.

use tokio::sync::mpsc::UnboundedSender;

/// Something worth telling about a connection: which way it goes, what was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The host's name in site.toml, or that of a bastion.
    pub host: String,
    /// One line.
    pub text: String,
}

/// Tells about one host.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) host: String,
    pub(super) notes: Option<UnboundedSender<Note>>,
}

impl Teller {
    /// Tells whoever listens, one line. What comes from elsewhere may hold anything: only what can be
    /// shown is passed on.
    pub(super) fn tell(&self, text: impl AsRef<str>) {
        if let Some(notes) = &self.notes {
            let shown = |c: &char| !c.is_control();
            // A listener that is gone wants no more of them.
            let _gone = notes.send(Note {
                host: self.host.clone(),
                text: text.as_ref().chars().filter(shown).collect(),
            });
        }
    }
}

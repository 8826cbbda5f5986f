//! What the operator should know: what of the configuration isn't honoured, each once a run.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::values::Values;

/// A sentence for the operator, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    about: String,
    sentence: String,
}

impl Note {
    fn new(about: &str, sentence: String) -> Self {
        Self {
            about: about.to_owned(),
            sentence,
        }
    }

    /// A file that is there and can't be read.
    pub(super) fn unread(path: &Path, cause: &io::Error) -> Self {
        let path = path.display();
        Self::new(
            &path.to_string(),
            format!("{path} can't be read ({cause}) and is left out, as ssh does."),
        )
    }

    /// CanonicalizeHostname, without OpenSSH.
    pub(super) fn canonical() -> Self {
        Self::new(
            "canonicalizehostname",
            "CanonicalizeHostname isn't honoured without OpenSSH: names are taken as they are \
             written."
                .to_owned(),
        )
    }

    /// A criterion of Match that only OpenSSH can judge.
    pub(super) fn criterion(name: &str) -> Self {
        Self::new(
            &format!("match {name}"),
            format!("`Match {name}` isn't understood without OpenSSH and is taken not to apply."),
        )
    }
}

/// An option that isn't one, with its place.
pub(super) fn unknown(name: &str, path: &Path, line: usize) -> Note {
    unknown_at(name, &format!("{}:{line}", path.display()))
}

/// An option that isn't one, with its place as ssh says it.
pub(super) fn unknown_at(name: &str, place: &str) -> Note {
    Note::new(
        name,
        format!("The option {name} isn't known ({place}) and is left out."),
    )
}

/// What of a host's options isn't honoured.
pub(super) fn unhonoured(values: &Values) -> Vec<Note> {
    let mut notes = Vec::new();
    let set = |name| {
        values
            .first(name)
            .filter(|value| !value.eq_ignore_ascii_case("none"))
    };
    let mut note = |about: &str, sentence: &str| {
        notes.push(Note::new(about, sentence.to_owned()));
    };
    let strict = set("stricthostkeychecking").map(str::to_ascii_lowercase);
    if let Some("no" | "off" | "false" | "accept-new") = strict.as_deref() {
        note(
            "stricthostkeychecking",
            "StrictHostKeyChecking no, off and accept-new aren't honoured: a host key that is \
             neither pinned nor known is refused; `provision trust` pins it.",
        );
    }
    if set("knownhostscommand").is_some() {
        note(
            "knownhostscommand",
            "KnownHostsCommand isn't honoured: host keys come from site.toml and the known_hosts \
             files.",
        );
    }
    if values.flag("verifyhostkeydns", false) {
        note(
            "verifyhostkeydns",
            "VerifyHostKeyDNS isn't honoured: host keys come from site.toml and the known_hosts \
             files.",
        );
    }
    if values.flag("proxyusefdpass", false) && set("proxycommand").is_some() {
        note(
            "proxyusefdpass",
            "ProxyUseFdpass isn't honoured: ProxyCommand has to carry the connection itself.",
        );
    }
    if set("pkcs11provider").is_some() {
        note(
            "pkcs11provider",
            "PKCS11Provider isn't honoured: load its keys into the agent (`ssh-add -s`).",
        );
    }
    if set("bindinterface").is_some() || set("bindaddress").is_some() {
        note(
            "bindinterface",
            "BindAddress and BindInterface aren't honoured: the system chooses where to connect \
             from.",
        );
    }
    if set("revokedhostkeys").is_some() {
        note(
            "revokedhostkeys",
            "RevokedHostKeys isn't honoured: mark such keys with @revoked in a known_hosts file.",
        );
    }
    notes
}

/// The notes of a run, each thing once.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Vec<Note>>);

impl Notes {
    /// Adds what isn't there yet.
    pub(super) fn add(&self, notes: Vec<Note>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for note in notes {
            if all.iter().all(|known| known.about != note.about) {
                all.push(note);
            }
        }
    }

    /// The sentences, sorted: hosts are asked at once, in no order.
    pub(super) fn sentences(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sentences: Vec<String> = all.iter().map(|note| note.sentence.clone()).collect();
        sentences.sort();
        sentences
    }
}

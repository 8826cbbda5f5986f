//! The operator's own certificate and key as one file, which nginx has tested before it is put.
//!
//! Beside it lies the chain alone, which tells a plan what is replaced: the file itself is never
//! read.

use super::self_signed::{copy_of, shared_with};
use crate::event::State;
use crate::resource::certificate::Leaf;
use crate::resource::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use crate::resource::{differs, sha256};
use crate::shell::{Cmd, Script, Secret};

const CHECK: Script = Script(include_str!("../sh/pair-check.sh"));

/// Key and chain in one file.
#[derive(Clone, Debug)]
pub struct Provided {
    /// The file on the server, which ends in `.pem`.
    pub path: String,
    /// The chain in PEM, the server's own certificate first.
    pub chain: String,
    /// The private key in PEM.
    pub key: Secret,
    /// The image whose nginx tests them.
    pub image: String,
    /// User and group, whom it runs as: the group alone may read the file beside root.
    pub user: String,
}

impl Provided {
    /// What the file holds: the key, and then the chain.
    fn content(&self) -> Secret {
        let (key, chain) = (self.key.reveal().trim_end(), self.chain.trim_end());
        Secret::new(format!("{key}\n{chain}\n"))
    }

    fn chain(&self) -> String {
        format!("{}\n", self.chain.trim_end())
    }
}

/// A certificate in a few words.
fn words(leaf: &Leaf) -> String {
    let (names, issuer) = (leaf.names.join(" "), &leaf.issuer);
    format!("{names} of {issuer} until {}", leaf.last_day)
}

impl Resource for Provided {
    fn id(&self) -> String {
        format!("certificate {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::File {
                path: self.path.clone(),
                content: Reveal::Never,
            },
            Fact::File {
                path: copy_of(&self.path),
                content: Reveal::Unless(sha256(self.chain())),
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let new = Leaf::read(self.chain.as_bytes()).map(|leaf| words(&leaf));
        let new = new.unwrap_or_default();
        let copy = seen.file(&copy_of(&self.path))?;
        let Some(file) = seen.file(&self.path)? else {
            return Ok(differs(format!("missing → {new}")));
        };
        if file.sha256.as_deref() != Some(sha256(self.content().reveal()).as_str()) {
            let old = copy.and_then(|copy| Leaf::read(copy.content.as_deref()?));
            return Ok(differs(match old.map(|leaf| words(&leaf)) {
                Some(old) if old != new => format!("{old} → {new}"),
                Some(_) => format!("another of the same kind → {new}"),
                None => format!("another one → {new}"),
            }));
        }
        let wanted = shared_with(&self.user);
        if (file.mode, &file.owner) != (0o640, &wanted) {
            let (owner, mode) = (&file.owner, file.mode);
            return Ok(differs(format!("{owner} {mode:04o} → {wanted} 0640")));
        }
        let told = copy.is_some_and(|copy| {
            copy.sha256.as_deref() == Some(sha256(self.chain()).as_str())
                && (copy.mode, copy.owner.as_str()) == (0o644, "root:root")
        });
        Ok(if told {
            State::InSync
        } else {
            differs("the copy of its chain is another")
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let put = |path: String, content, (mode, owner), check| Op {
            what: match check {
                Some(_) => format!("test and write {path}"),
                None => format!("write {path}"),
            },
            action: Action::Put {
                path,
                content,
                mode,
                owner,
                check,
                pending: Vec::new(),
            },
        };
        let check = Cmd::script(CHECK, [self.image.clone(), self.user.clone()]);
        vec![
            put(
                self.path.clone(),
                Content::Secret(self.content()),
                (0o640, shared_with(&self.user)),
                Some(check),
            ),
            put(
                copy_of(&self.path),
                Content::Text(self.chain()),
                (0o644, "root:root".to_owned()),
                None,
            ),
        ]
    }
}

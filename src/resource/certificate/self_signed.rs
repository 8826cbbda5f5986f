//! A certificate that signs itself, made on the server by OpenSSL.
//!
//! The key never leaves the server. What can be looked at is a copy of the certificate beside
//! the file that nginx reads: it is written after that file, so it never tells of one that isn't
//! there yet.

use crate::event::State;
use crate::resource::certificate::{Key, Leaf};
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs};

/// Makes the certificate; part of the script that renews it too.
pub const SCRIPT: &str = include_str!("self-signed.sh");

/// Key and certificate in one file, which root and the group of its directory may read: files there
/// get that group by themselves (its set-group-ID bit, inode(7)).
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The file on the server, which ends in `.pem`. Its directory exists.
    pub path: String,
    /// The names it must be for; the first is its subject.
    pub names: Vec<String>,
    /// The kind of key.
    pub key: Key,
    /// Days that it holds.
    pub days: u16,
    /// User and group of nginx, "10001:10001".
    pub user: String,
    /// Now, in seconds since 1970, by the operator's clock.
    pub now: u64,
}

/// Where the certificate alone lies beside the file `path`.
pub fn copy_of(path: &str) -> String {
    format!("{}.crt", path.strip_suffix(".pem").unwrap_or(path))
}

/// Owner of a file that is for root and the group of this user: "root:10001" for "10001:10001".
pub fn shared_with(user: &str) -> String {
    let group = user.split_once(':').map_or(user, |(_, group)| group);
    format!("root:{group}")
}

impl SelfSigned {
    /// The arguments of [`SCRIPT`].
    pub fn arguments(&self) -> Vec<String> {
        let (kind, bits) = match self.key {
            Key::Rsa(bits) => ("rsa", bits),
            Key::Ecdsa => ("ecdsa", 256),
        };
        let mut all = vec![self.path.clone(), self.days.to_string()];
        all.extend([kind.to_owned(), bits.to_string()]);
        all.extend(self.names.iter().cloned());
        all
    }

    /// What is wrong with the certificate that is there.
    fn faults(&self, leaf: &Leaf) -> Vec<String> {
        let mut what = Vec::new();
        let mut names = self.names.clone();
        names.sort();
        if leaf.names != names {
            what.push(format!(
                "for {} → {}",
                leaf.names.join(" "),
                names.join(" ")
            ));
        }
        if leaf.key != self.key.to_string() {
            what.push(format!("key {} → {}", leaf.key, self.key));
        }
        if leaf.ends <= self.now {
            what.push(format!("expired on {}", leaf.last_day));
        } else if leaf.due() <= self.now {
            what.push(format!(
                "ends on {}, in {} days",
                leaf.last_day,
                (leaf.ends - self.now) / 86_400
            ));
        }
        what
    }
}

impl Resource for SelfSigned {
    fn id(&self) -> String {
        format!("self-signed certificate {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::File {
                path: self.path.clone(),
                content: Reveal::Never,
            },
            Fact::File {
                path: copy_of(&self.path),
                content: Reveal::Always,
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(file) = seen.file(&self.path)? else {
            return Ok(differs("missing"));
        };
        let copy = seen.file(&copy_of(&self.path))?;
        let leaf = copy.and_then(|copy| Leaf::read(copy.content.as_deref().unwrap_or_default()));
        let Some(leaf) = leaf else {
            return Ok(differs("nobody knows what is in it"));
        };
        let mut what = self.faults(&leaf);
        if (file.mode, &file.owner) != (0o640, &shared_with(&self.user)) {
            // Whoever could read the key may have it.
            what.push(format!("was {} {:04o}", file.owner, file.mode));
        }
        if what.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(what.join(", ")))
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let what = format!("make a certificate for {}", self.names.join(", "));
        // Long keys take minutes on small servers.
        vec![Op::script(what, SCRIPT, self.arguments()).long()]
    }
}

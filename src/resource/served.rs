//! nginx has loaded the certificate that lies on the host.
//!
//! A certificate is replaced at one path: by a renewal, by another authority, by a new pair of
//! the operator's. nginx's configuration stays the same then, and nothing else would say that it
//! has to be read again.

use super::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, sha256, unknown};
use crate::event::State;
use crate::shell::Cmd;

/// The certificate on file is the one that nginx has loaded, by the receipt of its last reload.
#[derive(Clone, Debug)]
pub struct Served {
    /// The certificate's file on the host.
    pub file: String,
    /// Where the last reload left its digest: 64 hexadecimal digits and a newline.
    pub receipt: String,
    /// Reloads nginx and leaves the receipt.
    pub reload: Cmd,
}

impl Resource for Served {
    fn id(&self) -> String {
        format!("nginx with {}", self.file)
    }

    fn facts(&self) -> Vec<Fact> {
        // A digest is enough of the receipt too: it tells what it holds.
        [&self.file, &self.receipt]
            .map(|path| Fact::File {
                path: path.clone(),
                content: Reveal::Never,
            })
            .to_vec()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(sum) = seen.file(&self.file)?.and_then(|file| file.sha256.as_ref()) else {
            return Ok(unknown("certificate"));
        };
        let wanted = sha256(format!("{sum}\n"));
        Ok(match seen.file(&self.receipt)? {
            Some(file) if file.sha256.as_deref() == Some(wanted.as_str()) => State::InSync,
            Some(_) => differs("nginx has loaded another"),
            None => differs("not known to be loaded"),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        vec![Op::run(
            "let nginx read the certificate",
            self.reload.clone(),
        )]
    }
}

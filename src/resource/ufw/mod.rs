//! ufw: that it is on, and the rules that it must have.
//!
//! State is read from ufw's own files, since `ufw status` takes 75 ms.
//!
//! | file | what it is about |
//! |---|---|
//! | [`settings`] | the settings that decide whether rules hold |
//! | [`tuple`] | the rules that stand in ufw's own files |
//! | `words` | such a rule in the words of ufw(8) |
//! | [`policy`] | what these rules, of whoever set them up, say of a connection; only read |
//! | `rule` | one port let in from one source: as ufw's words, as the kernel prints it |
//! | `rules` | the rules a site needs on a host, and those of ours that it no longer needs |
//! | `enabled` | that ufw is on and refuses what no rule lets in |

mod enabled;
pub mod policy;
mod rule;
mod rules;
pub mod settings;
pub mod tuple;
mod words;

pub use enabled::Enabled;
pub use rule::{Path, Protocol, Rule};
pub use rules::{Rules, SSH_PORT};
pub(super) use settings::is_on;

use super::{Fact, Reveal};

/// Whether ufw is on, and its logging.
pub const CONF: &str = "/etc/ufw/ufw.conf";
/// ufw's other settings.
pub const DEFAULTS: &str = "/etc/default/ufw";
/// ufw's rules for IPv4.
pub const USER_RULES: &str = "/etc/ufw/user.rules";
/// ufw's rules for IPv6.
pub const USER6_RULES: &str = "/etc/ufw/user6.rules";

/// One of ufw's files, with what stands in it.
fn file(path: &str) -> Fact {
    Fact::File {
        path: path.to_owned(),
        content: Reveal::Always,
    }
}

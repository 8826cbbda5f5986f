//! ufw: that it is on, and the rules that it must have.
//!
//! State is read from ufw's own files, since `ufw status` takes 75 ms.
//!
//! | file | what it is about |
//! |---|---|
//! | `rule` | one port let in from one source: as ufw's words, as the kernel prints it |
//! | `tuple` | the rules that stand in ufw's own files |
//! | `rules` | the rules a site needs on a host, and those of ours that it no longer needs |
//! | `enabled` | that ufw is on and refuses what no rule lets in |

mod enabled;
mod rule;
mod rules;
mod tuple;

pub use enabled::Enabled;
pub(super) use enabled::is_on;
pub use rule::{Path, Rule};
pub use rules::{Rules, SSH_PORT};

/// Whether ufw is on, and its logging.
pub(super) const CONF: &str = "/etc/ufw/ufw.conf";

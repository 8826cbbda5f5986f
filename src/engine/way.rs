//! The ways to be root.

use crate::shell::Secret;

/// A way to be root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The user is root.
    Root,
    /// sudo, without a password.
    Sudo,
    /// sudo, with this password.
    SudoWith(Secret),
    /// doas, without a password. It reads one from a terminal only (doas(1)).
    Doas,
}

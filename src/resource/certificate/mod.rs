//! Certificates, by where they come from.
//!
//! [`acme`](Certificate) from an authority, [`provided`](Provided) by the operator or
//! [`self_signed`](SelfSigned) on the server; `leaf` is what one says of itself.

mod acme;
mod leaf;
mod provided;
mod self_signed;

pub use acme::{Certificate, certbot, lineage};
pub use leaf::{Key, Leaf};
pub use provided::Provided;
pub use self_signed::{SCRIPT as SELF_SIGNED, SelfSigned, copy_of};

//! Certificates, by where they come from.
//!
//! | file | is about |
//! |---|---|
//! | [`acme`](Certificate) | one from an ACME authority: what is wanted, and certbot's arguments |
//! | [`renewal`] | what certbot keeps of how it was issued |
//! | [`refusal`] | why an authority gave none, and until when |
//! | [`when`] | moments as authorities write them |
//! | [`provided`](Provided) | one of the operator's |
//! | [`self_signed`](SelfSigned) | one that is made on the server |
//! | [`leaf`](Leaf) | what a certificate says of itself |

mod acme;
mod leaf;
mod provided;
mod refusal;
mod renewal;
mod self_signed;
mod when;

pub use acme::{Certificate, Sight, certbot, lineage};
pub use leaf::{Key, Leaf};
pub use provided::Provided;
pub use self_signed::{SCRIPT as SELF_SIGNED, SelfSigned, copy_of};

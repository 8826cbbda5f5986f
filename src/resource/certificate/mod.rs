//! Certificates, by where they come from.
//!
//! | file | is about |
//! |---|---|
//! | [`acme`] | one from an ACME authority: what is wanted, and certbot's arguments |
//! | [`issued`] | what a certificate says of itself |
//! | [`renewal`] | what certbot keeps of how it was issued |
//! | [`refusal`] | why an authority gave none, and until when |
//! | [`when`] | moments as authorities write them |

mod acme;
mod issued;
mod refusal;
mod renewal;
mod when;

pub use acme::{Certificate, Sight, certbot, lineage};
pub use issued::{Issued, Key, issued};

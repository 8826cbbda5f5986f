//! Certificates, by where they come from.

mod acme;

pub use acme::{Certificate, certbot, lineage};

//! How the site looks from outside: DNS, TCP, TLS and HTTP, from the machine this runs on.
//!
//! - [`lookup`] asks DNS for a name's addresses, past any hosts file.
//! - [`issuers`] asks it who may issue certificates for a name.
//! - [`tcp`] says whether a port takes a connection, refuses it or stays silent.
//! - [`handshake`] says what a TLS server makes of a name.
//! - [`Get`] asks for one page at one address over a connection of its own.
//!
//! Nothing here judges: a time-out is reported as a time-out. Certificates are always
//! verified; one that fails is described in the error, since "issued by a staging CA" is
//! what an operator needs to read.

mod certificate;
mod dns;
mod error;
mod exactly;
mod http;
mod tcp;
mod tls;

pub use certificate::Certificate;
pub use dns::{LookupError, issuers, lookup};
pub use error::Error;
pub use http::{Answer, Get, Scheme};
pub use tcp::{Reach, Touch, source, tcp};
pub use tls::{Handshake, Trust, TrustError, handshake};

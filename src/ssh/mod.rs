//! SSH: the only room that names `russh`.
//!
//! - [`connect`](connect()) opens a connection: TCP, host key, login; [`host_keys`] looks only.
//! - `trust`: which host keys count, and `known_hosts`: reading the files that say so.
//! - `keys`: which private keys to log in with: files, the agent, the usual places.
//! - `session`: a connection that is logged in, and commands run over it; `output`: what
//!   they write.
//! - `error`: what can go wrong, where, and what to do about it.
//!
//! A server whose key isn't pinned or known is never logged in to, and nothing here asks or
//! learns: keys are pinned by `provision trust`.

pub mod config;
mod connect;
mod error;
mod handler;
mod keys;
mod known_hosts;
mod output;
mod session;
mod trust;

pub use connect::{HostKey, Target, connect, host_keys};
pub use error::{Error, Fault, Stage};
pub use keys::Keys;
pub use session::{Done, Exec, Input, Session, Status};
pub use trust::Trust;

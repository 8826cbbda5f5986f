//! SSH: the only room that names `russh`.
//!
//! - `dialer`: opens connections, and holds what those of a run share; `target`: where to,
//!   which way, as whom; `dial`: the way to a server's sshd.
//! - `connect`: the start of SSH with the check of the host key; `algorithms`: what we speak.
//! - `trust`: which host keys count, and `known_hosts`: reading the files that say so.
//! - `authenticate`: logging in; `keys`: which private keys there are: files, the agent, the
//!   usual places; `ask`: what only the operator can answer.
//! - `session`: a connection that is logged in, and commands run over it; `output`: what
//!   they write.
//! - `error`: what can go wrong, where, and what to do about it.
//!
//! A server whose key isn't pinned or known is never logged in to, and nothing here
//! learns keys: they are pinned by `provision trust`.

mod algorithms;
mod ask;
mod authenticate;
pub mod config;
mod certificate;
mod connect;
mod dial;
mod dialer;
mod error;
mod handler;
mod keys;
mod known_hosts;
mod output;
mod session;
mod target;
mod trust;

pub use ask::{Answer, Ask, Nobody, Question, Unanswered};
pub use connect::HostKey;
pub use dialer::{Dialer, Note};
pub use error::{Error, Fault, Stage};
pub use keys::Keys;
pub use session::{Done, Exec, Input, Session, Status};
pub use target::{Address, Agent, Family, Identity, Patience, Target, Via};
pub use trust::Trust;

//! SSH: the only room that names `russh`.
//!
//! - `dialer`: opens connections; `shared`: what those of a run share, the `bastions` among it,
//!   and somebody to tell (`note`); `target`: where to, which way, as whom.
//! - `dial`: the way to a server's sshd: `tcp`, the `jump` through a bastion, or a
//!   `proxy_command`; `wire`: the bytes on it, watched.
//! - `connect`: the start of SSH with the check of the host key; `algorithms`: what we speak.
//! - `trust`: which host keys count; `judge`: whether one does; `known_hosts`: reading the
//!   files that say so; `certificate`: what one of a host must hold.
//! - `authenticate`: logging in; `keys`: which private keys there are: files, the agent, the
//!   usual places; `ask`: what only the operator can answer.
//! - `link`: one connection that is logged in; `session`: one or more of them to a host, and
//!   commands run over them; `exec`: one command; `output`: what it writes.
//! - `error`: where a connection failed, and what to do about it; `fault`: what went wrong.
//!
//! A server whose key isn't pinned or known is never logged in to, and nothing here
//! learns keys: they are pinned by `provision trust`.

mod algorithms;
mod ask;
mod attached;
mod authenticate;
mod bastions;
mod certificate;
pub mod config;
mod connect;
mod dial;
mod dialer;
mod error;
mod exec;
mod fault;
mod handler;
mod judge;
mod jump;
mod keys;
mod known_hosts;
mod link;
mod note;
mod output;
mod proxy_command;
mod session;
mod shared;
mod target;
mod tcp;
mod trust;
mod wire;

pub use ask::{Answer, Ask, Nobody, Question, Unanswered};
pub use attached::{Gone, Piece, Receiving, Sending, Size, Terminal};
pub use connect::HostKey;
pub use dialer::Dialer;
pub use error::{Error, Stage};
pub use exec::{Done, Exec, Input, Status};
pub use fault::Fault;
pub use keys::Keys;
pub use note::Note;
pub use session::Session;
pub use target::{Address, Agent, Family, Identity, Patience, Target, Via};
pub use trust::Trust;

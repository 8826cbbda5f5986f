//! The built binary on a terminal of its own, and the secrets that are typed there.
//!
//! - `terminal`: a pseudo-terminal; `home`: a home directory with a site.toml
//! - `host`: a server that asks for passwords and runs commands; `sshd`: OpenSSH's own
//! - `passphrases`, `passwords`: what is asked, and what comes of the answers
//! - `sources`: answers without a terminal; `trusting`: `provision trust`
//! - `attached`: commands that somebody sits at
//! - `canary`: that no secret is to be seen anywhere; `watch`: who looks

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod attached;
mod canary;
#[path = "../on_server/executable.rs"]
mod executable;
mod home;
mod host;
mod passphrases;
mod passwords;
#[allow(dead_code, reason = "shared with the tests of the ssh room")]
#[path = "../ssh/server.rs"]
mod server;
mod sources;
#[allow(dead_code, reason = "shared with the tests of the ssh room")]
#[path = "../ssh/sshd.rs"]
mod sshd;
mod terminal;
mod trusting;
mod watch;

//! The `ssh` room against a real SSH server, in this process, over loopback TCP.
//!
//! - `server`: the server, and what it saw
//! - `agent`: a small SSH agent; `openssh`: a real sshd; `relay`: what lies in between
//! - `host_keys`, `login`, `commands`, `way`, `jump`, `sessions`: what is shown

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod agent;
mod commands;
mod host_keys;
mod jump;
mod login;
mod openssh;
mod relay;
mod server;
mod sessions;
mod way;

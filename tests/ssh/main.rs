//! The `ssh` room against a real SSH server, in this process, over loopback TCP.
//!
//! - `server`: the server, and what it saw
//! - `agent`: a small SSH agent
//! - `config`: the operator's own configuration; `config_openssh`: our reader of it against
//!   OpenSSH
//! - `host_keys`, `login`, `commands`: what is shown

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod agent;
mod commands;
mod config;
mod config_openssh;
mod host_keys;
mod login;
mod server;

//! The `ssh` room against a real SSH server, in this process, over loopback TCP.
//!
//! - `server`: the server, and what it saw
//! - `agent`: a small SSH agent; `sshd`: a real sshd; `relay`: what lies in between
//! - `config`: the operator's own configuration; `config_openssh`: our reader of it against
//!   OpenSSH; `executable`: programs that stand for ssh
//! - `way`, `jump`, `sessions`: how a server is reached
//! - `host_keys`, `certificates`: who the server is; `login`, `passwords`, `openssh`: who we
//!   are, the last with keys and agents of OpenSSH's own making; `proposal`, `audit`: what we speak;
//!   `commands`: what runs then; `attached`: with somebody at it

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod agent;
mod attached;
mod audit;
mod certificates;
mod commands;
mod config;
mod config_openssh;
#[path = "../on_server/executable.rs"]
mod executable;
mod host_keys;
mod jump;
mod login;
mod openssh;
mod passwords;
mod proposal;
mod relay;
mod server;
mod sessions;
mod sshd;
mod way;

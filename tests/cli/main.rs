//! The built binary: what it says, where it says it, and which exit code it ends with.
//!
//! - `home`: a home directory with a site.toml
//! - `attached`: `manage`, `dbshell`, `redis-cli`, `shell`, `logs`
//! - `life`: `backup`, `restore`, `down`, `destroy`
//! - `mistakes`: one clear error each, and nothing done
//! - `verbs`: `init`, `steps`, `explain`, `trust`
//! - `secrets`: the secrets file
//! - `hosts`: hosts that can't be reached, or that are somebody else

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod attached;
#[path = "../on_server/executable.rs"]
mod executable;
mod home;
mod hosts;
mod life;
mod mistakes;
mod secrets;
#[allow(dead_code, reason = "shared with the tests of the ssh room")]
#[path = "../ssh/server.rs"]
mod server;
mod verbs;

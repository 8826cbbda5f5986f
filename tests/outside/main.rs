//! What a look from outside reports of servers that answer, stall, hang up, redirect or
//! show one certificate or another. All of them run inside the test.

#![allow(clippy::unwrap_used)]

mod dns;
mod http;
mod server;
mod tls;

//! What a site.toml may say, what it means, and how each mistake in it is shown.
//!
//! - `home`: the directory it lies in, and the smallest site
//! - `values`: what a right one means
//! - `mistakes`: what is said of a wrong one
//! - `data`: a database and a cache of the site's own
//! - `ssh`: how hosts are reached
//! - `starter`: the one that `provision init` writes
//! - `mangled`: what was one once

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod data;
mod home;
mod mangled;
mod mistakes;
mod pair;
mod ssh;
mod starter;
mod values;

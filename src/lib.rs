//! `provision` takes bare Ubuntu or Debian servers, reached over SSH, to a running,
//! load-balanced HTTPS Django site behind a firewall that holds, and proves it from outside.
//!
//! One way leads through the house, and nothing flows back:
//!
//! ```text
//! site.toml + playbook ─► Site, Playbook ─► Plan ─► engine ─► Event ─► report
//! ```
//!
//! Everything up to the plan is pure, and so is everything after the engine.
//! ARCHITECTURE.md describes the rooms and what each may touch.

pub mod cli;
pub mod engine;
pub mod event;
pub mod input;
pub mod lab;
pub mod lint;
pub mod plan;
pub mod playbook;
pub mod proof;
pub mod report;
pub mod resource;
pub mod secrets;
pub mod shell;
pub mod site;
pub mod ssh;
pub mod step;
pub mod vantage;

//! The table of real SSH servers, on a server of each suite: what this program's connections
//! make of each, over the lab's network.

#[path = "../../ssh_servers/mod.rs"]
mod table;

use crate::program::succeeds;
use crate::servers::{console, up_with};
use crate::site;

const HOST: &str = "app2";

/// Debian 13.
pub fn trixie() {
    hold("Debian 13");
}

/// Debian 12.
pub fn bookworm() {
    up_with("bookworm");
    hold("Debian 12");
}

/// On a fresh server, which is made fresh again.
fn hold(name: &str) {
    succeeds(&["lab", "reset", HOST]);
    let text = std::fs::read_to_string(site::file()).unwrap();
    let lab: toml::Table = text.parse().unwrap();
    let address = lab["hosts"][HOST]["address"].as_str().unwrap();
    table::hold(&table::Place {
        name,
        address: address.parse().unwrap(),
        root: &|script| console(HOST, script),
        installs: true,
    });
    succeeds(&["lab", "reset", HOST]);
}

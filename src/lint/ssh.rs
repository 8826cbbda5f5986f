//! ufw's rules that SSH comes in by: one that locks out, or stands in the way of many logins.

use std::net::IpAddr;

use super::host::Host;
use super::remark;
use super::tuple::{Action, Tuple};
use crate::event::{Level, Remark};
use crate::resource::fact::Family;

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    let Some(port) = host.ssh else {
        return;
    };
    let Some(rule) = deciding(host, port) else {
        return;
    };
    match rule.action {
        Action::Allow => {}
        Action::Deny => {
            let from = host
                .peer
                .map_or_else(String::new, |peer| format!(" from {peer}"));
            all.push(remark(
                Level::Refusal,
                "ssh-denied",
                format!(
                    "a rule of ufw's denies SSH on port {port}{from}, before any that allows it"
                ),
                "where ufw is turned on or loaded anew, nobody gets in any more",
                format!("take it back: `{}`", rule.delete()),
            ));
        }
        Action::Limit => all.push(remark(
            Level::Warning,
            "ssh-limit",
            format!("ufw lets SSH in on port {port} by `limit`"),
            "it refuses whoever connects six times in 30 seconds, and a run with its proof may",
            format!(
                "`ufw allow {port}/tcp`, then, if it is still there, `{}`; passwords are better \
                 turned off than slowed down",
                rule.delete()
            ),
        )),
    }
}

/// The first rule that fits our own way in; later ones are never asked.
fn deciding(host: &Host, port: u16) -> Option<&Tuple> {
    let six = host.peer.is_some_and(|peer| peer.to_canonical().is_ipv6());
    let family = if six { Family::V6 } else { Family::V4 };
    let peer = host.peer.map(|peer: IpAddr| peer.to_canonical());
    host.tuples.iter().find(|rule| {
        rule.family == family
            && !rule.route
            && rule.is_plain()
            && rule.covers("tcp", port)
            && rule.takes(peer)
    })
}

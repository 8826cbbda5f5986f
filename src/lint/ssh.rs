//! ufw's rules that SSH comes in by: one that locks out, or stands in the way of many logins.

use super::host::Host;
use super::remark;
use crate::event::{Level, Remark};
use crate::resource::ufw::policy::Connection;
use crate::resource::ufw::tuple::{Action, Tuple};

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    let Some(port) = host.ssh else {
        return;
    };
    let Some(rule) = deciding(host, port) else {
        return;
    };
    match rule.action {
        Action::Allow => {}
        Action::Deny | Action::Reject => {
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
    let from = host.peer.map(|peer| peer.to_canonical());
    host.policy.decider(&Connection {
        from,
        to: None,
        port,
        interface: None,
        six: from.is_some_and(|from| from.is_ipv6()),
    })
}

//! ufw's settings: under which of them its rules don't hold.

use std::net::IpAddr;

use super::host::Host;
use super::{list, remark};
use crate::event::{Level, Remark};
use crate::resource::fact::Family;
use crate::resource::ufw::DEFAULTS;
use crate::resource::ufw::settings::{Incoming, Settings};

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    let Some(settings) = &host.ufw else {
        all.push(remark(
            Level::Refusal,
            "ufw-off",
            "there is no ufw",
            "every port that something listens on can be reached",
            "`apt-get install ufw`, let SSH in (`ufw allow 22/tcp`), `ufw enable`",
        ));
        return;
    };
    if settings.manages_builtins {
        all.push(remark(
            Level::Refusal,
            "manage-builtins",
            format!("MANAGE_BUILTINS=yes in {DEFAULTS}"),
            "with every reload ufw empties the kernel's own chains, Docker's jumps with them: \
             nothing then guards the ports that containers publish",
            format!("set MANAGE_BUILTINS=no in {DEFAULTS}, then `systemctl restart docker`"),
        ));
    }
    if !settings.ipv6 {
        all.push(without_ipv6(host, settings));
    }
    if !settings.on {
        all.push(remark(
            Level::Refusal,
            "ufw-off",
            "ufw is off",
            "none of its rules hold: every port that something listens on can be reached",
            "let SSH in (`ufw allow 22/tcp`), then `ufw enable`",
        ));
        return;
    }
    if settings.incoming == Incoming::LetIn {
        all.push(remark(
            Level::Refusal,
            "ufw-default",
            "ufw lets in what no rule names",
            "every port that something listens on can be reached, unless a rule denies it",
            "`ufw default deny incoming`",
        ));
    }
    let loaded = |family, jump: &str| !host.rules.contains_key(&family) || has(host, family, jump);
    if !loaded(Family::V4, "ufw-before-input")
        || settings.ipv6 && !loaded(Family::V6, "ufw6-before-input")
    {
        all.push(remark(
            Level::Refusal,
            "ufw-not-loaded",
            "ufw is on by its file, but its rules are not in the kernel",
            "something has emptied the chains since: its rules don't hold",
            "`ufw reload`, and find out what emptied them",
        ));
    }
}

fn has(host: &Host, family: Family, chain: &str) -> bool {
    let jump = format!("-A INPUT -j {chain}");
    host.live(family).any(|rule| rule == jump)
}

fn without_ipv6(host: &Host, settings: &Settings) -> Remark {
    let told = settings.ipv6_told();
    let neighbours = host.neighbours();
    let mut addresses: Vec<String> = neighbours
        .iter()
        .map(|(_, network)| network.addr())
        .filter(IpAddr::is_ipv6)
        .map(|address| address.to_string())
        .collect();
    addresses.dedup();
    let mend = format!("set IPV6=yes in {DEFAULTS}, then `ufw reload`");
    if addresses.is_empty() {
        return remark(
            Level::Warning,
            "ipv6-off",
            format!("{told} in {DEFAULTS}"),
            "ufw would not guard IPv6; the host has no address of it today",
            mend,
        );
    }
    remark(
        Level::Refusal,
        "ipv6-off",
        format!(
            "{told} in {DEFAULTS}, and the host has {}",
            list(&addresses)
        ),
        "ufw then has no rules for IPv6: when it loads it wipes Docker's, and drops all else there, \
         SSH too",
        mend,
    )
}

//! Docker's firewall: whether it makes rules at all, in a backend that has DOCKER-USER, and
//! whether that chain is asked and refuses anything.

use super::host::Host;
use super::remark;
use crate::event::{Level, Remark};
use crate::resource::fact::Family;

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    if let Some(Err(why)) = &host.docker {
        all.push(remark(
            Level::Warning,
            "docker-silent",
            format!("Docker doesn't answer: {why}"),
            "what it publishes can't be known",
            "see `systemctl status docker`",
        ));
    }
    let off = iptables(host, all);
    let nftables = nftables(host, all);
    if !off && !nftables {
        asked(host, all);
    }
}

/// Whether Docker was told to make no rules.
fn iptables(host: &Host, all: &mut Vec<Remark>) -> bool {
    let is_off = |name| match host.setting(name) {
        Some((value, place)) if value == "false" => Some(place),
        _ => None,
    };
    if let Some(place) = is_off("iptables") {
        all.push(remark(
            Level::Refusal,
            "docker-iptables-off",
            format!("iptables: false in {place}"),
            "without its rules there is no DOCKER-USER, containers lose their way out or show \
             the host's addresses to each other, and ports are handed on by a program that hides \
             who asks",
            "take it out, then `systemctl restart docker`: the block in ufw's after.rules does \
             what it was meant for",
        ));
        return true;
    }
    let six = host
        .docker_networks()
        .iter()
        .any(|network| network.addr().is_ipv6());
    if let (Some(place), true) = (is_off("ip6tables"), six) {
        all.push(remark(
            Level::Refusal,
            "docker-iptables-off",
            format!("ip6tables: false in {place}, and Docker has IPv6 networks"),
            "there is no DOCKER-USER for IPv6: containers are reached by their own addresses",
            "take it out, then `systemctl restart docker`",
        ));
    }
    false
}

/// Whether Docker makes its rules with nftables itself (opt-in from Docker 29 on).
fn nftables(host: &Host, all: &mut Vec<Remark>) -> bool {
    let told = host.setting("firewall-backend");
    let told = told.filter(|(value, _)| value.starts_with("nftables"));
    let says = host.driver.as_deref();
    let place = match (told, says) {
        (Some((_, place)), _) => format!("firewall-backend: nftables in {place}"),
        (None, Some(driver)) if !driver.starts_with("iptables") => {
            format!("Docker's firewall backend is {driver}")
        }
        _ => return false,
    };
    all.push(remark(
        Level::Refusal,
        "docker-nftables",
        place,
        "it has no DOCKER-USER: the ports that containers publish pass by ufw, and no rule of \
         ufw's can stop them",
        "take firewall-backend out or set it to \"iptables\", then `systemctl restart docker`",
    ));
    true
}

/// Whether what goes to containers is shown to DOCKER-USER, and refused there.
fn asked(host: &Host, all: &mut Vec<Remark>) {
    if !host.publishes() {
        return;
    }
    let six = host
        .docker_networks()
        .iter()
        .any(|network| network.addr().is_ipv6());
    let families = [
        (Family::V4, "iptables", true),
        (Family::V6, "ip6tables", six),
    ];
    for (family, tool, _) in families.into_iter().filter(|(_, _, used)| *used) {
        if !host.rules.contains_key(&family) {
            continue;
        }
        if !is_asked(host, family) {
            all.push(remark(
                Level::Refusal,
                "docker-user-jump",
                format!("{tool}: FORWARD doesn't go through DOCKER-USER first"),
                "the rules that guard what containers publish are never asked; Docker puts its \
                 jump there when it starts, and something took it away",
                "`systemctl restart docker`, and find out what emptied the chain",
            ));
        } else if !denies(host, family) {
            all.push(remark(
                Level::Refusal,
                "docker-user-open",
                format!("{tool}: DOCKER-USER refuses nothing"),
                "Docker sends packets to containers before ufw's rules for the host are asked: \
                 every published port is open to all, whatever `ufw status` says",
                "put the block \"UFW AND DOCKER\" into /etc/ufw/after.rules, or publish on \
                 127.0.0.1",
            ));
        }
    }
}

/// Whether DOCKER-USER stands before whatever lets packets pass.
fn is_asked(host: &Host, family: Family) -> bool {
    for rule in host.live(family) {
        let Some(rule) = rule.strip_prefix("-A FORWARD ") else {
            continue;
        };
        if rule == "-j DOCKER-USER" {
            return true;
        }
        // Answers to what went out may pass earlier.
        let passes = rule.ends_with("-j ACCEPT") || rule.ends_with("-j DOCKER-FORWARD");
        if passes && !rule.contains("ESTABLISHED") {
            return false;
        }
    }
    false
}

/// Whether DOCKER-USER drops or rejects anything, or leads to a chain that does.
fn denies(host: &Host, family: Family) -> bool {
    let refuses = |rule: &str| rule.contains("-j DROP") || rule.contains("-j REJECT");
    let of = |chain: &str| {
        let start = format!("-A {chain} ");
        host.live(family)
            .filter_map(move |rule| rule.strip_prefix(start.as_str()).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    of("DOCKER-USER").iter().any(|rule| {
        // Packets that belong to nothing aren't what anybody asks for.
        if rule.contains("--ctstate INVALID") {
            return false;
        }
        let target = rule.rsplit(' ').next().unwrap_or_default();
        // What the operator denies by `ufw route deny` is for single cases.
        let is_users = target.ends_with("-user-forward");
        refuses(rule) || !is_users && of(target).iter().any(|rule| refuses(rule))
    })
}

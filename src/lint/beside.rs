//! Whatever else loads rules into the kernel: the other iptables backend, and programs that put
//! their rules in the place of ufw's when the host starts.

use super::host::Host;
use super::{list, remark};
use crate::event::{Level, Remark};

pub(super) fn look(host: &Host, all: &mut Vec<Remark>) {
    if !host.other.is_empty() {
        all.push(mixed(host));
    }
    let on = |name: &str| host.starts.iter().any(|service| service == name);
    if on("firewalld") {
        all.push(remark(
            Level::Refusal,
            "firewalld",
            "firewalld starts beside ufw",
            "each keeps rules that the other doesn't know of, and a reload of one undoes what \
             the other let in",
            "take over what is wanted as rules of ufw's, then `systemctl disable --now firewalld`",
        ));
    }
    if on("netfilter-persistent") {
        all.push(remark(
            Level::Refusal,
            "saved-rules",
            "netfilter-persistent loads saved rules when the host starts",
            "they take the place of ufw's and Docker's, or the other way round, as it happens",
            "take over what is wanted of /etc/iptables/rules.v4 and rules.v6 as rules of ufw's, \
             then `apt-get purge iptables-persistent netfilter-persistent`",
        ));
    }
    if on("nftables") {
        all.push(remark(
            Level::Refusal,
            "saved-rules",
            "nftables.service loads /etc/nftables.conf when the host starts",
            "that file begins by flushing every rule, ufw's and Docker's with them, in whatever \
             order they start",
            "take over what is wanted of it as rules of ufw's, then `systemctl disable nftables`; \
             don't stop it, which would flush every rule too",
        ));
    }
}

fn mixed(host: &Host) -> Remark {
    let other = if host.backend == "legacy" {
        "nft"
    } else {
        "legacy"
    };
    let named = |part: &str| host.other.iter().any(|rule| rule.contains(part));
    let mut whose = Vec::new();
    if named("DOCKER") {
        whose.push("Docker's".to_owned());
    }
    if named("ufw") {
        whose.push("ufw's".to_owned());
    }
    let whose = if whose.is_empty() {
        String::new()
    } else {
        format!(", {} among them", list(&whose))
    };
    let six = if named_six(host) {
        " (and `ip6tables`)"
    } else {
        ""
    };
    remark(
        Level::Refusal,
        "iptables-mixed",
        format!(
            "iptables is the {} one, and {} rule{} stand in the {other} one{whose}",
            host.backend,
            host.other.len(),
            if host.other.len() == 1 { "" } else { "s" },
        ),
        "a packet has to pass both, each with rules that the other's tools don't show; Docker \
         and ufw must share one",
        format!(
            "see `iptables-{other}-save`{six}; `iptables-{other} -F` and `-t nat -F` for each \
             table remove them, or choose one by `update-alternatives --config iptables`, \
             and restart the host"
        ),
    )
}

fn named_six(host: &Host) -> bool {
    host.other
        .iter()
        .any(|rule| rule.contains("ufw6-") || rule.contains("::"))
}

//! `[hosts.NAME]`, and what hosts can't have in common.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use toml::Spanned;

use super::network::Network;
use super::raw::{RawApp, RawHost, RawHosts, Text};
use super::read::Reader;
use super::{App, Docker, Host, HostName, Role, jump, ssh};
use crate::input::Error;

pub(super) fn resolve(
    reader: &Reader<'_>,
    raw: &RawHosts,
) -> Result<BTreeMap<HostName, Host>, Error> {
    if raw.get_ref().is_empty() {
        return Err(reader.wrong(
            raw.span(),
            "a site needs hosts",
            "add a table such as [hosts.app1] with its address and its role",
        ));
    }
    let mut hosts = BTreeMap::new();
    for (key, table) in raw.get_ref() {
        let name = reader.name(key, HostName::new)?;
        hosts.insert(name.clone(), host(reader, key, name, table.get_ref())?);
    }
    no_address_twice(reader, raw)?;
    Ok(hosts)
}

fn host(reader: &Reader<'_>, key: &Text, name: HostName, raw: &RawHost) -> Result<Host, Error> {
    let optional = |text: &Option<Text>| text.as_ref().map(|text| reader.address(text)).transpose();
    Ok(Host {
        name,
        address: reader.address(&raw.address)?,
        ipv6: raw
            .ipv6
            .as_ref()
            .map(|text| ipv6(reader, text))
            .transpose()?,
        private: optional(&raw.private)?,
        port: raw
            .port
            .as_ref()
            .map(|port| reader.within("port", Some(port), 0, 1..=u16::MAX))
            .transpose()?,
        ssh: raw
            .ssh
            .as_ref()
            .map(|text| ssh::alias(reader, text))
            .transpose()?,
        user: None,
        jump: jump::list(reader, raw.jump.as_ref())?,
        password: ssh::secret(reader, "password", raw.password.as_ref())?,
        sudo_password: ssh::secret(reader, "sudo_password", raw.sudo_password.as_ref())?,
        roles: roles(reader, key, raw)?,
        host_key: raw
            .host_key
            .as_ref()
            .map(|text| host_key(reader, text))
            .transpose()?,
        left_behind: raw.left_behind.unwrap_or_default(),
    })
}

fn ipv6(reader: &Reader<'_>, text: &Text) -> Result<Ipv6Addr, Error> {
    match reader.address(text)? {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(address) => Err(reader.wrong(
            text.span(),
            format!("{address} is not an IPv6 address"),
            "write an address such as \"2001:db8::11\", or leave `ipv6` out",
        )),
    }
}

fn roles(reader: &Reader<'_>, key: &Text, raw: &RawHost) -> Result<Vec<Role>, Error> {
    let host = key.get_ref();
    match (&raw.role, &raw.roles) {
        (Some(role), None) => Ok(vec![reader.role(role)?]),
        (None, Some(list)) if !list.get_ref().is_empty() => {
            let mut roles = Vec::new();
            for text in list.get_ref() {
                let role = reader.role(text)?;
                if roles.contains(&role) {
                    return Err(reader.wrong(
                        text.span(),
                        format!("{host} has the role {:?} twice", role.as_str()),
                        "leave one of them out",
                    ));
                }
                roles.push(role);
            }
            Ok(roles)
        }
        (Some(role), Some(list)) => Err(reader.document.clash(
            list.span(),
            role.span(),
            "the other one",
            format!("{host} has both `role` and `roles`"),
            "keep one of them",
        )),
        (None, list) => Err(reader.wrong(
            list.as_ref().map_or_else(|| key.span(), Spanned::span),
            format!("{host} has no role"),
            "add role = \"app\", role = \"proxy\" or roles = [\"app\", \"proxy\"]",
        )),
    }
}

/// A fingerprint as `ssh-keygen -l` prints it: the SHA-256 of the key, in base64 without
/// padding.
fn host_key(reader: &Reader<'_>, text: &Text) -> Result<String, Error> {
    let written = text.get_ref();
    let sum = written
        .strip_prefix("SHA256:")
        .and_then(|sum| BASE64_STANDARD_NO_PAD.decode(sum).ok());
    if sum.is_some_and(|sum| sum.len() == 32) {
        return Ok(written.clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{written:?} is not the fingerprint of a key"),
        "write SHA256: and the 43 characters that `ssh-keygen -lf` shows; `provision trust` \
         writes it for you",
    ))
}

fn no_address_twice(reader: &Reader<'_>, raw: &RawHosts) -> Result<(), Error> {
    let mut seen: BTreeMap<IpAddr, (&Text, &Text)> = BTreeMap::new();
    // In the order of the file, so that it is the later one that is called wrong.
    let mut hosts: Vec<_> = raw.get_ref().iter().collect();
    hosts.sort_by_key(|(key, _)| key.span().start);
    for (host, table) in hosts {
        let table = table.get_ref();
        for text in [
            Some(&table.address),
            table.ipv6.as_ref(),
            table.private.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            let address = reader.address(text)?;
            match seen.get(&address) {
                Some((other, first)) if other.get_ref() != host.get_ref() => {
                    return Err(reader.document.clash(
                        text.span(),
                        first.span(),
                        format!("the address of {}", other.get_ref()),
                        format!(
                            "{} has the same address as {}",
                            host.get_ref(),
                            other.get_ref()
                        ),
                        "give each host its own address; one host can have two roles: \
                         roles = [\"app\", \"proxy\"]",
                    ));
                }
                Some(_) => {}
                None => {
                    seen.insert(address, (host, text));
                }
            }
        }
    }
    Ok(())
}

/// No two programs on one host may want the same port.
pub(super) fn check_ports(
    reader: &Reader<'_>,
    raw: &RawHosts,
    hosts: &BTreeMap<HostName, Host>,
    raw_app: &RawApp,
    app: &App,
) -> Result<(), Error> {
    for host in hosts.values() {
        let has = |role| host.roles.contains(&role);
        let others = hosts.values().filter(|other| other.name != host.name);
        let only = |role: Role| !others.clone().any(|other| other.roles.contains(&role));
        let inside = has(Role::App) && has(Role::Proxy) && only(Role::App) && only(Role::Proxy);
        let taken: &[(u16, &str)] = match (has(Role::App), has(Role::Proxy)) {
            (true, true) => &[(80, "the proxy"), (443, "the proxy"), (host.port(), "sshd")],
            (true, false) => &[(host.port(), "sshd")],
            _ => &[],
        };
        let clash = taken
            .iter()
            .find(|(port, _)| *port == app.publish && !inside);
        if let Some((port, whose)) = clash {
            let own = raw
                .get_ref()
                .iter()
                .find(|(key, _)| key.get_ref() == host.name.as_str());
            let span = match (&raw_app.publish, own) {
                (Some(publish), _) => publish.span(),
                (None, Some((key, _))) => key.span(),
                (None, None) => 0..0,
            };
            return Err(reader.wrong(
                span,
                format!(
                    "on {} the app would be published on port {port}, which {whose} has",
                    host.name
                ),
                "publish the app on another port: publish = 8080 in [app]",
            ));
        }
        if has(Role::Proxy) && [80, 443].contains(&host.port()) {
            return Err(reader.wrong(
                raw.get_ref()
                    .iter()
                    .find(|(key, _)| key.get_ref() == host.name.as_str())
                    .and_then(|(_, table)| table.get_ref().port.as_ref())
                    .map_or(0..0, Spanned::span),
                format!(
                    "on {} sshd has port {}, which the proxy needs",
                    host.name,
                    host.port()
                ),
                "let sshd listen on another port",
            ));
        }
    }
    Ok(())
}

/// No host may lie in the network that Docker takes its subnets from: the firewall lets
/// those reach containers.
pub(super) fn check_pool(
    reader: &Reader<'_>,
    raw: &RawHosts,
    hosts: &BTreeMap<HostName, Host>,
    docker: &Docker,
) -> Result<(), Error> {
    let Ok(pool) = docker.address_pool.parse::<Network>() else {
        return Ok(());
    };
    for (key, table) in raw.get_ref() {
        let Some(host) = hosts
            .values()
            .find(|host| host.name.as_str() == key.get_ref())
        else {
            continue;
        };
        let table = table.get_ref();
        let places = [
            (Some(host.address), Some(&table.address)),
            (host.private, table.private.as_ref()),
        ];
        for (address, text) in places {
            if let (Some(address), Some(text)) = (address, text)
                && pool.contains(address)
            {
                return Err(reader.wrong(
                    text.span(),
                    format!(
                        "{address} lies in {}, which Docker takes its subnets from",
                        docker.address_pool
                    ),
                    "give Docker another private network: address_pool in [docker]",
                ));
            }
        }
    }
    Ok(())
}

//! `[docker]`, `[firewall]` and `[dns]`.

use std::net::SocketAddr;

use toml::Spanned;

use super::network::{Network, NotANetwork};
use super::raw::{RawAllow, RawClean, RawDns, RawDocker, RawFirewall, Text};
use super::read::Reader;
use super::{Allow, Clean, Dns, Docker, DockerSource, Firewall, Target};
use crate::input::Error;

pub(super) fn docker(reader: &Reader<'_>, raw: &RawDocker) -> Result<Docker, Error> {
    let source = match &raw.source {
        Some(text) => reader.choice(
            text,
            "a source of Docker's packages",
            &[
                ("docker", DockerSource::Docker),
                ("distro", DockerSource::Distro),
            ],
        )?,
        None => DockerSource::Docker,
    };
    let pool = pool(reader, raw.address_pool.as_ref())?;
    let default_bits = pool.prefix.max(24);
    Ok(Docker {
        source,
        log_max_size: size(reader, raw.log_max_size.as_ref(), "10m", "kmg")?,
        log_max_file: reader.within("log_max_file", raw.log_max_file.as_ref(), 3, 1..=100)?,
        // A /30 is the smallest subnet that holds a gateway and a container.
        subnet_bits: reader.within(
            "subnet_bits",
            raw.subnet_bits.as_ref(),
            default_bits,
            pool.prefix..=30,
        )?,
        address_pool: pool.to_string(),
    })
}

pub(super) fn clean(reader: &Reader<'_>, raw: &RawClean) -> Result<Clean, Error> {
    Ok(Clean {
        images: reader.within("images", raw.images.as_ref(), 3, 1..=1000)?,
        snapd: raw.snapd.unwrap_or(false),
    })
}

fn pool(reader: &Reader<'_>, text: Option<&Text>) -> Result<Network, Error> {
    const DEFAULT: Network = Network {
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(172, 30, 0, 0)),
        prefix: 16,
    };
    let Some(text) = text else {
        return Ok(DEFAULT);
    };
    let written = text.get_ref();
    let (what, instead) = match written.parse::<Network>() {
        Ok(network) if network.is_private_v4() && network.prefix <= 30 => return Ok(network),
        Ok(_) => ("is not a private IPv4 network".to_owned(), DEFAULT),
        Err(NotANetwork::HostBits(network)) => {
            ("has bits set after the prefix".to_owned(), network)
        }
        Err(NotANetwork::Malformed) => ("is not a network".to_owned(), DEFAULT),
    };
    Err(reader.wrong(
        text.span(),
        format!("{written:?} {what}"),
        format!("write a private network such as \"{instead}\""),
    ))
}

/// A size as Docker and nginx write it: digits, and a unit or none.
pub(super) fn size(
    reader: &Reader<'_>,
    text: Option<&Text>,
    default: &str,
    units: &str,
) -> Result<String, Error> {
    let Some(text) = text else {
        return Ok(default.to_owned());
    };
    let written = text.get_ref();
    let digits = written
        .strip_suffix(|c: char| units.contains(c))
        .unwrap_or(written);
    let ok = (1..=12).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
    if ok {
        return Ok(written.clone());
    }
    Err(reader.wrong(
        text.span(),
        format!("{written:?} is not a size"),
        format!("write digits and a unit, such as \"{default}\""),
    ))
}

pub(super) fn firewall(reader: &Reader<'_>, raw: &RawFirewall) -> Result<Firewall, Error> {
    let allow: Result<Vec<Allow>, Error> =
        raw.allow.iter().map(|entry| allow(reader, entry)).collect();
    let proxy_addresses: Result<Vec<_>, Error> = raw
        .proxy_addresses
        .iter()
        .map(|text| reader.address(text))
        .collect();
    Ok(Firewall {
        allow: allow?,
        proxy_addresses: proxy_addresses?,
        guard_seconds: reader.within("guard_seconds", raw.guard_seconds.as_ref(), 60, 10..=600)?,
    })
}

fn allow(reader: &Reader<'_>, raw: &RawAllow) -> Result<Allow, Error> {
    let from: Result<Vec<String>, Error> = raw
        .from
        .iter()
        .map(|text| rule_source(reader, text))
        .collect();
    Ok(Allow {
        port: reader.within("port", Some(&raw.port), 0, 1..=u16::MAX)?,
        to: match &raw.to {
            Some(text) => reader.choice(
                text,
                "what a port leads to",
                &[("host", Target::Host), ("container", Target::Container)],
            )?,
            None => Target::Host,
        },
        from: from?,
        on: raw.on.as_ref().map(|text| reader.role(text)).transpose()?,
    })
}

/// Whom a rule lets in: an address or a network, as ufw itself writes it down.
fn rule_source(reader: &Reader<'_>, text: &Text) -> Result<String, Error> {
    if !text.get_ref().contains('/') {
        return Ok(reader.address(text)?.to_string());
    }
    match text.get_ref().parse::<Network>() {
        Ok(Network { prefix: 0, .. }) => Err(reader.wrong(
            text.span(),
            format!("{:?} is everybody", text.get_ref()),
            "leave `from` out to let everybody in",
        )),
        Ok(network) if network.is_one_address() => Ok(network.address.to_string()),
        Ok(network) => Ok(network.to_string()),
        Err(NotANetwork::HostBits(network)) => Err(reader.wrong(
            text.span(),
            format!("{:?} has bits set after the prefix", text.get_ref()),
            format!("write \"{network}\", or the address alone"),
        )),
        Err(NotANetwork::Malformed) => Err(reader.wrong(
            text.span(),
            format!("{:?} is neither an address nor a network", text.get_ref()),
            "write an address such as \"198.51.100.7\" or a network such as \"198.51.100.0/24\"",
        )),
    }
}

pub(super) fn dns(reader: &Reader<'_>, raw: &RawDns) -> Result<Dns, Error> {
    let resolver = raw.resolver.as_ref().map(|text| resolver(reader, text));
    Ok(Dns {
        resolver: resolver.transpose()?,
        check: raw.check.unwrap_or(true),
    })
}

fn resolver(reader: &Reader<'_>, text: &Spanned<String>) -> Result<SocketAddr, Error> {
    text.get_ref().parse().map_err(|_| {
        reader.wrong(
            text.span(),
            format!("{:?} is not an address with a port", text.get_ref()),
            "write a resolver such as \"198.51.100.254:53\" or \"[2001:db8::53]:53\"",
        )
    })
}

//! Bastions on the way to a host: what `jump` may say, and that no way leads in a circle.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::destination::{Destination, NoDestination};
use super::raw::{RawHosts, RawSsh, Text};
use super::read::Reader;
use super::{Host, HostName, Site, Ssh};
use crate::input::{Error, Words, closest};

/// A bastion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jump {
    /// A host of this site: reached and trusted as that host is.
    Host(HostName),
    /// Another server, as `ssh -J` takes it; `host` may be a name of ssh_config.
    Elsewhere {
        /// Whom to log in as there, if not whom ssh_config says.
        user: Option<String>,
        /// Name or address, an IPv6 address without brackets.
        host: String,
        /// sshd's port, if not the one ssh_config says.
        port: Option<u16>,
    },
}

impl Site {
    /// The bastions on the way to a host, the nearest to the operator first, with those that
    /// lead to the first of them. It is no circle: that is checked when a site is read.
    pub fn way<'a>(&'a self, host: &'a Host) -> Vec<&'a Jump> {
        let mut way: Vec<&'a Jump> = Vec::new();
        let mut part = own(&self.ssh, host);
        // A site is no longer than its hosts; the bound keeps a site made by hand from a loop.
        for _ in 0..=self.hosts.len() {
            way.splice(0..0, part);
            match part.first() {
                Some(Jump::Host(name)) if self.hosts.contains_key(name) => {
                    part = own(&self.ssh, &self.hosts[name]);
                }
                _ => break,
            }
        }
        way
    }
}

/// What `jump` says for a host: its own, or that of `[ssh]` as far as the host itself.
fn own<'a>(ssh: &'a Ssh, host: &'a Host) -> &'a [Jump] {
    if let Some(own) = &host.jump {
        return own;
    }
    let itself = |jump: &Jump| matches!(jump, Jump::Host(name) if *name == host.name);
    let end = ssh.jump.iter().position(itself);
    &ssh.jump[..end.unwrap_or(ssh.jump.len())]
}

/// The bastions of one `jump`; hosts of this site are told apart by [`check`].
pub(super) fn list(
    reader: &Reader<'_>,
    raw: Option<&Spanned<Words>>,
) -> Result<Option<Vec<Jump>>, Error> {
    servers(reader, raw, &BASTION)
}

/// What a list of servers is for, and how they are written.
struct Use {
    what: &'static str,
    written: &'static str,
}

const BASTION: Use = Use {
    what: "a bastion",
    written: "a host of this site, or [USER@]HOST[:PORT]",
};
const VANTAGE: Use = Use {
    what: "a server to look from",
    written: "[USER@]HOST[:PORT]",
};

fn servers(
    reader: &Reader<'_>,
    raw: Option<&Spanned<Words>>,
    usage: &Use,
) -> Result<Option<Vec<Jump>>, Error> {
    let Some(raw) = raw else {
        return Ok(None);
    };
    let mut jumps = Vec::new();
    for text in Words::list(raw) {
        // `ssh -J` takes several with commas between them.
        for part in text.get_ref().split(',') {
            jumps.push(one(reader, &text, part.trim(), usage)?);
        }
    }
    Ok(Some(jumps))
}

/// Servers to look from: written like bastions, and none a host of this site, which looks anyway.
pub(super) fn vantages(
    reader: &Reader<'_>,
    raw: Option<&Spanned<Words>>,
    hosts: &BTreeMap<HostName, Host>,
) -> Result<Vec<Jump>, Error> {
    let vantages = servers(reader, raw, &VANTAGE)?.unwrap_or_default();
    for vantage in &vantages {
        let Jump::Elsewhere { host, .. } = vantage else {
            continue;
        };
        let own = |known: &&Host| {
            let known_as = known.public().into_iter().chain(known.private);
            known.name.as_str() == host || known_as.into_iter().any(|a| a.to_string() == *host)
        };
        let span = raw.map_or(0..0, Spanned::span);
        if let Some(own) = hosts.values().find(own) {
            return Err(reader.wrong(
                span,
                format!(
                    "{host:?} is {} of this site, which is looked from anyway",
                    own.name
                ),
                "leave it out, or write a server that isn't part of the site",
            ));
        }
        let names =
            |other: &&Jump| matches!(other, Jump::Elsewhere { host: name, .. } if name == host);
        if host == "here" || vantages.iter().filter(names).count() > 1 {
            return Err(reader.wrong(
                span,
                format!("{host:?} is taken: every vantage has a name of its own"),
                "leave it out, or give the server another name in ~/.ssh/config",
            ));
        }
    }
    Ok(vantages)
}

fn one(reader: &Reader<'_>, text: &Text, written: &str, usage: &Use) -> Result<Jump, Error> {
    let wrong = |instead: &str| {
        reader.wrong(
            text.span(),
            format!("{written:?} is not {}", usage.what),
            instead.to_owned(),
        )
    };
    if written == "none" {
        return Err(wrong(&format!(
            "write [] for no {}",
            usage.what.trim_start_matches("a ")
        )));
    }
    let Destination { user, host, port } = Destination::new(written).map_err(|e| match e {
        NoDestination::Port => wrong("write its port as a number from 1 to 65535"),
        NoDestination::Grammar => wrong(&format!("write {} as `ssh -J` takes it", usage.written)),
    })?;
    Ok(Jump::Elsewhere { user, host, port })
}

/// Tells the site's own hosts from others among the bastions, and refuses a circle.
pub(super) fn check(
    reader: &Reader<'_>,
    raw_ssh: &RawSsh,
    raw_hosts: &RawHosts,
    ssh: &mut Ssh,
    hosts: &mut BTreeMap<HostName, Host>,
) -> Result<(), Error> {
    let names: Vec<HostName> = hosts.keys().cloned().collect();
    let place = |name: &HostName| {
        let mut all = raw_hosts.get_ref().iter();
        let own = all.find(|(key, _)| key.get_ref() == name.as_str());
        let own = own.and_then(|(_, table)| table.get_ref().jump.as_ref());
        own.or(raw_ssh.jump.as_ref()).map_or(0..0, Spanned::span)
    };
    let whole = raw_ssh.jump.as_ref().map_or(0..0, Spanned::span);
    name_hosts(reader, &whole, &names, &mut ssh.jump)?;
    for host in hosts.values_mut() {
        let span = place(&host.name);
        if let Some(own) = &mut host.jump {
            name_hosts(reader, &span, &names, own)?;
        }
    }
    for host in hosts.values() {
        let mut seen = vec![host.name.clone()];
        let mut part = own(ssh, host);
        loop {
            for jump in part {
                let Jump::Host(name) = jump else { continue };
                if seen.contains(name) {
                    return Err(reader.wrong(
                        place(&host.name),
                        format!("the way to {} leads in a circle, through {name}", host.name),
                        "give the bastion a way of its own: jump = [] under it for a direct one",
                    ));
                }
                seen.push(name.clone());
            }
            match part.first() {
                Some(Jump::Host(name)) => part = own(ssh, &hosts[name]),
                _ => break,
            }
        }
    }
    Ok(())
}

fn name_hosts(
    reader: &Reader<'_>,
    span: &Range<usize>,
    names: &[HostName],
    jumps: &mut [Jump],
) -> Result<(), Error> {
    for jump in jumps {
        let Jump::Elsewhere {
            user: None,
            host,
            port: None,
        } = jump
        else {
            continue;
        };
        if let Some(name) = names.iter().find(|name| name.as_str() == host) {
            *jump = Jump::Host(name.clone());
        } else if let Some(meant) = closest(host, names.iter().map(HostName::as_str))
            && !host.contains(['.', ':'])
        {
            return Err(reader.wrong(
                span.clone(),
                format!("{host:?} is no host of this site"),
                format!("did you mean `{meant}`? Another server is written USER@{host}"),
            ));
        }
    }
    Ok(())
}

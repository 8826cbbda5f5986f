//! Looks from this machine whether the world sees a page of a server's, name by name and address
//! by address, before an authority looks for one.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use super::failure::failure;
use super::remote::Remote;
use crate::event::Failure;
use crate::resource::op::Look;
use crate::vantage::{self, Answer, Error, Get, LookupError, Scheme, Trust};

/// Where an authority looks (RFC 8555, section 8.3).
const PORT: u16 = 80;
/// How long a lookup may take.
const LOOKUP: Duration = Duration::from_secs(10);
/// How often DNS is asked at most.
const LOOKUPS: usize = 3;
/// How long an answer may take: a lost SYN is sent again after 1 s, 3 s and 7 s.
const ANSWER: Duration = Duration::from_secs(10);
/// Until it is looked once more.
const AGAIN: Duration = Duration::from_secs(1);
/// Characters of a foreign page that are shown.
const SHOWN: usize = 60;

/// Why a name doesn't lead where it has to.
#[derive(Debug)]
pub(super) struct Astray {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub mend: String,
    /// Whether nothing is known, since the resolver failed.
    unknown: bool,
}

/// Where a name leads, if that is to some of these addresses and nowhere else.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) async fn leads(
    name: &str,
    addresses: &[IpAddr],
    resolver: Option<SocketAddr>,
) -> Result<Vec<IpAddr>, Astray> {
    let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let astray = |what: String| Astray {
        what,
        mend: format!(
            "let {name} point to {} and wait until the world knows; or set dns.check = false",
            listed.join(" and ")
        ),
        unknown: false,
    };
    match vantage::lookup(name, resolver, LOOKUP).await {
        Ok(found) => match found.iter().find(|ip| !addresses.contains(ip)) {
            None => Ok(found),
            Some(foreign) => Err(astray(format!(
                "{name} leads to {foreign}, which is none of the proxy's addresses"
            ))),
        },
        Err(e @ (LookupError::NoSuchName { .. } | LookupError::NoAddress { .. })) => {
            Err(astray(e.to_string()))
        }
        Err(e) => {
            let cause = std::error::Error::source(&e).map(|cause| format!(": {cause}"));
            Err(Astray {
                what: format!("{e}{}", cause.unwrap_or_default()),
                mend: format!(
                    "see that the name servers of {name} answer, or name another resolver in \
                     [dns]; or set dns.check = false"
                ),
                unknown: true,
            })
        }
    }
}

/// Why a page isn't seen.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    /// This machine has no way to the address: nothing is known.
    NoWay(String),
    /// It is seen that it isn't there: what, and what to do.
    Seen(String, Mend),
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mend {
    /// This.
    Do(String),
    /// See what answers instead, with this command.
    See(String),
}

/// Looks for the page under all names at all their addresses at once.
///
/// # Errors
/// Which name saw what at which address, and what to do.
pub(super) async fn look(remote: &Remote, step: &str, look: &Look) -> Result<(), Failure> {
    let trust = Trust::new(None).map_err(|e| failure("check", e.to_string(), ""))?;
    let looks = look.names.iter().map(|name| at(look, name, PORT, &trust));
    let (mut told, mut mends) = (Vec::new(), BTreeSet::new());
    for (what, mend) in join_all(looks).await.into_iter().flatten() {
        match mend {
            Some(mend) => {
                told.push(what);
                mends.insert(mend);
            }
            None => remote.tell(step, &what),
        }
    }
    let Some((first, more)) = told.split_first() else {
        return Ok(());
    };
    let mut what = format!("{first}; so no authority is asked");
    for line in more {
        what.push('\n');
        what.push_str(line);
    }
    let mut failure = failure("check", what, "");
    let mut see: Option<String> = None;
    let mut next: Vec<String> = Vec::new();
    for mend in mends {
        match mend {
            Mend::Do(text) => next.push(text),
            // One of them is enough to see.
            Mend::See(command) => see = see.or(Some(command)),
        }
    }
    next.extend(see.map(|command| {
        format!(
            "see what answers instead, with {command}: each name has to lead to this proxy's nginx, \
             with nothing before it"
        )
    }));
    next.push("run again then; check = false in [tls] leaves this look out".to_owned());
    failure.next = Some(next.join("\n"));
    Err(failure)
}

/// What is wrong with one name, each with what to do; without that, it is only to be told.
async fn at(look: &Look, name: &str, port: u16, trust: &Trust) -> Vec<(String, Option<Mend>)> {
    let addresses = match look.dns {
        false => look.addresses.clone(),
        true => match patient(name, look).await {
            Ok(addresses) => addresses,
            Err(astray) => return vec![(astray.what, Some(Mend::Do(astray.mend)))],
        },
    };
    if let (true, Some(issuer)) = (look.dns, &look.issuer)
        && let Some((what, mend)) = forbidden(name, issuer, look.resolver).await
    {
        return vec![(what, Some(Mend::Do(mend)))];
    }
    let seen = addresses.iter().map(|address| async move {
        let get = Get::new(Scheme::Http, name, *address, &look.path);
        seen(get.port(port).limit(ANSWER), &look.holds, trust).await
    });
    let seen = join_all(seen).await;
    let somewhere = seen.iter().any(Result::is_ok);
    let misses = seen.into_iter().filter_map(Result::err);
    misses
        .map(|miss| match miss {
            Miss::Seen(what, mend) => (what, Some(mend)),
            // An authority would go on to the other address, too.
            Miss::NoWay(what) if somewhere => (what, None),
            Miss::NoWay(what) => {
                let mend = "run it from a machine that reaches the address".to_owned();
                (what, Some(Mend::Do(mend)))
            }
        })
        .collect()
}

/// Where a name leads; asked again where nothing is known, as an authority would.
async fn patient(name: &str, look: &Look) -> Result<Vec<IpAddr>, Astray> {
    let mut left = LOOKUPS;
    loop {
        let found = leads(name, &look.addresses, look.resolver).await;
        left -= 1;
        match found {
            Err(Astray { unknown: true, .. }) if left > 0 => tokio::time::sleep(AGAIN).await,
            other => return other,
        }
    }
}

/// What is wrong if a name's CAA records don't let this authority issue a certificate, and what
/// to do. Where they can't be read, the authority says so itself.
async fn forbidden(
    name: &str,
    issuer: &str,
    resolver: Option<SocketAddr>,
) -> Option<(String, String)> {
    let may = vantage::issuers(name, resolver, LOOKUP).await.ok()??;
    if may.iter().any(|may| may == issuer) {
        return None;
    }
    let may: Vec<&str> = may
        .iter()
        .map(String::as_str)
        .filter(|may| !may.is_empty())
        .collect();
    let may = if may.is_empty() {
        "nobody".to_owned()
    } else {
        may.join(" and ")
    };
    Some((
        format!("{name}: its CAA records let {may} issue certificates, and not {issuer}"),
        format!("add a CAA record for {name}, or for the domain above it: 0 issue \"{issuer}\""),
    ))
}

/// Looks for the page at one address; once more where it isn't seen.
async fn seen(get: Get, holds: &str, trust: &Trust) -> Result<(), Miss> {
    let once = || async { judged(&get, get.send(trust).await, holds) };
    if once().await.is_ok() {
        return Ok(());
    }
    let to = SocketAddr::new(get.address, get.port);
    if vantage::source(to).await.is_none() {
        let what = format!(
            "http://{} at {}: can't be looked at, this machine has no way there",
            get.host, get.address
        );
        return Err(Miss::NoWay(what));
    }
    tokio::time::sleep(AGAIN).await;
    once().await
}

fn judged(get: &Get, answer: Result<Answer, Error>, holds: &str) -> Result<(), Miss> {
    let (address, host) = (get.address, &get.host);
    let open = || {
        Mend::Do(
            "open port 80 to all the world, on the way there too (the provider's firewall, a \
             router), and see that nginx listens"
                .to_owned(),
        )
    };
    // In a URL and in curl's options an IPv6 address has brackets.
    let at = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let alone = || {
        let url = format!("http://{host}{}", get.path);
        Mend::See(format!("curl -v --resolve {host}:80:{at} {url}"))
    };
    let (saw, mend) = match answer {
        Ok(answer) => {
            let text = answer.text();
            match (answer.status, &answer.location) {
                (200, _) if text.trim() == holds => return Ok(()),
                (200, _) => (
                    format!("something else answers: {}", glimpse(&text)),
                    alone(),
                ),
                (status, Some(location)) => {
                    (format!("{status}, which leads to {location}"), alone())
                }
                (404, None) => ("404 for a page of this proxy's".to_owned(), alone()),
                (status, None) => (format!("{status}: {}", glimpse(&text)), alone()),
            }
        }
        Err(Error::Refused { .. }) => ("port 80 refuses connections".to_owned(), open()),
        Err(Error::TimedOut { limit, .. }) => (
            format!("no answer on port 80 in {} s", limit.as_secs()),
            open(),
        ),
        Err(Error::Unreachable { source, .. }) => (format!("can't be reached: {source}"), open()),
        Err(Error::Closed { .. }) => ("port 80 closes without an answer".to_owned(), alone()),
        Err(other) => (other.to_string(), alone()),
    };
    let what = format!("http://{host} at {address}: {saw}");
    Err(Miss::Seen(what, mend))
}

/// The beginning of a page, in one line.
fn glimpse(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "an empty page".to_owned();
    }
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests;

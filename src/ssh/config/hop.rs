//! One jump on the way to a host, as ProxyJump and `ssh -J` write it (ssh_config(5)).

use std::fmt;
use std::str::FromStr;

/// One jump: `user@host:port` or `ssh://user@host:port`; an IPv6 address stands in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// The user, if one is named.
    pub user: Option<String>,
    /// A name of the configuration, a DNS name or an address, without brackets.
    pub host: String,
    /// The port, if one is named.
    pub port: Option<u16>,
}

/// Why a text isn't a jump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// Nothing between two commas.
    #[error("an empty jump")]
    Empty,
    /// Nothing before the `@`.
    #[error("no user before the `@` of {0:?}")]
    User(String),
    /// Nothing where the host should be.
    #[error("no host in {0:?}")]
    Host(String),
    /// A host that no host is called, or that could be taken for an option.
    #[error("{0:?} is no host name")]
    Name(String),
    /// `[` without `]`, or something else than a port after it.
    #[error("`[ADDRESS]` or `[ADDRESS]:PORT` is expected, not {0:?}")]
    Bracket(String),
    /// More than one colon: most likely an IPv6 address.
    #[error("write an IPv6 address in brackets: {0:?}")]
    Colons(String),
    /// Not a number from 1 to 65535.
    #[error("{0:?} is no port")]
    Port(String),
    /// A path in a URI, or a `/` in a host name.
    #[error("no path may follow the host: {0:?}")]
    Path(String),
    /// `%` without two hexadecimal digits in a URI.
    #[error("{0:?} isn't percent-encoded as a URI is")]
    Encoding(String),
}

impl FromStr for Hop {
    type Err = HopError;

    fn from_str(text: &str) -> Result<Self, HopError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(HopError::Empty);
        }
        let uri = text.strip_prefix("ssh://");
        let (user, place) = match uri {
            // In a URI an `@` of the user's name is percent-encoded.
            Some(rest) => match rest.split_once('@') {
                // What follows a `;` are parameters, which ssh ignores as well.
                Some((user, place)) => {
                    let name = user.split(';').next().unwrap_or_default();
                    (Some(decoded(name)?), place)
                }
                None => (None, rest),
            },
            None => match text.rsplit_once('@') {
                Some((user, place)) => (Some(user.to_owned()), place),
                None => (None, text),
            },
        };
        if user.as_deref() == Some("") {
            return Err(HopError::User(text.to_owned()));
        }
        let place = match place.split_once('/') {
            Some((place, "")) if uri.is_some() => place,
            Some(_) => return Err(HopError::Path(text.to_owned())),
            None => place,
        };
        let (host, port) = split_port(place)?;
        if host.is_empty() {
            return Err(HopError::Host(text.to_owned()));
        }
        if host.starts_with('-') || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(HopError::Name(host.to_owned()));
        }
        let port = match port {
            // ssh reads `host:` as `host`.
            None | Some("") => None,
            Some(port) => Some(number(port).ok_or_else(|| HopError::Port(port.to_owned()))?),
        };
        Ok(Self {
            user,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The jumps of a ProxyJump, the one to go to first in front.
///
/// # Errors
/// What is wrong with the first one that is none.
pub(super) fn hops(text: &str) -> Result<Vec<Hop>, HopError> {
    text.split(',').map(str::parse).collect()
}

/// A port: decimal digits, 1 to 65535.
pub(super) fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn split_port(place: &str) -> Result<(&str, Option<&str>), HopError> {
    let wrong = || HopError::Bracket(place.to_owned());
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(wrong()),
        };
    }
    match place.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(HopError::Colons(place.to_owned())),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((place, None)),
    }
}

/// A percent-encoded text of a URI (RFC 3986).
fn decoded(text: &str) -> Result<String, HopError> {
    let wrong = || HopError::Encoding(text.to_owned());
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        out.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
    }
    String::from_utf8(out).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(user: Option<&str>, host: &str, port: Option<u16>) -> Result<Hop, HopError> {
        Ok(Hop {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }

    #[test]
    fn a_jump_is_read_in_every_form_ssh_takes() {
        let table = [
            ("bastion", hop(None, "bastion", None)),
            (" a@b:33 ", hop(Some("a"), "b", Some(33))),
            ("a@corp@b", hop(Some("a@corp"), "b", None)),
            ("b:", hop(None, "b", None)),
            ("[::1]", hop(None, "::1", None)),
            (
                "a@[fe80::1%eth0]:2222",
                hop(Some("a"), "fe80::1%eth0", Some(2222)),
            ),
            ("[10.0.0.1]:22", hop(None, "10.0.0.1", Some(22))),
            ("ssh://b", hop(None, "b", None)),
            ("ssh://a@b:44/", hop(Some("a"), "b", Some(44))),
            ("ssh://a%40corp;x=y@b", hop(Some("a@corp"), "b", None)),
            ("ssh://a@[::1]:44", hop(Some("a"), "::1", Some(44))),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_jump_is_refused_with_the_reason() {
        let table = [
            ("", "an empty jump"),
            ("@b", "no user"),
            ("a@", "no host"),
            ("a@:22", "no host"),
            ("::1", "in brackets"),
            ("[::1", "expected"),
            ("[::1]x", "expected"),
            ("b:0", "no port"),
            ("b:65536", "no port"),
            ("b:+22", "no port"),
            ("b/etc", "no path"),
            ("ssh://b/etc", "no path"),
            ("ssh://a%4@b", "percent-encoded"),
            ("-oProxyCommand=x", "no host name"),
            ("a b", "no host name"),
        ];
        for (text, reason) in table {
            let error = text.parse::<Hop>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert_eq!(hops("a,,b"), Err(HopError::Empty));
    }

    #[test]
    fn a_jump_is_written_as_it_is_read() {
        for text in ["b", "a@b:33", "a@[::1]:22", "[::1]"] {
            assert_eq!(text.parse::<Hop>().unwrap().to_string(), text);
        }
    }
}

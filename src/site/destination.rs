//! A server as ssh takes it on its command line: `[USER@]HOST[:PORT]`.

use std::fmt;
use std::net::IpAddr;

/// Where to log in. `host` may be a name of ssh_config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Whom to log in as, if not whom ssh_config says.
    pub user: Option<String>,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// sshd's port, if not the one ssh_config says.
    pub port: Option<u16>,
}

/// What is wrong with a text that is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDestination {
    /// Its port.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// Anything else.
    #[error("it is not of the form [USER@]HOST[:PORT]")]
    Grammar,
}

impl Destination {
    /// Reads `[USER@]HOST[:PORT]` or `ssh://[USER@]HOST[:PORT]`; an IPv6 address with a port is
    /// put into brackets.
    ///
    /// # Errors
    /// If it is none. Nothing gets through that could be an option or a word of a shell.
    pub fn new(written: &str) -> Result<Self, NoDestination> {
        let rest = written.strip_prefix("ssh://").unwrap_or(written);
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (host, port) = if rest.parse::<IpAddr>().is_ok() {
            (rest, None)
        } else if let Some((host, port)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            (
                host,
                (!port.is_empty()).then(|| port.strip_prefix(':').unwrap_or("")),
            )
        } else {
            match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return Err(NoDestination::Port),
        };
        let plain = |word: &str, more: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !plain(host, "._-:%") || !user.is_none_or(|user| plain(user, "._-@+\\")) {
            return Err(NoDestination::Grammar);
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

/// Host and port, as one would write them; what tells servers apart in a report.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_takes_is_taken_apart_and_named_without_its_user() {
        for (written, user, host, port, name) in [
            ("app1", None, "app1", None, "app1"),
            (
                "root@app1.prod",
                Some("root"),
                "app1.prod",
                None,
                "app1.prod",
            ),
            (
                "a@b@198.51.100.11:2222",
                Some("a@b"),
                "198.51.100.11",
                Some(2222),
                "198.51.100.11:2222",
            ),
            ("2001:db8::1", None, "2001:db8::1", None, "2001:db8::1"),
            (
                "ssh://deploy@[2001:db8::1]:22",
                Some("deploy"),
                "2001:db8::1",
                Some(22),
                "[2001:db8::1]:22",
            ),
        ] {
            let found = Destination::new(written).unwrap();
            assert_eq!(found.user.as_deref(), user, "{written}");
            assert_eq!((found.host.as_str(), found.port), (host, port), "{written}");
            assert_eq!(found.to_string(), name);
        }
    }

    #[test]
    fn options_and_words_of_a_shell_are_no_destinations() {
        for written in [
            "",
            "-oProxyCommand=x",
            "root@",
            "@app1",
            "app 1",
            "app1;id",
            "$(id)",
        ] {
            assert_eq!(
                Destination::new(written),
                Err(NoDestination::Grammar),
                "{written}"
            );
        }
        for written in ["app1:0", "app1:x", "app1:", "[2001:db8::1]:70000"] {
            assert_eq!(
                Destination::new(written),
                Err(NoDestination::Port),
                "{written}"
            );
        }
    }
}

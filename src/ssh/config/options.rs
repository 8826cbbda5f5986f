//! What the configuration comes to for one host.

use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::expand::{Names, environment, expand};
use super::hop::{Hop, hops};
use super::line::seconds;
use super::local::Local;
use super::values::Values;

/// The effective options for one host, as ssh_config(5) means them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The host as it was asked for, without user and port: `%n`.
    pub host: String,
    /// What to connect to: HostName, else the host itself. A name in lower case or an address.
    pub host_name: String,
    /// The user that was given or configured; `None` if ssh would take the local user's name.
    pub user: Option<String>,
    /// The port; 22 if none is given or configured.
    pub port: u16,
    /// Private keys to try, in order; `~`, tokens and variables are spelled out. Files that
    /// aren't there are for the reader to pass over.
    pub identity_files: Vec<PathBuf>,
    /// Whether these are the operator's. Otherwise they are the ones every ssh tries.
    pub identity_files_configured: bool,
    /// Certificates named by CertificateFile.
    pub certificate_files: Vec<PathBuf>,
    /// Only the keys above, even if the agent has more.
    pub identities_only: bool,
    /// Where the agent is.
    pub identity_agent: Agent,
    /// The way to the host.
    pub proxy: Proxy,
    /// The operator's known_hosts files.
    pub user_known_hosts: Vec<PathBuf>,
    /// The system's known_hosts files.
    pub global_known_hosts: Vec<PathBuf>,
    /// The name to look up in known_hosts instead of the host's.
    pub host_key_alias: Option<String>,
    /// The kinds of host keys to ask for, best first, if that is configured.
    pub host_key_algorithms: Option<Vec<String>>,
    /// Files of revoked host keys (key lists or KRLs, see ssh-keygen(1)).
    pub revoked_host_keys: Vec<PathBuf>,
    /// How long connecting may take, if that is configured.
    pub connect_timeout: Option<Duration>,
    /// After how much silence the server is asked for a sign of life, if that is configured.
    pub server_alive_interval: Option<Duration>,
    /// How many of these may stay unanswered, if it isn't ssh's own 3.
    pub server_alive_count_max: Option<u32>,
    /// Which addresses may be used.
    pub family: Family,
    /// The order of the ways to log in, if that is configured.
    pub preferred_authentications: Option<Vec<String>>,
    /// Whether a password may be tried.
    pub password_authentication: bool,
    /// Whether questions of the server may be answered.
    pub kbd_interactive_authentication: bool,
    /// Whether keys may be tried.
    pub pubkey_authentication: bool,
    /// Nobody is there to be asked for a password or passphrase.
    pub batch_mode: bool,
    /// The address to connect from.
    pub bind_address: Option<String>,
}

/// Where the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// Where `SSH_AUTH_SOCK` says.
    FromEnv,
    /// At this socket.
    Socket(PathBuf),
    /// No agent may be asked.
    None,
}

/// The way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Straight.
    None,
    /// Over these hosts, the first one first. Never empty.
    Jump(Vec<Hop>),
    /// Over stdin and stdout of this command; see [`Options::proxy_command`].
    Command(String),
}

/// Which addresses may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Any.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// What isn't among the values: where they come from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Whether the user was given or configured.
    pub(super) user: bool,
    /// The private keys of every ssh, if none is configured.
    pub(super) usual_keys: Option<Vec<String>>,
    /// Whether HostKeyAlgorithms is configured.
    pub(super) algorithms: bool,
}

impl Options {
    /// The command of ProxyCommand with `%h`, `%n`, `%p`, `%r` and `%%` put in, for a shell, as
    /// ssh runs it; `None` if there is none. `user` is who logs in.
    ///
    /// # Errors
    /// A token that has no meaning there.
    pub fn proxy_command(&self, user: &str) -> Option<Result<String, ConfigError>> {
        let Proxy::Command(command) = &self.proxy else {
            return None;
        };
        let port = self.port.to_string();
        Some(
            expand(command, |c| self.proxy_token(c, &port, user), None)
                .map_err(|what| wrong("ProxyCommand", command, &what)),
        )
    }

    fn proxy_token(&self, token: char, port: &str, user: &str) -> Option<String> {
        let text = match token {
            'h' => &self.host_name,
            'n' => &self.host,
            'p' => port,
            'r' => user,
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Makes options of what was set.
    pub(super) fn new(
        host: &str,
        values: &Values,
        origin: &Origin,
        local: &Local,
    ) -> Result<Self, ConfigError> {
        let host_name = values
            .first("hostname")
            .ok_or(ConfigError::Answer { key: "hostname" })?;
        let user = values.first("user").unwrap_or(&local.user);
        let alias = values.first("hostkeyalias").map(str::to_ascii_lowercase);
        let names = Names {
            local,
            typed: host,
            host: host_name,
            port: port(values)?,
            user,
            key_alias: alias.as_deref().unwrap_or(host),
            jump: &last_jump(values.first("proxyjump")),
        };
        let paths = |key: &str, list: &[String]| -> Result<Vec<PathBuf>, ConfigError> {
            list.iter()
                .filter(|value| !is_none(value))
                .map(|value| {
                    expand(&local.tilde(value), |c| names.token(c), Some(&environment))
                        .map(PathBuf::from)
                        .map_err(|what| wrong(key, value, &what))
                })
                .collect()
        };
        let listed = |key: &str| -> Vec<PathBuf> {
            let all = values.all(key).iter();
            // Tokens are put in already, a `~` isn't everywhere.
            all.filter(|value| !is_none(value))
                .map(|value| PathBuf::from(local.tilde(value)))
                .collect()
        };
        let keys = match &origin.usual_keys {
            Some(keys) => keys,
            None => values.all("identityfile"),
        };
        let mut options = Self {
            host: host.to_owned(),
            host_name: host_name.to_owned(),
            user: origin.user.then(|| user.to_owned()),
            port: names.port,
            identity_files: paths("IdentityFile", keys)?,
            identity_files_configured: origin.usual_keys.is_none(),
            certificate_files: paths("CertificateFile", values.all("certificatefile"))?,
            identities_only: values.flag("identitiesonly", false),
            identity_agent: agent(values.first("identityagent")),
            proxy: Proxy::None,
            user_known_hosts: listed("userknownhostsfile"),
            global_known_hosts: listed("globalknownhostsfile"),
            host_key_alias: alias,
            host_key_algorithms: values
                .first("hostkeyalgorithms")
                .filter(|_| origin.algorithms)
                .map(names_of),
            revoked_host_keys: listed("revokedhostkeys"),
            connect_timeout: time(values, "connecttimeout")?,
            server_alive_interval: time(values, "serveraliveinterval")?,
            server_alive_count_max: count(values, "serveralivecountmax")?.filter(|max| *max != 3),
            family: family(values.first("addressfamily")),
            preferred_authentications: values.first("preferredauthentications").map(names_of),
            password_authentication: values.flag("passwordauthentication", true),
            kbd_interactive_authentication: values.flag("kbdinteractiveauthentication", true),
            pubkey_authentication: values.flag("pubkeyauthentication", true),
            batch_mode: values.flag("batchmode", false),
            bind_address: values.first("bindaddress").map(str::to_owned),
        };
        options.proxy = options.way(values, user)?;
        Ok(options)
    }

    /// Jumps are spelled out; the command isn't, since its user may still change.
    fn way(&self, values: &Values, user: &str) -> Result<Proxy, ConfigError> {
        let jumps = values.first("proxyjump").filter(|text| !is_none(text));
        let Some(text) = jumps else {
            let command = values.first("proxycommand").filter(|text| !is_none(text));
            return Ok(command.map_or(Proxy::None, |text| Proxy::Command(text.to_owned())));
        };
        let port = self.port.to_string();
        let spelled = |part: &str| {
            expand(part, |c| self.proxy_token(c, &port, user), None)
                .map_err(|what| wrong("ProxyJump", text, &what))
        };
        let mut way = hops(text).map_err(|error| wrong("ProxyJump", text, &error.to_string()))?;
        for hop in &mut way {
            // An address may have a scope: fe80::1%eth0.
            if !hop.host.contains(':') {
                hop.host = spelled(&hop.host)?;
            }
            if let Some(user) = &mut hop.user {
                *user = spelled(user)?;
            }
        }
        Ok(Proxy::Jump(way))
    }
}

/// The host of the last jump, or nothing: `%j`.
pub(super) fn last_jump(jumps: Option<&str>) -> String {
    let jumps = jumps.filter(|text| !is_none(text));
    let last = jumps.and_then(|text| hops(text).ok()?.pop());
    last.map(|hop| hop.host).unwrap_or_default()
}

fn is_none(value: &str) -> bool {
    value.eq_ignore_ascii_case("none")
}

fn wrong(key: &str, value: &str, what: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        what: what.to_owned(),
    }
}

fn names_of(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn port(values: &Values) -> Result<u16, ConfigError> {
    let port = values
        .first("port")
        .ok_or(ConfigError::Answer { key: "port" })?;
    super::hop::number(port).ok_or_else(|| wrong("Port", port, "not a port"))
}

/// 0 and `none` mean that there is no limit.
fn time(values: &Values, key: &str) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = values.first(key).filter(|value| !is_none(value)) else {
        return Ok(None);
    };
    let seconds = seconds(value).ok_or_else(|| wrong(key, value, "not a time"))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

fn count(values: &Values, key: &str) -> Result<Option<u32>, ConfigError> {
    let value = values.first(key);
    let number = |value: &str| value.parse::<i32>().ok();
    value
        .map(|value| number(value).ok_or_else(|| wrong(key, value, "not a number")))
        .map(|number| number.map(|number| u32::try_from(number).unwrap_or(0)))
        .transpose()
}

fn family(value: Option<&str>) -> Family {
    match value.map(str::to_ascii_lowercase).as_deref() {
        Some("inet") => Family::V4,
        Some("inet6") => Family::V6,
        _ => Family::Any,
    }
}

/// `none`, `SSH_AUTH_SOCK`, the old form `$NAME`, or a path that is spelled out already.
fn agent(value: Option<&str>) -> Agent {
    match value {
        None | Some("SSH_AUTH_SOCK") => Agent::FromEnv,
        Some("none") => Agent::None,
        Some(value) => match value.strip_prefix('$') {
            Some("SSH_AUTH_SOCK") => Agent::FromEnv,
            Some(name) => environment(name).map_or(Agent::None, |path| Agent::Socket(path.into())),
            None => Agent::Socket(value.into()),
        },
    }
}

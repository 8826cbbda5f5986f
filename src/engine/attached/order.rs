//! What an operator wants to sit at: in which container of the site's, on which host.

use crate::shell::{Cmd, Script};
use crate::site::{Host, Role, Site};
use crate::ssh::Terminal;

/// What `docker exec` would take for a wish to be left alone with the keyboard: nobody types
/// that. Its own is Ctrl-P Ctrl-Q, for which it holds every Ctrl-P back until the next key.
const DETACH: &str = "ctrl-^,ctrl-],ctrl-^,ctrl-]";

/// The name of the variable by which what a command has started is known.
pub(super) const MARK: &str = "PROVISION_ATTACHED";

/// Terminals that a slim image knows of: those of Debian's ncurses-base.
const KNOWN: [&str; 14] = [
    "ansi",
    "dumb",
    "linux",
    "rxvt",
    "screen",
    "screen-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt102",
    "vt220",
    "xterm",
    "xterm-256color",
    "xterm-mono",
];

const REDIS_CLI: Script = Script(include_str!("../sh/redis-cli.sh"));
const FOLLOW: Script = Script(include_str!("../sh/attached-follow.sh"));

/// A command on one host of a site's.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where.
    pub host: Host,
    pub(super) place: Place,
}

/// What it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A container, which has to run, and the argument vector of the program in it.
    Container { name: String, argv: Vec<String> },
    /// The Compose project of the site, by its directory; the rest of the command line.
    Project {
        directory: String,
        args: Vec<String>,
        /// It runs until the input ends.
        follows: bool,
    },
}

/// Why a site has no place for a command. A sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Nowhere(String);

/// What of a log is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Lines from its end, of each container; `None`: all of it.
    pub tail: Option<u32>,
    /// Whether what comes later is shown, too.
    pub follow: bool,
    /// Whether the time stands before each line.
    pub timestamps: bool,
    /// Whether the names of containers may be coloured.
    pub colour: bool,
}

impl Order {
    /// `manage.py` in the app's container: on this host, or on the first that has one.
    ///
    /// # Errors
    /// If that host has no app.
    pub fn manage(site: &Site, host: Option<&str>, args: &[String]) -> Result<Self, Nowhere> {
        let mut argv = vec!["python".to_owned(), "manage.py".to_owned()];
        argv.extend_from_slice(args);
        Self::inside(site, Role::App, host, argv)
    }

    /// The database's own client: psql where the database is the site's, as its user and over the
    /// local socket, else whatever Django calls for it.
    ///
    /// # Errors
    /// If that host doesn't have it.
    pub fn dbshell(site: &Site, host: Option<&str>, args: &[String]) -> Result<Self, Nowhere> {
        let Some(postgres) = &site.postgres else {
            let mut all = vec!["dbshell".to_owned()];
            if !args.is_empty() {
                all.push("--".to_owned());
                all.extend_from_slice(args);
            }
            return Self::manage(site, host, &all);
        };
        let (user, database) = (&postgres.user, &postgres.database);
        let mut argv = ["psql", "-U", user, "-d", database]
            .map(str::to_owned)
            .to_vec();
        argv.extend_from_slice(args);
        Self::inside(site, Role::Db, host, argv)
    }

    /// `redis-cli` in the container of the site's Redis.
    ///
    /// # Errors
    /// If the site has none of its own, or not on that host.
    pub fn redis_cli(site: &Site, host: Option<&str>, args: &[String]) -> Result<Self, Nowhere> {
        if site.redis.is_none() {
            return Err(Nowhere(
                "the site has no Redis of its own: there is no [redis] in site.toml".to_owned(),
            ));
        }
        let cmd = Cmd::script(REDIS_CLI, args.iter().cloned());
        Self::inside(site, Role::Cache, host, cmd.argv().to_vec())
    }

    /// A shell in the container of a service.
    ///
    /// # Errors
    /// If the site has no such service, or not on that host.
    pub fn shell(site: &Site, host: Option<&str>, service: &str) -> Result<Self, Nowhere> {
        let role = role(service)?;
        // bash where there is one; sh is everywhere.
        let argv = [
            "sh",
            "-c",
            "command -v bash >/dev/null && exec bash || exec sh",
        ];
        Self::inside(site, role, host, argv.map(str::to_owned).to_vec())
    }

    /// The logs of these services on every host that has one of them; of all, if none is named.
    ///
    /// # Errors
    /// If there is no such service, or none on these hosts.
    pub fn logs(
        site: &Site,
        hosts: &[String],
        services: &[String],
        window: &Window,
    ) -> Result<Vec<Self>, Nowhere> {
        let mut wanted = Vec::new();
        for service in services {
            wanted.push(role(service)?);
        }
        let mut orders = Vec::new();
        for host in site.hosts.values() {
            let here = hosts.is_empty() || hosts.iter().any(|name| host.name.as_str() == name);
            let roles = Role::ALL.into_iter().filter(|r| host.roles.contains(r));
            let mut names: Vec<String> = roles
                .filter(|role| wanted.is_empty() || wanted.contains(role))
                .map(|role| service(role).to_owned())
                .collect();
            if !here || names.is_empty() {
                continue;
            }
            if wanted.is_empty() {
                // All that Compose knows of.
                names.clear();
            }
            let mut args = vec![
                "--ansi".to_owned(),
                if window.colour { "always" } else { "never" }.to_owned(),
                "--project-directory".to_owned(),
                site.directory(),
                "logs".to_owned(),
                "--tail".to_owned(),
                window
                    .tail
                    .map_or("all".to_owned(), |lines| lines.to_string()),
            ];
            if !window.colour {
                args.push("--no-color".to_owned());
            }
            if window.follow {
                args.push("--follow".to_owned());
            }
            if window.timestamps {
                args.push("--timestamps".to_owned());
            }
            args.append(&mut names);
            orders.push(Self {
                host: host.clone(),
                place: Place::Project {
                    directory: site.directory(),
                    args,
                    follows: window.follow,
                },
            });
        }
        if orders.is_empty() {
            let mut services = services.to_vec();
            services.dedup();
            let on = match hosts {
                [] => "no host has".to_owned(),
                [host] => format!("{host} has no"),
                hosts => format!("none of {} has", hosts.join(", ")),
            };
            let what = match services.is_empty() {
                true => "service".to_owned(),
                false => services.join(" or "),
            };
            return Err(Nowhere(format!("{on} {what}")));
        }
        Ok(orders)
    }

    fn inside(
        site: &Site,
        role: Role,
        host: Option<&str>,
        argv: Vec<String>,
    ) -> Result<Self, Nowhere> {
        let having: Vec<&Host> = site.with_role(role).collect();
        let found = match host {
            None => having.first(),
            Some(name) => having.iter().find(|host| host.name.as_str() == name),
        };
        let Some(found) = found else {
            let names: Vec<&str> = having.iter().map(|host| host.name.as_str()).collect();
            let role = role.as_str();
            return Err(Nowhere(match (host, names.is_empty()) {
                (Some(host), false) => format!(
                    "in site.toml the role {role:?} is that of {}, not of {host}",
                    names.join(", ")
                ),
                _ => format!("no host has the role {role:?} in site.toml"),
            }));
        };
        Ok(Self {
            host: Host::clone(found),
            place: Place::Container {
                name: container(site, role),
                argv,
            },
        })
    }

    /// The command line, for a terminal of this kind or for none. What it starts in a container
    /// carries this mark.
    pub(super) fn cmd(&self, terminal: Option<&Terminal>, mark: &str) -> Cmd {
        match &self.place {
            Place::Container { name, argv } => {
                let mut cmd = Cmd::new("docker").args(["exec", "--interactive"]);
                if let Some(Terminal { kind, .. }) = terminal {
                    let known = KNOWN.contains(&kind.as_str());
                    let kind = if known { kind } else { "xterm-256color" };
                    cmd = cmd.args(["--tty", "--detach-keys", DETACH]);
                    cmd = cmd.args(["--env".to_owned(), format!("TERM={kind}")]);
                }
                cmd.args(["--env".to_owned(), format!("{MARK}={mark}")])
                    .arg(name)
                    .args(argv.iter().cloned())
            }
            Place::Project { args, follows, .. } => {
                let compose = ["docker", "compose"].map(str::to_owned);
                let all = compose.into_iter().chain(args.iter().cloned());
                match follows {
                    true => Cmd::script(FOLLOW, all),
                    false => Cmd::new("env").args(all),
                }
            }
        }
    }
}

/// The names that a service goes by: Compose's, and the role's.
fn role(name: &str) -> Result<Role, Nowhere> {
    let named = |role: &Role| role.as_str() == name || service(*role) == name;
    Role::ALL.into_iter().find(named).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.into_iter().map(service).collect();
        Nowhere(format!(
            "there is no service {name:?}; there are {}",
            known.join(", ")
        ))
    })
}

/// A role's service in compose.yaml.
fn service(role: Role) -> &'static str {
    match role {
        Role::App => "app",
        Role::Proxy => "nginx",
        Role::Db => "postgres",
        Role::Cache => "redis",
    }
}

/// A role's container.
fn container(site: &Site, role: Role) -> String {
    let kind = match role {
        Role::Proxy => "proxy",
        other => service(other),
    };
    format!("{}-{kind}", site.name)
}

#[cfg(test)]
mod tests;

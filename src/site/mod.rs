//! The site as its operator describes it: hosts with roles, the app, TLS, the firewall.
//!
//! The rooms: `load` reads a file, `raw` is its shape, `read` what every part is resolved
//! with, `hidden` what no mistake may show; `ssh`, `jump`, `hosts`, `app`, `data`, `proxy`, `tls`,
//! `secrets` and `options` resolve one part each; `public_key`, `pair`, `chain`, `pem`,
//! `env_file`, `context` and `git` read what a site names; `name` and `network` are values with a
//! grammar; `destination` is a server as ssh takes it, `bare` a site of nothing but such;
//! `starter` is what `provision init` writes, `pin` what `provision trust`
//! adds.
//!
//! [`Site`] is what the rest of the program sees: every value checked, every path
//! absolute, every secret wrapped. How it comes out of site.toml, and how a mistake there
//! becomes one error with line and column, is the business of this room alone.

mod app;
mod bare;
mod chain;
mod context;
mod data;
mod destination;
mod env_file;
mod git;
mod hidden;
mod hosts;
mod jump;
mod load;
mod name;
mod network;
mod options;
mod pair;
mod pem;
mod pin;
mod proxy;
mod public_key;
mod raw;
mod read;
mod secrets;
mod ssh;
mod starter;
mod tls;

pub use crate::input::Error;
pub use bare::named_twice;
pub use context::{ContextFile, ContextKind, context_files};
pub use data::{Backup, Postgres, Redis};
pub use destination::{Destination, NoDestination};
pub use git::{GitError, git_archive, resolve_git};
pub use jump::Jump;
pub use load::{load, load_without_values, parse};
pub use name::{
    AbsolutePath, Domain, Email, EnvName, HostName, ImageRef, InvalidName, SiteName, UrlPath,
    UserName,
};
pub use pair::Pair;
pub use pin::pin_host_key;
pub use proxy::{AccessLog, Balance, Compatibility, Hsts, Location, Proxy, Snippets};
pub use secrets::{Asked, Held, NoVault, Secrets, Vault, asked, held};
pub use ssh::{SecretSource, Ssh, Sudo};
pub use starter::starter;
pub use tls::{Acme, KeyType, Mode, OnFailure, Profile, SelfSigned, Tls};

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::shell::Secret;

/// A site, checked and resolved.
#[derive(Clone, Debug)]
pub struct Site {
    /// Names directories, units, containers: `/srv/NAME`.
    pub name: SiteName,
    /// A shipped playbook's name or the path of an own one.
    pub playbook: String,
    /// The names the site answers to; the first is canonical. At least one.
    pub domains: Vec<Domain>,
    /// How hosts are reached.
    pub ssh: Ssh,
    /// The servers, in the order of their names.
    pub hosts: BTreeMap<HostName, Host>,
    /// The Django application.
    pub app: App,
    /// The site's own PostgreSQL; `None` where the database is somebody else's.
    pub postgres: Option<Postgres>,
    /// The site's own Redis.
    pub redis: Option<Redis>,
    /// Backups of the site's own database and uploaded files.
    pub backup: Backup,
    /// What is cleared away.
    pub clean: Clean,
    /// Docker Engine.
    pub docker: Docker,
    /// ufw and its rules for Docker.
    pub firewall: Firewall,
    /// nginx.
    pub proxy: Proxy,
    /// Certificates.
    pub tls: Tls,
    /// How names are looked up from the operator's machine.
    pub dns: Dns,
    /// What the proof does beyond the usual.
    pub verify: Verify,
    /// The site.toml it came from.
    pub file: PathBuf,
    /// What is not wrong, but should be known: a sentence each.
    pub warnings: Vec<String>,
}

/// What a server is for. One host may have several roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Runs the Django application.
    App,
    /// Runs nginx and certbot.
    Proxy,
    /// Runs PostgreSQL.
    Db,
    /// Runs Redis.
    Cache,
}

/// One server.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in site.toml.
    pub name: HostName,
    /// Its public address.
    pub address: IpAddr,
    /// Its public IPv6 address, if it has one beside `address`.
    pub ipv6: Option<std::net::Ipv6Addr>,
    /// Its address on a private network shared with the other hosts. The app is then
    /// published only there.
    pub private: Option<IpAddr>,
    /// sshd's port. `None`: ssh_config's `Port`, else 22.
    pub port: Option<u16>,
    /// The name by which ssh_config knows it, if not its address.
    pub ssh: Option<String>,
    /// Whom to log in as, and nobody else. `None`: the sudo user of `[ssh]`, and on first contact
    /// the bootstrap user.
    pub user: Option<String>,
    /// The bastions on the way to it, instead of those of `[ssh]`; empty for a direct way.
    pub jump: Option<Vec<Jump>>,
    /// The password to log in with, instead of that of `[ssh]`.
    pub password: Option<SecretSource>,
    /// The password that sudo asks for, instead of that of `[ssh]`.
    pub sudo_password: Option<SecretSource>,
    /// What it is for.
    pub roles: Vec<Role>,
    /// Its pinned host key, as `SHA256:…`.
    pub host_key: Option<String>,
    /// It is known that the database's data from before its role moved lie on it.
    pub left_behind: bool,
}

/// Where the application comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A git repository that the operator's machine can read, at a revision. `commit` is
    /// what the revision stands for (40 hexadecimal digits).
    Git {
        /// URL or path.
        url: String,
        /// Branch, tag or commit as written.
        rev: String,
        /// The commit. Empty until it has been looked up.
        commit: String,
    },
    /// A directory on the operator's machine. `digest` is a SHA-256 over names, modes and
    /// contents.
    Path {
        /// The directory.
        dir: PathBuf,
        /// The digest, 64 hexadecimal digits.
        digest: String,
    },
    /// A finished image.
    Image(ImageRef),
}

/// The Django application.
#[derive(Clone, Debug)]
pub struct App {
    /// Where it comes from.
    pub source: Source,
    /// The port it listens on inside its container.
    pub port: u16,
    /// The port it is published on at the app servers.
    pub publish: u16,
    /// The path that answers 200 when all is well.
    pub health: UrlPath,
    /// Its environment: `[app.env]`, the env file and the secrets, merged. All are
    /// treated as secrets.
    pub env: BTreeMap<EnvName, Secret>,
    /// Run `migrate` once before a new revision is rolled out.
    pub migrate: bool,
    /// Run `collectstatic --noinput` once for each revision (static files in object storage).
    pub collectstatic: bool,
    /// Make this superuser if it is missing.
    pub superuser: Option<Superuser>,
    /// The directory in the container that `collectstatic` fills, if the proxy serves the
    /// static files itself.
    pub static_root: Option<AbsolutePath>,
    /// The URL path of the static files, "/static/".
    pub static_url: UrlPath,
    /// The directory in the container that uploaded files go to, if the proxy serves them itself.
    pub media_root: Option<AbsolutePath>,
    /// The URL path of the uploaded files, "/media/".
    pub media_url: UrlPath,
    /// What runs the application.
    pub server: Server,
    /// The WSGI module, "mysite.wsgi"; `None`: the image's own command runs it.
    pub wsgi: Option<String>,
    /// Worker processes, where the command is ours.
    pub workers: u16,
    /// Threads of each, where the command is ours.
    pub threads: u16,
    /// nginx reaches it over a UNIX socket on a volume they share, instead of TCP.
    pub socket: bool,
    /// Whom the containers of the app, of nginx and of certbot run as.
    pub user: Ids,
    /// How much memory its container may have, as Docker writes it ("1g").
    pub memory: String,
    /// Whether its root file system is read-only; /tmp is not.
    pub read_only: bool,
    /// The GPUs that are reserved for it.
    pub gpus: Option<Gpus>,
    /// Django's development server instead of the real one.
    pub development: bool,
    /// Whether `check --deploy` must have nothing to say before a revision is rolled out.
    pub check: bool,
    /// Fixtures that are loaded once, each when its content changes.
    pub fixtures: Vec<Fixture>,
}

/// What runs the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// gunicorn, or whatever else the image runs that speaks HTTP.
    Gunicorn,
    /// uWSGI, with its own protocol.
    Uwsgi,
}

/// User and group of a container's processes, as numbers. Neither is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl std::fmt::Display for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// How many GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpus {
    /// All that there are.
    All,
    /// So many.
    Count(u16),
}

/// A file for `loaddata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Where it lies on the operator's machine.
    pub path: PathBuf,
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub digest: String,
}

/// The superuser that is made if it is missing.
#[derive(Clone, Debug)]
pub struct Superuser {
    /// Login name.
    pub name: String,
    /// E-mail address.
    pub email: Email,
    /// Password.
    pub password: Secret,
}

/// Where Docker's packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DockerSource {
    /// Docker's own repository.
    Docker,
    /// The distribution.
    Distro,
}

/// What is cleared away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clean {
    /// How many of the app's images are kept on a host, the one in use with them.
    pub images: u16,
    /// Whether snapd is removed.
    pub snapd: bool,
}

/// Docker Engine.
#[derive(Clone, Debug)]
pub struct Docker {
    /// Where the packages come from.
    pub source: DockerSource,
    /// Size at which a container's log is rotated, as daemon.json writes it ("10m").
    pub log_max_size: String,
    /// Rotated logs that are kept.
    pub log_max_file: u8,
    /// The network that Docker takes its subnets from ("172.30.0.0/16").
    pub address_pool: String,
    /// Prefix length of each subnet taken from the pool (24).
    pub subnet_bits: u8,
}

/// The firewall.
#[derive(Clone, Debug)]
pub struct Firewall {
    /// Further rules: this port, from these sources, on hosts with this role.
    pub allow: Vec<Allow>,
    /// The addresses the app servers see the proxy under, if not its own (NAT).
    pub proxy_addresses: Vec<IpAddr>,
    /// Seconds until a guarded change is taken back, unless a new connection proves it.
    pub guard_seconds: u64,
}

/// What a further port leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program on the host itself.
    Host,
    /// A container, by the port it listens on inside: Docker rewrites the published one before
    /// ufw sees the packet.
    Container,
}

/// A further port that is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// TCP port: the host's own or the container's.
    pub port: u16,
    /// Which of them.
    pub to: Target,
    /// Source addresses or networks; empty means any.
    pub from: Vec<String>,
    /// Only on hosts with this role.
    pub on: Option<Role>,
}

/// A PEM file that was read and found to hold certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pem {
    /// Where it was read.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// How names are looked up from the operator's machine.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    /// A resolver to ask instead of the system's ("198.51.100.254:8053").
    pub resolver: Option<std::net::SocketAddr>,
    /// Look the domains up at all, before anything is changed.
    pub check: bool,
}

/// What the proof does beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct Verify {
    /// Further servers that the site is looked at from, none of them its own.
    pub from: Vec<Jump>,
}

impl Site {
    /// The hosts with a role, by name.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts
            .values()
            .filter(move |host| host.roles.contains(&role))
    }

    /// Whether all of the site's app servers and proxies are this one host: nginx then reaches the
    /// app over a network of containers, and the app is published nowhere.
    pub fn alone(&self, host: &Host) -> bool {
        let only = |role| {
            let mut all = self.with_role(role);
            all.next().is_some_and(|it| it.name == host.name) && all.next().is_none()
        };
        only(Role::App) && only(Role::Proxy)
    }

    /// The address under which the app on `host` finds the service with this role: a name of
    /// Docker's own network on the same host, else the private address.
    pub fn data_address(&self, role: Role, host: &Host) -> Option<String> {
        let server = self.with_role(role).next()?;
        if server.name == host.name {
            let service = if role == Role::Db {
                "postgres"
            } else {
                "redis"
            };
            return Some(service.to_owned());
        }
        Some(server.inner_from(host).to_string())
    }

    /// The app servers that reach the service with this role from another host.
    pub fn data_clients(&self, role: Role) -> Vec<&Host> {
        let Some(server) = self.with_role(role).next() else {
            return Vec::new();
        };
        let apps = self.with_role(Role::App);
        apps.filter(|app| app.name != server.name).collect()
    }

    /// The name that redirects lead to and that names the certificate.
    ///
    /// # Panics
    /// Never for a site that was loaded: at least one domain is required there.
    pub fn canonical(&self) -> &Domain {
        &self.domains[0]
    }

    /// Every value that must not be shown, for masking. Values that are words of the site
    /// itself (its name, a domain, an address) are no secrets, even if a variable of the
    /// environment repeats them: to mask them would only make output unreadable.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let mut known: Vec<String> = vec![self.name.to_string(), self.ssh.user.to_string()];
        known.extend(self.domains.iter().map(ToString::to_string));
        // What `DATABASE_ENGINE` says of every such site, and paths and messages repeat.
        known.push("postgresql".to_owned());
        if let Some(postgres) = &self.postgres {
            known.extend([postgres.database.clone(), postgres.user.clone()]);
        }
        for host in self.hosts.values() {
            known.push(host.name.to_string());
            known.extend(
                host.public()
                    .into_iter()
                    .chain(host.private)
                    .map(|ip| ip.to_string()),
            );
        }
        let is_known = move |value: &str| {
            value.split(',').all(|part| {
                let part = part.trim().trim_start_matches("https://");
                known.iter().any(|word| word == part)
            })
        };
        let password = self.app.superuser.iter().map(|user| &user.password);
        let key = match &self.tls.mode {
            Mode::Provided(pair) => Some(&pair.key),
            _ => None,
        };
        let webhook = match &self.tls.on_failure {
            Some(OnFailure::Webhook(url)) => Some(url),
            _ => None,
        };
        self.app
            .env
            .values()
            .filter(move |value| !is_known(value.reveal()))
            .chain(password)
            .chain(self.postgres.iter().map(|it| &it.password))
            .chain(self.redis.iter().map(|it| &it.password))
            .chain(key)
            .chain(webhook)
    }

    /// Where the site's files lie on every server.
    pub fn directory(&self) -> String {
        format!("/srv/{}", self.name)
    }

    /// Where receipts, markers and snapshots lie on every server.
    pub fn state(&self) -> String {
        format!("/var/lib/provision/{}", self.name)
    }
}

/// sshd's port, unless a host says otherwise.
const SSH_PORT: u16 = 22;

impl Host {
    /// sshd's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SSH_PORT)
    }

    /// The addresses under which the outside world reaches it.
    pub fn public(&self) -> Vec<IpAddr> {
        let mut all = vec![self.address];
        all.extend(self.ipv6.map(IpAddr::V6).filter(|v6| *v6 != self.address));
        all
    }

    /// The address that `peer` reaches it under, and sees it under: the private one, if
    /// both have one of the same family.
    pub fn inner_from(&self, peer: &Self) -> IpAddr {
        match (self.private, peer.private) {
            (Some(private), Some(theirs)) if private.is_ipv4() == theirs.is_ipv4() => private,
            _ => self.address,
        }
    }
}

impl Role {
    /// Every role, in the order they are told of.
    pub const ALL: [Self; 4] = [Self::App, Self::Proxy, Self::Db, Self::Cache];

    /// As written in site.toml and playbooks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Proxy => "proxy",
            Self::Db => "db",
            Self::Cache => "cache",
        }
    }
}

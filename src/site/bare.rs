//! A site of servers that no site.toml describes: known by how they are reached, and by nothing
//! else. They can be looked at, and nothing can be done to them: there is no role and no step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::destination::Destination;
use super::{
    AbsolutePath, AccessLog, App, Backup, Balance, Clean, Compatibility, Dns, Docker, DockerSource,
    Domain, Firewall, Host, HostName, Hsts, Ids, ImageRef, InvalidName, Mode, Proxy, Server, Site,
    SiteName, Snippets, Source, Ssh, Sudo, Tls, UrlPath, UserName, Verify,
};

/// The site's name in reports.
const NAME: &str = "audit";
/// A name that nobody can have (RFC 2606), for what has to have one.
const NOWHERE: &str = "audit.invalid";

impl Site {
    /// The servers of these destinations. Each host is named by its destination without the user,
    /// who is [`Host::user`]; its address is unspecified where only a name is known.
    ///
    /// # Errors
    /// Never in practice: what is no destination's is checked as in site.toml.
    pub fn bare(destinations: &[Destination]) -> Result<Self, InvalidName> {
        let image = ImageRef::new("none:0")?;
        let hosts: BTreeMap<HostName, Host> = destinations
            .iter()
            .map(|destination| (HostName::from(destination), host(destination)))
            .collect();
        Ok(Self {
            name: SiteName::new(NAME)?,
            playbook: String::new(),
            domains: vec![Domain::new(NOWHERE)?],
            ssh: ssh()?,
            hosts,
            app: App {
                source: Source::Image(image.clone()),
                port: 8000,
                publish: 80,
                health: UrlPath::new("/")?,
                env: BTreeMap::new(),
                migrate: false,
                collectstatic: false,
                superuser: None,
                static_root: None,
                static_url: UrlPath::new("/static/")?,
                media_root: None,
                media_url: UrlPath::new("/media/")?,
                server: Server::Gunicorn,
                wsgi: None,
                workers: 1,
                threads: 1,
                socket: false,
                user: Ids { uid: 1, gid: 1 },
                memory: "1g".to_owned(),
                read_only: true,
                gpus: None,
                development: false,
                check: false,
                fixtures: Vec::new(),
            },
            clean: Clean {
                images: 1,
                snapd: false,
            },
            postgres: None,
            redis: None,
            backup: Backup {
                keep: 0,
                at: None,
                directory: AbsolutePath::new("/var/backups")?,
            },
            docker: Docker {
                source: DockerSource::Distro,
                log_max_size: "10m".to_owned(),
                log_max_file: 1,
                address_pool: "172.30.0.0/16".to_owned(),
                subnet_bits: 24,
            },
            firewall: Firewall {
                allow: Vec::new(),
                proxy_addresses: Vec::new(),
                guard_seconds: 60,
            },
            proxy: Proxy {
                image,
                max_body: "1m".to_owned(),
                hsts: Hsts {
                    seconds: 0,
                    subdomains: false,
                    preload: false,
                },
                tls: Compatibility::Intermediate,
                http2: true,
                http3: false,
                balance: Balance::RoundRobin,
                read_timeout: 60,
                access_log: AccessLog::Text,
                locations: Vec::new(),
                snippets: Snippets::default(),
            },
            tls: Tls {
                mode: Mode::Off,
                ca: None,
                on_failure: None,
            },
            dns: Dns::default(),
            verify: Verify::default(),
            file: PathBuf::new(),
            warnings: Vec::new(),
        })
    }
}

/// The first destination that is named twice, whoever is to be logged in.
pub fn named_twice(destinations: &[Destination]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut names = destinations.iter().map(ToString::to_string);
    names.find(|name| !seen.insert(name.clone()))
}

fn host(destination: &Destination) -> Host {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Host {
        name: HostName::from(destination),
        address: destination.host.parse().unwrap_or(unknown),
        ipv6: None,
        private: None,
        port: destination.port,
        ssh: Some(destination.host.clone()),
        user: destination.user.clone(),
        jump: None,
        password: None,
        sudo_password: None,
        roles: Vec::new(),
        host_key: None,
        left_behind: false,
    }
}

/// Nothing of its own: all is ssh_config's to say.
fn ssh() -> Result<Ssh, InvalidName> {
    Ok(Ssh {
        user: UserName::new("root")?,
        bootstrap: None,
        key: None,
        known_hosts: None,
        connect_timeout: None,
        jump: Vec::new(),
        password: None,
        sudo_password: None,
        sudo: Sudo::Password,
        harden: false,
        authorized_keys: Vec::new(),
        operator_keys: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_as_they_were_written_and_have_no_role() {
        let written = ["root@198.51.100.11", "app2.prod:2222"];
        let all: Vec<Destination> = written
            .iter()
            .map(|text| Destination::new(text).unwrap())
            .collect();
        let site = Site::bare(&all).unwrap();
        let names: Vec<&str> = site.hosts.keys().map(HostName::as_str).collect();
        assert_eq!(names, ["198.51.100.11", "app2.prod:2222"]);
        let hosts: Vec<&Host> = site.hosts.values().collect();
        assert_eq!(hosts[0].user.as_deref(), Some("root"));
        assert_eq!(hosts[0].address.to_string(), "198.51.100.11");
        assert_eq!(
            (hosts[1].port, hosts[1].ssh.as_deref()),
            (Some(2222), Some("app2.prod"))
        );
        assert!(hosts.iter().all(|host| host.roles.is_empty()));
        assert_eq!(site.secrets().count(), 0);
    }

    #[test]
    fn a_server_is_the_same_whoever_logs_in() {
        let all = ["root@app1", "app1:22", "deploy@app1"];
        let all = all.map(|text| Destination::new(text).unwrap());
        assert_eq!(named_twice(&all).as_deref(), Some("app1"));
        assert_eq!(named_twice(&all[..2]), None);
    }
}

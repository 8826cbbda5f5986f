//! What can be read on a server, and what was seen there.
//!
//! Resources name [`Fact`]s; the engine asks for all facts of a host at once (see
//! [`super::gather`]) and hands the answers back as [`Observed`]. Each tool is thus started
//! once for everything that is asked of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::shell::Script;

/// Something that can be read on a server without changing it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A Debian package's installed version.
    Package(String),
    /// A systemd unit's state.
    Unit(String),
    /// A file's kind, mode, owner and SHA-256.
    File {
        /// Absolute path.
        path: String,
        /// Whether the content is wanted too, and unless it has which digest.
        content: Reveal,
    },
    /// Containers, networks and images, from Docker's API.
    Docker,
    /// The live filter rules of one address family, as `iptables-save` prints them.
    Rules(Family),
    /// What a read-only script prints, and its exit status.
    Sh(Script, Vec<String>),
}

/// Whether a file's content is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reveal {
    /// Never: it is secret, or its digest says all.
    Never,
    /// Only if its SHA-256 is another than this (64 hexadecimal digits).
    Unless(String),
    /// Always.
    Always,
}

/// An address family of the packet filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A value could not be read, which is never the same as "in sync".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fact}: {why}")]
pub struct Unreadable {
    /// What was to be read.
    pub fact: String,
    /// What went wrong.
    pub why: String,
}

/// A unit as `systemctl show` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// "loaded", "not-found", "masked".
    pub load: String,
    /// "active", "inactive", "failed", "activating".
    pub active: String,
    /// "enabled", "disabled", "static", "" if there is no unit file.
    pub enabled: String,
    /// The unit file on disk is newer than what systemd has loaded.
    pub stale: bool,
}

/// A file as it stands on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// "regular file", "directory", "symbolic link", … (as `stat` says).
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// User and group: "root:root", everybody else by numbers, "10001:10001".
    pub owner: String,
    /// When its content last changed, seconds since 1970.
    pub modified: u64,
    /// SHA-256 of a regular file's content.
    pub sha256: Option<String>,
    /// Content, where it was asked for.
    pub content: Option<Vec<u8>>,
}

/// The output of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Exit status.
    pub status: i32,
    /// Standard output without the final newline.
    pub text: String,
}

/// Docker's containers, networks and images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Docker {
    /// All containers, stopped ones too.
    pub containers: Vec<Container>,
    /// All networks.
    pub networks: Vec<Network>,
    /// All images that have a name.
    pub images: Vec<Image>,
}

/// One container (`GET /containers/json`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Names, with a leading slash.
    pub names: Vec<String>,
    /// "running", "exited", "created", …
    pub state: String,
    /// "Up 3 minutes (healthy)".
    pub status: String,
    /// Image id.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Ports, published or only exposed.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// How it is bound to the host.
    #[serde(default)]
    pub host_config: HostConfig,
}

/// How a container is bound to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// Its first network: "host" is the host's own, without one of the container's.
    #[serde(default)]
    pub network_mode: String,
}

/// One port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Port {
    /// The host's address it is published on; "0.0.0.0" and "::" for all of a family.
    #[serde(rename = "IP", default)]
    pub ip: Option<String>,
    /// The container's port.
    pub private_port: u16,
    /// The host's port; `None` where it isn't published.
    #[serde(default)]
    pub public_port: Option<u16>,
    /// "tcp", "udp" or "sctp".
    #[serde(rename = "Type")]
    pub protocol: String,
}

/// One network (`GET /networks`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    /// Name.
    pub name: String,
    /// "bridge", "overlay", "macvlan", "host", …
    #[serde(default)]
    pub driver: String,
    /// Address management.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
}

/// Address management of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    /// One entry a subnet; `null` on some drivers.
    #[serde(default)]
    pub config: Option<Vec<Subnet>>,
}

/// One subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    /// CIDR.
    #[serde(default)]
    pub subnet: String,
}

/// One image (`GET /images/json`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// Id.
    pub id: String,
    /// When it was made, seconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// "nginx:1.28", …
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// "nginx@sha256:…", …
    #[serde(default)]
    pub repo_digests: Option<Vec<String>>,
}

impl Docker {
    /// The container with this name.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers
            .iter()
            .find(|c| c.names.iter().any(|n| n.trim_start_matches('/') == name))
    }

    /// The image with this reference.
    pub fn image(&self, reference: &str) -> Option<&Image> {
        let named = |names: &Option<Vec<String>>| {
            names
                .as_ref()
                .is_some_and(|names| names.iter().any(|name| name == reference))
        };
        self.images
            .iter()
            .find(|image| named(&image.repo_tags) || named(&image.repo_digests))
    }

    /// The subnets of all networks that are Docker's own, in order and without repetition.
    /// Those of macvlan and ipvlan are the surroundings' (a provider's network, say), whose
    /// packets never pass this host's rules.
    pub fn subnets(&self) -> Vec<String> {
        let borrowed = |network: &&Network| matches!(&*network.driver, "macvlan" | "ipvlan");
        let mut all: Vec<String> = self
            .networks
            .iter()
            .filter(|network| !borrowed(network))
            .flat_map(|network| network.ipam.config.iter().flatten())
            .map(|subnet| subnet.subnet.clone())
            .filter(|subnet| !subnet.is_empty())
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Everything that was read on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Version by package; a package that isn't installed is absent.
    pub packages: BTreeMap<String, String>,
    /// State by unit.
    pub units: BTreeMap<String, Unit>,
    /// Files by path; `None` is a file that doesn't exist.
    pub files: BTreeMap<String, Option<File>>,
    /// `None` where there is no Docker yet; an error in words where it doesn't answer.
    pub docker: Option<Result<Docker, String>>,
    /// Rules by family; absent where there is no `iptables-save` yet.
    pub rules: BTreeMap<Family, String>,
    /// Output by script and arguments.
    pub printed: BTreeMap<(Script, Vec<String>), Printed>,
    /// The facts that were read, so that a forgotten one is an error and not "absent".
    pub(super) read: std::collections::BTreeSet<String>,
}

impl Observed {
    fn was_read(&self, key: &str) -> Result<(), Unreadable> {
        if self.read.contains(key) {
            return Ok(());
        }
        Err(Unreadable {
            fact: key.to_owned(),
            why: "was not read on this host".to_owned(),
        })
    }

    /// The installed version of a package.
    ///
    /// # Errors
    /// If it was not read.
    pub fn package(&self, name: &str) -> Result<Option<&str>, Unreadable> {
        self.was_read(&format!("package {name}"))?;
        Ok(self.packages.get(name).map(String::as_str))
    }

    /// The state of a unit.
    ///
    /// # Errors
    /// If it was not read.
    pub fn unit(&self, name: &str) -> Result<&Unit, Unreadable> {
        self.units.get(name).ok_or_else(|| Unreadable {
            fact: format!("unit {name}"),
            why: "systemd said nothing about it".to_owned(),
        })
    }

    /// A file, or `None` if there is none.
    ///
    /// # Errors
    /// If it was not read.
    pub fn file(&self, path: &str) -> Result<Option<&File>, Unreadable> {
        self.files
            .get(path)
            .map(Option::as_ref)
            .ok_or_else(|| Unreadable {
                fact: format!("file {path}"),
                why: "was not read on this host".to_owned(),
            })
    }

    /// A file's content as text, or `None` if there is no such file.
    ///
    /// # Errors
    /// If it was not read, isn't a regular file or isn't UTF-8.
    pub fn text(&self, path: &str) -> Result<Option<String>, Unreadable> {
        let Some(file) = self.file(path)? else {
            return Ok(None);
        };
        let unreadable = |why: &str| Unreadable {
            fact: format!("file {path}"),
            why: why.to_owned(),
        };
        let bytes = file
            .content
            .clone()
            .ok_or_else(|| unreadable("is not a regular file"))?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| unreadable("is not UTF-8 text"))
    }

    /// Docker's objects, or `None` where there is no Docker.
    ///
    /// # Errors
    /// If it was not read, or Docker is there and doesn't answer.
    pub fn docker(&self) -> Result<Option<&Docker>, Unreadable> {
        self.was_read("docker")?;
        match &self.docker {
            None => Ok(None),
            Some(Ok(docker)) => Ok(Some(docker)),
            Some(Err(why)) => Err(Unreadable {
                fact: "Docker's API".to_owned(),
                why: why.clone(),
            }),
        }
    }

    /// Live rules, or `None` where there is no packet filter tool.
    ///
    /// # Errors
    /// If they were not read.
    pub fn rules(&self, family: Family) -> Result<Option<&str>, Unreadable> {
        self.was_read(&format!("rules {family:?}"))?;
        Ok(self.rules.get(&family).map(String::as_str))
    }

    /// What a script printed.
    ///
    /// # Errors
    /// If it was not run.
    pub fn sh(&self, script: Script, args: &[String]) -> Result<&Printed, Unreadable> {
        self.printed
            .get(&(script, args.to_vec()))
            .ok_or_else(|| Unreadable {
                fact: "a script's output".to_owned(),
                why: "was not read on this host".to_owned(),
            })
    }
}

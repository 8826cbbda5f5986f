//! How a host of a site is doing. All times are seconds since 1970.

use serde::Serialize;

/// How a host is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The host.
    pub host: String,
    /// The site's containers on it.
    pub containers: Vec<Container>,
    /// Of a proxy: the certificate that it shows to the world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Of a proxy whose certificate is watched over by a timer: how that is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    /// Of a host with the site's own database: how its backups are doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<LastBackup>,
    /// When the site was proven, if nothing was changed on this host since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<i64>,
    /// Whose run is at work on it: "alice@laptop, pid 812".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// Guards that are armed, or were never disarmed: "firewall, armed".
    pub guards: Vec<String>,
    /// Reloads and restarts that are still due: "nginx".
    pub pending: Vec<String>,
    /// It wants to be restarted.
    pub reboot_required: bool,
    /// File systems with little room.
    pub low: Vec<Disk>,
    /// What needs a hand, the gravest first.
    pub mend: Vec<Mend>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its state in Docker's word: "running", "exited".
    pub state: String,
    /// Its health in Docker's word: "healthy", "unhealthy", "starting"; `None` if nothing looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Since when, in Docker's words: "3 days", "Exited (1) 5 minutes ago".
    pub since: String,
    /// Its image.
    pub image: String,
}

/// The certificate that a proxy shows to the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Where it comes from: "letsencrypt", "staging", "provided", "self-signed"; "off" without one.
    pub mode: String,
    /// The names it is for.
    pub names: Vec<String>,
    /// Who signed it (RFC 4514).
    pub issuer: String,
    /// Its kind of key: "ECDSA P-256".
    pub key: String,
    /// When it begins to hold.
    pub not_before: i64,
    /// When it ends.
    pub not_after: i64,
    /// SHA-256 of its DER form, in hexadecimal digits.
    pub sha256: String,
    /// Whether this machine trusts it.
    pub trusted: bool,
    /// Whether it is the one on file on the server; `None` if that isn't known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_file: Option<bool>,
    /// Why none was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
}

/// How the timer is doing that renews a certificate or watches over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Renewal {
    /// It runs now, and will after a reboot.
    pub armed: bool,
    /// When it fires next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// When it ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// What it did then: "renewed", "not-due", "watched".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// Why the last run failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When a run ended well the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<i64>,
}

/// How the backups of a database are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastBackup {
    /// When one was made whole the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well: Option<i64>,
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Why the last one failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What makes the next, if site.toml wants a timer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<NextBackup>,
}

/// The timer that makes backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NextBackup {
    /// It runs now, and will after a reboot.
    pub armed: bool,
    /// When it fires next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// A file system with little room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// KiB that are left.
    pub left: u64,
    /// KiB in all.
    pub total: u64,
}

/// Something that needs a hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mend {
    /// What is wrong, in one line.
    pub what: String,
    /// What to do next.
    pub next: String,
}

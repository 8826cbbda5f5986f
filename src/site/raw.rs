//! The shape of site.toml: which keys there are and what kind of value each takes. What
//! the values mean is decided where they are resolved.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::input::{Example, Words};

/// A string and where it stands.
pub(super) type Text = Spanned<String>;

/// What to write where a required key is missing.
pub(super) const EXAMPLES: &[Example] = &[
    ("", "name", "name = \"polls\""),
    ("", "domains", "domains = [\"polls.example.com\"]"),
    (
        "",
        "hosts",
        "[hosts.app1]\naddress = \"198.51.100.11\"\nrole = \"app\"",
    ),
    (
        "",
        "app",
        "[app]\nsource = { git = \"https://git.example/polls.git\", rev = \"main\" }",
    ),
    ("", "tls", "[tls]\nemail = \"ops@example.com\""),
    ("hosts.*", "address", "address = \"198.51.100.11\""),
    (
        "app",
        "source",
        "source = { git = \"https://git.example/polls.git\", rev = \"main\" }",
    ),
    ("postgres", "version", "version = 17"),
    ("redis", "version", "version = 8"),
    ("app.superuser", "name", "name = \"admin\""),
    ("app.superuser", "email", "email = \"ops@example.com\""),
    (
        "app.superuser",
        "password_env",
        "password_env = \"DJANGO_SUPERUSER_PASSWORD\"",
    ),
    ("firewall.allow", "port", "port = 9100"),
    ("proxy.locations", "url", "url = \"/media/\""),
    ("proxy.locations", "directory", "directory = \"/srv/media\""),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSite {
    pub name: Text,
    pub playbook: Option<Text>,
    pub domains: Spanned<Vec<Text>>,
    #[serde(default)]
    pub ssh: RawSsh,
    pub hosts: RawHosts,
    pub app: RawApp,
    pub postgres: Option<Spanned<RawPostgres>>,
    pub redis: Option<Spanned<RawRedis>>,
    #[serde(default)]
    pub backup: RawBackup,
    #[serde(default)]
    pub clean: RawClean,
    #[serde(default)]
    pub docker: RawDocker,
    #[serde(default)]
    pub firewall: RawFirewall,
    #[serde(default)]
    pub proxy: RawProxy,
    pub tls: Spanned<RawTls>,
    #[serde(default)]
    pub dns: RawDns,
    #[serde(default)]
    pub verify: RawVerify,
    #[serde(default)]
    pub secrets: RawSecrets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSecrets {
    pub file: Option<Text>,
    #[serde(default)]
    pub recipients: Vec<Text>,
    #[serde(default)]
    pub identities: Vec<Text>,
    pub passphrase: Option<Spanned<RawSecret>>,
    #[serde(default)]
    pub from: BTreeMap<Text, Spanned<RawSecret>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSsh {
    pub user: Option<Text>,
    pub bootstrap: Option<Text>,
    pub key: Option<Text>,
    pub known_hosts: Option<Spanned<Words>>,
    pub connect_timeout: Option<Spanned<u64>>,
    pub jump: Option<Spanned<Words>>,
    pub password: Option<Spanned<RawSecret>>,
    pub sudo_password: Option<Spanned<RawSecret>>,
    pub sudo: Option<Text>,
    pub harden: Option<Spanned<bool>>,
    pub authorized_keys: Option<Spanned<Words>>,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a place it comes from, such as { env = \"VPS_PASSWORD\" } or { command = [\"pass\", \"show\", \"vps\"] }"
)]
pub(super) struct RawSecret {
    pub env: Option<Text>,
    pub command: Option<Spanned<Vec<String>>>,
}

/// The tables `[hosts.NAME]`.
pub(super) type RawHosts = Spanned<BTreeMap<Text, Spanned<RawHost>>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawHost {
    pub address: Text,
    pub ipv6: Option<Text>,
    pub private: Option<Text>,
    pub port: Option<Spanned<u16>>,
    pub role: Option<Text>,
    pub roles: Option<Spanned<Vec<Text>>>,
    pub host_key: Option<Text>,
    pub left_behind: Option<bool>,
    pub ssh: Option<Text>,
    pub jump: Option<Spanned<Words>>,
    pub password: Option<Spanned<RawSecret>>,
    pub sudo_password: Option<Spanned<RawSecret>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawApp {
    pub source: Spanned<RawSource>,
    pub port: Option<Spanned<u16>>,
    pub publish: Option<Spanned<u16>>,
    pub health: Option<Text>,
    pub env_file: Option<Text>,
    #[serde(default)]
    pub env: BTreeMap<Text, Text>,
    #[serde(default)]
    pub secrets: Vec<Text>,
    #[serde(default)]
    pub migrate: bool,
    #[serde(default)]
    pub collectstatic: bool,
    pub superuser: Option<RawSuperuser>,
    pub static_root: Option<Text>,
    pub static_url: Option<Text>,
    pub media_root: Option<Text>,
    pub media_url: Option<Text>,
    pub server: Option<Text>,
    pub wsgi: Option<Text>,
    pub workers: Option<Spanned<u16>>,
    pub threads: Option<Spanned<u16>>,
    pub socket: Option<Spanned<bool>>,
    pub user: Option<Text>,
    pub memory: Option<Text>,
    pub read_only: Option<bool>,
    pub gpus: Option<Spanned<RawGpus>>,
    pub development: Option<Spanned<bool>>,
    pub check: Option<bool>,
    #[serde(default)]
    pub fixtures: Vec<Text>,
}

/// A number of GPUs, or "all".
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a number of GPUs, or \"all\"")]
pub(super) enum RawGpus {
    Count(u16),
    Word(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawPostgres {
    pub version: Spanned<u16>,
    pub image: Option<Text>,
    pub database: Option<Text>,
    pub user: Option<Text>,
    pub password: Option<Text>,
    pub data: Option<Text>,
    pub memory: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawRedis {
    pub version: Spanned<u16>,
    pub image: Option<Text>,
    pub password: Option<Text>,
    pub memory: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawClean {
    pub images: Option<Spanned<u16>>,
    pub snapd: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawBackup {
    pub keep: Option<Spanned<u16>>,
    pub at: Option<Text>,
    pub directory: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { git = \"…\", rev = \"…\" }, { path = \"…\" } or { image = \"…\" }"
)]
pub(super) struct RawSource {
    pub git: Option<Text>,
    pub rev: Option<Text>,
    pub path: Option<Text>,
    pub image: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawSuperuser {
    pub name: Text,
    pub email: Text,
    pub password_env: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawDocker {
    pub source: Option<Text>,
    pub log_max_size: Option<Text>,
    pub log_max_file: Option<Spanned<u8>>,
    pub address_pool: Option<Text>,
    pub subnet_bits: Option<Spanned<u8>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawFirewall {
    #[serde(default)]
    pub allow: Vec<RawAllow>,
    #[serde(default)]
    pub proxy_addresses: Vec<Text>,
    pub guard_seconds: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { port = 9100, from = [\"…\"] }"
)]
pub(super) struct RawAllow {
    pub port: Spanned<u16>,
    pub to: Option<Text>,
    #[serde(default)]
    pub from: Vec<Text>,
    pub on: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawProxy {
    pub image: Option<Text>,
    pub max_body: Option<Text>,
    pub hsts: Option<Spanned<u64>>,
    pub hsts_subdomains: Option<Spanned<bool>>,
    pub hsts_preload: Option<Spanned<bool>>,
    pub tls: Option<Text>,
    pub http2: Option<bool>,
    pub http3: Option<Spanned<bool>>,
    pub balance: Option<Text>,
    pub read_timeout: Option<Spanned<u32>>,
    pub access_log: Option<Text>,
    #[serde(default)]
    pub locations: Vec<RawLocation>,
    #[serde(default)]
    pub snippets: RawSnippets,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { url = \"/media/\", directory = \"/srv/media\" }"
)]
pub(super) struct RawLocation {
    pub url: Text,
    pub directory: Text,
    pub expires: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { server = \"nginx/server.conf\" }"
)]
pub(super) struct RawSnippets {
    pub http: Option<Text>,
    pub server: Option<Text>,
    pub location: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawTls {
    pub mode: Option<Text>,
    pub email: Option<Text>,
    pub directory: Option<Text>,
    pub staging: Option<Spanned<bool>>,
    pub profile: Option<Text>,
    pub key_type: Option<Text>,
    pub rsa_key_size: Option<Spanned<u16>>,
    pub check: Option<Spanned<bool>>,
    pub ca: Option<Text>,
    pub image: Option<Text>,
    pub certificate: Option<Text>,
    pub key: Option<Text>,
    pub on_failure: Option<Spanned<RawOnFailure>>,
}

#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { command = [\"/usr/local/bin/alert\"] } or { webhook_env = \"ALERT_URL\" }"
)]
pub(super) struct RawOnFailure {
    pub command: Option<Vec<Text>>,
    pub webhook_env: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawDns {
    pub resolver: Option<Text>,
    pub check: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawVerify {
    pub from: Option<Spanned<Words>>,
}

/// The name of the database password's value, where it stands or would stand.
pub(super) fn postgres_password(raw: &Spanned<RawPostgres>) -> Text {
    let named = raw.get_ref().password.clone();
    named.unwrap_or_else(|| Spanned::new(raw.span(), "POSTGRES_PASSWORD".to_owned()))
}

/// The name of Redis' password's value, where it stands or would stand.
pub(super) fn redis_password(raw: &Spanned<RawRedis>) -> Text {
    let named = raw.get_ref().password.clone();
    named.unwrap_or_else(|| Spanned::new(raw.span(), "REDIS_PASSWORD".to_owned()))
}

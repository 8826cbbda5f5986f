//! The ready site.toml and the app's environment file.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::database;
use super::topology::{ACME_PORT, DNS_PORT, DOMAIN, GATEWAY, Machine};

/// A host's entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: &'static str,
    pub role: &'static str,
    pub address: Ipv4Addr,
    pub ipv6: Ipv6Addr,
    pub host_key: String,
}

/// The paths it names.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub key: PathBuf,
    pub source: PathBuf,
    pub env_file: PathBuf,
    pub ca: PathBuf,
}

/// site.toml for these hosts.
pub(super) fn site(hosts: &[Entry], paths: &Paths) -> String {
    let mut text = format!(
        "# Written by `provision lab up`.\n\
         name     = \"polls\"\n\
         playbook = \"django-scaled\"\n\
         domains  = [{}]\n\n\
         [ssh]\n\
         user      = \"deploy\"\n\
         bootstrap = \"root\"\n\
         key       = {}\n",
        string(DOMAIN),
        path(&paths.key),
    );
    for host in hosts {
        text.push_str(&format!(
            "\n[hosts.{}]\n\
             address  = \"{}\"\n\
             ipv6     = \"{}\"\n\
             role     = {}\n\
             host_key = {}\n",
            host.name,
            host.address,
            host.ipv6,
            string(host.role),
            string(&host.host_key),
        ));
    }
    text.push_str(&format!(
        "\n[docker]\n\
         source = \"distro\"\n\n\
         [app]\n\
         source   = {{ path = {} }}\n\
         port     = 8000\n\
         health   = \"/polls/\"\n\
         env_file = {}\n\
         migrate  = true\n\n\
         [tls]\n\
         email     = \"ops@example.test\"\n\
         directory = \"https://{GATEWAY}:{ACME_PORT}/dir\"\n\
         ca        = {}\n\n\
         [dns]\n\
         resolver = \"{GATEWAY}:{DNS_PORT}\"\n",
        path(&paths.source),
        path(&paths.env_file),
        path(&paths.ca),
    ));
    text
}

/// The app's environment. Both secrets are made of hexadecimal digits.
pub(super) fn env(database_host: &Machine, secret_key: &str, password: &str) -> String {
    format!(
        "DJANGO_SECRET_KEY={secret_key}\n\
         DJANGO_ALLOWED_HOSTS={DOMAIN}\n\
         DJANGO_LOGLEVEL=info\n\
         DATABASE_ENGINE=postgresql\n\
         DATABASE_NAME={name}\n\
         DATABASE_USERNAME={name}\n\
         DATABASE_PASSWORD={password}\n\
         DATABASE_HOST={host}\n\
         DATABASE_PORT={port}\n",
        name = database::NAME,
        host = database_host.address(),
        port = database::PORT,
    )
}

fn path(path: &Path) -> String {
    string(&path.to_string_lossy())
}

fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::topology;
    use super::*;

    fn paths() -> Paths {
        Paths {
            key: "/lab/id_ed25519".into(),
            source: "/lab/it's \"here\"".into(),
            env_file: "/lab/app.env".into(),
            ca: "/lab/ca.pem".into(),
        }
    }

    #[test]
    fn site_toml_holds_hosts_addresses_keys_and_paths_as_toml() {
        let text = site(
            &[Entry {
                name: "app1",
                role: "app",
                address: [198, 51, 100, 11].into(),
                ipv6: "2001:db8::11".parse().unwrap(),
                host_key: "SHA256:abc+/=".into(),
            }],
            &paths(),
        );
        let site: toml::Table = text.parse().unwrap();
        assert_eq!(site["playbook"].as_str(), Some("django-scaled"));
        let host = &site["hosts"]["app1"];
        assert_eq!(host["address"].as_str(), Some("198.51.100.11"));
        assert_eq!(host["ipv6"].as_str(), Some("2001:db8::11"));
        assert_eq!(host["host_key"].as_str(), Some("SHA256:abc+/="));
        assert_eq!(
            site["app"]["source"]["path"].as_str(),
            Some("/lab/it's \"here\"")
        );
        assert_eq!(site["app"]["migrate"].as_bool(), Some(true));
        assert_eq!(
            site["tls"]["directory"].as_str(),
            Some("https://198.51.100.254:14000/dir")
        );
        assert_eq!(
            site["dns"]["resolver"].as_str(),
            Some("198.51.100.254:8053")
        );
    }

    #[test]
    fn the_environment_points_the_app_to_the_database_and_leaves_debug_out() {
        let text = env(topology::database(), "abc", "def");
        assert!(text.contains("DATABASE_HOST=198.51.100.14\n"));
        assert!(text.contains("DATABASE_PASSWORD=def\n"));
        assert!(text.contains("DJANGO_ALLOWED_HOSTS=polls.example.test\n"));
        assert!(!text.contains("DEBUG"));
    }
}

//! Where a site.toml of these tests lies, and the smallest one.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use provision::site::{self, Error, Site};

/// A directory with everything that a site.toml here may name.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Self(dir);
        home.write(".ssh/id_ed25519", "a key");
        home.write(".ssh/id_ed25519.pub", &format!("{KEY}\n"));
        home.write("polls/Dockerfile", "FROM scratch\n");
        fs::create_dir(home.path().join("bare")).unwrap();
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn parse(&self, text: &str) -> Result<Site, Error> {
        site::parse(text, &self.path().join("site.toml"), |name| match name {
            "HOME" => Some(self.path().into()),
            "SECRET_KEY" => Some(OsString::from("s3cr3t key")),
            "ADMIN_PASSWORD" => Some(OsString::from("adm1n pass")),
            "WEBHOOK" => Some(OsString::from("https://alert.example/hunter2")),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        })
    }

    /// "LINE:COLUMN what → instead", without the directory's random name.
    pub fn mistake(&self, text: &str) -> String {
        match self.parse(text) {
            Ok(_) => "no mistake".to_owned(),
            Err(error) => {
                let mistake = error.mistake().unwrap();
                let line = format!(
                    "{}:{} {} → {}",
                    mistake.line, mistake.column, mistake.what, mistake.instead
                );
                self.without_name(&line)
            }
        }
    }

    pub fn without_name(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }

    pub fn picture(&self, text: &str) -> String {
        self.without_name(&self.parse(text).unwrap_err().to_string())
    }
}

/// A public key as a .pub file has it.
pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7a3vzd6sHrhPLDHhRBHqbg8pNMfnpHZMDxRDdpUPaV me@desk";

pub const SMALL: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.app1]
address = "198.51.100.11"
role = "app"
[hosts.proxy]
address = "198.51.100.10"
role = "proxy"
[app]
source = { image = "polls:1" }
[tls]
email = "ops@example.com"
"#;

/// The small site with one piece of it replaced.
pub fn with(old: &str, new: &str) -> String {
    assert!(SMALL.contains(old), "{old:?} is not in the small site");
    SMALL.replacen(old, new, 1)
}

//! A home directory with a site.toml, and the binary called in it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;

use crate::server::new_key;

/// One host that nobody answers on.
pub const SITE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[ssh]
key = "key"
connect_timeout = 5
[hosts.one]
address = "127.0.0.1"
port = 1
roles = ["app", "proxy"]
[app]
source = { image = "polls:1" }
publish = 8080
[tls]
email = "ops@example.com"
[dns]
check = false
"#;

pub struct Home(tempfile::TempDir);

/// What came of a call.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    /// With this site.toml and a private key.
    pub fn new(site: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let key = new_key(russh::keys::Algorithm::Ed25519);
        let pem = key.to_openssh(Default::default()).unwrap();
        fs::write(home.path().join("key"), pem.as_bytes()).unwrap();
        fs::write(home.path().join("site.toml"), site).unwrap();
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn site(&self) -> String {
        fs::read_to_string(self.path().join("site.toml")).unwrap()
    }

    /// Calls `provision` without a terminal and with nothing of this machine's environment.
    pub fn call(&self, arguments: &[&str]) -> Said {
        let done = Command::new(env!("CARGO_BIN_EXE_provision"))
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .args(arguments)
            .timeout(Duration::from_secs(60))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            code: done.status.code().unwrap(),
            stdout: text(done.stdout),
            stderr: text(done.stderr),
        }
    }
}

/// The small site with one piece of it replaced.
pub fn with(old: &str, new: &str) -> String {
    assert!(SITE.contains(old), "{old:?} is not in the site");
    SITE.replacen(old, new, 1)
}

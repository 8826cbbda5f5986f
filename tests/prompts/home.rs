//! A home directory with a site.toml whose hosts listen on loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};

use crate::executable;
use crate::server::new_key;

pub struct Home(tempfile::TempDir);

impl Home {
    /// A site with these hosts: name, port, fingerprint, and more lines of site.toml; and with
    /// these lines about SSH.
    pub fn new(ssh: &str, hosts: &[(&str, u16, &str, &str)]) -> Self {
        let mut site = format!(
            "name = \"polls\"\ndomains = [\"polls.example.com\"]\n[ssh]\n{ssh}\n\
             [app]\nsource = {{ image = \"polls:1\" }}\npublish = 8080\n\
             [tls]\nemail = \"ops@example.com\"\n[dns]\ncheck = false\n"
        );
        for (at, (name, port, fingerprint, more)) in hosts.iter().enumerate() {
            let roles = match at {
                0 => "\"app\", \"proxy\"",
                _ => "\"app\"",
            };
            site += &format!(
                "[hosts.{name}]\naddress = \"127.0.0.{}\"\nport = {port}\nroles = [{roles}]\n\
                 host_key = \"{fingerprint}\"\n{more}\n",
                at + 1
            );
        }
        let home = Self(tempfile::tempdir().unwrap());
        home.write("site.toml", &site);
        home.write_key("key", &new_key(Algorithm::Ed25519));
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Writes something to be run.
    pub fn program(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        executable::write(&path, text);
        path.to_str().unwrap().to_owned()
    }

    pub fn write_key(&self, name: &str, key: &PrivateKey) {
        let text = key.to_openssh(Default::default()).unwrap();
        let path = self.path().join(name);
        fs::write(&path, text.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The key in this file, once more with a passphrase.
    pub fn lock(&self, from: &Path, name: &str, passphrase: &str) {
        let key = PrivateKey::from_openssh(fs::read(from).unwrap()).unwrap();
        self.write_key(name, &key.encrypt(&mut safe_rng(), passphrase).unwrap());
    }

    /// `provision` without a terminal, with nothing of this machine's environment but these.
    pub fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        // Without a terminal to open as /dev/tty, even where the tests run on one.
        let mut command = Command::new("setsid");
        command
            .args(["--wait", env!("CARGO_BIN_EXE_provision")])
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .envs(environment.iter().copied())
            .stdin(std::process::Stdio::null());
        command
    }

    pub fn call(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(arguments, environment).output().unwrap()
    }
}

/// All that a call said.
pub fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

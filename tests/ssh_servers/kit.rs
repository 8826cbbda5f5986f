//! The keys and files of a run, made by OpenSSH's own tools.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provision::ssh::Trust;
use russh::keys::{HashAlg, PublicKey};
use tempfile::TempDir;

use super::row::Knows;

/// The kinds of host keys.
pub const KINDS: [&str; 3] = ["ed25519", "rsa", "ecdsa"];
/// Keys that no server knows.
pub const OTHERS: [&str; 5] = ["other1", "other2", "other3", "other4", "other5"];
/// The password of all users that have one.
pub const PASSWORD: &str = "canary-41d7-correct";

/// A directory that goes away, with everything in it.
pub struct Kit {
    dir: TempDir,
}

impl Kit {
    /// Makes it, with a host certificate for this address.
    pub fn new(address: IpAddr) -> Self {
        let kit = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for kind in KINDS {
            kit.keygen(&["-t", kind, "-N", "", "-f", &format!("host_{kind}")]);
        }
        let own = [
            ("key", "ed25519"),
            ("rsa", "rsa"),
            ("ecdsa", "ecdsa"),
            ("certified", "ed25519"),
            ("ca", "ed25519"),
        ];
        for (name, kind) in own {
            let bits = if kind == "ecdsa" { "521" } else { "2048" };
            kit.keygen(&["-t", kind, "-b", bits, "-N", "", "-f", name]);
        }
        for name in OTHERS {
            kit.keygen(&["-t", "ed25519", "-N", "", "-f", name]);
        }
        let user = ["-s", "ca", "-I", "me", "-n", "tabler", "certified.pub"];
        kit.keygen(&user);
        let address = address.to_string();
        let host = ["-s", "ca", "-h", "-I", "it", "-n", &address];
        kit.keygen(&[&host[..], &["host_ed25519.pub"]].concat());
        kit
    }

    fn keygen(&self, arguments: &[&str]) {
        let done = Command::new("ssh-keygen")
            .arg("-q")
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "ssh-keygen {arguments:?}: {said}");
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a file holds.
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn host_key(&self, kind: &str) -> String {
        self.text(&format!("host_{kind}.pub")).trim().to_owned()
    }

    /// What is known of the server on this port.
    pub fn trust(&self, knows: Knows, address: IpAddr, port: u16) -> Trust {
        let name = format!("[{address}]:{port}");
        let line = |before: &str, kind: &str| format!("{before}{name} {}\n", self.host_key(kind));
        let text = match knows {
            Knows::Pin(kind) => {
                let key = PublicKey::from_openssh(&self.host_key(kind)).unwrap();
                return Trust {
                    pinned: Some(key.fingerprint(HashAlg::Sha256).to_string()),
                    known_hosts: Vec::new(),
                };
            }
            Knows::Line(kind) | Knows::Hashed(kind) => line("", kind),
            Knows::Revoked(kind) => line("", kind) + &line("@revoked ", kind),
            Knows::Authority => format!("@cert-authority {name} {}", self.text("ca.pub")),
            Knows::Other(kind) => {
                let other = if kind == "rsa" { "rsa.pub" } else { "key.pub" };
                format!("{name} {}", self.text(other))
            }
            Knows::Nothing => String::new(),
        };
        let file = format!("known_hosts_{port}");
        std::fs::write(self.path(&file), text).unwrap();
        if let Knows::Hashed(_) = knows {
            self.keygen(&["-H", "-f", &file]);
            assert!(!self.text(&file).contains(&name), "it isn't hashed");
        }
        Trust {
            pinned: None,
            known_hosts: vec![self.path(&file)],
        }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

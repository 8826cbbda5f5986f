//! OpenSSH's own sshd, on loopback, with keys and a configuration of its own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use provision::ssh::{
    Address, Dialer, Family, Identity, Keys, Nobody, Note, Patience, Target, Trust, Via,
};
use russh::keys::{Algorithm, PublicKey};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::server::{new_key, print};

const PROGRAM: &str = "/usr/sbin/sshd";
/// How often one is started: the port that was free may be somebody else's by then.
const STARTS: usize = 3;
/// How long one may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// A running sshd; ends with its owner.
pub struct Sshd {
    pub port: u16,
    pub dir: TempDir,
    user: String,
    host_key: PublicKey,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It fails where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Starts one with these lines on top of its configuration. None where there is no sshd.
    pub fn start(options: &str) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let why = "left out: there is no sshd here (openssh-server)";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("{why}");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let host_key = new_key(Algorithm::Ed25519);
        let user_key = new_key(Algorithm::Ed25519);
        let host_file = write(
            "host_key",
            &host_key.to_openssh(Default::default()).unwrap(),
        );
        write("key", &user_key.to_openssh(Default::default()).unwrap());
        let public = user_key.public_key().to_openssh().unwrap();
        let authorized = write("authorized_keys", &format!("{public}\n"));
        // As root it insists on this empty directory, which its service would make. It fails where
        // it is there, or isn't needed.
        let _ = std::fs::create_dir("/run/sshd");
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        for _ in 0..STARTS {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let config = write(
                "sshd_config",
                &format!(
                    "{options}\nListenAddress 127.0.0.1\nPort {port}\nHostKey {}\n\
                     AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
                     PermitRootLogin yes\nPasswordAuthentication no\nPrintMotd no\n\
                     LogLevel VERBOSE\n",
                    host_file.display(),
                    authorized.display()
                ),
            );
            let mut child = Command::new(PROGRAM)
                .args(["-D", "-f"])
                .arg(config)
                .arg("-E")
                .arg(dir.path().join("log"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if listens(&mut child, port, dir.path()) {
                return Some(Self {
                    port,
                    dir,
                    user,
                    host_key: host_key.public_key().clone(),
                    child,
                });
            }
        }
        panic!("sshd doesn't start: {}", log(dir.path()));
    }

    pub fn log(&self) -> String {
        log(self.dir.path())
    }

    /// How many logins it let in.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    pub fn target(&self, host: &str) -> Target {
        Target {
            host: host.to_owned(),
            address: Address::Ip(Ipv4Addr::LOCALHOST.into()),
            port: self.port,
            family: Family::Any,
            via: Via::Direct,
            alias: None,
            trust: Trust {
                pinned: Some(print(&self.host_key)),
                known_hosts: Vec::new(),
            },
            user: self.user.clone(),
            identity: Identity {
                key: Some(self.dir.path().join("key")),
                ..Identity::default()
            },
            patience: Patience::default(),
        }
    }

    /// The same, through a bastion.
    pub fn behind(&self, host: &str, bastion: &Target) -> Target {
        Target {
            via: Via::Jump(Box::new(bastion.clone())),
            ..self.target(host)
        }
    }
}

/// What was logged in this directory.
fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// Waits until it has told of a connection of ours, its first: then it is no other that listens
/// there. False if it has ended instead, or been ended since it took too long.
fn listens(child: &mut Child, port: u16, dir: &Path) -> bool {
    let began = Instant::now();
    let mut ours = None;
    while began.elapsed() < LISTENS_WITHIN {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if ours.is_none() {
            ours = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        }
        if log(dir).contains("Connection from") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // It fails where it has ended.
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// Connections with no keys but those targets name, and what is told about them.
pub fn dialer() -> (Dialer, UnboundedReceiver<Note>) {
    let (sender, notes) = unbounded_channel();
    let ask = std::sync::Arc::new(Nobody);
    (Dialer::new(Keys::new(None, None), ask, Some(sender)), notes)
}

/// What was told so far.
pub fn told(notes: &mut UnboundedReceiver<Note>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(note) = notes.try_recv() {
        all.push(format!("{}: {}", note.host, note.text));
    }
    all
}

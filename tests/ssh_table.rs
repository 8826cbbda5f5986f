//! The table of real servers, in namespaces of this machine: its users, its `/etc` and its
//! processes are seen by nobody else, and end with it.
//!
//! A target of its own: it takes all that the machine has, and cargo runs targets one after the
//! other.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[path = "ssh_servers/mod.rs"]
mod table;

/// Names another tree than this machine's: one that the lab has made of Debian 13, for one.
const TREE: &str = "PROVISION_TEST_TREE";

/// In the namespaces: a layer over this machine's `/etc`, or over all of another tree.
const OWN: &str = r#"
mount -t tmpfs none "$1"; mkdir "$1/up" "$1/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/work" none /etc
mount -t tmpfs -o mode=755 none /run; mount -t tmpfs -o mode=755 none /home
exec sleep 3600"#;
const OTHER: &str = r#"
mount -t tmpfs none "$1"; mkdir "$1/up" "$1/work" "$1/all"
mount -t overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" none "$1/all"
mount --rbind /dev "$1/all/dev"; mount -t proc none "$1/all/proc"
mount -t tmpfs -o mode=755 none "$1/all/run"
for f in resolv.conf hosts; do cat "/etc/$f" >"$1/all/etc/$f"; done
exec chroot "$1/all" sleep 3600"#;

/// Namespaces of their own. All that runs in them ends with this.
struct Apart {
    child: Child,
    /// The first process in them, as it is known out here.
    inner: String,
    /// Where they mount what they write to.
    _dir: tempfile::TempDir,
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Apart {
    fn new(tree: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-euc", if tree.is_some() { OTHER } else { OWN }, "-"])
            .arg(dir.path())
            .args(tree)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id();
        let mut apart = Self {
            child,
            inner: String::new(),
            _dir: dir,
        };
        for _ in 0..1500 {
            std::thread::sleep(Duration::from_millis(20));
            let children = format!("/proc/{id}/task/{id}/children");
            let children = std::fs::read_to_string(children).unwrap_or_default();
            let inner = children.trim();
            let name = std::fs::read_to_string(format!("/proc/{inner}/comm"));
            // It sleeps once all is mounted.
            if name.is_ok_and(|name| name.trim() == "sleep") {
                apart.inner = inner.to_owned();
                return apart;
            }
        }
        panic!("the namespaces don't come up");
    }

    fn root(&self, script: &str) -> String {
        let done = Command::new("nsenter")
            .args([
                "--target",
                &self.inner,
                "--mount",
                "--pid",
                "--root",
                "--wd",
            ])
            .args(["sh", "-euc", script])
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}\n{script}");
        String::from_utf8(done.stdout).unwrap()
    }
}

/// Why it can't be done here.
fn missing() -> Option<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut ids = status.lines().filter(|line| line.starts_with("Uid:"));
    if !ids.any(|line| line.split_whitespace().nth(2) == Some("0")) {
        return Some("it needs root, to make users in namespaces of its own");
    }
    let there = ["/usr/sbin/sshd", "/usr/bin/ssh-keygen", "/usr/bin/unshare"];
    let all = there.iter().all(|path| Path::new(path).exists());
    (!all).then_some("it needs OpenSSH's server and client, and util-linux")
}

#[test]
fn real_servers_of_every_kind_are_reached_or_refused_in_clear_words() {
    if let Some(why) = missing() {
        eprintln!("left out: {why}");
        assert!(std::env::var_os("CI").is_none(), "left out: {why}");
        return;
    }
    let tree = std::env::var(TREE).ok();
    let apart = Apart::new(tree.as_deref());
    table::hold(&table::Place {
        name: tree.as_deref().unwrap_or("here"),
        address: Ipv4Addr::LOCALHOST.into(),
        root: &|script| apart.root(script),
        installs: tree.is_some(),
    });
}

//! Base trees: what a fresh server's disk holds. Made once a suite and kept in the cache,
//! under a name that changes with the recipe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::command::{finish, run};
use super::layout::{self, Layout, text};
use super::state::Turn;
use super::{Error, Suite};

/// Part of every tree's and image's key: raise it when a script here changes meaning
/// without changing its text.
const GENERATION: &str = "1";

/// Packages of a fresh server.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,curl,\
                        ca-certificates,procps,passwd,cron";

/// The machine's own certificate authorities, which its registries may need.
pub(super) const EXTRA_CAS: &str = "/usr/local/share/ca-certificates";

/// Run in the base tree as its root, with the packages to fetch as arguments.
///
/// Host keys are each machine's own. Modules can't be loaded from a container. Packages
/// that every rehearsal installs wait in apt's archive, so that installing them costs no
/// download; apt's lists are absent, as on a fresh image.
const FINISH: &str = r#"
rm -f /etc/ssh/ssh_host_*
ln -sf /dev/null /etc/systemd/system/systemd-modules-load.service
update-ca-certificates >/dev/null
apt-get -q update
apt-get -q -y --download-only install "$@"
rm -rf /var/lib/apt/lists/*
mkdir -p /var/lib/apt/lists/partial
: >/etc/machine-id
: >/etc/hostname
"#;

/// Run in the database's tree as its root. `policy-rc.d` keeps the package from starting
/// the server while its tree is being made.
const DATABASE: &str = r#"
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -q -y --no-install-recommends install postgresql
rm -f /usr/sbin/policy-rc.d
apt-get clean
rm -rf /var/lib/apt/lists/*
for cluster in /etc/postgresql/*/main; do
  printf "listen_addresses = '*'\n" >"$cluster/conf.d/lab.conf"
  cat >"$cluster/pg_hba.conf" <<'HBA'
local  all    postgres                    peer
host   polls  polls     198.51.100.0/24   scram-sha-256
host   polls  polls     2001:db8::/64     scram-sha-256
host   polls  polls     10.20.0.0/24      scram-sha-256
HBA
done
"#;

/// A key that changes when any of `parts` does. Each part is told apart from its neighbours.
pub(super) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [GENERATION].iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The machine's extra certificate authorities as one text, part of the keys.
pub(super) fn extra_cas() -> String {
    let Ok(entries) = fs::read_dir(EXTRA_CAS) else {
        return String::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect()
}

/// Copies the machine's extra certificate authorities into a tree.
fn copy_extra_cas(root: &Path) -> Result<(), Error> {
    if !Path::new(EXTRA_CAS).is_dir() {
        return Ok(());
    }
    let into = root.join(&EXTRA_CAS[1..]);
    layout::dir(&into)?;
    run("cp", &["-rL", &format!("{EXTRA_CAS}/."), text(&into)]).map(drop)
}

/// Runs a script as root of a tree, with /proc and the machine's resolver. The mounts live
/// in a mount namespace of their own and end with it.
fn inside(root: &Path, script: &str, args: &[&str]) -> Result<(), Error> {
    const ENTER: &str = r#"mount -t proc proc "$1/proc"
mount --bind /etc/resolv.conf "$1/etc/resolv.conf"
root=$1; shift
exec chroot "$root" sh -euc "$@""#;
    let resolv = root.join("etc/resolv.conf");
    let _ = fs::remove_file(&resolv);
    fs::write(&resolv, "").map_err(Error::file("write", &resolv))?;
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            ENTER,
            "provision-lab",
        ])
        .args([text(root), script, "provision-lab"])
        .args(args)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    finish(&mut command, b"").map(drop)
}

/// apt settings of this machine that its registries need: proxies and how strict dates are.
pub(super) fn apt_settings() -> Result<String, Error> {
    Ok(pick_apt_settings(&run("apt-config", &["dump"])?))
}

fn pick_apt_settings(dump: &str) -> String {
    const WANTED: [&str; 5] = [
        "acquire::http::proxy",
        "acquire::https::proxy",
        "acquire::check-valid-until",
        "acquire::check-date",
        "acquire::retries",
    ];
    dump.lines()
        .filter(|line| {
            let name = line.split(' ').next().unwrap_or_default().to_lowercase();
            WANTED.iter().any(|wanted| name.starts_with(wanted)) && !line.ends_with("\"\";")
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The base tree of a suite; made if it isn't in the cache.
pub(super) fn base(layout: &Layout, suite: Suite, say: &dyn Fn(String)) -> Result<PathBuf, Error> {
    let settings = apt_settings()?;
    let fetch = suite.fetched();
    let key = key(&[
        suite.name(),
        PACKAGES,
        FINISH,
        &fetch.join(" "),
        &extra_cas(),
        &settings,
    ]);
    cached(layout, &format!("{}-", suite.name()), &key, |making| {
        say(format!(
            "making the {} base tree (once; about a minute)",
            suite.name()
        ));
        let root = making.join("tree");
        let include = format!("--include={PACKAGES}");
        run(
            "mmdebstrap",
            &[
                "--quiet",
                "--mode=root",
                "--variant=apt",
                "--format=directory",
                &include,
                suite.name(),
                text(&root),
            ],
        )?;
        copy_extra_cas(&root)?;
        layout::write(&root.join("etc/apt/apt.conf.d/90lab"), 0o644, &settings)?;
        inside(&root, FINISH, fetch)
    })
    .map(|dir| dir.join("tree"))
}

/// The database's layer over a base tree; made if it isn't in the cache.
pub(super) fn database(
    layout: &Layout,
    suite: Suite,
    base: &Path,
    say: &dyn Fn(String),
) -> Result<PathBuf, Error> {
    let key = key(&[text(base), DATABASE]);
    cached(layout, &format!("db-{}-", suite.name()), &key, |making| {
        say("making the database's tree (once)".to_owned());
        for name in ["tree", "work", "root"] {
            layout::dir(&making.join(name))?;
        }
        let root = making.join("root");
        let mounted = Overlay::mount(&[base], &making.join("tree"), &making.join("work"), &root)?;
        inside(&root, DATABASE, &[])?;
        mounted.unmount()
    })
    .map(|dir| dir.join("tree"))
}

/// A directory of the cache under `prefix` and `key`. It is made aside and renamed when
/// whole; those that older recipes left under the same prefix go.
fn cached(
    layout: &Layout,
    prefix: &str,
    key: &str,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let trees = layout.cache.join("trees");
    layout::private_dir(&trees)?;
    let dir = trees.join(format!("{prefix}{key}"));
    if dir.is_dir() {
        return Ok(dir);
    }
    let _turn = Turn::wait(&trees.join(format!("lock-{prefix}")))?;
    if dir.is_dir() {
        return Ok(dir);
    }
    let making = trees.join(format!("making-{prefix}{key}"));
    unmount_below(&making)?;
    layout::remove(&making)?;
    layout::dir(&making)?;
    make(&making)?;
    fs::rename(&making, &dir).map_err(Error::file("rename", &making))?;
    let entries = fs::read_dir(&trees).map_err(Error::file("read", &trees))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(prefix) && entry.path() != dir {
            layout::remove(&entry.path())?;
        }
    }
    Ok(dir)
}

/// A mounted overlay, unmounted when dropped.
pub(super) struct Overlay(Option<PathBuf>);

impl Overlay {
    /// Mounts `lower` (topmost first) under `upper` at `at`.
    pub fn mount(lower: &[&Path], upper: &Path, work: &Path, at: &Path) -> Result<Self, Error> {
        let lower: Vec<&str> = lower.iter().map(|path| text(path)).collect();
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            text(upper),
            text(work)
        );
        run(
            "mount",
            &["-t", "overlay", "-o", &options, "provision-lab", text(at)],
        )?;
        Ok(Self(Some(at.to_owned())))
    }

    /// Leaves it mounted.
    pub fn keep(mut self) {
        self.0 = None;
    }

    fn unmount(mut self) -> Result<(), Error> {
        match self.0.take() {
            Some(at) => run("umount", &[text(&at)]).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        if let Some(at) = &self.0 {
            let _ = run("umount", &[text(at)]);
        }
    }
}

/// Unmounts everything at or below a directory, innermost first.
pub(super) fn unmount_below(dir: &Path) -> Result<(), Error> {
    let mounts = layout::read(Path::new("/proc/self/mountinfo"))?;
    for point in mount_points(&mounts, dir).iter().rev() {
        // A process that is just ending may hold it for a moment; detaching needs no wait.
        if run("umount", &[text(point)]).is_err() {
            run("umount", &["-l", text(point)])?;
        }
    }
    Ok(())
}

/// Mount points at or below a directory, in the order they were mounted
/// (proc_pid_mountinfo(5): the fifth field, with octal escapes).
fn mount_points(mountinfo: &str, dir: &Path) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(field.replace("\\040", " ").replace("\\011", "\t")))
        .filter(|point| point.starts_with(dir))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_any_part_and_with_where_a_part_ends() {
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(key(&["a", "b"]), key(&["a", "c"]));
    }

    #[test]
    fn only_mounts_at_or_below_the_directory_are_found() {
        let info = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                    40 22 0:30 / /srv/lab/hosts/app1/root rw - overlay provision-lab rw\n\
                    41 40 0:31 / /srv/lab\\0402/x rw - tmpfs t rw\n\
                    42 40 0:31 / /srv/lab/hosts/app1/root/proc rw - proc p rw\n\
                    43 22 0:31 / /srv/labels rw - tmpfs t rw\n";
        assert_eq!(
            mount_points(info, Path::new("/srv/lab")),
            [
                Path::new("/srv/lab/hosts/app1/root"),
                Path::new("/srv/lab/hosts/app1/root/proc")
            ]
        );
        assert_eq!(
            mount_points(info, Path::new("/srv/lab 2")),
            [Path::new("/srv/lab 2/x")]
        );
    }

    #[test]
    fn proxies_and_date_checks_are_taken_from_apt_and_nothing_else() {
        let dump = "APT::Architecture \"amd64\";\n\
                    Acquire::http::Proxy \"http://10.0.0.1:3142\";\n\
                    Acquire::https::Proxy \"\";\n\
                    Acquire::Check-Date \"false\";\n\
                    Acquire::Languages \"none\";\n\
                    DPkg::Post-Invoke:: \"rm -f x\";\n";
        assert_eq!(
            pick_apt_settings(dump),
            "Acquire::http::Proxy \"http://10.0.0.1:3142\";\nAcquire::Check-Date \"false\";\n"
        );
    }
}

//! What the machine must have, all of it told at once.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Error;
use super::command::run;

/// Programs the lab runs, and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 17] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("pebble", "pebble"),
    ("pebble-challtestsrv", "pebble"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("kill", "procps"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("gzip", "gzip"),
    ("update-ca-certificates", "ca-certificates"),
];

/// Checks all of it; with `install`, missing packages are installed first.
///
/// # Errors
/// [`Error::Requirements`] with everything that is missing.
pub(super) fn check(install: bool, say: &mut dyn FnMut(String)) -> Result<(), Error> {
    let mut missing = Vec::new();
    if !cfg!(target_os = "linux") {
        missing.push(
            "Linux: the lab is made of network namespaces and containers; the other commands \
             run here against real servers"
                .to_owned(),
        );
        return Err(Error::Requirements { missing });
    }
    if !root() {
        missing.push("root: run this command with sudo".to_owned());
    }
    let mut packages = missing_packages(present);
    if install && missing.is_empty() && !packages.is_empty() {
        say(format!("installing {}", packages.join(" ")));
        install_packages(&packages)?;
        packages = missing_packages(present);
    }
    if !packages.is_empty() {
        missing.push(wanted(&packages));
    }
    if !overlay() {
        missing.push("the overlay file system: load it with `modprobe overlay`".to_owned());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Requirements { missing })
    }
}

fn wanted(packages: &[&str]) -> String {
    let packages = packages.join(" ");
    format!("Debian packages: {packages}; give --install, or run `apt-get install {packages}`")
}

/// For commands that need nothing but root.
pub(super) fn root_only() -> Result<(), Error> {
    if root() {
        return Ok(());
    }
    Err(Error::Requirements {
        missing: vec!["root: run this command with sudo".to_owned()],
    })
}

/// Whether this process is root's, by the owner of its own /proc entry.
fn root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn overlay() -> bool {
    let known = || {
        std::fs::read_to_string("/proc/filesystems")
            .is_ok_and(|text| text.lines().any(|line| line.ends_with("\toverlay")))
    };
    // A kernel that has it as a module lists it once it is loaded.
    known() || (run("modprobe", &["overlay"]).is_ok() && known())
}

/// The packages of absent programs, each once.
fn missing_packages(present: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages: Vec<&str> = Vec::new();
    for (program, package) in PROGRAMS {
        if !present(program) && !packages.contains(&package) {
            packages.push(package);
        }
    }
    packages
}

fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A plain user's PATH leaves out the system programs.
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .any(|dir| Path::new(&dir).join(program).is_file())
}

fn install_packages(packages: &[&str]) -> Result<(), Error> {
    let apt = |args: &[&str]| {
        run(
            "env",
            &[
                &["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"],
                args,
            ]
            .concat(),
        )
    };
    let install = [&["install", "--no-install-recommends"], packages].concat();
    // Package lists are often missing or stale on a fresh machine.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_package_is_named_once_with_the_command_that_installs_it() {
        let packages = missing_packages(|program| !program.contains("pebble") && program != "ip");
        assert_eq!(packages, ["iproute2", "pebble"]);
        assert!(wanted(&packages).contains("apt-get install iproute2 pebble"));
    }

    #[test]
    fn nothing_is_missing_where_every_program_is_present() {
        assert!(missing_packages(|_| true).is_empty());
    }
}

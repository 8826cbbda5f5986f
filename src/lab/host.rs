//! One lab machine: its tree, its boot, its end.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::run;
use super::layout::{self, Layout, text};
use super::process::{Daemon, Process};
use super::topology::{GATEWAY, Machine, REGISTRY_PORT};
use super::tree::{Overlay, unmount_below};
use super::{Error, cgroup, network, tree};

/// Seconds until a machine must answer on its SSH port.
const BOOT: u64 = 90;

/// Left in a machine's directory when its tree is whole.
const PREPARED: &str = "prepared";

/// Runs a machine, and runs it again where it ends with 133, which is how systemd-nspawn says that
/// the machine has asked for a reboot if it was told to keep its unit. What stands before `--` are
/// the control groups that the machine enters; the loop itself is in none of them.
const LOOP: &str = r#"enter='while [ "$1" != -- ]; do echo "$$" >"$1/cgroup.procs"; shift; done
shift
exec "$@"'
while :; do
    code=0
    sh -euc "$enter" provision-lab "$@" || code=$?
    [ "$code" -eq 133 ] || exit "$code"
done"#;

/// The process that keeps a machine running (a shell around systemd-nspawn), if it runs.
pub(super) fn running(layout: &Layout, machine: &Machine) -> Option<Process> {
    Process::recorded(&Daemon::record(&layout.machine(machine)))
}

/// systemd-nspawn itself; none for a moment while the machine reboots.
fn nspawn_of(keeper: &Process) -> Option<Process> {
    keeper.children().first().copied()
}

/// The machine's own process 1, as seen from here.
pub(super) fn init(layout: &Layout, machine: &Machine) -> Option<Process> {
    let nspawn = nspawn_of(&running(layout, machine)?)?;
    nspawn.children().first().copied()
}

/// Whether its tree is whole.
pub(super) fn prepared(layout: &Layout, machine: &Machine) -> bool {
    layout.machine(machine).join(PREPARED).exists()
}

/// Makes SSH host keys that last as long as the lab, through resets: a key pinned in
/// site.toml stays right.
pub(super) fn make_host_keys(layout: &Layout, machine: &Machine) -> Result<(), Error> {
    let keys = layout.host_keys(machine);
    layout::private_dir(&keys)?;
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let path = keys.join(format!("ssh_host_{kind}_key"));
        if path.with_extension("pub").exists() {
            continue;
        }
        let _ = fs::remove_file(&path);
        let comment = format!("root@{}", machine.name);
        run(
            "ssh-keygen",
            &[
                "-q",
                "-t",
                kind,
                "-N",
                "",
                "-C",
                &comment,
                "-f",
                text(&path),
            ],
        )?;
    }
    Ok(())
}

/// Gives a machine a fresh tree: nothing but root with a key. `lower` is topmost first.
pub(super) fn prepare(layout: &Layout, machine: &Machine, lower: &[&Path]) -> Result<(), Error> {
    let dir = layout.machine(machine);
    let root = layout.root(machine);
    unmount_below(&dir)?;
    let marker = dir.join(PREPARED);
    if marker.exists() {
        fs::remove_file(&marker).map_err(Error::file("remove", &marker))?;
    }
    for part in ["upper", "work", "docker"] {
        layout::remove(&dir.join(part))?;
    }
    mount(layout, machine, lower)?;
    let file = |path: &str, mode, content: &str| {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            layout::dir(parent)?;
        }
        layout::write(&path, mode, content)
    };
    file("etc/hostname", 0o644, &format!("{}\n", machine.name))?;
    file(
        "etc/hosts",
        0o644,
        &format!(
            "127.0.0.1\tlocalhost\n127.0.1.1\t{}\n::1\tlocalhost ip6-localhost\n",
            machine.name
        ),
    )?;
    file("etc/resolv.conf", 0o644, &resolvers()?)?;
    file("etc/apt/apt.conf.d/90lab", 0o644, &tree::apt_settings()?)?;
    file("etc/docker/daemon.json", 0o644, &daemon_json())?;
    layout::private_dir(&root.join("root/.ssh"))?;
    let key = layout::read(&layout.key().with_extension("pub"))?;
    file("root/.ssh/authorized_keys", 0o600, &key)?;
    let keys = layout.host_keys(machine);
    run(
        "cp",
        &[
            "-a",
            &format!("{}/.", text(&keys)),
            text(&root.join("etc/ssh")),
        ],
    )?;
    fs::set_permissions(
        root.join("etc/ssh"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .map_err(Error::file("set the mode of", root.join("etc/ssh")))?;
    layout::write(&marker, 0o644, "")
}

/// Docker's settings of a fresh machine: the mirror. The builder asks a mirror by HTTPS,
/// whatever its URL says, unless its address is also among the insecure registries.
fn daemon_json() -> String {
    let registry = format!("{GATEWAY}:{REGISTRY_PORT}");
    let settings = serde_json::json!({
        "registry-mirrors": [format!("http://{registry}")],
        "insecure-registries": [registry],
    });
    format!("{settings:#}\n")
}

/// Mounts a machine's tree as it was left, unless it is mounted.
fn mount(layout: &Layout, machine: &Machine, lower: &[&Path]) -> Result<(), Error> {
    let dir = layout.machine(machine);
    let root = layout.root(machine);
    for part in ["upper", "work", "docker", "root"] {
        layout::dir(&dir.join(part))?;
    }
    unmount_below(&root)?;
    Overlay::mount(lower, &dir.join("upper"), &dir.join("work"), &root)?.keep();
    Ok(())
}

/// Boots a prepared machine and waits until its SSH server answers.
pub(super) fn boot(layout: &Layout, machine: &Machine, lower: &[&Path]) -> Result<(), Error> {
    stop_now(layout, machine)?;
    mount(layout, machine, lower)?;
    network::plug(machine)?;
    let place = cgroup::place(machine)?;
    let dir = layout.machine(machine);
    let mut argv = ["sh", "-uc", LOOP, "provision-lab"]
        .map(String::from)
        .to_vec();
    argv.extend(place.groups.iter().map(|group| text(group).to_owned()));
    argv.push("--".to_owned());
    argv.extend(nspawn(
        machine,
        &place.prefix,
        &layout.root(machine),
        &dir.join("docker"),
    ));
    let daemon = Daemon {
        argv,
        env: vec![
            // Without the unified hierarchy containers fail on cgroup v1; without a writable
            // /proc/sys/net Docker can't set up a container's interface.
            ("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"),
            ("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network"),
        ],
        groups: Vec::new(),
        dir,
    };
    let process = daemon.start()?;
    let address = SocketAddr::new(machine.address().into(), 22);
    daemon.ready(process, BOOT, || greets(address))
}

fn nspawn(machine: &Machine, prefix: &[String], root: &Path, docker: &Path) -> Vec<String> {
    let mut argv = prefix.to_vec();
    argv.extend(
        [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--capability=all",
            "--system-call-filter=@keyring bpf",
            "--console=read-only",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ]
        .map(String::from),
    );
    let namespace = machine.namespace();
    argv.extend([
        format!("--directory={}", root.display()),
        format!(
            "--network-namespace-path={}",
            network::namespace_path(&namespace).display()
        ),
        format!("--machine={namespace}"),
        format!("--hostname={}", machine.name),
        // Docker's own overlays can't lie on an overlay.
        format!("--bind={}:/var/lib/docker", docker.display()),
    ]);
    argv
}

/// Whether an SSH server greets there.
fn greets(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) else {
        return false;
    };
    let mut greeting = [0; 4];
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && &greeting == b"SSH-"
}

/// Shuts a machine down as its own systemd would, and forces it after a few seconds: with
/// containers running a clean shutdown can take long.
pub(super) fn stop(layout: &Layout, machine: &Machine) -> Result<(), Error> {
    if let Some(keeper) = running(layout, machine) {
        if let Some(process) = nspawn_of(&keeper) {
            process.signal("TERM")?;
        }
        keeper.gone_within(Duration::from_secs(4));
    }
    stop_now(layout, machine)
}

/// Cuts its power: everything in it is killed at once. Its namespace goes too.
pub(super) fn stop_now(layout: &Layout, machine: &Machine) -> Result<(), Error> {
    if let Some(keeper) = running(layout, machine) {
        // First of all, so that nothing is started again.
        keeper.signal("STOP")?;
        if let Some(process) = nspawn_of(&keeper) {
            // Its process 1 takes everything in its PID namespace with it.
            for child in process.children() {
                child.signal("KILL")?;
            }
            process.signal("KILL")?;
        }
        keeper.signal("KILL")?;
        keeper.gone_within(Duration::from_secs(5));
    }
    cgroup::clear(machine)?;
    network::unplug(machine)
}

/// Stops a machine and removes its mounts.
pub(super) fn take_down(layout: &Layout, machine: &Machine, clean: bool) -> Result<(), Error> {
    if clean {
        stop(layout, machine)?;
    } else {
        stop_now(layout, machine)?;
    }
    unmount_below(&layout.machine(machine))
}

/// The machine's own resolvers, for a tree in another network namespace.
fn resolvers() -> Result<String, Error> {
    // Where systemd-resolved listens on loopback, the real servers are in its own file.
    for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        let Ok(content) = fs::read_to_string(path) else {
            continue;
        };
        let found = reachable(&content);
        if found.contains("nameserver") {
            return Ok(found);
        }
    }
    Err(Error::Requirements {
        missing: vec![
            "a DNS server in /etc/resolv.conf that is not on loopback (hosts can't reach one \
             that is)"
                .to_owned(),
        ],
    })
}

fn reachable(content: &str) -> String {
    content
        .lines()
        .filter(|line| {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("nameserver"), Some(server)) => {
                    !server.starts_with("127.") && server != "::1"
                }
                (Some("search" | "options" | "domain"), _) => true,
                _ => false,
            }
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A machine's SSH host key as a line of known_hosts needs it, and as its fingerprint.
pub(super) fn host_key(layout: &Layout, machine: &Machine) -> Result<(String, String), Error> {
    let path: PathBuf = layout.host_keys(machine).join("ssh_host_ed25519_key.pub");
    let public = layout::read(&path)?;
    let key = public
        .split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ");
    let shown = run("ssh-keygen", &["-l", "-E", "sha256", "-f", text(&path)])?;
    let fingerprint = shown
        .split_whitespace()
        .nth(1)
        .filter(|word| word.starts_with("SHA256:"));
    match fingerprint {
        Some(fingerprint) => Ok((key, fingerprint.to_owned())),
        None => Err(Error::Answer {
            command: "ssh-keygen -l".to_owned(),
            answer: shown,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn resolvers_on_loopback_are_left_out_since_a_host_would_ask_itself() {
        let content = "# note\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch example\n";
        assert_eq!(
            reachable(content),
            "nameserver 192.0.2.53\nsearch example\n"
        );
    }

    #[test]
    fn a_port_that_is_open_but_silent_does_not_count_as_an_ssh_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::Write;
            let (first, _) = listener.accept().unwrap();
            drop(first);
            while let Ok((mut next, _)) = listener.accept() {
                // It fails where nobody waits any more.
                let _ = next.write_all(b"SSH-2.0-x\r\n");
            }
        });
        assert!(!greets(address));
        // Where the machine is busy, the greeting may come too late for a look.
        assert!((0..10).any(|_| greets(address)));
    }
}

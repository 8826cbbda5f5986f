//! Worlds: a network, mounts and control groups of their own, so that several labs can be up
//! on one machine and scenarios run side by side.
//!
//! A scenario that runs in a world is this program again, called for that scenario alone. The
//! cache of trees and images is shared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Makes the world from within.
const MAKE: &str = include_str!("world.sh");
/// How many labs run side by side; 1 runs all scenarios on the machine itself.
const WORLDS: &str = "PROVISION_LAB_WORLDS";
/// Set where this program runs inside of a world.
const INSIDE: &str = "PROVISION_LAB_WORLD";
/// What a lab takes of the machine's memory at most, in KiB.
const MEMORY: u64 = 4 << 20;
/// Where the labs of worlds keep their state.
const BELOW: &str = "/var/lib/provision-lab-worlds";

/// Whether this program was called for one scenario in a world.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// How many worlds are worth making for this many scenarios, and why not more.
pub fn wanted(scenarios: usize) -> (usize, &'static str) {
    if is_inside() || scenarios < 2 {
        return (1, "");
    }
    let asked = std::env::var(WORLDS).ok().and_then(|n| n.parse().ok());
    if Path::new("/run/systemd/system").is_dir() {
        return (1, "systemd rules the control groups here");
    }
    if std::env::var_os("PROVISION_LAB_KEEP").is_some() {
        return (1, "the lab is to be kept");
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or_default();
    let fitting = usize::try_from(free / MEMORY).unwrap_or(1);
    match fitting.min(asked.unwrap_or(2)).min(scenarios) {
        0 | 1 => (1, "there is no memory for more, or no more were asked for"),
        more => (more, ""),
    }
}

/// One world.
pub struct World {
    number: usize,
    holder: Child,
}

impl World {
    /// Makes world `number`, from 1. What an earlier one of the same number left goes first.
    pub fn make(number: usize) -> Self {
        let dir = dir(number);
        clear(number);
        fs::create_dir_all(&dir).unwrap();
        for group in groups(number) {
            fs::create_dir_all(&group).unwrap();
        }
        let holder = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "sh",
                "-c",
                ENTER_AND_MAKE,
                "world",
                MAKE,
            ])
            .arg(dir.join("ready"))
            .args(groups(number))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let world = Self { number, holder };
        let end = Instant::now() + Duration::from_secs(20);
        while !dir.join("ready").exists() {
            assert!(Instant::now() < end, "world {number} never came about");
            sleep(Duration::from_millis(50));
        }
        world.connect();
        world
    }

    /// A link to the machine, and through it to the package registries.
    fn connect(&self) {
        let (n, pid) = (self.number, self.holder.id().to_string());
        let (here, there) = (format!("198.18.{n}.1"), format!("198.18.{n}.2"));
        let link = link(n);
        run(
            "ip",
            &[
                "link", "add", &link, "type", "veth", "peer", "name", "up0", "netns", &pid,
            ],
        );
        run("ip", &["addr", "add", &format!("{here}/30"), "dev", &link]);
        run("ip", &["link", "set", &link, "up"]);
        let inside = format!(
            "ip addr add {there}/30 dev up0; ip link set up0 up; ip route add default via {here}"
        );
        run(
            "nsenter",
            &["--target", &pid, "--net", "sh", "-ec", &inside],
        );
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        for (table, words) in rules(n) {
            let mut all = vec!["-w", "-t", table, "-I"];
            all.extend(words.iter().map(String::as_str));
            run("iptables", &all);
        }
    }

    /// A command inside of the world.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", ENTER, "world"])
            .arg(self.holder.id().to_string())
            .arg(groups(self.number).len().to_string())
            .args(groups(self.number))
            .arg(program)
            .env(INSIDE, self.number.to_string())
            .env("PROVISION_LAB_DIRECTORY", dir(self.number).join("lab"));
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It ends with its groups.
        clear(self.number);
        let _ended = self.holder.wait();
    }
}

/// Enters the control groups ($3 and on), then lives on in new namespaces as $1 with $2.
const ENTER_AND_MAKE: &str = "\
    make=$1 ready=$2; shift 2
    for group in \"$@\"; do echo $$ >\"$group/cgroup.procs\"; done
    exec unshare --net --mount --cgroup --propagation private sh -c \"$make\" world \"$ready\"";

/// Enters the namespaces of process $1 and $2 control groups, which follow; then the command.
const ENTER: &str = "\
    pid=$1 groups=$2; shift 2
    while [ \"$groups\" -gt 0 ]; do
        echo $$ >\"$1/cgroup.procs\"; shift; groups=$((groups - 1))
    done
    exec nsenter --target \"$pid\" --net --mount --cgroup --wd=\"$PWD\" -- \"$@\"";

fn dir(number: usize) -> PathBuf {
    Path::new(BELOW).join(number.to_string())
}

fn link(number: usize) -> String {
    format!("lab-world-{number}")
}

/// The rules of the machine's own firewall that lead a world out: table, chain and rule.
fn rules(number: usize) -> [(&'static str, Vec<String>); 3] {
    let words = |text: String| text.split(' ').map(str::to_owned).collect();
    let (net, link) = (format!("198.18.{number}.0/30"), link(number));
    [
        ("nat", words(format!("POSTROUTING -s {net} -j MASQUERADE"))),
        ("filter", words(format!("FORWARD -i {link} -j ACCEPT"))),
        ("filter", words(format!("FORWARD -o {link} -j ACCEPT"))),
    ]
}

/// A world's control groups: one in each hierarchy that systemd uses.
fn groups(number: usize) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let wanted = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (point, kind, options) = (words.next()?, words.next()?, words.next()?);
        let named = kind == "cgroup" && options.split(',').any(|o| o == "name=systemd");
        (named || kind == "cgroup2").then(|| PathBuf::from(point))
    };
    mounts
        .lines()
        .filter_map(wanted)
        .map(|point| point.join(format!("lab-world-{number}")))
        .collect()
}

/// Ends all that runs in a world, and removes it.
fn clear(number: usize) {
    for group in groups(number) {
        let end = Instant::now() + Duration::from_secs(30);
        while group.is_dir() && !remove(&group) && Instant::now() < end {
            for pid in members(&group) {
                // It may have ended since.
                let _ = Command::new("kill")
                    .args(["-s", "KILL", &pid])
                    .stderr(Stdio::null())
                    .status();
            }
            sleep(Duration::from_millis(50));
        }
    }
    let link = link(number);
    let there = Path::new("/sys/class/net").join(&link);
    let end = Instant::now() + Duration::from_secs(30);
    while there.exists() {
        // With the namespace of its other end it goes by itself, at a time of the kernel's own:
        // between a look and a deletion too. What counts is that it is gone.
        let said = Command::new("ip").args(["link", "del", &link]).output();
        let said = String::from_utf8_lossy(&said.unwrap().stderr).into_owned();
        assert!(Instant::now() < end, "ip link del {link}: {said}");
        sleep(Duration::from_millis(20));
    }
    for (table, words) in rules(number) {
        let mut all = vec!["-w", "-t", table, "-D"];
        all.extend(words.iter().map(String::as_str));
        // Most often it isn't there.
        let _ = Command::new("iptables")
            .args(all)
            .stderr(Stdio::null())
            .status();
    }
    if dir(number).exists() {
        fs::remove_dir_all(dir(number)).unwrap();
    }
}

/// Removes a group with all below it; false while there are processes in it.
fn remove(group: &Path) -> bool {
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    let mut below = below.map(|entry| entry.path()).filter(|path| path.is_dir());
    below.all(|path| remove(&path)) && fs::remove_dir(group).is_ok()
}

fn members(group: &Path) -> Vec<String> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<String> = own.lines().map(str::to_owned).collect();
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    for path in below.map(|entry| entry.path()).filter(|path| path.is_dir()) {
        all.extend(members(&path));
    }
    all
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
}

/// Worlds that scenarios take in turn.
pub struct Worlds {
    all: usize,
    free: Mutex<Vec<World>>,
    freed: Condvar,
}

impl Worlds {
    /// Makes this many.
    pub fn make(count: usize) -> Self {
        let worlds = (1..=count).rev().map(World::make).collect();
        Self {
            all: count,
            free: Mutex::new(worlds),
            freed: Condvar::new(),
        }
    }

    /// Takes as many worlds as that, when they are free.
    fn take(&self, count: usize) -> Vec<World> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.freed.wait_while(free, |free| free.len() < count);
        let mut free = wait.unwrap_or_else(PoisonError::into_inner);
        let rest = free.len() - count;
        free.split_off(rest)
    }

    /// Runs one scenario in a world that is free, with nothing beside it where it is to be
    /// `alone`; what it said, if it failed.
    pub fn scenario(&self, name: &str, alone: bool) -> Result<(), String> {
        let worlds = self.take(if alone { self.all } else { 1 });
        let program = std::env::current_exe().unwrap();
        let mut command = worlds[0].command(&program);
        let done = command
            .args(["--exact", name])
            .stdin(Stdio::null())
            .output();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(worlds);
        self.freed.notify_all();
        let done = done.map_err(|e| e.to_string())?;
        if done.status.success() {
            // What was left out, and what was measured.
            for line in String::from_utf8_lossy(&done.stderr).lines() {
                eprintln!("{name}: {line}");
            }
            return Ok(());
        }
        let said = [done.stdout, done.stderr].concat();
        Err(format!(
            "{}\n{}",
            done.status,
            String::from_utf8_lossy(&said)
        ))
    }
}

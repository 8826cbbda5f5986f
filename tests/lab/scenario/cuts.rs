//! A change of the firewall is cut a hundred times: the connection, the program, the power. Each
//! time the host lets its operator in afterwards, and is in exactly the old or the new state.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use provision::lab::GATEWAY;

use crate::program::{Ended, Running, provision, succeeds};
use crate::servers::{HOSTS, console, try_login};
use crate::site::{Variant, set};

/// How many cuts, on all hosts together; another number by this variable.
const CUTS: usize = 100;
const CUTS_FROM: &str = "PROVISION_LAB_CUTS";
/// Repeats a run with the seed that it printed.
const SEED_FROM: &str = "PROVISION_LAB_SEED";
/// The guard's time while nothing is cut, in seconds.
const MEASURED: u64 = 60;
/// The shortest that a site may have; where the change takes long, there is more.
const SHORTEST: u64 = 10;
/// How long a restore may take once its time is up.
const RESTORED: Duration = Duration::from_secs(15);
/// What Docker takes new networks from, in both states; the new one has a pool more.
const POOLS: [&str; 2] = [
    r#"{"base":"172.30.0.0/16","size":24}"#,
    r#"{"base":"172.30.0.0/16","size":24},{"base":"10.77.0.0/16","size":24}"#,
];

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// sshd's side of the connection is killed.
    Connection,
    /// Nothing gets through to the operator until the guard's time is over.
    Silence,
    /// The program is killed.
    Program,
    /// The server loses its power, and boots.
    Power,
}

impl Cut {
    /// By the number of the cut, so that all kinds come often enough.
    fn of(number: usize) -> Self {
        match number % 20 {
            0 | 5 | 10 | 15 => Self::Power,
            2 | 9 | 17 => Self::Silence,
            3 | 4 | 8 | 12 | 13 | 18 => Self::Program,
            _ => Self::Connection,
        }
    }
}

/// Numbers that look random and can be had again (`SplitMix64`).
struct Dice(u64);

impl Dice {
    /// The next number below this one.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// The two states that hosts go to and fro between: other rules for the host itself, for
/// containers, and another block.
fn sites(guard: u64) -> [Variant; 2] {
    [false, true].map(|other| {
        Variant::new(|site| {
            site.entry("firewall")
                .or_insert_with(|| toml::Table::new().into());
            let guard = i64::try_from(guard).unwrap();
            set(site, &["firewall", "guard_seconds"], guard);
            if other {
                let strangers = vec!["198.51.100.77", "2001:db8::77"];
                set(site, &["firewall", "proxy_addresses"], strangers);
                let allow =
                    "allow = [{ port = 9100, from = [\"10.20.0.0/24\", \"2001:db8::77\"] }]";
                let allow: toml::Table = allow.parse().unwrap();
                set(site, &["firewall", "allow"], allow["allow"].clone());
            }
        })
    })
}

/// One host on its way to and fro.
struct Host<'a> {
    name: &'static str,
    sites: &'a [Variant; 2],
    /// The same with time for a change that nothing disturbs, whatever else the machine does.
    calm: &'a [Variant; 2],
    /// The guard's time of `sites`.
    guard: Duration,
    /// What it is in either state.
    states: [String; 2],
    /// How long the change takes, from when the step begins.
    takes: Duration,
}

impl Host<'_> {
    fn start(&self, sites: &[Variant; 2], to: usize) -> Running {
        console(
            self.name,
            &format!(
                "sed 's#{{\"base\":.*}}\\]#{}]#' \
                 /etc/docker/daemon.json.lab >/etc/docker/daemon.json",
                POOLS[to]
            ),
        );
        let file = sites[to].file();
        let file = file.to_str().unwrap();
        let args = [
            "step", "firewall", file, "--host", self.name, "--yes", "--json",
        ];
        Running::start(&args)
    }

    /// Goes there, undisturbed.
    fn go(&self, to: usize) -> Ended {
        let ended = self.start(self.calm, to).end();
        assert_eq!(ended.code, Some(0), "{} to {to}: {ended}", self.name);
        ended
    }

    /// ufw's files with their modes, and the live rules that are ufw's or those of its block, in
    /// both families; counters are left out.
    fn state(&self) -> String {
        console(
            self.name,
            "for file in /etc/ufw/*.rules /etc/ufw/ufw.conf /etc/default/ufw; do \
               stat -c '%n %a %U:%G' $file; cat $file; \
             done; \
             ls -A /etc/ufw; \
             for tool in iptables ip6tables; do \
               echo $tool; \
               $tool-save -t filter | sed 's/\\[[0-9:]*\\]//' | grep -E \
                 '^:(INPUT|FORWARD|OUTPUT|DOCKER-USER|ufw)|^-A (INPUT|OUTPUT|DOCKER-USER|ufw)|^-A FORWARD -j (ufw|DOCKER-USER)' | \
                 sort -s -k2,2 | sort -s -k1,1; \
             done",
        )
    }

    /// Finds out what both states are and how long the way between them takes.
    fn measure(&mut self) {
        for to in [1, 0, 1, 0] {
            let start = Instant::now();
            let mut running = self.start(self.calm, to);
            let begun = running.until(|event| event["event"] == "step_started");
            let took = begun.then(Instant::now).unwrap_or(start);
            let ended = running.end();
            assert_eq!(ended.code, Some(0), "{}: {ended}", self.name);
            self.takes = took.elapsed();
            let state = self.state();
            if !self.states[to].is_empty() {
                assert_same(&self.states[to], &state, "the way there doesn't matter");
            }
            self.states[to] = state;
        }
        assert_ne!(self.states[0], self.states[1], "there is something to cut");
    }

    /// Cuts the way there at this time after the step began; which state it ended in.
    fn cut(&self, to: usize, cut: Cut, after: Duration) -> usize {
        let host = self.name;
        let mut running = self.start(self.sites, to);
        let begun = running.until(|event| event["event"] == "step_started");
        assert!(begun, "{host} never began: {}", running.end());
        thread::sleep(after);
        match cut {
            Cut::Connection => {
                // The console is no session of sshd's: all of them are the run's.
                console(
                    host,
                    // One may end by itself in between.
                    "pgrep -x 'sshd-session|sshd-auth' | xargs -r kill -KILL || :",
                );
            }
            Cut::Silence => {
                let route = |what: &str| format!("ip route {what} blackhole {GATEWAY}/32");
                console(host, &route("add"));
                thread::sleep(self.guard + Duration::from_secs(1));
                self.wait_for_guard();
                console(host, &route("del"));
            }
            Cut::Program => running.signal("KILL"),
            Cut::Power => {
                // The lab does one thing at a time.
                static LAB: Mutex<()> = Mutex::new(());
                let _one = LAB.lock();
                succeeds(&["lab", "power-cut", host]);
                // A host of the lab whose power was cut may be up again by itself.
                succeeds(&["lab", "start", host]);
                // Its jump to DOCKER-USER is Docker's own, made when it starts.
                console(
                    host,
                    "for try in $(seq 120); do \
                       ! systemctl --quiet is-active docker || exit 0; sleep 0.5; \
                     done; exit 1",
                );
            }
        }
        let ended = running.end();
        let what = format!("{host}, {cut:?} {after:?} after it began: {ended}");
        self.wait_for_guard();
        assert!(try_login(host, "deploy", 22), "locked out: {what}");
        let state = self.state();
        let Some(is) = self.states.iter().position(|known| *known == state) else {
            for known in &self.states {
                eprintln!("{}", difference(known, &state));
            }
            panic!("neither the old nor the new state: {what}");
        };
        if ended.code == Some(0) {
            assert_eq!(is, to, "said to be done: {what}");
        }
        if ended.code == Some(5) {
            assert_ne!(is, to, "said to be undone: {what}");
        }
        if cut == Cut::Silence && ended.told("guard_armed").is_empty() {
            // Nobody told the server that the connection which holds it is gone.
            console(host, "pgrep -x 'sshd-session' | xargs -r kill -KILL || :");
        }
        self.go(to);
        assert_same(&self.states[to], &self.state(), "the next run converges");
        is
    }

    /// Waits until no guard can fire any more.
    fn wait_for_guard(&self) {
        let start = Instant::now();
        let armed = "ls /var/lib/provision/guard/*/armed /var/lib/provision/guard/*/firing \
                     2>/dev/null || :";
        while !console(self.name, armed).is_empty() {
            let waited = start.elapsed();
            assert!(
                waited < self.guard + RESTORED,
                "{}: the guard has not fired after {waited:?}\n{}",
                self.name,
                console(self.name, "journalctl --no-pager -n 50"),
            );
            thread::sleep(Duration::from_millis(300));
        }
    }
}

fn difference(before: &str, after: &str) -> String {
    let changes = similar::TextDiff::from_lines(before, after);
    changes.unified_diff().context_radius(1).to_string()
}

fn assert_same(before: &str, after: &str, what: &str) {
    assert_eq!(before, after, "{what}\n{}", difference(before, after));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

pub fn a_hundred_times() {
    let all = number(CUTS_FROM).map_or(CUTS, |cuts| usize::try_from(cuts).unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number(SEED_FROM).unwrap_or(now.as_secs());
    eprintln!("{all} cuts; {SEED_FROM}={seed} repeats them");

    let calm = sites(MEASURED);
    for step in ["preflight", "bootstrap", "docker", "firewall"] {
        let file = calm[0].file();
        let ended = provision(&["step", step, file.to_str().unwrap(), "--yes", "--json"]);
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    let measured: Vec<([String; 2], Duration)> = thread::scope(|scope| {
        let hosts = HOSTS.map(|name| {
            let calm = &calm;
            scope.spawn(move || {
                console(
                    name,
                    "tr -d ' \\n' </etc/docker/daemon.json >/etc/docker/daemon.json.lab; \
                     cp -p /etc/docker/daemon.json /etc/docker/daemon.json.before",
                );
                let mut host = Host {
                    name,
                    sites: calm,
                    calm,
                    guard: Duration::from_secs(MEASURED),
                    states: [String::new(), String::new()],
                    takes: Duration::ZERO,
                };
                host.measure();
                (host.states, host.takes)
            })
        });
        hosts.map(|host| host.join().unwrap()).into_iter().collect()
    });
    let slowest = measured.iter().map(|(_, takes)| takes.as_secs()).max();
    let guard = SHORTEST
        .max(slowest.unwrap_or_default() * 2 + 2)
        .min(MEASURED);
    let short = sites(guard);
    eprintln!("the guard's time: {guard} s");

    let done = AtomicUsize::new(0);
    let counts = Mutex::new(BTreeMap::<(Cut, &str), usize>::new());
    let start = Instant::now();
    thread::scope(|scope| {
        for ((seed, name), (states, takes)) in (seed..).zip(HOSTS).zip(measured) {
            let (sites, calm, done, counts) = (&short, &calm, &done, &counts);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                let host = Host {
                    name,
                    sites,
                    calm,
                    guard: Duration::from_secs(guard),
                    states,
                    takes,
                };
                let mut at = 0;
                loop {
                    let next = done.fetch_add(1, Ordering::Relaxed);
                    if next >= all {
                        break;
                    }
                    let takes = u64::try_from(takes.as_millis()).unwrap();
                    let after = Duration::from_millis(dice.below(takes));
                    let cut = Cut::of(next);
                    let to = 1 - at;
                    let is = host.cut(to, cut, after);
                    let word = if is == to { "new" } else { "old" };
                    eprintln!("{next}: {name} {cut:?} after {after:?} of {takes} ms: {word}");
                    *counts.lock().unwrap().entry((cut, word)).or_default() += 1;
                    at = to;
                }
                host.go(0);
                console(
                    name,
                    "mv /etc/docker/daemon.json.before /etc/docker/daemon.json; \
                     rm /etc/docker/daemon.json.lab",
                );
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    eprintln!(
        "{all} cuts in {:?}, no lock-out: {counts:#?}",
        start.elapsed()
    );
    let sum = |matches: &dyn Fn(&(Cut, &str)) -> bool| -> usize {
        let counted = counts.iter().filter(|(key, _)| matches(key));
        counted.map(|(_, count)| count).sum()
    };
    assert_eq!(sum(&|_| true), all);
    for word in ["old", "new"] {
        assert!(sum(&|key| key.1 == word) > 0, "some end {word}: {counts:?}");
    }
    for cut in [Cut::Connection, Cut::Silence, Cut::Program, Cut::Power] {
        assert!(sum(&|key| key.0 == cut) > 0, "{cut:?}: {counts:?}");
    }
}

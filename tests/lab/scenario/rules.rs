//! The rules for Docker's ports in files that others have written in, on networks that come
//! later, over IPv6, and for further ports: what the stranger, the neighbour and the proxy reach.

use std::time::Duration;

use provision::lab::{STRANGER, STRANGER6};
use serde_json::{Value, json};

use crate::outside::curl;
use crate::program::{Ended, provision, succeeds, text};
use crate::servers::{console, converged, plan, run, run_with, try_console};
use crate::site::{self, Variant};

const FILE: &str = "/etc/ufw/after.rules";
const FILE6: &str = "/etc/ufw/after6.rules";
/// app1, publicly.
const SERVER: &str = "198.51.100.11";
const SERVER6: &str = "[2001:db8::11]";
/// What a stranger gets from a port that drops: curl's time-out.
const DROPPED: (i32, u16) = (28, 0);
const SERVED: (i32, u16) = (0, 200);

fn step(arguments: &[&str]) -> Ended {
    let file = site::file();
    let mut all = vec!["step", "firewall", file.to_str().unwrap()];
    all.extend(["--host", "app1", "--yes", "--json"]);
    all.extend(arguments);
    provision(&all)
}

fn done(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{ended}");
    ended
}

/// Seconds after which what was dropped is known to have been. A machine that stalls for as long makes
/// a time-out of an answer too.
const CONNECT: &str = "4";

/// As the stranger: curl's exit status and HTTP's.
fn stranger(address: &str) -> (i32, u16) {
    let url = format!("http://{address}/");
    let seen = curl(&["--connect-timeout", CONNECT, &url]);
    (seen.exit, seen.status)
}

/// As a host of the site.
fn from(host: &str, address: &str) -> (i32, u16) {
    let url = format!("http://{address}/");
    let mut argv = vec![
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "--connect-timeout",
        CONNECT,
    ];
    argv.extend(["--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}"]);
    argv.push(&url);
    let ended = try_console(host, &argv);
    let status = ended.stdout.trim().parse().unwrap_or(0);
    (ended.code.unwrap_or(-1), status)
}

/// What the stranger gets from a port that lets it through, given time: a new IPv6 address is
/// looked for by others before it answers.
fn let_through(address: &str) -> (i32, u16) {
    for _ in 0..10 {
        let seen = stranger(address);
        if seen.0 == 0 {
            return seen;
        }
    }
    stranger(address)
}

/// The app says 400 to whoever asks for no name of its own: it was reached.
fn reached((exit, status): (i32, u16)) -> bool {
    exit == 0 && status >= 200
}

/// A container of app1 that answers on `inside` and is published on `outside`; it goes with this.
struct Served(&'static str);

impl Served {
    fn start(name: &'static str, outside: u16, inside: u16, options: &str) -> Self {
        console(
            "app1",
            &format!(
                "docker rm -f {name} >/dev/null 2>&1 || :; \
                 docker run -d --name {name} -p {outside}:{inside} {options} python:3.13-slim \
                   python -m http.server {inside} --bind :: >/dev/null; \
                 for _ in $(seq 100); do \
                   curl -sf -o /dev/null http://127.0.0.1:{outside}/ && exit; sleep 0.2; \
                 done; docker logs {name} >&2; exit 1"
            ),
        );
        Self(name)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = try_console("app1", &["docker", "rm", "-f", self.0]);
    }
}

fn read(path: &str) -> String {
    console("app1", &format!("cat {path}"))
}

/// Writes a rules file by hand, as an operator would, and loads it.
fn write(path: &str, content: &str) {
    let quoted = content.replace('\'', "'\\''");
    console("app1", &format!("printf %s '{quoted}' >{path}"));
    console("app1", "ufw reload");
}

/// The tutorials' block: what it trusts comes first.
fn tutorial() -> String {
    let nets = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let mut block = String::from(
        "# BEGIN UFW AND DOCKER\n*filter\n:ufw-user-forward - [0:0]\n:DOCKER-USER - [0:0]\n",
    );
    for net in nets {
        block += &format!("-A DOCKER-USER -j RETURN -s {net}\n");
    }
    block += "\n-A DOCKER-USER -p udp -m udp --sport 53 --dport 1024:65535 -j RETURN\n\n\
              -A DOCKER-USER -j ufw-user-forward\n\n";
    for net in nets {
        block += &format!(
            "-A DOCKER-USER -j DROP -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -d {net}\n"
        );
    }
    for net in nets {
        block += &format!("-A DOCKER-USER -j DROP -p udp -m udp --dport 0:32767 -d {net}\n");
    }
    block + "\n-A DOCKER-USER -j RETURN\nCOMMIT\n# END UFW AND DOCKER\n"
}

/// The rules of DOCKER-USER in the kernel.
fn live(tool: &str) -> Vec<String> {
    let printed = console("app1", &format!("{tool} -S DOCKER-USER 2>/dev/null || :"));
    let rules = printed.lines().filter(|line| line.starts_with("-A "));
    rules.map(str::to_owned).collect()
}

/// Holds the kernel to have nothing of ours.
fn assert_dockers_own() {
    assert_eq!(live("iptables"), ["-A DOCKER-USER -j RETURN"]);
    for save in ["iptables-save", "ip6tables-save"] {
        let all = console("app1", save);
        assert!(!all.contains("docker-logging-deny"), "{all}");
    }
    let six = live("ip6tables");
    assert!(
        six.is_empty() || six == ["-A DOCKER-USER -j RETURN"],
        "{six:?}"
    );
}

/// The block that is there now.
fn ours(file: &str) -> &str {
    let begin = file.find("# BEGIN UFW AND DOCKER").unwrap();
    let end = "# END UFW AND DOCKER\n";
    let end = file.find(end).unwrap() + end.len();
    &file[begin..end]
}

/// Files of all kinds: ours takes the place of what is for Docker, all else stays, and the
/// removal makes the file what it was.
pub fn in_place_and_back() {
    converged();
    let first = done(step(&["--remove"]));
    let warned = first.told("remarked");
    let warned: Vec<&Value> = warned
        .iter()
        .filter(|told| told["remark"]["rule"] == "docker-ports-open")
        .collect();
    assert_eq!(warned.len(), 1, "{first}");
    let what = text(&warned[0]["remark"]["what"]);
    assert!(what.contains("80/tcp of polls-app"), "{what}");
    assert!(!first.told("guard_disarmed").is_empty(), "{first}");
    let stock = read(FILE);
    let shipped = console("app1", "cat /usr/share/ufw/iptables/after.rules");
    assert_eq!(stock, shipped, "the file is as ufw installs it");
    assert_eq!(
        read(FILE6),
        console("app1", "cat /usr/share/ufw/iptables/after6.rules")
    );
    assert_dockers_own();
    let user = console("app1", "cat /etc/ufw/user.rules /etc/ufw/user6.rules");
    assert!(!user.contains("route:allow"), "{user}");
    assert!(user.contains("allow tcp 22 "), "SSH stays let in: {user}");
    assert!(reached(stranger(SERVER)), "as was said: open");
    let again = done(step(&["--remove"]));
    assert_eq!(again.summary()["changed"], 0, "{again}");

    let tutorial = tutorial();
    let bare = tutorial
        .replace("# BEGIN UFW AND DOCKER\n", "")
        .replace("# END UFW AND DOCKER\n", "");
    let nat = "*nat\n:POSTROUTING ACCEPT [0:0]\n# office's way out\nCOMMIT\n";
    for (top, older, bottom) in [
        ("", tutorial.as_str(), ""),
        ("", tutorial.trim_end(), ""),
        (
            "# by hand\n\n",
            tutorial.as_str(),
            "# last, without a newline",
        ),
        ("", bare.as_str(), nat),
        (
            "",
            &tutorial.replace("# BEGIN UFW AND", "#begin ufw &"),
            nat,
        ),
        ("", "# END OF FILE", ""),
        ("", "", ""),
    ] {
        let before = format!("{top}{stock}{older}{bottom}");
        write(FILE, &before);
        let is_block = older.contains("DOCKER-USER");
        done(step(&[]));
        let file = read(FILE);
        let block = ours(&file);
        assert!(block.contains("172.30.0.0/16") && !block.contains("10.0.0.0/8"));
        let without = file.replacen(block, if is_block { older } else { "" }, 1);
        let newline = if is_block || before.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        assert_eq!(without, format!("{before}{newline}"));
        assert_eq!(stranger(SERVER), DROPPED, "{older}");
        assert!(reached(from("proxy", SERVER)), "{older}");
        assert_eq!(from("app2", "10.20.0.11"), DROPPED, "{older}");
        let kept = "stat -c '%a %U' /var/lib/provision/ufw/after.rules.replaced";
        assert_eq!(console("app1", kept).trim(), "600 root");

        done(step(&["--remove"]));
        assert_eq!(read(FILE), before);
        if is_block {
            let rules = live("iptables");
            let trusted = "-A DOCKER-USER -s 10.0.0.0/8 -j RETURN";
            assert!(rules.iter().any(|rule| rule == trusted), "{rules:?}");
            assert_eq!(stranger(SERVER), DROPPED, "the older block holds again");
            let neighbour = from("app2", "10.20.0.11");
            assert!(
                reached(neighbour),
                "and lets in whom it let in: {neighbour:?}"
            );
        } else {
            assert_dockers_own();
            assert!(reached(stranger(SERVER)));
        }
        let again = done(step(&["--remove"]));
        assert_eq!(again.summary()["changed"], 0, "{again}");
        assert_eq!(read(FILE), before);
    }

    // Edits elsewhere survive the removal.
    write(FILE, &format!("{stock}{tutorial}"));
    done(step(&[]));
    let file = read(FILE);
    write(FILE, &format!("# above\n{file}# below\n"));
    assert_eq!(done(step(&[])).summary()["changed"], 0);
    done(step(&["--remove"]));
    assert_eq!(read(FILE), format!("# above\n{stock}{tutorial}# below\n"));
    write(FILE, &stock);
    run().proven();
    let plan = plan();
    assert_eq!(plan.differing(), [""; 0], "{plan}");
}

/// Where it can't be told what is for Docker and what is the operator's, nothing is touched.
pub fn refused() {
    converged();
    done(step(&["--remove"]));
    let stock = read(FILE);
    let line = stock.lines().count() + 1;
    let unended = tutorial().replace("# END UFW AND DOCKER\n", "");
    let mixed = tutorial().replace(
        "COMMIT\n",
        "-A ufw-user-forward -s 192.0.2.0/24 -j ACCEPT\nCOMMIT\n",
    );
    let mixed: String = mixed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    for (own, told) in [
        (
            unended,
            format!("line {line} of {FILE} begins a block \"UFW AND DOCKER\" that never ends"),
        ),
        (mixed, "is about chain ufw-user-forward".to_owned()),
    ] {
        let before = format!("{stock}{own}# the operator's\n");
        write(FILE, &before);
        let file = site::file();
        let plan = provision(&["plan", file.to_str().unwrap(), "--json"]);
        assert!(plan.stdout.contains(&told.replace('"', "\\\"")), "{plan}");
        let ended = step(&[]);
        assert_ne!(ended.code, Some(0), "{ended}");
        assert!(ended.stdout.contains(&told.replace('"', "\\\"")), "{ended}");
        assert!(
            ended.told("guard_armed").is_empty(),
            "known before: {ended}"
        );
        assert_eq!(read(FILE), before);
    }
    write(FILE, &stock);
    run().proven();
}

/// The firewall's differences on app1.
fn drift() -> Vec<String> {
    let mut differing = plan().differing();
    differing.retain(|name| name.starts_with("app1 firewall"));
    differing
}

/// A network inside of Docker's pool needs nothing; one outside of it is shown and covered.
pub fn later_networks() {
    converged();
    let forget = "docker network rm lab-in lab-out >/dev/null 2>&1 || :";
    console("app1", forget);
    console("app1", "docker network create lab-in");
    let inside = Served::start("lab-in", 8081, 9000, "--network lab-in");
    assert_eq!(drift(), [""; 0]);
    assert_eq!(stranger(&format!("{SERVER}:8081")), DROPPED);

    console(
        "app1",
        "docker network create --subnet 192.168.77.0/24 lab-out",
    );
    let outside = Served::start("lab-out", 8082, 8000, "--network lab-out");
    let address = format!("{SERVER}:8082");
    assert_eq!(let_through(&address), SERVED, "nothing covers it yet");
    let shown = [
        "app1 firewall block \"UFW AND DOCKER\" in /etc/ufw/after.rules",
        "app1 firewall live rules for Docker's ports",
    ];
    assert_eq!(drift(), shown);
    done(step(&[]));
    assert_eq!(drift(), [""; 0]);
    assert_eq!(stranger(&address), DROPPED);
    assert_eq!(from("app2", "10.20.0.11:8082"), DROPPED);
    assert_eq!(from("proxy", &address), SERVED);
    let out = "docker exec lab-out python -c \"import socket; \
               socket.create_connection(('198.51.100.254', 5000), 5)\"";
    console("app1", out);

    drop((inside, outside));
    console("app1", forget);
    assert_eq!(drift(), shown, "and gone again");
    converged();
    assert!(!read(FILE).contains("192.168.77.0/24"));
}

/// Starts app1's Docker anew, without the network for IPv6, and with this daemon.json.
fn docker_with(json: &str) {
    console(
        "app1",
        &format!(
            "docker network rm lab-six >/dev/null 2>&1 || :; \
             printf %s '{json}' >/etc/docker/daemon.json; \
             systemctl reset-failed docker; systemctl restart docker; \
             for _ in $(seq 100); do docker info >/dev/null 2>&1 && exit; sleep 0.2; done; exit 1"
        ),
    );
}

/// Puts daemon.json back, whatever becomes of the scenario.
struct Again(String);

impl Drop for Again {
    fn drop(&mut self) {
        docker_with(&self.0);
    }
}

/// Docker's IPv6: a published port leads straight to the container there too.
pub fn over_ipv6() {
    converged();
    let daemon = read("/etc/docker/daemon.json");
    let mut keys: Value = serde_json::from_str(&daemon).unwrap();
    keys["ip6tables"] = json!(true);
    keys["experimental"] = json!(true);
    let daemon_again = Again(daemon.clone());
    docker_with(&keys.to_string());
    console(
        "app1",
        "docker network create --ipv6 --subnet 2001:db8:77::/64 lab-six",
    );
    let six = Served::start("lab-six", 8083, 8000, "--network lab-six");
    let [four_address, six_address] = [SERVER, SERVER6].map(|host| format!("{host}:8083"));
    let nat = console("app1", "ip6tables-save -t nat");
    assert!(
        nat.contains("--dport 8083") && nat.contains("2001:db8:77:"),
        "Docker publishes it by its own rules: {nat}"
    );
    assert_eq!(let_through(&six_address), SERVED, "nothing covers it yet");
    assert_eq!(
        drift(),
        [
            "app1 firewall block \"UFW AND DOCKER\" in /etc/ufw/after6.rules",
            "app1 firewall live rules for Docker's ports",
        ]
    );
    done(step(&[]));
    assert_eq!(drift(), [""; 0]);
    let jump = console("app1", "ip6tables -S FORWARD");
    assert!(jump.contains("-A FORWARD -j DOCKER-USER"), "{jump}");
    for address in [&four_address, &six_address] {
        assert_eq!(stranger(address), DROPPED, "{address}");
        assert_eq!(from("app2", address), DROPPED, "{address}");
        assert_eq!(from("proxy", address), SERVED, "{address}");
    }
    let dropped = console("app1", "ip6tables -L ufw6-docker-logging-deny -nvx");
    assert!(
        dropped
            .lines()
            .any(|line| line.contains("DROP") && line.split_whitespace().next() != Some("0")),
        "{dropped}"
    );
    // What the kernel lost is seen and put back.
    console("app1", "ip6tables -D FORWARD -j DOCKER-USER");
    assert_eq!(
        drift(),
        ["app1 firewall live rules for Docker's ports"],
        "the jump is missed"
    );
    done(step(&[]));
    assert_eq!(stranger(&six_address), DROPPED);
    // And all of it can be taken back.
    done(step(&["--remove"]));
    assert_eq!(let_through(&six_address), SERVED);
    assert_eq!(live("ip6tables"), ["-A DOCKER-USER -j RETURN"]);

    drop(six);
    drop(daemon_again);
    assert_eq!(read("/etc/docker/daemon.json"), daemon);
    converged();
}

/// `firewall.allow` opens a container's port, or the host's, to whom it says and to nobody else.
pub fn further_ports() {
    converged();
    let office = [STRANGER.to_string(), STRANGER6.to_string()];
    let allow = |port: u16, to: &str| {
        let mut entry = toml::Table::new();
        entry.insert("port".to_owned(), i64::from(port).into());
        entry.insert("to".to_owned(), to.into());
        entry.insert("from".to_owned(), office.to_vec().into());
        entry.insert("on".to_owned(), "app".into());
        toml::Value::from(entry)
    };
    let variant = Variant::new(|site| {
        let mut firewall = toml::Table::new();
        let all = vec![allow(9000, "container"), allow(9100, "host")];
        firewall.insert("allow".to_owned(), all.into());
        site.insert("firewall".to_owned(), firewall.into());
    });
    let container = Served::start("lab-office", 8084, 9000, "");
    console(
        "app1",
        "systemd-run -q --collect --unit=lab-exporter docker run --rm --name lab-exporter \
           --network host python:3.13-slim python -m http.server 9100 --bind ::; \
         for _ in $(seq 100); do curl -sf -o /dev/null http://127.0.0.1:9100/ && exit; \
           sleep 0.2; done; exit 1",
    );
    let [published, own] = [8084, 9100].map(|port| format!("{SERVER}:{port}"));
    let own6 = format!("{SERVER6}:9100");
    let all = [&published, &own, &own6];
    let closed = || {
        for address in all {
            assert_eq!(stranger(address), DROPPED, "{address}");
        }
    };
    closed();
    run_with(&variant.file()).proven();
    for address in all {
        assert_eq!(stranger(address), SERVED, "{address}");
        assert_eq!(from("app2", address), DROPPED, "{address}");
    }
    assert_eq!(stranger(SERVER), DROPPED, "the app itself stays closed");
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    // Left out of site.toml, they are closed again.
    converged();
    std::thread::sleep(Duration::from_millis(100));
    closed();
    console("app1", "docker stop -t 1 lab-exporter");
    drop(container);
    succeeds(&["lab", "status"]);
}

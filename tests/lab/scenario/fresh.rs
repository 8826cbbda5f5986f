//! Three bare hosts become a proven site, and at no moment of it an app server is exposed.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use provision::lab::DOMAIN;
use serde_json::Value;

use crate::cmdlines::Watch;
use crate::outside::{APPS, PROXY, Poller, assert_closed, curl, open_ports, page};
use crate::program::{Ended, provision};
use crate::requests::{Over, Requests};
use crate::servers::{self, console, converged, reset, try_console};
use crate::site;

/// The secrets of the lab's app.
const SECRETS: [&str; 2] = ["DJANGO_SECRET_KEY", "DATABASE_PASSWORD"];

/// What the fresh run printed, for the scenario that looks for secrets in it.
static FRESH: Mutex<Option<Ended>> = Mutex::new(None);

/// A fresh run with all output there is, under watch.
fn fresh_run() {
    reset();
    let file = site::file();
    let targets: Vec<&str> = APPS.iter().chain(&PROXY).copied().collect();
    let poller = Poller::start(&targets);
    let watch = Watch::start(SECRETS.map(site::secret).to_vec());
    let requests = Requests::of_a_site_to_be(Over::Https);
    let ended = provision(&["run", file.to_str().unwrap(), "--yes", "--json", "-v"]);
    let (polls, seen, requests) = (poller.end(), watch.end(), requests.end());
    let ended = ended.proven();
    assert_closed(&polls, ended.took);
    // From the first page on, all that follows lets visitors see none but pages, and one certificate.
    for (address, asked) in requests {
        assert!(
            asked.lost.is_empty() && asked.good > 5,
            "{address}: {asked:#?}"
        );
        assert_eq!(asked.shown.len(), 1, "{address}: {asked:#?}");
    }
    assert!(seen.looks > 100, "looked {} times", seen.looks);
    assert_eq!(
        seen.hits.len(),
        0,
        "secrets in command lines: {:?}",
        seen.hits
    );
    *FRESH.lock().unwrap() = Some(ended);
}

pub fn site() {
    // A watch that can't see would prove nothing.
    let watch = Watch::start(vec!["a-word-that-no-program-uses".to_owned()]);
    console("app1", "sh -c 'sleep 3' a-word-that-no-program-uses");
    assert!(!watch.end().hits.is_empty(), "the watch sees command lines");

    fresh_run();
    for address in PROXY {
        served_by_both(address);
        let resolve = format!("{DOMAIN}:443:{address}");
        let url = format!("https://{DOMAIN}/polls/");
        let distrusted = curl(&["--resolve", &resolve, &url]);
        assert_eq!(distrusted.exit, 60, "without the lab's CA: {distrusted:?}");

        let resolve = format!("{DOMAIN}:80:{address}");
        let redirect = curl(&["--resolve", &resolve, &format!("http://{DOMAIN}/polls/")]);
        assert_eq!(redirect.status, 301, "{redirect:?}");
        assert_eq!(
            redirect.header("location"),
            Some(url.as_str()),
            "{redirect:?}"
        );

        let foreign = curl(&[
            "-H",
            "Host: other.example",
            &format!("http://{address}/polls/"),
        ]);
        assert_eq!((foreign.exit, foreign.status), (52, 0), "{foreign:?}");
        let resolve = format!("other.example:443:{address}");
        let foreign = curl(&["-k", "--resolve", &resolve, "https://other.example/polls/"]);
        assert_eq!((foreign.exit, foreign.status), (35, 0), "{foreign:?}");
    }
    app_servers_answer_to_the_proxy_alone();
    for address in [
        "198.51.100.11",
        "198.51.100.12",
        "2001:db8::11",
        "2001:db8::12",
    ] {
        assert_eq!(open_ports(address), [22], "{address}");
    }
    for address in ["198.51.100.13", "2001:db8::13"] {
        assert_eq!(open_ports(address), [22, 80, 443], "{address}");
    }
    let timers = "systemctl list-timers --output=json polls-renew.timer";
    let timers: Value = serde_json::from_str(&console("proxy", timers)).unwrap();
    assert_eq!(timers[0]["activates"], "polls-renew.service", "{timers}");
    let day = 24 * 3600 * 1_000_000;
    let next = u128::from(timers[0]["next"].as_u64().unwrap());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros();
    assert!(next > now && next < now + day, "{timers}");
}

/// The page comes in turn from both app servers.
fn served_by_both(address: &str) {
    let mut servers = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let page = page(address);
        assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
        assert!(page.body.contains("<title>"), "{page:?}");
        servers.insert(page.header("x-served-by").unwrap_or("nobody").to_owned());
    }
    assert!(servers.iter().eq(servers::APPS), "served by {servers:?}");
}

/// Nothing but time-outs from outside and from the neighbour, while the port listens and the
/// proxy gets a page.
pub fn app_servers_answer_to_the_proxy_alone() {
    for (at, address) in APPS.iter().enumerate() {
        let (host, neighbour) = if at < 2 {
            ("app1", "app2")
        } else {
            ("app2", "app1")
        };
        let url = format!("http://{address}/polls/");
        let listening = console(host, "ss -Hltn '( sport = :80 )'");
        assert!(!listening.is_empty(), "port 80 listens on {host}");
        let seen = curl(&["--connect-timeout", "2", &url]);
        assert_eq!(seen.exit, 28, "{url} from outside: {seen:?}");
        let ask = [
            "curl",
            "-sS",
            "--connect-timeout",
            "2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ];
        let asked = |from: &str| {
            let mut argv = ask.to_vec();
            let name = format!("Host: {DOMAIN}");
            argv.extend(["-H", &name, "-H", "X-Forwarded-Proto: https", &url]);
            let ended = try_console(from, &argv);
            (ended.code, ended.stdout)
        };
        assert_eq!(asked(neighbour).0, Some(28), "{url} from {neighbour}");
        // The proxy is let in by the address that nginx uses, which is the IPv4 one.
        if !address.starts_with('[') {
            assert_eq!(
                asked("proxy"),
                (Some(0), "200".to_owned()),
                "{url} from the proxy"
            );
        }
    }
}

pub fn files() {
    converged();
    let test = console("proxy", "docker exec polls-proxy nginx -t 2>&1");
    assert!(test.contains("test is successful"), "{test}");
    for host in servers::HOSTS {
        for profile in ["", "--profile manage"] {
            let config = format!("cd /srv/polls && docker compose {profile} config --quiet 2>&1");
            assert_eq!(console(host, &config).trim(), "", "{host}");
        }
        let said = console(
            host,
            "systemd-analyze verify /etc/systemd/system/polls.service 2>&1",
        );
        assert!(!said.contains("polls"), "{said}");
        // No process of a container is root's.
        let users = "docker ps --quiet | xargs -n 1 docker inspect -f '{{.Name}} {{.Config.User}}'";
        for line in console(host, users).lines() {
            assert!(line.ends_with(" 10001:10001"), "{line} on {host}");
        }
    }
    for unit in ["polls", "polls-renew"] {
        let rated =
            format!("systemd-analyze security --no-pager --threshold=50 {unit}.service 2>&1");
        console("proxy", &rated);
    }
    let units = "/etc/systemd/system/polls-renew.service /etc/systemd/system/polls-renew.timer";
    let said = console("proxy", &format!("systemd-analyze verify {units} 2>&1"));
    assert!(!said.contains("polls-renew"), "{said}");
    for host in servers::HOSTS {
        console(host, "iptables-restore --test </etc/ufw/after.rules");
        console(host, "ip6tables-restore --test </etc/ufw/after6.rules");
        console(
            host,
            "dockerd --validate --config-file /etc/docker/daemon.json 2>&1",
        );
        console(host, "visudo --check --quiet");
    }
}

pub fn secrets() {
    if FRESH.lock().unwrap().is_none() {
        fresh_run();
    }
    let fresh = FRESH.lock().unwrap().take().unwrap();
    let file = site::file();
    let file = file.to_str().unwrap();
    let plan = provision(&["plan", file, "-v"]);
    for name in SECRETS {
        let secret = site::secret(name);
        for ended in [&fresh, &plan] {
            assert!(!ended.stdout.contains(&secret), "{name} in the output");
            assert!(
                !ended.stderr.contains(&secret),
                "{name} in the error output"
            );
        }
        for host in servers::APPS {
            let env = "/srv/polls/app/app.env";
            let stat = console(host, &format!("stat -c '%a %U %G' {env}"));
            assert_eq!(stat.trim(), "600 root root", "{env} on {host}");
            // It is there, so that a search that finds nothing elsewhere means something.
            let found = holding(
                host,
                &secret,
                "/srv /etc /var/lib/provision /home /tmp /var/log",
            );
            assert_eq!(found, [env], "{name} on {host}");
            let labels = "docker inspect --format '{{json .Config.Labels}}' polls-app";
            assert!(!console(host, labels).contains(&secret), "{name} in labels");
            let image = "docker image inspect $(docker inspect -f '{{.Image}}' polls-app)";
            assert!(
                !console(host, image).contains(&secret),
                "{name} in the image"
            );
        }
        let found = holding(
            "proxy",
            &secret,
            "/srv /etc /var/lib/provision /home /tmp /var/log",
        );
        assert!(found.is_empty(), "{name} on the proxy: {found:?}");
    }
}

/// Files below these directories that hold a word. It is handed over on stdin: an argument
/// would be where it must not be.
fn holding(host: &str, word: &str, dirs: &str) -> Vec<String> {
    use std::io::Write;
    use std::process::Stdio;
    let script = format!("grep -rlaF -f /dev/stdin -- {dirs} || [ $? = 1 ]");
    let mut child = servers::program()
        .args(["lab", "console", host, "--", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{word}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "grep on {host}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(String::from).collect()
}

//! The timer's work with certificates of minutes: a new one is served without a lost request,
//! also after the server was restarted, and a failure is told while the old one is served on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::lab::DOMAIN;
use toml::Value;

use super::{from_authority, served, workers};
use crate::authority::{Authority, Settings};
use crate::outside::PROXY;
use crate::program::{provision, succeeds};
use crate::requests::{Over, Requests, fingerprint_of, shown};
use crate::servers::{console, converged, run_with, try_console};
use crate::site::{Variant, set};

/// How long a certificate holds, in seconds.
const LIFETIME: u32 = 150;
/// How long the proxy may take to come back.
const LIMIT: Duration = Duration::from_secs(120);
/// What the operator wants to be called.
const ALARM: &str = "/usr/local/bin/lab-alarm";
// A command may write below /var, and to no home.
const CALLED: &str = "/var/lib/lab-alarm";

/// Does what the timer does; whether it went well.
fn timer() -> bool {
    try_console("proxy", &["systemctl", "start", "polls-renew.service"]).code == Some(0)
}

/// Does what the timer does until it has renewed: certbot waits for half of so short a life,
/// or does it each time, as it did up to 4.0.
fn renews() {
    let start = Instant::now();
    loop {
        assert!(timer(), "{}", journal());
        assert_eq!(told("result"), "ok");
        if told("did") == "renewed" {
            return;
        }
        let limit = Duration::from_secs(u64::from(LIFETIME));
        assert!(start.elapsed() < limit, "never renewed: {}", journal());
        sleep(Duration::from_secs(5));
    }
}

/// What the renewal has left for the operator.
fn told(key: &str) -> String {
    let all = console("proxy", "cat /var/lib/provision/polls/renewal");
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{key} in {all}")).to_owned()
}

/// Waits until the proxy serves again, and holds it to the certificate on its disk.
fn comes_back(what: &str) {
    let start = Instant::now();
    let seen = loop {
        if let Ok(seen) = shown(PROXY[0], Some(DOMAIN)) {
            break seen;
        }
        assert!(start.elapsed() < LIMIT, "{what}: nothing after {LIMIT:?}");
        sleep(Duration::from_millis(500));
    };
    let chain = format!("cat /etc/letsencrypt/live/{DOMAIN}/fullchain.pem");
    // The timer may have renewed since, and reloads then.
    let on_disk = fingerprint_of(&console("proxy", &chain));
    if seen.fingerprint != on_disk {
        sleep(Duration::from_secs(5));
        assert_eq!(served().fingerprint, on_disk, "{what}");
    }
}

pub fn of_minutes() {
    converged();
    console(
        "proxy",
        &format!(
            "printf '#!/bin/sh\\necho \"$*\" >>{CALLED}\\n' >{ALARM}; chmod 755 {ALARM}; \
             rm -f {CALLED}"
        ),
    );
    let settings = Settings {
        lifetime_seconds: LIFETIME,
        ..Settings::default()
    };
    let authority = Authority::start(14200, settings);
    let site = Variant::beside(|site, dir| {
        from_authority(site, dir, &authority);
        let words: Vec<Value> = [ALARM, "not renewed"].map(Value::from).to_vec();
        let mut alarm = toml::Table::new();
        alarm.insert("command".to_owned(), words.into());
        set(site, &["tls", "on_failure"], alarm);
    });
    let file = site.file();
    let file = file.to_str().unwrap();

    // One that is young is left alone.
    let (lab, before) = (served(), workers());
    let requests = Requests::start(Over::Https);
    assert!(timer(), "{}", journal());
    assert_eq!(told("result"), "ok");
    assert_eq!(told("did"), "not-due");
    assert_eq!(served(), lab);
    assert_eq!(before, workers(), "no reload without a new certificate");

    let ended = run_with(&site.file());
    assert_eq!(ended.code, Some(0), "{ended}");
    let first = served();
    assert_eq!(first.issuer, authority.issuer());
    let before = workers();
    renews();
    let second = served();
    assert_ne!(first.fingerprint, second.fingerprint, "{}", journal());
    assert_ne!(before, workers(), "it was reloaded");
    let seen = requests.none_lost("a renewal");
    assert_eq!(seen, [lab, first, second], "one after the other");

    succeeds(&["lab", "power-cut", "proxy"]);
    succeeds(&["lab", "start", "proxy"]);
    comes_back("a power cut");
    let boot = || console("proxy", "cat /proc/sys/kernel/random/boot_id");
    let started = || {
        console(
            "proxy",
            "systemctl show -P UserspaceTimestampMonotonic; ps -o lstart= 1",
        )
    };
    let before = (boot(), started());
    // The console goes with the server.
    let _ = try_console("proxy", &["systemctl", "reboot"]);
    let start = Instant::now();
    while try_console("proxy", &["systemctl", "is-active", "docker"]).code != Some(0)
        || (boot(), started()) == before
    {
        assert!(start.elapsed() < LIMIT, "it was restarted");
        sleep(Duration::from_millis(500));
    }
    comes_back("a restart");

    renews();
    let directory = authority.directory();
    drop(authority);
    let (requests, before) = (Requests::start(Over::Https), served());
    let end = Instant::now() + Duration::from_secs(LIFETIME.into());
    while timer() {
        assert!(Instant::now() < end, "{directory} is gone: {}", journal());
        sleep(Duration::from_secs(5));
    }
    let failed = try_console("proxy", &["systemctl", "is-failed", "polls-renew.service"]);
    assert_eq!(failed.stdout.trim(), "failed", "{failed}");
    assert_eq!(told("result"), "failed");
    assert!(!told("message").is_empty());
    let end = Instant::now() + Duration::from_secs(60);
    while try_console("proxy", &["test", "-s", CALLED]).code != Some(0) {
        assert!(
            Instant::now() < end,
            "{ALARM} was not called: {}",
            journal()
        );
        sleep(Duration::from_millis(300));
    }
    let called = console("proxy", &format!("cat {CALLED}"));
    assert_eq!(called.lines().count(), 1, "once: {called}");
    assert!(called.starts_with("not renewed"), "{called}");

    let status = provision(&["status", file]);
    assert_eq!(status.code, Some(4), "{status}");
    assert!(status.stdout.contains("failed"), "{status}");
    assert_eq!(requests.none_lost("a renewal that fails"), [before]);
    console("proxy", &format!("rm -f {ALARM} {CALLED}"));
    converged();
    assert!(timer(), "{}", journal());
    assert_eq!(told("result"), "ok");
}

fn journal() -> String {
    console(
        "proxy",
        "journalctl --no-pager -n 60 -u 'polls-renew*' || :; \
         cat /var/lib/provision/polls/renewal || :",
    )
}

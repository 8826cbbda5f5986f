//! What can't go well is refused with one clear error, and nothing is changed anywhere.

use std::path::Path;

use crate::program::provision;
use crate::servers::{assert_untouched, console, fingerprints, reset, tell_resolver};
use crate::site::{Variant, at, set};

/// A refusal: what is said, where, with which exit code.
struct Refusal<'a> {
    code: i32,
    host: &'a str,
    stage: &'a str,
    /// Words that the failure must hold.
    says: &'a [&'a str],
}

impl Refusal<'_> {
    /// Runs a site that must be refused so, and holds the hosts to be as they were.
    fn holds(&self, file: &Path, what: &str) {
        let before = fingerprints();
        let path = file.to_str().unwrap();
        let ended = provision(&["run", path, "--yes", "--json"]);
        assert_eq!(ended.code, Some(self.code), "{what}: {ended}");
        let failures = ended.failures();
        assert_eq!(failures.len(), 1, "{what}: one error\n{ended}");
        let (host, stage, all) = &failures[0];
        assert_eq!(
            (host.as_str(), stage.as_str()),
            (self.host, self.stage),
            "{what}: {ended}"
        );
        for word in self.says {
            assert!(all.contains(word), "{what}: {word:?} in {all}");
        }
        assert!(
            all.contains("\"next\":"),
            "{what}: says what to do next: {all}"
        );
        assert_eq!(ended.changed(), [""; 0], "{what}: {ended}");
        assert!(ended.told("doing").is_empty(), "{what}: {ended}");
        assert_untouched(&before, &fingerprints(), what);

        // The same for people: host and reason on the page, no backtrace.
        let plain = provision(&["plan", path]);
        assert_eq!(plain.code, Some(self.code), "{what}: {plain}");
        let page = format!("{}{}", plain.stdout, plain.stderr);
        assert!(page.contains(self.host), "{what}: {page}");
        assert!(
            !page.contains("BACKTRACE") && !page.contains("panicked"),
            "{what}: {page}"
        );
        for word in self.says {
            assert!(page.contains(word), "{what}: {word:?} in {page}");
        }
    }
}

pub fn unreachable_host() {
    reset();
    let site = Variant::new(|site| set(site, &["hosts", "app2", "address"], "198.51.100.99"));
    Refusal {
        code: 3,
        host: "app2",
        stage: "connect",
        says: &["No route to host", "check the address of app2"],
    }
    .holds(&site.file(), "an unreachable host");
}

pub fn wrong_host_key() {
    reset();
    let site = Variant::new(|site| {
        let other = at(site, &["hosts", "app1"])["host_key"].clone();
        set(site, &["hosts", "proxy", "host_key"], other);
    });
    Refusal {
        code: 3,
        host: "proxy",
        stage: "host key",
        says: &["SHA256:"],
    }
    .holds(&site.file(), "another host key than the pinned one");
}

pub fn unsupported_system() {
    reset();
    console(
        "app2",
        "sed -i 's/^ID=.*/ID=slackware/; s/^VERSION_ID=.*/VERSION_ID=\"15.0\"/' \
                     $(readlink -f /etc/os-release)",
    );
    Refusal {
        code: 3,
        host: "app2",
        stage: "check",
        says: &["slackware 15.0"],
    }
    .holds(&crate::site::file(), "an unsupported system");
}

pub fn no_rights() {
    reset();
    for host in crate::servers::HOSTS {
        console(
            host,
            "useradd --create-home --shell /bin/sh deploy; \
                       install -d -m 700 -o deploy /home/deploy/.ssh; \
                       install -m 600 -o deploy /root/.ssh/authorized_keys /home/deploy/.ssh/",
        );
        if host != "app1" {
            console(
                host,
                "echo 'deploy ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/deploy",
            );
        }
    }
    // Nor is root let in, who could mend it.
    console("app1", "rm /root/.ssh/authorized_keys");
    Refusal {
        code: 3,
        host: "app1",
        stage: "sudo",
        says: &["deploy"],
    }
    .holds(&crate::site::file(), "a user without sudo");
}

pub fn foreign_name() {
    reset();
    tell_resolver(
        "add-a",
        r#"{"host": "elsewhere.example.test", "addresses": ["198.51.100.66"]}"#,
    );
    let site = Variant::new(|site| {
        set(
            site,
            &["domains"],
            vec![toml::Value::from("elsewhere.example.test")],
        );
    });
    Refusal {
        code: 3,
        host: "proxy",
        stage: "check",
        says: &["elsewhere.example.test", "198.51.100.66"],
    }
    .holds(&site.file(), "a name that leads elsewhere");
}

pub fn taken_port() {
    reset();
    // Something with a name, that outlives the console.
    console(
        "app1",
        "setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 80, \
                     Listen => 1, ReuseAddr => 1) or die; sleep 600' >/dev/null 2>&1 </dev/null & \
                     for _ in $(seq 100); do [ -n \"$(ss -Hltn '( sport = :80 )')\" ] && exit; sleep 0.3; done; exit 1",
    );
    Refusal {
        code: 3,
        host: "app1",
        stage: "check",
        says: &["80", "perl"],
    }
    .holds(&crate::site::file(), "a port that something else holds");
}

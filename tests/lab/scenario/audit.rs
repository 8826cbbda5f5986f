//! Servers that others set up: what is exposed is found, what isn't is not, and nothing changes.

use std::path::Path;

use serde_json::Value;

use crate::program::{Ended, provision, succeeds, text};
use crate::servers::{assert_untouched, console, converged, fingerprint, fingerprints};
use crate::site;

/// An address of the lab's network that nobody has.
const NOBODY: &str = "198.51.100.99";

/// An ssh_config of somebody who gets in everywhere as root or as the site's sudo user.
fn config(dir: &Path) -> String {
    let lab = site::lab();
    let text = format!(
        "Host app1\n  HostName 198.51.100.11\n  User deploy\n\
         Host app2\n  HostName 198.51.100.12\n\
         Host {NOBODY}\n  ConnectTimeout 5\n\
         Host *\n  User root\n  IdentityFile {lab}/id_ed25519\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {lab}/known_hosts\n  ConnectTimeout 30\n"
    );
    let file = dir.join("ssh_config");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn exposed(audit: &Ended) -> Vec<(String, String)> {
    let remarks = audit.told("remarked").into_iter();
    remarks
        .filter(|event| event["remark"]["rule"] == "exposed")
        .map(|event| (text(&event["host"]), text(&event["remark"]["what"])))
        .collect()
}

/// Findings of a host's port, from a vantage.
fn found(audit: &Ended, host: &str, port: &str, from: &str) -> Vec<Value> {
    let mut all = audit.told("found");
    all.retain(|f| f["host"] == host && f["subject"] == port && f["from"] == from);
    assert!(!all.is_empty(), "{host} {port} from {from}: {audit}");
    all
}

pub fn nothing_exposed() {
    converged();
    let before = fingerprints();
    let file = site::file();
    let audit = provision(&["audit", "--site", file.to_str().unwrap(), "--json"]);
    assert_untouched(&before, &fingerprints(), "an audit");
    assert_eq!(audit.code, Some(0), "{audit}");
    assert_eq!(exposed(&audit), [], "{audit}");
    for (host, port, from, seen) in [
        ("app1", "22/tcp", "here", "open"),
        ("app1", "80/tcp", "here", "blocked"),
        ("app2", "80/tcp", "app1", "blocked"),
        ("proxy", "443/tcp", "app1", "open"),
        ("proxy", "5432/tcp", "here", "closed"),
    ] {
        for finding in found(&audit, host, port, from) {
            assert_eq!(finding["seen"], seen, "{finding}");
        }
    }
    // The one that app1's rules let in, by an address that they name.
    let proxy = found(&audit, "app1", "80/tcp", "proxy");
    assert!(proxy.iter().any(|f| f["seen"] == "open"), "{proxy:?}");
}

pub fn the_classic_hole() {
    converged();
    succeeds(&["lab", "reset", "app2"]);
    console(
        "app2",
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq >/dev/null; \
         apt-get install -qqy ufw docker.io docker-cli curl >/dev/null 2>&1; \
         ufw allow 22/tcp >/dev/null; ufw deny 8080/tcp >/dev/null; ufw --force enable >/dev/null; \
         docker run -d --name web -p 8080:80 nginx:1.28 >/dev/null; \
         docker run -d --name private -p 127.0.0.1:8081:80 nginx:1.28 >/dev/null",
    );
    let before = [fingerprint("app1"), fingerprint("app2")];
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let args = ["audit", "-F", &config, "app1", "app2", NOBODY, "--json"];
    let audit = provision(&args);
    let after = [fingerprint("app1"), fingerprint("app2")];
    assert_untouched(&before, &after, "an audit");

    assert_eq!(audit.code, Some(4), "{audit}");
    let past = "open past ufw: Docker publishes container web's port 8080";
    for from in ["here", "app1"] {
        let open = found(&audit, "app2", "8080/tcp", from);
        let open = open.iter().find(|f| f["address"] == "198.51.100.12");
        let open = open.unwrap_or_else(|| panic!("{audit}"));
        assert_eq!(open["verdict"], "failed", "{open}");
        assert_eq!(open["evidence"], past, "{open}");
    }
    let exposed = exposed(&audit);
    assert_eq!(exposed.len(), 1, "one port of one server: {exposed:?}");
    assert_eq!(exposed[0].0, "app2");
    assert!(exposed[0].1.contains(past), "{exposed:?}");
    // What Docker publishes on loopback alone is none of it.
    let all = audit.told("found");
    assert!(all.iter().all(|f| f["subject"] != "8081/tcp"), "{audit}");

    // One that can't be reached is told of, and the others are looked at.
    let failures = audit.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(
        (failures[0].0.as_str(), failures[0].1.as_str()),
        (NOBODY, "connect")
    );
    assert_eq!(audit.summary()["failed"], 1);

    // Without a firewall it is another story.
    console("app2", "ufw --force disable >/dev/null");
    let audit = provision(&["audit", "-F", &config, "root@app2", "--json"]);
    assert_eq!(audit.code, Some(4), "{audit}");
    let open = &found(&audit, "app2", "8080/tcp", "here")[0];
    let why = text(&open["evidence"]);
    assert!(why.contains("there is no firewall: ufw is off"), "{open}");
    assert_eq!(
        found(&audit, "app2", "22/tcp", "here")[0]["verdict"],
        "proven"
    );
    succeeds(&["lab", "reset", "app2"]);
}

//! Rules under which nobody could come in any more are taken back by the server itself.

use std::time::Duration;

use crate::program::{Ended, provision, succeeds};
use crate::servers::{console, try_login};
use crate::site::{Variant, set};

const HOST: &str = "app2";
/// The guard's time, in seconds.
const GUARD: u64 = 20;
/// A rule of the operator's that stands before all that ufw can be told, and shuts SSH's port.
const SHUT: &str = "-A ufw-before-input -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP";

fn bootstrap(how: &[&str]) -> Ended {
    let site = Variant::new(|site| {
        site.entry("firewall")
            .or_insert_with(|| toml::Table::new().into());
        let guard = i64::try_from(GUARD).unwrap();
        set(site, &["firewall", "guard_seconds"], guard);
    });
    let file = site.file();
    let mut args = vec!["step", "bootstrap", file.to_str().unwrap()];
    args.extend(["--host", HOST, "--yes"]);
    args.extend(how);
    provision(&args)
}

/// ufw's files, sshd's, and all of the live filter tables.
fn state() -> String {
    console(
        HOST,
        "find /etc/ufw /etc/default/ufw /etc/ssh /etc/systemd/system -printf '%p %m %u %g %l\\n' | sort; \
         find /etc/ufw /etc/default/ufw /etc/ssh -type f | sort | xargs sha256sum; \
         for tool in iptables ip6tables; do \
           $tool-save | sed 's/\\[[0-9:]*\\]//; /^#/d'; \
         done; \
         ls -A /var/lib/provision/guard 2>/dev/null || :",
    )
}

/// A server where ufw is off, and would shut SSH out if it were on.
pub fn is_rolled_back() {
    succeeds(&["lab", "reset", HOST]);
    console(
        HOST,
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -q; apt-get install -qy ufw",
    );
    // In front of the rule that takes what is established, and all others. An empty table is there
    // before too: what was none at all comes back as an empty one.
    console(
        HOST,
        &format!(
            "sed -i '0,/^-A ufw-before-input/s/^-A ufw-before-input/{SHUT}\\n&/' \
             /etc/ufw/before.rules; grep -q 'dport 22' /etc/ufw/before.rules; \
             iptables -P INPUT ACCEPT; ip6tables -P INPUT ACCEPT; mkdir -p /etc/systemd/system/multi-user.target.wants"
        ),
    );
    let before = state();
    // Told as data.
    let ended = bootstrap(&["--json"]);
    assert_eq!(ended.code, Some(5), "{ended}");
    assert_eq!(ended.told("guard_armed").len(), 1, "{ended}");
    assert!(ended.told("guard_disarmed").is_empty(), "{ended}");
    let (host, stage, told) = &ended.failures()[0];
    assert_eq!((host.as_str(), stage.as_str()), (HOST, "guard"), "{ended}");
    for part in ["not proven by a new SSH connection", "put its old firewall"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let waits = ended.told("waiting");
    let warned = waits.iter().any(|event| {
        let what = event["what"].as_str().unwrap_or_default();
        what.starts_with("no new connection") && what.contains("old state back in")
    });
    assert!(warned, "{waits:?}");
    assert_same(&before, &state());
    assert!(try_login(HOST, "root", 22), "as before");

    // Told as a story, and in its time: what was unguarded is done by now.
    let ended = bootstrap(&[]);
    assert_eq!(ended.code, Some(5), "{ended}");
    assert!(
        ended.took < Duration::from_secs(GUARD + 60),
        "rolled back in its time: {ended}"
    );
    for part in ["undone", "the old state is back", "no new connection"] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
    assert_same(&before, &state());
    assert!(
        try_login(HOST, "deploy", 22),
        "that user came before the firewall"
    );

    // Once it is mended, the run goes on.
    console(HOST, &format!("sed -i '/^{SHUT}$/d' /etc/ufw/before.rules"));
    let ended = bootstrap(&["--json"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(console(HOST, "ufw status").starts_with("Status: active"));
    assert!(try_login(HOST, "deploy", 22));
    succeeds(&["lab", "reset", HOST]);
}

fn assert_same(before: &str, after: &str) {
    let changes = similar::TextDiff::from_lines(before, after);
    let diff = changes.unified_diff().context_radius(0).to_string();
    assert!(diff.is_empty(), "byte for byte\n{diff}");
}

//! What makes a firewall unsound is produced on real hosts: `plan` names it, a run that can't
//! guard the host changes nothing on any, and the mend that is named makes it go away.

use serde_json::Value;

use crate::program::{Ended, provision, text};
use crate::servers::{assert_untouched, console, converged, fingerprints, plan, run, try_console};
use crate::site;

/// Something unsound.
struct Unsound<'a> {
    rule: &'a str,
    host: &'a str,
    /// What is done on its console.
    by_hand: &'a str,
    /// A part of what must be said.
    says: &'a str,
    /// What makes it sound again, also on the console.
    mend: &'a str,
}

/// What was remarked of a host by a rule: level, and everything else.
fn remark(ended: &Ended, host: &str, rule: &str) -> Option<(String, Value)> {
    let mut all = ended.told("remarked");
    all.retain(|event| event["host"] == host && event["remark"]["rule"] == rule);
    let first = all.first()?["remark"].clone();
    Some((text(&first["level"]), first))
}

fn planned() -> Ended {
    let file = site::file();
    provision(&["plan", file.to_str().unwrap(), "--json"])
}

impl Unsound<'_> {
    /// It is told, and told as so grave.
    fn is_told(&self, level: &str) -> Value {
        console(self.host, self.by_hand);
        let before = fingerprints();
        let ended = planned();
        let Some((seen, remark)) = remark(&ended, self.host, self.rule) else {
            panic!("{} on {} is not told\n{ended}", self.rule, self.host);
        };
        assert_eq!(seen, level, "{remark}");
        assert!(text(&remark["what"]).contains(self.says), "{remark}");
        let code = if level == "refusal" { 3 } else { 0 };
        assert_eq!(ended.code, Some(code), "{}: {ended}", self.rule);
        assert_untouched(&before, &fingerprints(), self.rule);
        remark
    }

    fn is_gone(&self) {
        let ended = plan();
        assert!(
            remark(&ended, self.host, self.rule).is_none(),
            "{} is still told\n{ended}",
            self.rule
        );
    }

    /// A warning keeps nobody from going on.
    fn warns(self) {
        self.is_told("warning");
        console(self.host, self.mend);
        self.is_gone();
    }

    /// A run changes nothing on any host.
    fn refuses(self) {
        let remark = self.is_told("refusal");
        self.stops_a_run();
        assert!(!text(&remark["mend"]).is_empty());
        console(self.host, self.mend);
        self.is_gone();
    }

    fn stops_a_run(&self) {
        let before = fingerprints();
        let ended = run();
        assert_eq!(ended.code, Some(3), "{}: {ended}", self.rule);
        let failures = ended.failures();
        assert!(
            failures.iter().any(|(host, stage, all)| host == self.host
                && stage == "check"
                && all.contains("soundness of the firewall")
                && all.contains(self.says)),
            "{}: {ended}",
            self.rule
        );
        assert_eq!(ended.changed(), [""; 0], "{ended}");
        assert!(ended.told("doing").is_empty(), "{ended}");
        assert_untouched(&before, &fingerprints(), self.rule);
    }
}

/// Nothing at all is remarked of a site that stands.
fn nothing_is_told() {
    let ended = plan();
    assert_eq!(ended.told("remarked"), [Value::Null; 0], "{ended}");
    assert_eq!(ended.differing(), [""; 0], "{ended}");
}

pub fn settings() {
    converged();
    nothing_is_told();
    let defaults = |from: &str, to: &str| format!("sed -i 's/^{from}$/{to}/' /etc/default/ufw");
    Unsound {
        rule: "manage-builtins",
        host: "app1",
        by_hand: &defaults("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes"),
        says: "MANAGE_BUILTINS=yes",
        mend: &defaults("MANAGE_BUILTINS=yes", "MANAGE_BUILTINS=no"),
    }
    .refuses();
    Unsound {
        rule: "ipv6-off",
        host: "proxy",
        by_hand: &defaults("IPV6=yes", "IPV6=no"),
        says: "2001:db8::13",
        mend: &defaults("IPV6=no", "IPV6=yes"),
    }
    .refuses();
    for (rule, key, says) in [
        (
            "docker-iptables-off",
            "\"iptables\": false",
            "iptables: false",
        ),
        (
            "docker-nftables",
            "\"firewall-backend\": \"nftables\"",
            "firewall-backend: nftables",
        ),
    ] {
        Unsound {
            rule,
            host: "app2",
            by_hand: &format!("sed -i '0,/{{/s/{{/{{{key},/' /etc/docker/daemon.json"),
            says,
            mend: &format!("sed -i 's/{{{key},/{{/' /etc/docker/daemon.json"),
        }
        .refuses();
    }
    nothing_is_told();
}

pub fn mixed_backends() {
    converged();
    let rule = "INPUT -s 192.0.2.1 -j DROP";
    let tried = try_console("app1", &["iptables-legacy", "-L", "-n"]);
    if tried.code != Some(0) {
        assert!(
            std::env::var_os("CI").is_none(),
            "this kernel has no legacy iptables: {tried}"
        );
        println!(
            "left out: this kernel has no legacy iptables: {}",
            tried.stderr.trim()
        );
        return;
    }
    Unsound {
        rule: "iptables-mixed",
        host: "app1",
        by_hand: &format!("iptables-legacy -A {rule}"),
        says: "1 rule stand in the legacy one",
        mend: "iptables-legacy -F",
    }
    .refuses();
}

pub fn containers() {
    converged();
    // Any image that is there; it only has to stay.
    let start = |options: &str| {
        format!(
            "docker run --detach --name stray {options} --entrypoint sleep \
             $(docker ps --format '{{{{.Image}}}}' | head -n 1) 3600"
        )
    };
    let stop = "docker rm --force stray";
    Unsound {
        rule: "published",
        host: "app1",
        by_hand: &start("--publish 8081:9000"),
        says: "container stray publishes 8081/tcp (its port 9000) on all addresses",
        mend: stop,
    }
    .warns();
    Unsound {
        rule: "published",
        host: "app2",
        by_hand: &start("--publish 10.20.0.12:5353:53/udp"),
        says: "5353/udp (its port 53) on 10.20.0.12",
        mend: stop,
    }
    .warns();
    Unsound {
        rule: "published-open",
        host: "proxy",
        by_hand: &start("--publish 8080:80"),
        says: "container stray publishes 8080/tcp (its port 80) on all addresses",
        mend: stop,
    }
    .refuses();
    Unsound {
        rule: "host-network",
        host: "app1",
        by_hand: &format!("{}; ufw allow 9100/tcp", start("--network host")),
        says: "ufw lets in 9100/tcp",
        mend: &format!("{stop}; ufw delete allow 9100/tcp"),
    }
    .warns();
    nothing_is_told();
}

pub fn trusted_networks() {
    converged();
    let by_ufw = Unsound {
        rule: "trusted-subnet",
        host: "app1",
        by_hand: "ufw allow from 10.0.0.0/8",
        says: "eth1 (10.20.0.0/24) lies in it",
        mend: "",
    };
    let remark = by_ufw.is_told("warning");
    console("app1", &command_of(&remark));
    by_ufw.is_gone();

    // As the tutorials have it; a run puts its own block in the place of theirs.
    let by_block = Unsound {
        rule: "trusted-subnet",
        host: "app1",
        by_hand: "sed -i '/^-A DOCKER-USER -j ufw-user-forward$/i \
                  -A DOCKER-USER -j RETURN -s 10.0.0.0/8' /etc/ufw/after.rules; ufw reload",
        says: "DOCKER-USER trusts 10.0.0.0/8, and eth1 (10.20.0.0/24) lies in it",
        mend: "",
    };
    by_block.is_told("warning");
    run().proven();
    by_block.is_gone();
    nothing_is_told();
}

pub fn ufw_off() {
    converged();
    let off = Unsound {
        rule: "ufw-off",
        host: "app1",
        by_hand: "ufw --force disable",
        says: "ufw is off",
        mend: "",
    };
    off.is_told("warning");
    // Nothing is changed by a verification, so there it is as grave as it is.
    let file = site::file();
    let verified = provision(&["verify", file.to_str().unwrap(), "--json"]);
    let (level, _) = remark(&verified, "app1", "ufw-off").unwrap();
    assert_eq!(level, "refusal", "{verified}");

    // To be turned on by a run, it must let us in.
    let limited = Unsound {
        rule: "ssh-limit",
        host: "app1",
        by_hand: "ufw limit 22/tcp",
        says: "by `limit`",
        mend: "ufw allow 22/tcp",
    };
    limited.warns();
    let denied = Unsound {
        rule: "ssh-denied",
        host: "app1",
        by_hand: "ufw deny 22/tcp",
        says: "denies SSH on port 22",
        mend: "",
    };
    let remark = denied.is_told("refusal");
    denied.stops_a_run();
    assert!(console("app1", "ufw status").contains("inactive"));
    console("app1", &command_of(&remark));
    denied.is_gone();
    run().proven();
    nothing_is_told();
}

/// The command that a mend names first.
fn command_of(remark: &Value) -> String {
    let mend = text(&remark["mend"]);
    let command = mend.split('`').nth(1);
    command
        .unwrap_or_else(|| panic!("no command in {mend}"))
        .to_owned()
}

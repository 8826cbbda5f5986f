//! Facts in, remarks out. The facts come through `gather`, as those of a real host do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Lint, Wanted, facts, remarks};
use crate::event::{Level, State};
use crate::resource::gather::Gather;
use crate::resource::{Fact, Observed, Resource};

const DEFAULTS: &str = "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nMANAGE_BUILTINS=no\n";
const DAEMON: &str = r#"{"default-address-pools":[{"base":"172.30.0.0/16","size":24}]}"#;
const V4: &str = "\
-A INPUT -j ufw-before-input
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A FORWARD -j ufw-before-forward
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -i docker0 -o docker0 -j ACCEPT
-A DOCKER-USER -s 172.30.0.0/16 -j RETURN
-A DOCKER-USER -d 172.30.0.0/16 -m conntrack --ctstate NEW -j ufw-docker-logging-deny
-A DOCKER-USER -j RETURN
-A ufw-docker-logging-deny -j DROP
";
const V6: &str = "-A INPUT -j ufw6-before-input\n";
const USER: &str = "\
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=70726f766973696f6e20706f6c6c73
### tuple ### route:allow tcp 8000 0.0.0.0/0 any 198.51.100.13 in comment=70726f766973696f6e20706f6c6c73
";
const HOST: &str = "\
ssh 198.51.100.7 22
20010db8000000000000000000000011 02 40 00 82     eth0
fe8000000000000000c6fffe33640b02 02 40 20 80     eth0
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\tFE6433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t0000140A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t00001EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
dockerd /usr/sbin/dockerd -H fd://
backend nft
";

/// A host, fact by fact; sound to begin with.
#[derive(Clone)]
struct Facts {
    files: BTreeMap<&'static str, String>,
    v4: String,
    v6: String,
    /// What Docker's API prints, if there is a Docker.
    containers: Option<String>,
    host: String,
    info: &'static str,
}

fn container(name: &str, mode: &str, ports: &str) -> String {
    format!(
        r#"{{"Names":["/{name}"],"State":"running","Status":"Up","ImageID":"x","Ports":[{ports}],"HostConfig":{{"NetworkMode":"{mode}"}}}}"#
    )
}

fn port(ip: &str, inner: u16, outer: u16, protocol: &str) -> String {
    format!(r#"{{"IP":"{ip}","PrivatePort":{inner},"PublicPort":{outer},"Type":"{protocol}"}}"#)
}

fn app() -> String {
    let both = [
        port("0.0.0.0", 8000, 80, "tcp"),
        port("::", 8000, 80, "tcp"),
    ];
    container("polls-app", "polls", &both.join(","))
}

fn wanted() -> Wanted {
    Wanted::default().published(8000, 80)
}

fn sound() -> Facts {
    Facts {
        files: BTreeMap::from([
            ("/etc/ufw/ufw.conf", "ENABLED=yes\n".to_owned()),
            ("/etc/default/ufw", DEFAULTS.to_owned()),
            ("/etc/ufw/user.rules", USER.to_owned()),
            ("/etc/docker/daemon.json", DAEMON.to_owned()),
        ]),
        v4: V4.to_owned(),
        v6: V6.to_owned(),
        containers: Some(app()),
        host: HOST.to_owned(),
        info: r#"{"FirewallBackend":{"Driver":"iptables"}}"#,
    }
}

impl Facts {
    fn file(mut self, path: &'static str, text: &str) -> Self {
        self.files.insert(path, text.to_owned());
        self
    }

    fn user(self, rules: &str) -> Self {
        let text = format!("{rules}{USER}");
        self.file("/etc/ufw/user.rules", &text)
    }

    fn v4(mut self, change: impl Fn(&str) -> String) -> Self {
        self.v4 = change(&self.v4);
        self
    }

    fn host(mut self, from: &str, to: &str) -> Self {
        assert!(self.host.contains(from));
        self.host = self.host.replace(from, to);
        self
    }

    fn and(mut self, container: &str) -> Self {
        self.containers = Some(format!("{},{container}", app()));
        self
    }

    /// What a gather script of these facts would have printed.
    fn observed(&self, facts: Vec<Fact>) -> Observed {
        let mut text = String::new();
        let mut section = |name: &str, status: i32, body: &str| {
            text.push_str(&format!("n begin {name}\n{body}\nn end {status}\n"));
        };
        let mut files = String::new();
        for (path, content) in &self.files {
            let (sum, size) = (crate::resource::sha256(content), content.len());
            let content = BASE64.encode(content);
            files.push_str(&format!("stat regular file|644|root:root|0|{size}|{path}\nsum {sum}  {path}\ntext {content}|{path}\n"));
        }
        section("files", 0, &files);
        section("rules4", 0, &self.v4);
        section("rules6", 0, &self.v6);
        match &self.containers {
            None => section("docker", 3, ""),
            Some(containers) => {
                let network =
                    r#"[{"Name":"bridge","IPAM":{"Config":[{"Subnet":"172.30.0.0/24"}]}}]"#;
                section("docker", 0, &format!("[{containers}]\n{network}\n[]"));
            }
        }
        let mut scripts: Vec<&Fact> = facts
            .iter()
            .filter(|fact| matches!(fact, Fact::Sh(..)))
            .collect();
        scripts.sort();
        for (at, fact) in scripts.iter().enumerate() {
            let Fact::Sh(script, _) = fact else { continue };
            let body = if script.0.contains("docker/info") {
                self.info
            } else if script.0.contains("if_inet6") {
                &self.host
            } else {
                "22\n22"
            };
            section(&format!("sh{at}"), 0, body);
        }
        text.push_str("n done\n");
        Gather::new("n", facts).parse(text.as_bytes()).unwrap()
    }

    /// "refusal manage-builtins: MANAGE_BUILTINS=yes in /etc/default/ufw", a line each.
    fn remarks(&self) -> Vec<String> {
        let all = remarks(&self.observed(facts()), &wanted()).unwrap();
        for remark in &all {
            assert!(
                !remark.why.is_empty() && !remark.mend.is_empty(),
                "{remark:?}"
            );
        }
        all.iter().map(shown).collect()
    }

    fn state(&self, lint: &Lint) -> State {
        lint.compare(&self.observed(lint.facts())).unwrap()
    }
}

fn shown(remark: &crate::event::Remark) -> String {
    let level = match remark.level {
        Level::Refusal => "refusal",
        Level::Warning => "warning",
    };
    format!("{level} {}: {}", remark.rule, remark.what)
}

#[track_caller]
fn said(facts: &Facts, expected: &[&str]) {
    assert_eq!(facts.remarks(), expected);
}

#[test]
fn nothing_is_said_of_a_sound_host() {
    said(&sound(), &[]);
    let lint = Lint::new(wanted());
    assert_eq!(sound().state(&lint), State::InSync);
}

#[test]
fn nothing_is_said_in_a_plan_of_a_server_that_is_still_to_be_set_up() {
    let mut bare = sound();
    bare.files.clear();
    (bare.v4, bare.v6) = (String::new(), String::new());
    bare.containers = None;
    let lint = Lint::new(wanted());
    assert_eq!(lint.remarks(&bare.observed(lint.facts())), []);
    said(&bare, &["refusal ufw-off: there is no ufw"]);
}

#[test]
fn settings_of_ufw_under_which_its_rules_do_not_hold() {
    let defaults = |text| sound().file("/etc/default/ufw", text);
    said(
        &defaults("IPV6=yes\nDEFAULT_INPUT_POLICY=DROP\nMANAGE_BUILTINS=yes\n"),
        &["refusal manage-builtins: MANAGE_BUILTINS=yes in /etc/default/ufw"],
    );
    let off = defaults("IPV6=no\nDEFAULT_INPUT_POLICY=DROP\n");
    said(
        &off,
        &["refusal ipv6-off: IPV6=no in /etc/default/ufw, and the host has 2001:db8::11"],
    );
    let mut without = off.host(
        "20010db8000000000000000000000011 02 40 00",
        "fe80000000000000d4b90afffe3b3809 02 40 20",
    );
    without.v6 = String::new();
    said(&without, &["warning ipv6-off: IPV6=no in /etc/default/ufw"]);
    said(
        &defaults("IPV6=yes\nDEFAULT_INPUT_POLICY=\"ACCEPT\"\n"),
        &["refusal ufw-default: ufw lets in what no rule names"],
    );
    said(
        &sound().file("/etc/ufw/ufw.conf", "ENABLED=no\n"),
        &["refusal ufw-off: ufw is off"],
    );
    said(
        &sound().v4(|rules| rules.replace("-A INPUT -j ufw-before-input\n", "")),
        &["refusal ufw-not-loaded: ufw is on by its file, but its rules are not in the kernel"],
    );
}

#[test]
fn a_rule_that_keeps_us_out_is_refused_only_where_it_decides() {
    let denied = "refusal ssh-denied: a rule of ufw's denies SSH on port 22 from 198.51.100.7, before any that allows it";
    let limited = "warning ssh-limit: ufw lets SSH in on port 22 by `limit`";
    for (rule, expected) in [
        ("deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", vec![denied]),
        (
            "reject any 20:30 0.0.0.0/0 any 198.51.100.0/24 in",
            vec![denied],
        ),
        ("deny tcp 22 0.0.0.0/0 any 203.0.113.0/24 in", vec![]),
        ("deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_eth1", vec![]),
        ("deny tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in", vec![]),
        (
            "limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in",
            vec![limited],
        ),
    ] {
        let facts = sound().user(&format!("### tuple ### {rule}\n"));
        assert_eq!(facts.remarks(), expected, "{rule}");
    }
    let later = format!("{USER}### tuple ### deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n");
    said(&sound().file("/etc/ufw/user.rules", &later), &[]);
}

#[test]
fn over_ipv6_the_rules_of_ipv6_decide() {
    let deny = "### tuple ### deny tcp 22 ::/0 any ::/0 in\n";
    let facts = sound().file("/etc/ufw/user6.rules", deny);
    said(&facts, &[]);
    let facts = facts.host("ssh 198.51.100.7", "ssh 2001:db8::7");
    assert!(facts.remarks()[0].starts_with("refusal ssh-denied"));
}

#[test]
fn docker_must_make_its_rules_and_in_a_backend_with_docker_user() {
    let daemon = |more: &str| {
        let text = DAEMON.replacen('{', &format!("{{{more},"), 1);
        sound().file("/etc/docker/daemon.json", &text)
    };
    said(
        &daemon(r#""iptables": false"#),
        &["refusal docker-iptables-off: iptables: false in /etc/docker/daemon.json"],
    );
    let arguments = |more: &str| sound().host("-H fd://", more);
    let told = "refusal docker-iptables-off: iptables: false in the arguments of dockerd";
    said(&arguments("--iptables=false"), &[told]);
    said(&arguments("--iptables true"), &[]);
    said(
        &daemon(r#""firewall-backend": "nftables""#),
        &["refusal docker-nftables: firewall-backend: nftables in /etc/docker/daemon.json"],
    );
    said(
        &arguments("--firewall-backend nftables"),
        &["refusal docker-nftables: firewall-backend: nftables in the arguments of dockerd"],
    );
    let mut says = sound();
    says.info = r#"{"FirewallBackend":{"Driver":"nftables+firewalld"}}"#;
    said(
        &says,
        &["refusal docker-nftables: Docker's firewall backend is nftables+firewalld"],
    );
}

#[test]
fn docker_user_is_asked_first_and_refuses_something() {
    let jump = "-A FORWARD -j DOCKER-USER\n";
    let unasked =
        "refusal docker-user-jump: iptables: FORWARD doesn't go through DOCKER-USER first";
    said(&sound().v4(|rules| rules.replace(jump, "")), &[unasked]);
    said(
        &sound().v4(|rules| rules.replace(jump, &format!("-A FORWARD -o br0 -j ACCEPT\n{jump}"))),
        &[unasked],
    );
    let refuses_nothing = |rules: &str| {
        let kept = rules.lines().filter(|rule| !rule.contains("logging-deny"));
        kept.collect::<Vec<_>>().join("\n")
    };
    said(
        &sound().v4(refuses_nothing),
        &["refusal docker-user-open: iptables: DOCKER-USER refuses nothing"],
    );
    let mut nothing_published = sound().v4(refuses_nothing);
    nothing_published.containers = Some(container(
        "db",
        "polls",
        &port("127.0.0.1", 5432, 5432, "tcp"),
    ));
    said(&nothing_published, &[]);
}

#[test]
fn what_is_published_beside_what_is_wanted_is_told_with_its_addresses() {
    let ports = [
        port("0.0.0.0", 80, 8080, "tcp"),
        port("::", 80, 8080, "tcp"),
    ]
    .join(",");
    let all =
        "warning published: container adminer publishes 8080/tcp (its port 80) on all addresses";
    said(&sound().and(&container("adminer", "x", &ports)), &[all]);
    let udp = port("10.20.0.11", 53, 53, "udp");
    let facts = sound().and(&container("dns", "x", &udp));
    said(
        &facts,
        &["warning published: container dns publishes 53/udp (its port 53) on 10.20.0.11"],
    );
    let whys = remarks(&facts.observed(super::facts()), &wanted()).unwrap();
    assert!(whys[0].why.contains("silence"), "{whys:?}");
    let local = port("127.0.0.1", 5432, 5432, "tcp");
    said(&sound().and(&container("db", "x", &local)), &[]);
    // A port of UDP is another than that of TCP, and may be wanted by itself.
    let web = [
        port("0.0.0.0", 443, 443, "udp"),
        port("::", 443, 443, "udp"),
    ]
    .join(",");
    let seen = sound().and(&container("polls-proxy", "x", &web));
    let seen = seen.observed(super::facts());
    for (wanted, count) in [
        (wanted().published(443, 443), 1),
        (wanted().published_udp(443, 443), 0),
    ] {
        assert_eq!(remarks(&seen, &wanted).unwrap().len(), count);
    }
}

#[test]
fn a_port_that_a_route_rule_opens_to_everybody_is_refused() {
    let facts = sound()
        .user("### tuple ### route:allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in\n")
        .and(&container(
            "adminer",
            "x",
            &port("0.0.0.0", 80, 8080, "tcp"),
        ));
    said(
        &facts,
        &[
            "refusal published-open: container adminer publishes 8080/tcp (its port 80) on all addresses",
        ],
    );
}

#[test]
fn a_container_on_the_hosts_network_is_told_where_ufw_lets_something_in() {
    let facts = sound().and(&container("exporter", "host", ""));
    said(&facts, &[]);
    said(
        &facts.user("### tuple ### allow tcp 9100 0.0.0.0/0 any 10.20.0.0/24 in\n"),
        &[
            "warning host-network: container exporter shares the host's network, and ufw lets in 9100/tcp from 10.20.0.0/24",
        ],
    );
}

#[test]
fn a_rule_for_what_goes_out_lets_nothing_in() {
    let facts = sound().user(
        "### tuple ### allow tcp 25 0.0.0.0/0 any 0.0.0.0/0 out\n\
         ### tuple ### allow any any 0.0.0.0/0 any 10.0.0.0/8 out_eth1\n\
         ### tuple ### deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 out\n",
    );
    said(&facts.and(&container("exporter", "host", "")), &[]);
}

#[test]
fn a_network_may_be_written_with_a_mask() {
    let deny = "### tuple ### deny tcp 22 0.0.0.0/0 any 198.51.0.0/255.255.0.0 in\n";
    assert!(sound().user(deny).remarks()[0].starts_with("refusal ssh-denied"));
    let whole = "### tuple ### allow any any 0.0.0.0/0 any 10.0.0.0/255.0.0.0 in\n";
    assert!(sound().user(whole).remarks()[0].starts_with("warning trusted-subnet"));
}

#[test]
fn ipv6_is_off_unless_the_settings_say_that_it_is_on() {
    let defaults = |ipv6: &str| format!("{ipv6}DEFAULT_INPUT_POLICY=\"DROP\"\n");
    for (ipv6, told) in [("IPV6=NO\n", "IPV6=NO"), ("", "no IPV6=yes")] {
        let facts = sound().file("/etc/default/ufw", &defaults(ipv6));
        let what = format!("{told} in /etc/default/ufw, and the host has 2001:db8::11");
        said(&facts, &[&format!("refusal ipv6-off: {what}")]);
    }
    said(
        &sound().file("/etc/default/ufw", &defaults("IPV6=YES\n")),
        &[],
    );
}

#[test]
fn a_trusted_network_that_is_not_dockers_is_told_with_the_interface_on_it() {
    let tutorial = |rules: &str| {
        let mine =
            "-A DOCKER-USER -s 10.0.0.0/8 -j RETURN\n-A DOCKER-USER -s 192.168.0.0/16 -j RETURN\n";
        rules.replace(
            "-A DOCKER-USER -j RETURN\n",
            &format!("{mine}-A DOCKER-USER -j RETURN\n"),
        )
    };
    let near =
        "warning trusted-subnet: DOCKER-USER trusts 10.0.0.0/8, and eth1 (10.20.0.0/24) lies in it";
    let far = "warning trusted-subnet: DOCKER-USER trusts 192.168.0.0/16, which is none of Docker's networks";
    said(&sound().v4(tutorial), &[near, far]);
    // As it stands in a file, before it is loaded.
    let file =
        "-A DOCKER-USER -j RETURN -s 10.0.0.0/8\n-A DOCKER-USER -j RETURN -s 172.30.4.0/24\n";
    said(&sound().file("/etc/ufw/after.rules", file), &[near]);
    // One address is a choice, and so is one port.
    let narrow = "-A DOCKER-USER -s 10.20.0.5 -j RETURN\n-A DOCKER-USER -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j RETURN\n";
    said(&sound().file("/etc/ufw/after.rules", narrow), &[]);
}

#[test]
fn a_network_that_ufw_lets_in_whole_is_told_with_the_command_that_takes_it_back() {
    let facts = sound().user(
        "### tuple ### allow any any 0.0.0.0/0 any 10.0.0.0/8 in\n\
         ### tuple ### allow any any 0.0.0.0/0 any 172.30.0.0/16 in\n\
         ### tuple ### allow tcp 5432 0.0.0.0/0 any 10.0.0.0/8 in\n",
    );
    said(
        &facts,
        &[
            "warning trusted-subnet: ufw lets 10.0.0.0/8 in to every port of the host, and eth1 (10.20.0.0/24) lies in it",
        ],
    );
    let all = remarks(&facts.observed(super::facts()), &wanted()).unwrap();
    assert!(
        all[0]
            .mend
            .starts_with("`ufw delete allow from 10.0.0.0/8 to any`"),
        "{all:?}"
    );
}

#[test]
fn whatever_else_loads_rules_is_refused() {
    let other =
        "backend nft\nother -A INPUT -s 192.0.2.1/32 -j DROP\nother -A DOCKER-USER -j RETURN\n";
    said(
        &sound().host("backend nft\n", other),
        &[
            "refusal iptables-mixed: iptables is the nft one, and 2 rules stand in the legacy one, Docker's among them",
        ],
    );
    for (unit, what) in [
        (
            "firewalld",
            "refusal firewalld: firewalld starts beside ufw",
        ),
        (
            "netfilter-persistent",
            "refusal saved-rules: netfilter-persistent loads saved rules when the host starts",
        ),
        (
            "nftables",
            "refusal saved-rules: nftables.service loads /etc/nftables.conf when the host starts",
        ),
    ] {
        let starts = format!("backend nft\nstarts {unit}\n");
        said(&sound().host("backend nft\n", &starts), &[what]);
    }
}

#[test]
fn a_run_is_not_refused_for_what_it_mends() {
    let lint = Lint::new(wanted());
    let off = sound().file("/etc/ufw/ufw.conf", "ENABLED=no\n");
    assert_eq!(off.state(&lint), State::InSync);
    let all = lint.remarks(&off.observed(lint.facts()));
    assert_eq!(
        all.iter().map(shown).collect::<Vec<_>>(),
        ["warning ufw-off: ufw is off"]
    );
    assert!(all[0].mend.starts_with("`provision run` puts it right"));
    // A look that changes nothing says it as it is.
    let closely = Lint::new(wanted()).thorough();
    let all = closely.remarks(&off.observed(closely.facts()));
    assert_eq!(
        all.iter().map(shown).collect::<Vec<_>>(),
        ["refusal ufw-off: ufw is off"]
    );
    assert_eq!(off.state(&closely), State::InSync);
}

#[test]
fn a_refusal_names_everything_that_is_to_be_mended() {
    let facts = sound()
        .file("/etc/docker/daemon.json", r#"{"iptables": false}"#)
        .user("### tuple ### deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n");
    let State::Refused { what, mend } = facts.state(&Lint::new(wanted())) else {
        panic!("not refused");
    };
    assert!(
        what.contains("denies SSH") && what.contains("iptables: false"),
        "{what}"
    );
    assert!(mend.contains("ufw delete deny proto tcp"), "{mend}");
}

#[test]
fn a_docker_that_does_not_answer_keeps_no_run_from_starting_it() {
    let lint = Lint::new(wanted());
    let mut seen = sound().observed(facts());
    seen.docker = Some(Err("connection refused".to_owned()));
    assert_eq!(lint.compare(&seen).unwrap(), State::InSync);
    let all: Vec<_> = lint.remarks(&seen).iter().map(shown).collect();
    assert_eq!(
        all,
        ["warning docker-silent: Docker doesn't answer: connection refused"]
    );
}

#[test]
fn what_can_not_be_read_is_never_sound() {
    let unread = Observed::default();
    let every_run = Lint::new(wanted());
    assert!(every_run.compare(&unread).is_err());
    assert!(every_run.remarks(&unread).is_empty(), "told once");
    let told = every_run.thorough().remarks(&unread);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].level, told[0].rule.as_str()),
        (Level::Refusal, "unreadable")
    );
}

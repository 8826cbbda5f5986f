//! The removal of the rules for Docker's ports.

use super::{Seen, diff, ops, state};
use crate::resource::fact::{Container, Docker, Family, Ipam, Network, Port, Subnet};
use crate::resource::ufw_docker::{Block, Forgotten, Unblock, Unlive};
use crate::resource::{Action, Content, Resource as _};

const AFTER: &str = "/etc/ufw/after.rules";
const AFTER6: &str = "/etc/ufw/after6.rules";
const KEPT: &str = "/var/lib/provision/ufw/after.rules.replaced";
const KEPT6: &str = "/var/lib/provision/ufw/after6.rules.replaced";
const CONF: &str = "/etc/ufw/ufw.conf";

const STOCK: &str = "*filter\n:ufw-after-input - [0:0]\nCOMMIT";
/// ufw-docker's own block differs from ours in its networks alone.
const OLDER: &str = "\
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:ufw-docker-logging-deny - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -m conntrack --ctstate INVALID -j DROP
-A DOCKER-USER -i docker0 -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
-A DOCKER-USER -j ufw-docker-logging-deny -m conntrack --ctstate NEW -d 10.0.0.0/8
-A DOCKER-USER -j RETURN
-A ufw-docker-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"[UFW DOCKER BLOCK] \"
-A ufw-docker-logging-deny -j DROP
COMMIT
# END UFW AND DOCKER
";
const TUTORIAL: &str = "\
# BEGIN UFW AND DOCKER
*filter
:ufw-user-forward - [0:0]
:DOCKER-USER - [0:0]
-A DOCKER-USER -j RETURN -s 10.0.0.0/8
-A DOCKER-USER -j ufw-user-forward
-A DOCKER-USER -j RETURN
COMMIT
# END UFW AND DOCKER
";
/// DOCKER-USER as Docker makes it.
const DOCKERS: &str = ":DOCKER-USER - [0:0]\n-A DOCKER-USER -j RETURN\n";

fn docker() -> Docker {
    let port = |ip: Option<&str>, public_port| Port {
        ip: ip.map(str::to_owned),
        private_port: 8000,
        public_port,
        protocol: "tcp".to_owned(),
    };
    let container = |name: &str, ports| Container {
        names: vec![format!("/{name}")],
        state: "running".to_owned(),
        status: String::new(),
        image_id: String::new(),
        labels: Default::default(),
        ports,
        host_config: Default::default(),
    };
    let subnet = "172.17.0.0/16".to_owned();
    Docker {
        containers: vec![
            container(
                "polls-app",
                vec![port(Some("0.0.0.0"), Some(80)), port(Some("::"), Some(80))],
            ),
            container("cache", vec![port(Some("127.0.0.1"), Some(6379))]),
            container("worker", vec![port(None, None)]),
        ],
        networks: vec![Network {
            name: "bridge".to_owned(),
            driver: "bridge".to_owned(),
            ipam: Ipam {
                config: Some(vec![Subnet { subnet }]),
            },
        }],
        ..Docker::default()
    }
}

/// A host whose IPv4 file was this before our block came in, with our rules loaded.
fn guarded(before: &str) -> Seen {
    let seen = Seen::default()
        .docker(Some(docker()))
        .absent("/etc/docker/daemon.json")
        .file(CONF, "ENABLED=yes\n")
        .file(AFTER, before)
        .file(AFTER6, STOCK);
    let mut put = seen;
    for family in [Family::V4, Family::V6] {
        for op in Block(family).converge(&put.0) {
            let Action::Put {
                path,
                content: Content::Text(text),
                ..
            } = op.action
            else {
                panic!("{op:?}")
            };
            put = put.file(&path, &text);
        }
    }
    for (family, path) in [(Family::V4, AFTER), (Family::V6, AFTER6)] {
        let text = put.0.text(path).unwrap().unwrap();
        put = put.rules(family, Some(&loaded(&text)));
    }
    put
}

/// What `iptables-save` prints once this file is loaded.
fn loaded(file: &str) -> String {
    let begin = file.find("# BEGIN").unwrap_or(file.len());
    let mut lines = file[begin..].lines();
    let rules: Vec<String> = lines
        .by_ref()
        .filter(|line| line.starts_with([':', '-']))
        .map(
            |line| match line.strip_prefix("-A DOCKER-USER -j RETURN -s ") {
                Some(net) => format!("-A DOCKER-USER -s {net} -j RETURN"),
                None => match line.split_once(" -m conntrack --ctstate NEW -d ") {
                    Some((jump, net)) => {
                        let jump = jump.trim_start_matches("-A DOCKER-USER ");
                        format!("-A DOCKER-USER -d {net} -m conntrack --ctstate NEW {jump}")
                    }
                    None => line.to_owned(),
                },
            },
        )
        .collect();
    rules.join("\n") + "\n"
}

/// The content that is put.
fn text(resource: &Unblock, seen: &Seen) -> String {
    let ops = resource.converge(&seen.0);
    let [op] = ops.as_slice() else {
        panic!("{ops:?}")
    };
    match &op.action {
        Action::Put {
            content: Content::Text(text),
            check: None,
            ..
        } => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rules_file_is_put_back_and_then_there_is_nothing_to_do() {
    let four = Unblock(Family::V4);
    for (before, told) in [
        (STOCK.to_owned(), "differs: to be taken out"),
        (
            format!("{TUTORIAL}{STOCK}"),
            "differs: to be taken out; the one before comes back",
        ),
        (
            format!("{STOCK}\n{OLDER}# mine"),
            "differs: to be taken out; the one before comes back",
        ),
    ] {
        let seen = guarded(&before);
        assert_eq!(state(&four, &seen), told);
        assert_eq!(text(&four, &seen), before);
        let after = seen.file(AFTER, &before);
        assert_eq!(state(&four, &after), "in sync");
        assert_eq!(ops(&four, &after), "");
    }
    // Nothing is known of what was there before.
    let seen = guarded(&format!("{TUTORIAL}{STOCK}")).absent(KEPT);
    assert_eq!(text(&four, &seen), STOCK);
    assert_eq!(state(&four, &seen.clone().absent(AFTER)), "in sync");
    assert!(
        state(&four, &seen.clone().file(KEPT, "{"))
            .starts_with("unreadable: file /var/lib/provision/ufw/after.rules.replaced: ")
    );
    let torn = seen.file(AFTER, "# BEGIN UFW AND DOCKER\n# Kept by provision: x\n");
    assert!(state(&four, &torn).starts_with("refused: line 1 of /etc/ufw/after.rules begins"));
    assert!(four.guarded());
}

#[test]
fn what_docker_publishes_is_named_before_it_is_opened() {
    let seen = guarded(STOCK);
    assert_eq!(
        state(&Unlive, &seen),
        "differs: to be taken out; the world then reaches 80/tcp of polls-app"
    );
    let remarks = Unlive.remarks(&seen.0);
    assert_eq!(remarks.len(), 1);
    assert_eq!(
        remarks[0].what,
        "without these rules the world reaches 80/tcp of polls-app"
    );
    let seen = guarded(&format!("{STOCK}\n{OLDER}"));
    assert_eq!(
        state(&Unlive, &seen),
        "differs: to be taken out of the kernel; the block before holds again"
    );
    assert!(Unlive.remarks(&seen.0).is_empty());
    let nothing = guarded(STOCK).docker(Some(Docker::default()));
    assert!(Unlive.remarks(&nothing.0).is_empty());
}

#[test]
fn the_kernels_chains_become_dockers_own_again() {
    let seen = guarded(STOCK).file(AFTER, STOCK).file(AFTER6, STOCK);
    assert!(diff(&Unlive, &seen).contains("- -A DOCKER-USER -j ufw-user-forward\n"));
    assert!(diff(&Unlive, &seen).contains("- -A ufw6-docker-logging-deny -j DROP"));
    let told = ops(&Unlive, &seen);
    assert!(!told.contains("ufw reload"), "{told}");
    for end in [
        " iptables ufw-docker-logging-deny flush",
        " ip6tables ufw6-docker-logging-deny flush",
    ] {
        assert!(told.lines().any(|line| line.ends_with(end)), "{told}");
    }
    let open = seen
        .clone()
        .rules(Family::V4, Some(DOCKERS))
        .rules(Family::V6, Some(""));
    assert_eq!(state(&Unlive, &open), "in sync");
    assert!(Unlive.remarks(&open.0).is_empty());
    // Somebody else's rules there are none of ours.
    let other = format!("{DOCKERS}-A DOCKER-USER -p tcp -j f2b-web\n");
    let other = open.clone().rules(Family::V4, Some(&other));
    assert_eq!(state(&Unlive, &other), "in sync");
    let half = format!("{DOCKERS}:ufw-docker-logging-deny - [0:0]\n");
    let half = open.rules(Family::V4, Some(&half));
    assert_eq!(diff(&Unlive, &half), "- -N ufw-docker-logging-deny");
}

#[test]
fn a_block_that_was_put_back_is_loaded() {
    for (older, left) in [(TUTORIAL, "ufw-docker-logging-deny"), (OLDER, "''")] {
        let before = format!("{STOCK}\n{older}");
        let ours = guarded(&before).file(AFTER, &before).file(AFTER6, STOCK);
        assert!(state(&Unlive, &ours).starts_with("differs"), "{older}");
        let told = ops(&Unlive, &ours);
        assert!(told.starts_with("load the block that was there before: ufw reload\n"));
        assert!(
            told.contains(&format!(" iptables {left} leave\n")),
            "{left}: {told}"
        );
        let there = ours
            .clone()
            .rules(Family::V4, Some(&loaded(&before)))
            .rules(Family::V6, Some(""));
        assert_eq!(state(&Unlive, &there), "in sync", "{older}");
        // With ufw off nobody loads it.
        let off = ours.file(CONF, "ENABLED=no\n");
        assert!(ops(&Unlive, &off).contains(" iptables ufw-docker-logging-deny flush\n"));
    }
}

#[test]
fn what_was_kept_goes_when_the_removal_is_proven() {
    let seen = guarded(STOCK);
    assert_eq!(
        state(&Forgotten, &seen),
        format!("differs: {KEPT}, {KEPT6}")
    );
    assert!(!Forgotten.guarded());
    let four = seen.absent(KEPT6);
    assert!(ops(&Forgotten, &four).ends_with(KEPT));
    assert_eq!(state(&Forgotten, &four.absent(KEPT)), "in sync");
}

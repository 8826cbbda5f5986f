//! ufw's rules, ufw itself, and the rules that put Docker's ports behind it.

use super::{Seen, diff, ops, state};
use crate::resource::fact::{Docker, Family, Ipam, Network, Subnet};
use crate::resource::ufw::{Enabled, Path, Protocol, Rule, Rules, SSH_PORT};
use crate::resource::ufw_docker::{Block, Live};
use crate::resource::{Action, Content, Resource as _};

const USER: &str = "/etc/ufw/user.rules";
const USER6: &str = "/etc/ufw/user6.rules";
const CONF: &str = "/etc/ufw/ufw.conf";
const DEFAULTS: &str = "/etc/default/ufw";
const DAEMON: &str = "/etc/docker/daemon.json";
const AFTER: &str = "/etc/ufw/after.rules";
const AFTER6: &str = "/etc/ufw/after6.rules";
/// "provision polls", as ufw writes a comment.
const OURS: &str = "comment=70726f766973696f6e20706f6c6c73";

fn rule(path: Path, port: u16, from: Option<&str>) -> Rule {
    let from = from.map(str::to_owned);
    Rule {
        path,
        protocol: Protocol::Tcp,
        port,
        from,
    }
}

/// ufw's rule files with these tuples.
fn tuples(four: &[&str], six: &[&str]) -> Seen {
    let file = |tuples: &[&str]| {
        let lines: Vec<String> = tuples
            .iter()
            .map(|tuple| format!("### tuple ### {tuple}\n"))
            .collect();
        lines.concat()
    };
    Seen::default()
        .file(USER, &file(four))
        .file(USER6, &file(six))
}

#[test]
fn a_rule_for_everybody_is_needed_in_both_families() {
    let rules = Rules::new(
        "provision polls",
        Path::Input,
        vec![rule(Path::Input, 80, None)],
    );
    let four = "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in";
    let six = "allow tcp 80 ::/0 any ::/0 in";
    for (seen, expected) in [
        (tuples(&[four], &[six]), "in sync"),
        (
            tuples(&[four], &[]),
            "differs: 1 missing, 0 no longer needed",
        ),
        (
            tuples(&[], &[six]),
            "differs: 1 missing, 0 no longer needed",
        ),
        (
            tuples(&["deny tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"], &[six]),
            "differs: 1 missing, 0 no longer needed",
        ),
        (
            tuples(&["allow tcp 80 0.0.0.0/0 any 198.51.100.7 in"], &[six]),
            "differs: 1 missing, 0 no longer needed",
        ),
        (
            Seen::default().absent(USER).absent(USER6),
            "unknown until bootstrap",
        ),
        (
            Seen::default(),
            "unreadable: file /etc/ufw/user.rules: was not read on this host",
        ),
        (
            Seen::default().file(USER, ""),
            "unreadable: file /etc/ufw/user6.rules: was not read on this host",
        ),
    ] {
        assert_eq!(state(&rules, &seen), expected);
    }
}

#[test]
fn a_rule_for_one_source_is_needed_in_its_own_family() {
    let rules = |from| {
        let route = rule(Path::Route, 8000, Some(from));
        Rules::new("provision polls", Path::Route, vec![route])
    };
    let four = "route:allow tcp 8000 0.0.0.0/0 any 198.51.100.13 in";
    let six = "route:allow tcp 8000 ::/0 any 2001:db8:0::13 in";
    let seen = tuples(&[four], &[six]);
    assert_eq!(state(&rules("198.51.100.13"), &seen), "in sync");
    assert_eq!(state(&rules("2001:db8::13"), &seen), "in sync");
    assert_eq!(
        diff(&rules("198.51.100.14"), &seen),
        "+ ufw route allow proto tcp from 198.51.100.14 to any port 8000"
    );
    assert_eq!(
        ops(&rules("198.51.100.14"), &seen),
        "ufw route allow proto tcp from 198.51.100.14 to any port 8000: ufw route allow proto tcp \
         from 198.51.100.14 to any port 8000 comment 'provision polls'"
    );
}

#[test]
fn a_rule_of_ours_that_is_not_needed_goes_and_the_operators_own_stay() {
    let stale = format!("route:allow tcp 8000 0.0.0.0/0 any 198.51.100.99 in {OURS}");
    let own = "route:allow tcp 8000 0.0.0.0/0 any 198.51.100.98 in comment=6d696e65";
    let bare = "route:allow tcp 9000 0.0.0.0/0 any 0.0.0.0/0 in";
    let input = format!("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in {OURS}");
    let seen = tuples(&[&stale, own, bare, &input], &[]);
    let routes = Rules::new("provision polls", Path::Route, Vec::new());
    assert_eq!(
        state(&routes, &seen),
        "differs: 0 missing, 1 no longer needed"
    );
    assert_eq!(
        diff(&routes, &seen),
        "- ufw route allow proto tcp from 198.51.100.99 to any port 8000"
    );
    assert_eq!(
        ops(&routes, &seen),
        "take back ufw route allow proto tcp from 198.51.100.99 to any port 8000: ufw --force \
         route delete allow proto tcp from 198.51.100.99 to any port 8000"
    );
    let inputs = Rules::new("provision polls", Path::Input, Vec::new());
    assert_eq!(
        ops(&inputs, &seen),
        "take back ufw allow proto tcp from any to any port 22: ufw --force delete allow proto \
         tcp from any to any port 22"
    );
}

#[test]
fn the_ssh_port_in_use_is_let_in_whatever_it_is() {
    let rules = Rules::new("provision polls", Path::Input, Vec::new()).and_ssh();
    let seen = |text| tuples(&[], &[]).printed(SSH_PORT, &[], 0, text);
    assert_eq!(
        diff(&rules, &seen("2222")),
        "+ ufw allow proto tcp from any to any port 2222"
    );
    assert_eq!(
        diff(&rules, &seen("2222\n22\n2222")),
        "+ ufw allow proto tcp from any to any port 2222\n\
         + ufw allow proto tcp from any to any port 22"
    );
    for unknown in ["", "not a port", "70000", "unknown\n22"] {
        assert_eq!(
            state(&rules, &seen(unknown)),
            format!(
                "unreadable: the SSH port in use: SSH_CONNECTION on the server says {unknown:?}"
            )
        );
        assert_eq!(ops(&rules, &seen(unknown)), "", "nothing is guessed");
    }
    assert_eq!(
        state(&rules, &tuples(&[], &[])),
        "unreadable: a script's output: was not read on this host"
    );
    assert!(rules.guarded());
}

const LOADED: &str = "-A INPUT -j ufw-before-input\n";
const LOADED6: &str = "-A INPUT -j ufw6-before-input\n";
const STRICT: &str = "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nMANAGE_BUILTINS=no\n";

fn ufw(conf: &str, defaults: &str) -> Seen {
    Seen::default()
        .file(CONF, conf)
        .file(DEFAULTS, defaults)
        .rules(Family::V4, Some(LOADED))
        .rules(Family::V6, Some(LOADED6))
}

#[test]
fn ufw_is_on_loaded_in_both_families_and_denies_by_default() {
    let on = "ENABLED=yes\n";
    let not_loaded = "differs: on by its file, but its rules are not loaded";
    for (seen, expected) in [
        (ufw(on, STRICT), "in sync"),
        (ufw("ENABLED=no\n", STRICT), "differs: off"),
        (ufw("", STRICT), "differs: off"),
        (ufw("ENABLED=YES\n", STRICT), "in sync"),
        (
            ufw(on, "IPV6=yes\nDEFAULT_INPUT_POLICY=REJECT\n"),
            "differs: incoming connections are rejected, not dropped",
        ),
        (
            ufw(on, "DEFAULT_INPUT_POLICY=DROP\n"),
            "refused: no IPV6=yes in /etc/default/ufw: ufw would have no rules for IPv6 \
             (set IPV6=yes in /etc/default/ufw)",
        ),
        (
            ufw(on, "IPV6=yes\nDEFAULT_INPUT_POLICY=\"ACCEPT\"\n"),
            "differs: incoming connections are let in by default",
        ),
        (ufw(on, STRICT).rules(Family::V4, Some("")), not_loaded),
        (ufw(on, STRICT).rules(Family::V6, Some("")), not_loaded),
        (ufw(on, STRICT).rules(Family::V6, None), not_loaded),
        (
            ufw(on, "IPV6=no\n"),
            "refused: IPV6=no in /etc/default/ufw: ufw would have no rules for IPv6 \
             (set IPV6=yes in /etc/default/ufw)",
        ),
        (
            ufw(on, "MANAGE_BUILTINS=yes\n"),
            "refused: MANAGE_BUILTINS=yes in /etc/default/ufw: ufw would flush Docker's rules \
             (set MANAGE_BUILTINS=no in /etc/default/ufw)",
        ),
        (
            Seen::default().absent(CONF).absent(DEFAULTS),
            "unknown until bootstrap",
        ),
        (
            Seen::default().file(CONF, on).file(DEFAULTS, STRICT),
            "unreadable: rules V4: was not read on this host",
        ),
        (
            Seen::default().file(DEFAULTS, STRICT),
            "unreadable: file /etc/ufw/ufw.conf: was not read on this host",
        ),
    ] {
        assert_eq!(state(&Enabled, &seen), expected);
    }
}

#[test]
fn ufw_is_turned_on_where_it_is_off_and_loaded_where_it_is_on() {
    let deny = "deny incoming connections by default: ufw default deny incoming";
    assert_eq!(
        ops(&Enabled, &ufw("ENABLED=no\n", STRICT)),
        format!("{deny}\nturn ufw on: ufw --force enable")
    );
    assert_eq!(
        ops(&Enabled, &ufw("ENABLED=yes\n", STRICT)),
        format!("{deny}\nload ufw's rules: ufw reload")
    );
}

fn networks(subnets: &[&str]) -> Docker {
    let network = |subnet: &&str| Network {
        name: "n".to_owned(),
        driver: "bridge".to_owned(),
        ipam: Ipam {
            config: Some(vec![Subnet {
                subnet: (*subnet).to_owned(),
            }]),
        },
    };
    let host = Network {
        name: "host".to_owned(),
        driver: "host".to_owned(),
        ipam: Ipam { config: None },
    };
    Docker {
        networks: subnets.iter().map(network).chain([host]).collect(),
        ..Docker::default()
    }
}

fn docker(subnets: &[&str], daemon: Option<&str>) -> Seen {
    let seen = Seen::default()
        .docker(Some(networks(subnets)))
        .file(AFTER, "*filter\nCOMMIT\n")
        .file(AFTER6, "*filter\nCOMMIT\n");
    match daemon {
        Some(text) => seen.file(DAEMON, text),
        None => seen.absent(DAEMON),
    }
}

/// The subnets that a block lets out, one after the other.
fn sources(family: Family, seen: &Seen) -> String {
    let found: Vec<String> = diff(&Block(family), seen)
        .lines()
        .filter_map(|line| line.strip_prefix("+ -A DOCKER-USER -s "))
        .map(|rest| rest.trim_end_matches(" -j RETURN").to_owned())
        .collect();
    found.join(" ")
}

#[test]
fn the_block_is_for_dockers_pools_and_its_networks() {
    let pool = r#"{"default-address-pools":[{"base":"172.30.0.0/16","size":24}]}"#;
    for (subnets, daemon, four, six) in [
        (&[][..], Some(pool), "172.30.0.0/16", ""),
        (&["172.17.0.0/16"], None, "172.17.0.0/16", ""),
        // What lies in the pool needs no rule of its own.
        (
            &["172.30.4.0/24", "172.17.0.0/16"],
            Some(pool),
            "172.17.0.0/16 172.30.0.0/16",
            "",
        ),
        (
            &["10.0.0.0/24", "10.0.0.0/24", "10.0.0.0/23"],
            None,
            "10.0.0.0/23",
            "",
        ),
        // Docker may write a subnet by one of its hosts.
        (&["10.9.8.7/16"], None, "10.9.0.0/16", ""),
        (
            &["172.17.0.0/16", "fd00:1::/64"],
            Some(pool),
            "172.17.0.0/16 172.30.0.0/16",
            "fd00:1::/64",
        ),
        (&[], Some("{}"), "", ""),
    ] {
        let seen = docker(subnets, daemon);
        assert_eq!(sources(Family::V4, &seen), four, "{subnets:?}");
        assert_eq!(sources(Family::V6, &seen), six, "{subnets:?}");
    }
}

#[test]
fn the_block_is_put_once_tested_before_use_and_then_in_sync() {
    let block = Block(Family::V4);
    let seen = docker(&["172.17.0.0/16"], None);
    assert_eq!(state(&block, &seen), "differs: missing");
    let put = block.converge(&seen.0);
    let [keep, op] = put.as_slice() else {
        panic!("{put:?}")
    };
    let Action::Put {
        path: kept,
        mode: 0o600,
        ..
    } = &keep.action
    else {
        panic!("{keep:?}")
    };
    assert_eq!(kept, "/var/lib/provision/ufw/after.rules.replaced");
    let Action::Put {
        path,
        content: Content::Text(text),
        // As it was.
        mode: 0o644,
        check: Some(check),
        ..
    } = &op.action
    else {
        panic!("{op:?}")
    };
    assert_eq!(path, AFTER);
    assert!(check.shown().ends_with(" iptables-restore"), "{check:?}");
    assert!(text.starts_with("*filter\nCOMMIT\n"), "{text}");
    assert_eq!(state(&block, &seen.clone().file(AFTER, text)), "in sync");
    let edited = text.replace("-j DROP", "-j ACCEPT");
    let edited = seen.clone().file(AFTER, &edited);
    assert_eq!(state(&block, &edited), "differs: differs");
    let again = block.converge(&edited.0);
    assert_eq!(again.len(), 1, "what ours had replaced is still known");
    let six = Block(Family::V6).converge(&seen.0);
    let Action::Put {
        check: Some(check), ..
    } = &six[1].action
    else {
        panic!("{six:?}")
    };
    assert!(check.shown().ends_with(" ip6tables-restore"), "{check:?}");
}

#[test]
fn the_block_waits_for_docker_and_an_unreadable_fact_is_an_error() {
    let block = Block(Family::V4);
    let unread = "was not read on this host";
    for (seen, expected) in [
        (
            docker(&[], None).docker(None),
            "unknown until docker".to_owned(),
        ),
        (
            docker(&[], None).absent(AFTER),
            "unknown until docker".to_owned(),
        ),
        (
            Seen::default().file(AFTER, ""),
            format!("unreadable: docker: {unread}"),
        ),
        (
            Seen::default()
                .docker(Some(Docker::default()))
                .file(AFTER, ""),
            format!("unreadable: file {DAEMON}: {unread}"),
        ),
        (
            docker(&["nonsense"], None),
            "unreadable: Docker's networks: \"nonsense\" is not a network".to_owned(),
        ),
    ] {
        assert_eq!(state(&block, &seen), expected);
    }
    assert!(
        state(&block, &docker(&[], Some("{")))
            .starts_with("unreadable: file /etc/docker/daemon.json: "),
    );
}

const JUMP: &str = "-A FORWARD -j DOCKER-USER";

/// The rules that the block itself would load, as iptables-save prints them.
fn loaded(family: Family, seen: &Seen) -> String {
    let ops = Block(family).converge(&seen.0);
    let Some(Action::Put {
        content: Content::Text(text),
        ..
    }) = ops.last().map(|op| &op.action)
    else {
        panic!("{ops:?}")
    };
    let rules: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("-A "))
        .collect();
    format!("{JUMP}\n{}\n", rules.join("\n"))
}

fn live() -> (Live, Seen, String) {
    let routes = vec![rule(Path::Route, 8000, Some("198.51.100.13"))];
    let seen = docker(&["172.17.0.0/16"], None);
    let route = "-A ufw-user-forward -s 198.51.100.13/32 -p tcp -m tcp --dport 8000 -j ACCEPT";
    let four = format!("{}{route}\n", loaded(Family::V4, &seen));
    let six = loaded(Family::V6, &seen);
    let seen = seen
        .rules(Family::V4, Some(&four))
        .rules(Family::V6, Some(&six));
    (Live { routes }, seen, four)
}

#[test]
fn what_the_kernel_has_is_compared_rule_by_rule_and_in_order() {
    let (live, seen, four) = live();
    assert_eq!(state(&live, &seen), "in sync");
    let with = |rules: &str| seen.clone().rules(Family::V4, Some(rules));
    let without = |line: &str| {
        assert!(four.contains(line), "{four}");
        with(&four.replace(&format!("{line}\n"), ""))
    };
    let drop = "-A ufw-docker-logging-deny -j DROP";
    assert_eq!(diff(&live, &without(drop)), format!("+ {drop}"));
    let route = "-A ufw-user-forward -s 198.51.100.13/32 -p tcp -m tcp --dport 8000 -j ACCEPT";
    assert_eq!(diff(&live, &without(route)), format!("+ {route}"));
    // A rule of somebody else in front lets everything through, though none of ours is lost.
    let opened = four.replacen(
        "-A DOCKER-USER",
        "-A DOCKER-USER -j ACCEPT\n-A DOCKER-USER",
        1,
    );
    assert_eq!(
        diff(&live, &with(&opened)),
        "+ chain DOCKER-USER in its order"
    );
    let mut swapped: Vec<&str> = four.lines().collect();
    swapped.swap(1, 2);
    assert_eq!(
        diff(&live, &with(&swapped.join("\n"))),
        "+ chain DOCKER-USER in its order"
    );
    assert_eq!(
        state(&live, &seen.clone().rules(Family::V6, Some(""))),
        "differs: 7 not loaded in the kernel",
    );
    assert_eq!(ops(&live, &without(drop)), "load ufw's rules: ufw reload");
}

#[test]
fn a_lost_jump_from_forward_is_put_back_by_docker_itself() {
    let (live, seen, four) = live();
    let seen = seen.rules(Family::V4, Some(&four.replace(&format!("{JUMP}\n"), "")));
    assert_eq!(diff(&live, &seen), format!("+ {JUMP}"));
    assert_eq!(
        ops(&live, &seen),
        "load ufw's rules: ufw reload\nlet Docker put its jumps back: systemctl restart docker"
    );
}

#[test]
fn the_jump_is_needed_over_ipv6_where_docker_keeps_rules_there_and_comes_first() {
    let (live, seen, four) = live();
    let six = loaded(Family::V6, &seen);
    let bare = six.replace(&format!("{JUMP}\n"), "");
    let with = |rules: &str| seen.clone().rules(Family::V6, Some(rules));
    assert_eq!(
        state(&live, &with(&bare)),
        "in sync",
        "Docker leaves it alone"
    );
    let managed = format!("-A FORWARD -o docker0 -j DOCKER\n{bare}");
    assert_eq!(diff(&live, &with(&managed)), format!("+ {JUMP}"));
    assert_eq!(
        ops(&live, &with(&managed)),
        "load ufw's rules: ufw reload\n\
         put the jump to DOCKER-USER first: ip6tables -w -I FORWARD -j DOCKER-USER"
    );
    let jump_first = format!("{six}-A FORWARD -o docker0 -j DOCKER\n");
    assert_eq!(state(&live, &with(&jump_first)), "in sync");
    // A packet that another rule of Docker's lets through never comes to ours.
    let late = format!("-A FORWARD -o docker0 -j DOCKER\n{four}");
    let late = seen.clone().rules(Family::V4, Some(&late));
    assert_eq!(
        diff(&live, &late),
        format!("+ {JUMP} (before Docker's other rules)")
    );
    assert_eq!(
        ops(&live, &late),
        "load ufw's rules: ufw reload\n\
         put the jump to DOCKER-USER first: iptables -w -D FORWARD -j DOCKER-USER\n\
         put the jump to DOCKER-USER first: iptables -w -I FORWARD -j DOCKER-USER"
    );
    // This one only drops.
    let isolated = format!("-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n{four}");
    assert_eq!(
        state(&live, &seen.rules(Family::V4, Some(&isolated))),
        "in sync"
    );
}

#[test]
fn a_network_that_is_not_dockers_own_is_neither_trusted_nor_guarded() {
    let mut networks = networks(&["172.17.0.0/16", "10.20.0.0/24", "10.30.0.0/24"]);
    networks.networks[1].driver = "macvlan".to_owned();
    networks.networks[2].driver = "ipvlan".to_owned();
    let seen = docker(&[], None).docker(Some(networks));
    assert_eq!(sources(Family::V4, &seen), "172.17.0.0/16");
}

#[test]
fn a_file_in_which_the_block_can_t_be_told_is_left_alone() {
    let seen = docker(&[], None).file(AFTER, "# BEGIN UFW AND DOCKER\n*filter\n");
    assert_eq!(
        state(&Block(Family::V4), &seen),
        "refused: line 1 of /etc/ufw/after.rules begins a block \"UFW AND DOCKER\" that never \
         ends (put a line \"# END UFW AND DOCKER\" below the block's COMMIT)"
    );
    assert_eq!(ops(&Block(Family::V4), &seen), "");
    assert_eq!(state(&Block(Family::V6), &seen), "differs: missing");
}

#[test]
fn live_rules_wait_for_docker_and_an_unreadable_fact_is_an_error() {
    let (live, seen, _) = live();
    assert_eq!(
        state(&live, &seen.clone().docker(None)),
        "unknown until docker"
    );
    assert_eq!(
        state(&live, &seen.rules(Family::V4, None)),
        "unknown until docker"
    );
    assert_eq!(
        state(&live, &docker(&[], None)),
        "unreadable: rules V4: was not read on this host"
    );
    assert_eq!(
        state(&live, &Seen::default()),
        "unreadable: docker: was not read on this host"
    );
}

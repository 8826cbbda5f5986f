//! What rules of ufw's say of connections, by table.

use super::*;

const ON: &str = "ENABLED=yes\n";
const DEFAULTS: &str = "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\n";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn policy(tuples: &[&str]) -> Policy {
    let text: String = tuples
        .iter()
        .map(|tuple| format!("### tuple ### {tuple}\n-A whatever\n\n"))
        .collect();
    let (four, six) = if text.contains("::") {
        ("", text.as_str())
    } else {
        (text.as_str(), "")
    };
    Policy::parse(ON, DEFAULTS, four, six)
}

fn to(port: u16) -> Connection {
    Connection {
        from: Some(ip("203.0.113.9")),
        to: Some(ip("198.51.100.11")),
        port,
        interface: Some("eth0".to_owned()),
        six: false,
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_else_the_default() {
    let table: &[(&[&str], u16, Fate)] = &[
        (&[], 80, Fate::Denied),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"],
            81,
            Fate::Denied,
        ),
        (
            &["allow any 80 0.0.0.0/0 any 0.0.0.0/0 in"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow udp 80 0.0.0.0/0 any 0.0.0.0/0 in"],
            80,
            Fate::Denied,
        ),
        (
            &["limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"],
            22,
            Fate::Allowed,
        ),
        (
            &["reject tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"],
            22,
            Fate::Denied,
        ),
        (
            &["allow_log tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"],
            22,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 in"],
            443,
            Fate::Allowed,
        ),
        (
            &["allow tcp 6000:6007,9 0.0.0.0/0 any 0.0.0.0/0 in"],
            6003,
            Fate::Allowed,
        ),
        (
            &["allow tcp 6000:6007,9 0.0.0.0/0 any 0.0.0.0/0 in"],
            6008,
            Fate::Denied,
        ),
        (
            &[
                "deny tcp 80 0.0.0.0/0 any 203.0.113.0/24 in",
                "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            ],
            80,
            Fate::Denied,
        ),
        (
            &[
                "deny tcp 80 0.0.0.0/0 any 203.0.112.0/24 in",
                "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            ],
            80,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 203.0.113.9 in"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow any any 0.0.0.0/0 any 203.0.0.0/255.255.0.0 in"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 198.51.100.12 any 0.0.0.0/0 in"],
            80,
            Fate::Denied,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in_eth0"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in_eth+"],
            80,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in_wg0"],
            80,
            Fate::Denied,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 out"],
            80,
            Fate::Denied,
        ),
        (
            &["allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20Full - in"],
            443,
            Fate::Allowed,
        ),
        (
            &["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment=6120"],
            80,
            Fate::Allowed,
        ),
        (
            &["route:allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"],
            80,
            Fate::Denied,
        ),
    ];
    for (tuples, port, fate) in table {
        assert_eq!(
            policy(tuples).input(&to(*port)).0,
            *fate,
            "{tuples:?} {port}"
        );
    }
}

#[test]
fn a_container_is_let_in_by_a_route_rule_alone() {
    let rules = ["route:allow tcp 8000 0.0.0.0/0 any 203.0.113.9 in"];
    let (fate, cause) = policy(&rules).route(&to(8000));
    assert_eq!(fate, Fate::Allowed);
    assert_eq!(
        cause,
        Cause::Rule("route allow from 203.0.113.9 port 8000/tcp".into())
    );
    let input = policy(&["allow tcp 8000 0.0.0.0/0 any 0.0.0.0/0 in"]);
    assert_eq!(input.route(&to(8000)), (Fate::Denied, Cause::Default));
    let mut open = policy(&[]);
    open.open = true;
    assert_eq!(open.route(&to(8000)).0, Fate::Denied, "no default lets in");
    assert_eq!(open.input(&to(8000)).0, Fate::Allowed);
}

#[test]
fn what_is_not_known_decides_nothing_unless_it_makes_no_difference() {
    let narrow = policy(&["allow tcp 80 0.0.0.0/0 any 10.0.0.0/8 in"]);
    let unknown = |port| Connection {
        from: None,
        interface: None,
        ..to(port)
    };
    assert_eq!(narrow.input(&unknown(80)).0, Fate::Unknown);
    assert_eq!(narrow.input(&unknown(81)).0, Fate::Denied);
    let both = policy(&[
        "allow tcp 80 0.0.0.0/0 any 10.0.0.0/8 in",
        "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
    ]);
    assert_eq!(both.input(&unknown(80)).0, Fate::Allowed);
    let container = policy(&["route:allow tcp 80 172.18.0.2 any 0.0.0.0/0 in"]);
    let elsewhere = Connection { to: None, ..to(80) };
    assert_eq!(container.route(&elsewhere).0, Fate::Unknown);
    let out = policy(&["route:allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in_eth0!out_docker0"]);
    assert_eq!(out.route(&to(80)).0, Fate::Unknown);
}

#[test]
fn a_rule_that_is_not_understood_is_not_one_that_is_not_there() {
    for tuple in [
        "forbid tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
        "allow tcp http 0.0.0.0/0 any 0.0.0.0/0 in",
        "allow tcp 80 somewhere any 0.0.0.0/0 in",
        "allow tcp 80 0.0.0.0/0 any",
    ] {
        assert_eq!(policy(&[tuple]).input(&to(80)).0, Fate::Unknown, "{tuple}");
    }
}

#[test]
fn each_family_has_its_own_rules_and_ipv6_may_be_off() {
    let six = Connection {
        from: Some(ip("2001:db8::9")),
        to: Some(ip("2001:db8::11")),
        six: true,
        ..to(80)
    };
    let tuple = "### tuple ### allow tcp 80 ::/0 any ::/0 in\n";
    let both = Policy::parse(ON, DEFAULTS, "", tuple);
    assert_eq!(both.input(&six).0, Fate::Allowed);
    assert_eq!(both.input(&to(80)).0, Fate::Denied);
    let off = "IPV6=no\nDEFAULT_INPUT_POLICY=\"ACCEPT\"\n";
    let off = Policy::parse(ON, off, "", tuple);
    assert_eq!(off.input(&six).0, Fate::Denied);
    assert_eq!(off.input(&to(80)).0, Fate::Allowed, "the default of IPv4");
}

#[test]
fn ufw_is_off_unless_it_says_that_it_is_on() {
    assert!(policy(&[]).enabled);
    assert!(!Policy::parse("ENABLED=no\n", DEFAULTS, "", "").enabled);
    assert!(!Policy::parse("# ENABLED=yes\n", DEFAULTS, "", "").enabled);
}

#[test]
fn a_setting_that_ufw_loads_no_rules_under_protects_nothing() {
    let on = |conf| Policy::parse(conf, DEFAULTS, "", "").enabled;
    assert!(on("ENABLED=YES\n") && !on("ENABLED=Yes\n"));
    let open = |defaults| Policy::parse(ON, defaults, "", "").open;
    assert!(open("IPV6=yes\n") && open("DEFAULT_INPUT_POLICY=drop\n"));
    assert!(!open("DEFAULT_INPUT_POLICY=REJECT\n"));
}

#[test]
fn the_decider_is_the_first_rule_that_is_sure_to_speak_of_a_connection() {
    let rules = policy(&[
        "deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 out",
        "deny tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_eth1",
        "deny tcp 22 0.0.0.0/0 1024:65535 0.0.0.0/0 in",
        "limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
        "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
    ]);
    let unsure = Connection {
        interface: None,
        ..to(22)
    };
    let told = |connection| rules.decider(connection).map(Tuple::told);
    assert_eq!(told(&unsure).as_deref(), Some("limit port 22/tcp"));
    let near = Connection {
        interface: Some("eth1".to_owned()),
        ..to(22)
    };
    assert_eq!(told(&near).as_deref(), Some("deny in on eth1 port 22/tcp"));
    assert_eq!(told(&to(80)), None);
    assert_eq!(rules.input(&unsure).0, Fate::Unknown);
}

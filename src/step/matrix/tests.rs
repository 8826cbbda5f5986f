//! Which claims follow from a site and from what its hosts say.

use std::path::Path;

use super::*;
use crate::site;

const SITE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.app1]
address = "198.51.100.11"
role = "app"
[hosts.app2]
address = "198.51.100.12"
ipv6 = "2001:db8::12"
role = "app"
[hosts.proxy]
address = "198.51.100.13"
role = "proxy"
[app]
source = { image = "registry.example/polls:1" }
health = "/polls/"
[tls]
email = "ops@example.com"
[firewall]
allow = [{ port = 9100, from = ["203.0.113.0/24", "2001:db8:7::/64"], on = "app" }]
"#;

fn site(text: &str) -> Site {
    let file = Path::new("/nowhere/site.toml");
    let value = |name: &str| name.ends_with("_PASSWORD").then(|| "a".into());
    site::parse(text, file, value).unwrap_or_else(|error| panic!("{error}"))
}

fn from(name: &str, addresses: &[&str]) -> Vantage {
    Vantage {
        name: name.to_owned(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    }
}

/// What app1 says, with these lines beside the usual ones.
fn app1(more: &str) -> BTreeMap<String, Sight> {
    let printed = format!(
        "peer 192.0.2.7\nssh 198.51.100.11 22\naddress eth0 198.51.100.11/24\n\
         address docker0 172.17.0.1/16\nlistens 0.0.0.0:22\nlistens 127.0.0.1:6379\n{more}"
    );
    BTreeMap::from([("app1".to_owned(), Sight::parse(&printed))])
}

fn docker(ports: &[(&str, u16)]) -> String {
    let ports: Vec<String> = ports
        .iter()
        .map(|(ip, port)| {
            format!("{{\"IP\":\"{ip}\",\"PrivatePort\":1,\"PublicPort\":{port},\"Type\":\"tcp\"}}")
        })
        .collect();
    format!(
        "docker [{{\"Names\":[\"/a\"],\"Ports\":[{}]}}]\n",
        ports.join(",")
    )
}

/// The claims of one host's address from one vantage: "22 open", "80 blocked".
fn claims(checks: &[Check], host: &str, from: &str, address: &str) -> Vec<String> {
    let own = checks.iter().filter(|check| {
        check.host == host && check.from == from && check.address.as_deref() == Some(address)
    });
    own.map(|check| {
        let subject = check.claim.subject();
        let port = subject.trim_end_matches("/tcp");
        format!("{port} {}", check.claim.expected())
    })
    .collect()
}

#[test]
fn the_app_s_port_is_the_proxy_s_alone() {
    let site = site(SITE);
    let checks = cells(
        &site,
        &app1(&docker(&[("0.0.0.0", 80)])),
        &[from("here", &[])],
    );
    for who in ["here", "app2"] {
        let claims = claims(&checks, "app1", who, "198.51.100.11");
        assert_eq!(claims[0..2], ["22 open", "80 blocked"], "{who}");
        assert!(claims.contains(&"5432 closed".to_owned()), "{claims:?}");
    }
    let claims = claims(&checks, "app1", "proxy", "198.51.100.11");
    assert!(
        claims.contains(&"/polls/ 200 /polls/".to_owned()),
        "{claims:?}"
    );
}

#[test]
fn the_proxy_shows_the_web_to_everybody_and_nothing_else() {
    let checks = cells(&site(SITE), &BTreeMap::new(), &[from("here", &[])]);
    let seen = claims(&checks, "proxy", "app1", "198.51.100.13");
    assert_eq!(
        seen,
        [
            "22 open",
            "80 open",
            "443 open",
            "5432 closed",
            "6379 closed"
        ]
    );
    // From here the page itself is asked for.
    let seen = claims(&checks, "proxy", "here", "198.51.100.13");
    assert_eq!(seen, ["22 open", "80 open", "5432 closed", "6379 closed"]);
}

#[test]
fn what_listens_without_having_been_asked_for_must_be_blocked() {
    let more = format!(
        "listens *:8125\n{}",
        docker(&[("0.0.0.0", 5432), ("127.0.0.1", 6379)])
    );
    let checks = cells(&site(SITE), &app1(&more), &[from("here", &[])]);
    for who in ["here", "app2", "proxy"] {
        let claims = claims(&checks, "app1", who, "198.51.100.11");
        for port in ["5432 blocked", "8125 blocked", "6379 closed"] {
            assert!(claims.contains(&port.to_owned()), "{who}: {claims:?}");
        }
    }
}

#[test]
fn an_allowed_port_is_open_to_its_sources_alone() {
    let more = "listens 0.0.0.0:9100\nlistens [::]:9100\naddress eth0 2001:db8::11/64\n";
    let outside = [
        from("here", &["192.0.2.7"]),
        from("office", &["203.0.113.9", "2001:db8:7::1"]),
    ];
    let checks = cells(&site(SITE), &app1(more), &outside);
    let of = |who: &str, address: &str| {
        let claims = claims(&checks, "app1", who, address);
        let mut own = claims.into_iter().filter(|claim| claim.starts_with("9100"));
        own.next().unwrap_or_default()
    };
    assert_eq!(of("here", "198.51.100.11"), "9100 blocked");
    assert_eq!(of("app2", "198.51.100.11"), "9100 blocked");
    assert_eq!(of("office", "198.51.100.11"), "9100 open");
    assert_eq!(of("office", "2001:db8::11"), "9100 open");
    // Nobody has said under which IPv6 address we come, so there is no way to tell, and none there.
    assert_eq!(of("here", "2001:db8::11"), "");
    let known = cells(&site(SITE), &BTreeMap::new(), &outside);
    let app2 = claims(&known, "app2", "here", "2001:db8::12");
    assert!(
        app2.contains(&"9100 open or blocked".to_owned()),
        "{app2:?}"
    );
}

#[test]
fn a_container_s_port_does_not_follow_the_rules_of_the_host_s_own() {
    let more = docker(&[("0.0.0.0", 9100)]);
    let outside = [
        from("office", &["203.0.113.9"]),
        from("here", &["192.0.2.7"]),
    ];
    let checks = cells(&site(SITE), &app1(&more), &outside);
    let office = claims(&checks, "app1", "office", "198.51.100.11");
    assert!(office.contains(&"9100 blocked".to_owned()), "{office:?}");
    let here = claims(&checks, "app1", "here", "198.51.100.11");
    assert!(here.contains(&"9100 blocked".to_owned()), "{here:?}");
}

#[test]
fn whoever_is_let_in_to_the_container_may_come_by_the_port_it_is_published_on() {
    let text = SITE.replace("port = 9100", "to = \"container\", port = 8000");
    let outside = [
        from("office", &["203.0.113.9"]),
        from("here", &["192.0.2.7"]),
    ];
    let checks = cells(&site(&text), &app1(&docker(&[("0.0.0.0", 80)])), &outside);
    let office = claims(&checks, "app1", "office", "198.51.100.11");
    assert!(office.contains(&"80 open".to_owned()), "{office:?}");
    let here = claims(&checks, "app1", "here", "198.51.100.11");
    assert!(here.contains(&"80 blocked".to_owned()), "{here:?}");
}

#[test]
fn addresses_that_site_toml_does_not_name_are_tried_by_those_who_have_a_way() {
    let mut sights = app1("address eth1 10.20.0.11/24\naddress eth0 2001:db8::11/64\n");
    let neighbour = "ssh 198.51.100.12 22\naddress eth1 10.20.0.12/24\nlistens 0.0.0.0:22\n";
    sights.insert("app2".to_owned(), Sight::parse(neighbour));
    sights.insert(
        "proxy".to_owned(),
        Sight::parse("address eth1 10.99.0.13/24\n"),
    );
    let checks = cells(&site(SITE), &sights, &[from("here", &["192.0.2.7"])]);
    let tried = |who: &str| {
        let of = checks.iter().filter(|c| c.host == "app1" && c.from == who);
        let mut all: Vec<&str> = of.filter_map(|check| check.address.as_deref()).collect();
        all.dedup();
        all
    };
    assert_eq!(tried("here"), ["198.51.100.11"]);
    assert_eq!(
        tried("app2"),
        ["198.51.100.11", "10.20.0.11", "2001:db8::11"]
    );
    assert_eq!(tried("proxy"), ["198.51.100.11"], "on another network");
    // A private network that nobody shares is looked at by nobody.
    assert!(
        checks
            .iter()
            .all(|c| c.address.as_deref() != Some("10.99.0.13"))
    );
}

#[test]
fn an_app_on_a_private_network_is_published_there_alone() {
    let text = SITE
        .replace(
            "address = \"198.51.100.11\"",
            "address = \"198.51.100.11\"\nprivate = \"10.20.0.11\"",
        )
        .replace(
            "address = \"198.51.100.13\"",
            "address = \"198.51.100.13\"\nprivate = \"10.20.0.13\"",
        );
    let checks = cells(&site(&text), &BTreeMap::new(), &[from("here", &[])]);
    let here = claims(&checks, "app1", "here", "198.51.100.11");
    assert!(here.contains(&"80 closed".to_owned()), "{here:?}");
    let proxy = claims(&checks, "app1", "proxy", "10.20.0.11");
    assert!(
        proxy.contains(&"/polls/ 200 /polls/".to_owned()),
        "{proxy:?}"
    );
    assert!(claims(&checks, "app1", "here", "10.20.0.11").is_empty());
}

#[test]
fn behind_a_bastion_ssh_need_not_answer_to_the_world() {
    let text = SITE.replace("[hosts.app1]\n", "[hosts.app1]\njump = [\"proxy\"]\n");
    let checks = cells(&site(&text), &BTreeMap::new(), &[from("here", &[])]);
    let here = claims(&checks, "app1", "here", "198.51.100.11");
    assert!(
        !here.iter().any(|claim| claim.starts_with("22 ")),
        "{here:?}"
    );
    let proxy = claims(&checks, "app1", "proxy", "198.51.100.11");
    assert!(proxy.contains(&"22 open".to_owned()), "{proxy:?}");
}

#[test]
fn every_host_has_something_to_prove_before_any_was_looked_at() {
    let site = site(SITE);
    let checks = crate::step::checks(&site);
    for host in site.hosts.keys() {
        assert!(
            checks.iter().any(|check| check.host == host.as_str()),
            "{host}"
        );
    }
}

/// A site whose app and proxy are one host, with a database on another.
const ALONE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.web]
address = "198.51.100.11"
private = "10.20.0.11"
roles = ["app", "proxy"]
[hosts.data]
address = "198.51.100.12"
private = "10.20.0.12"
role = "db"
[hosts.cache]
address = "198.51.100.13"
private = "10.20.0.13"
role = "cache"
[app]
source = { image = "registry.example/polls:1" }
publish = 8080
secrets = ["POSTGRES_PASSWORD", "REDIS_PASSWORD"]
[postgres]
version = 17
[redis]
version = 8
[tls]
email = "ops@example.com"
"#;

#[test]
fn an_app_beside_its_proxy_is_published_nowhere() {
    let checks = cells(&site(ALONE), &BTreeMap::new(), &[from("here", &[])]);
    assert!(checks.iter().all(|check| check.from != check.host));
    let here = claims(&checks, "web", "here", "198.51.100.11");
    assert!(
        !here.iter().any(|claim| claim.starts_with("8080")),
        "{here:?}"
    );
    assert!(here.contains(&"80 open".to_owned()), "{here:?}");
}

#[test]
fn a_database_of_its_own_host_answers_to_the_app_alone() {
    let printed = "ssh 198.51.100.12 22\naddress eth0 198.51.100.12/24\n\
                   address eth1 10.20.0.12/24\nlistens 10.20.0.12:5432\nlistens 0.0.0.0:22\n\
                   docker [{\"Names\":[\"/a\"],\"Ports\":[{\"IP\":\"10.20.0.12\",\
                   \"PrivatePort\":5432,\"PublicPort\":5432,\"Type\":\"tcp\"}]}]\n";
    let sights = BTreeMap::from([("data".to_owned(), Sight::parse(printed))]);
    let checks = cells(&site(ALONE), &sights, &[from("here", &["192.0.2.7"])]);
    let of = |who: &str, address: &str| {
        let all = claims(&checks, "data", who, address).into_iter();
        all.filter(|claim| claim.starts_with("5432"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("web", "10.20.0.12"), ["5432 open"]);
    assert_eq!(of("cache", "10.20.0.12"), ["5432 blocked"]);
    assert_eq!(of("here", "198.51.100.12"), ["5432 closed"]);
    assert_eq!(of("web", "198.51.100.12"), ["5432 closed"]);
}

#[test]
fn an_app_that_speaks_uwsgi_is_asked_for_no_page() {
    let text = SITE.replace(
        "health = \"/polls/\"",
        "health = \"/polls/\"\nserver = \"uwsgi\"\nwsgi = \"mysite.wsgi\"",
    );
    let checks = cells(&site(&text), &BTreeMap::new(), &[from("here", &[])]);
    let proxy = claims(&checks, "app1", "proxy", "198.51.100.11");
    assert!(proxy.contains(&"80 open".to_owned()), "{proxy:?}");
}

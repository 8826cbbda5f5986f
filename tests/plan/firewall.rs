//! Whom the firewall lets in, by what site.toml says of hosts and further ports.

use provision::resource::fact::File;
use provision::resource::{Action, Observed};

use crate::{SCALED, whole};

/// The rules that are added on a host whose ufw has none, without those for SSH.
fn rules(site: &str, host: &str) -> Vec<String> {
    let mut seen = Observed::default();
    for path in ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"] {
        let empty = File {
            kind: "regular file".to_owned(),
            mode: 0o640,
            owner: "root:root".to_owned(),
            modified: 0,
            sha256: None,
            content: Some(Vec::new()),
        };
        seen.files.insert(path.to_owned(), Some(empty));
    }
    let plan = whole(site);
    let host = plan.hosts.iter().find(|h| h.host.name.as_str() == host);
    let step = host.unwrap().steps.iter().find(|s| s.name == "firewall");
    let mut told = Vec::new();
    for resource in &step.unwrap().resources {
        let ssh = provision::resource::fact::Printed {
            status: 0,
            text: "22".to_owned(),
        };
        let facts = resource.facts().into_iter();
        seen.printed.extend(facts.filter_map(|fact| match fact {
            provision::resource::Fact::Sh(script, args) => Some(((script, args), ssh.clone())),
            _ => None,
        }));
        if !resource.id().starts_with("ufw ") {
            continue;
        }
        let ops = resource.converge(&seen);
        told.extend(ops.iter().filter_map(|op| match op.action {
            Action::Run { .. } => op.what.strip_prefix("ufw ").map(str::to_owned),
            Action::Put { .. } | Action::Look(_) => None,
        }));
    }
    told.retain(|rule| !rule.ends_with(" port 22"));
    let short = |rule: &String| {
        rule.replace(" proto tcp", "")
            .replace(" to any port", " to")
    };
    told.iter().map(short).collect()
}

#[test]
fn an_app_server_lets_the_proxy_through_by_every_address_it_may_come_from() {
    assert_eq!(
        rules(SCALED, "app1"),
        ["route allow from 198.51.100.10 to 8000"]
    );
    let proxy = "address = \"198.51.100.10\"\n";
    let many = format!("{proxy}ipv6 = \"2001:db8::10\"\nprivate = \"10.20.0.10\"\n");
    let site = SCALED.replace(proxy, &many);
    assert_eq!(
        rules(&site, "app1"),
        [
            // Over IPv6 Docker's proxy program answers, at the published port.
            "allow from 2001:db8::10 to 80",
            "route allow from 198.51.100.10 to 8000",
            "route allow from 2001:db8::10 to 8000",
            "route allow from 10.20.0.10 to 8000",
        ]
    );
    // The way it takes first; and nothing over IPv6, where the app isn't published then.
    let app = "address = \"198.51.100.11\"\n";
    let private = site.replace(app, &format!("{app}private = \"10.20.0.11\"\n"));
    assert_eq!(
        rules(&private, "app1"),
        [
            "route allow from 10.20.0.10 to 8000",
            "route allow from 198.51.100.10 to 8000",
            "route allow from 2001:db8::10 to 8000",
        ]
    );
    let told = "[firewall]\nproxy_addresses = [\"203.0.113.9\", \"2001:db8:9::9\"]\n";
    assert_eq!(
        rules(&format!("{site}{told}"), "app1"),
        [
            "allow from 2001:db8:9::9 to 80",
            "route allow from 203.0.113.9 to 8000",
            "route allow from 2001:db8:9::9 to 8000",
        ],
        "behind NAT it has no other"
    );
}

#[test]
fn further_ports_lead_to_the_host_or_to_a_container() {
    let allow = r#"[firewall]
allow = [
  { port = 9100, from = ["198.51.100.7", "2001:db8:7::/64"] },
  { port = 5555, to = "container", from = ["203.0.113.0/24"], on = "app" },
  { port = 8000, to = "container", from = ["198.51.100.10"], on = "app" },
  { port = 8025, to = "container", on = "proxy" },
  { port = 8080, to = "host", on = "proxy" },
]
"#;
    let site = format!("{SCALED}{allow}");
    assert_eq!(
        rules(&site, "app2"),
        [
            "allow from 198.51.100.7 to 9100",
            "allow from 2001:db8:7::/64 to 9100",
            // Named twice, and needed once.
            "route allow from 198.51.100.10 to 8000",
            "route allow from 203.0.113.0/24 to 5555",
        ]
    );
    assert_eq!(
        rules(&site, "proxy"),
        [
            "allow from any to 80",
            "allow from any to 443",
            "allow from 198.51.100.7 to 9100",
            "allow from 2001:db8:7::/64 to 9100",
            "allow from any to 8080",
            "route allow from any to 80",
            "route allow from any to 443",
            "route allow from any to 8025",
        ]
    );
}

#[test]
fn the_proxy_is_open_where_nginx_serves() {
    let http3 = format!("{SCALED}[proxy]\nhttp3 = true\n");
    let off = SCALED.replace("email = \"ops@example.com\"\n", "mode = \"off\"\n");
    // `rules` leaves TCP out of the words.
    for (site, ports) in [
        (
            SCALED,
            vec!["allow from any to 80", "allow from any to 443"],
        ),
        (
            &http3,
            vec![
                "allow from any to 80",
                "allow from any to 443",
                "allow proto udp from any to 443",
            ],
        ),
        (&off, vec!["allow from any to 80"]),
    ] {
        let routes = ports.iter().map(|rule| format!("route {rule}"));
        let inputs = ports.iter().map(|rule| (*rule).to_owned());
        let all: Vec<String> = inputs.chain(routes).collect();
        assert_eq!(rules(site, "proxy"), all);
    }
}

/// An app with a proxy on one host, and its database and its cache on others.
const PARTS: &str = r#"name = "polls"
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
private = "fd00:20::13"
role = "cache"
[hosts.more]
address = "198.51.100.14"
private = "fd00:20::14"
role = "app"
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
fn a_database_lets_the_app_servers_in_to_its_port_and_nobody_else() {
    let alone = PARTS.replace("role = \"app\"", "role = \"proxy\"");
    let private = "private = \"fd00:20::1";
    let one = alone.replace(private, "private = \"10.20.0.1");
    assert_eq!(rules(&one, "data"), ["route allow from 10.20.0.11 to 5432"]);
    assert_eq!(
        rules(&one, "cache"),
        ["route allow from 10.20.0.11 to 6379"]
    );
}

#[test]
fn an_app_beside_its_proxy_has_no_rule_of_its_own() {
    let from = PARTS.find("[hosts.more]").unwrap();
    let to = PARTS.find("[app]").unwrap();
    let text = format!("{}{}", &PARTS[..from], &PARTS[to..]);
    let text = text.replace("fd00:20::13", "10.20.0.13");
    let rules = rules(&text, "web");
    assert!(
        !rules.iter().any(|rule| rule.ends_with(" to 8000")) && !rules.is_empty(),
        "{rules:?}"
    );
}

#[test]
fn over_ipv6_a_database_s_port_is_the_host_s_own_too() {
    let text = PARTS.replace("private = \"10.20.0.1", "private = \"fd00:20::1");
    let rules = rules(&text, "cache");
    for rule in [
        "allow from fd00:20::14 to 6379",
        "route allow from fd00:20::14 to 6379",
        "route allow from fd00:20::11 to 6379",
    ] {
        assert!(rules.contains(&rule.to_owned()), "{rules:?}");
    }
    assert!(!rules.iter().any(|rule| rule.contains("5432")), "{rules:?}");
}

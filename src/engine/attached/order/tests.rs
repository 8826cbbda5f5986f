//! Which command line comes of an order, and on which host.

use std::path::Path;

use super::*;
use crate::site;
use crate::ssh::Size;

const SITE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.app1]
address = "198.51.100.11"
private = "10.0.0.1"
roles = ["app", "cache"]
[hosts.app2]
address = "198.51.100.12"
private = "10.0.0.2"
roles = ["app"]
[hosts.db]
address = "198.51.100.14"
private = "10.0.0.4"
roles = ["db"]
[hosts.proxy]
address = "198.51.100.13"
private = "10.0.0.3"
roles = ["proxy"]
[app]
source = { image = "registry.example/polls:1" }
publish = 8080
[postgres]
version = 17
[redis]
version = 8
[tls]
email = "ops@example.com"
"#;

const DATA: &str = "[postgres]\nversion = 17\n[redis]\nversion = 8\n";

fn site() -> Site {
    read(SITE)
}

/// The same with a database and no Redis of its own.
fn foreign() -> Site {
    let text = SITE.replace(DATA, "").replace(", \"cache\"", "");
    let (before, after) = text.split_once("[hosts.db]").unwrap();
    let after = after.split_once("[hosts.proxy]").unwrap().1;
    read(&format!("{before}[hosts.proxy]{after}"))
}

fn read(text: &str) -> Site {
    let file = Path::new("/nowhere/site.toml");
    let value = |_: &str| Some("a-long-enough-value".into());
    site::parse(text, file, value).unwrap_or_else(|error| panic!("{error}"))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn terminal(kind: &str) -> Terminal {
    Terminal {
        kind: kind.to_owned(),
        size: Size {
            characters: (80, 24),
            pixels: (0, 0),
        },
    }
}

/// Its host, and its command line without a terminal.
fn shown(order: Result<Order, Nowhere>) -> (String, String) {
    let order = order.unwrap();
    (order.host.name.to_string(), order.cmd(None, "m").shown())
}

#[test]
fn manage_runs_where_the_app_is_with_its_arguments_as_they_are() {
    let site = site();
    let args = words(&["shell", "-c", "print('$HOME; \"x\"')"]);
    let (host, _) = shown(Order::manage(&site, None, &args));
    assert_eq!(host, "app1");
    let order = Order::manage(&site, Some("app2"), &args).unwrap();
    assert_eq!(order.host.name.as_str(), "app2");
    let argv = order.cmd(None, "m").argv().to_vec();
    assert_eq!(
        argv[..6],
        words(&[
            "docker",
            "exec",
            "--interactive",
            "--env",
            "PROVISION_ATTACHED=m",
            "polls-app"
        ])
    );
    assert_eq!(argv[6..8], words(&["python", "manage.py"]));
    assert_eq!(argv[8..], args);
}

#[test]
fn a_terminal_is_passed_on_as_one_that_the_image_knows() {
    let order = Order::manage(&site(), None, &[]).unwrap();
    for (kind, there) in [("xterm", "xterm"), ("xterm-kitty", "xterm-256color")] {
        let argv = order.cmd(Some(&terminal(kind)), "m").argv().to_vec();
        assert!(argv.contains(&"--tty".to_owned()), "{argv:?}");
        assert!(argv.contains(&format!("TERM={there}")), "{argv:?}");
    }
    let argv = order.cmd(None, "m").argv().to_vec();
    assert!(!argv.contains(&"--tty".to_owned()), "{argv:?}");
}

#[test]
fn dbshell_is_psql_where_the_database_is_the_sites() {
    let args = words(&["-c", "select 1"]);
    let (host, line) = shown(Order::dbshell(&site(), None, &args));
    assert_eq!(host, "db");
    assert!(
        line.ends_with("polls-postgres psql -U polls -d polls -c 'select 1'"),
        "{line}"
    );
}

#[test]
fn dbshell_is_djangos_where_the_database_is_somebody_elses() {
    let (host, line) = shown(Order::dbshell(&foreign(), None, &[]));
    assert_eq!(host, "app1");
    assert!(
        line.ends_with("polls-app python manage.py dbshell"),
        "{line}"
    );
    let args = words(&["-c", "select 1"]);
    let (_, line) = shown(Order::dbshell(&foreign(), None, &args));
    assert!(
        line.ends_with("manage.py dbshell -- -c 'select 1'"),
        "{line}"
    );
}

#[test]
fn redis_cli_gets_its_password_from_no_argument() {
    let site = site();
    let order = Order::redis_cli(&site, None, &words(&["info"])).unwrap();
    assert_eq!(order.host.name.as_str(), "app1");
    let argv = order.cmd(None, "m").argv().to_vec();
    let password = site.redis.as_ref().unwrap().password.reveal();
    assert!(!password.is_empty());
    assert!(argv.iter().all(|arg| !arg.contains(password)), "{argv:?}");
    assert_eq!(argv.last().map(String::as_str), Some("info"));
    let none = Order::redis_cli(&foreign(), None, &[]).unwrap_err();
    assert!(none.to_string().contains("[redis]"), "{none}");
}

#[test]
fn logs_come_from_every_host_that_has_the_service() {
    let site = site();
    let window = Window {
        tail: Some(100),
        follow: false,
        timestamps: false,
        colour: false,
    };
    let of = |hosts: &[&str], services: &[&str]| {
        let orders = Order::logs(&site, &words(hosts), &words(services), &window);
        let orders = orders.map_err(|e| e.to_string())?;
        Ok::<_, String>(orders.into_iter().map(|o| shown(Ok(o))).collect::<Vec<_>>())
    };
    let apps = of(&[], &["app"]).unwrap();
    let hosts: Vec<&str> = apps.iter().map(|(host, _)| host.as_str()).collect();
    assert_eq!(hosts, ["app1", "app2"]);
    assert_eq!(
        apps[0].1,
        "env docker compose --ansi never --project-directory /srv/polls logs --tail 100 \
         --no-color app"
    );
    // By Compose's name and by the role's.
    assert_eq!(of(&[], &["nginx"]), of(&[], &["proxy"]));
    assert_eq!(of(&[], &["postgres", "redis"]).unwrap().len(), 2);
    let all = of(&[], &[]).unwrap();
    assert_eq!(all.len(), 4);
    assert!(all[0].1.ends_with("--no-color"), "{}", all[0].1);
    assert_eq!(of(&["db"], &[]).unwrap().len(), 1);
    assert_eq!(of(&["db"], &["app"]).unwrap_err(), "db has no app");
    let unknown = of(&[], &["celery"]).unwrap_err();
    assert!(
        unknown.contains("there are app, nginx, postgres, redis"),
        "{unknown}"
    );
}

#[test]
fn a_host_without_the_role_is_refused_with_those_that_have_it() {
    let refused = Order::manage(&site(), Some("db"), &[])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("app1, app2"), "{refused}");
    let (_, line) = shown(Order::shell(&site(), None, "proxy"));
    assert!(line.contains(" polls-proxy sh -c "), "{line}");
    assert!(Order::shell(&site(), None, "celery").is_err());
}

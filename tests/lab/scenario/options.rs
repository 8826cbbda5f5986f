//! What site.toml can ask for beyond the plain main job: static files served by the proxy,
//! a superuser, a private network, steps of the operator's own.

use std::fs;

use toml::{Table, Value};

use provision::lab::DOMAIN;

use crate::outside::{PROXY, curl};
use crate::program::Running;
use crate::servers::{APPS, HOSTS, console, converged, program, run_with};
use crate::site::{Variant, ca, set};

const PASSWORD: &str = "l4b '$uperuser' \"p4ssw0rd\"";

fn ended(variant: &Variant) -> crate::program::Ended {
    let file = variant.file();
    let mut command = program();
    command.args(["run", file.to_str().unwrap(), "--yes", "--json"]);
    command
        .env("NO_COLOR", "1")
        .env("LAB_SUPERUSER_PASSWORD", PASSWORD);
    Running::of(&mut command).end()
}

/// nginx serves the stylesheet itself, and lets it be kept for a day.
pub fn static_files() {
    converged();
    let variant = Variant::new(|site| {
        set(site, &["app", "static_root"], "/app/static");
        set(site, &["app", "collectstatic"], true);
    });
    run_with(&variant.file()).proven();
    let resolve = format!("{DOMAIN}:443:{}", PROXY[0]);
    let page = format!("https://{DOMAIN}/polls/");
    let page = curl(&["--cacert", &ca(), "--resolve", &resolve, &page]);
    let link = page
        .body
        .split("href=\"")
        .find(|part| part.starts_with("/static/"))
        .unwrap();
    let url = format!("https://{DOMAIN}{}", link.split('"').next().unwrap());
    let sheet = curl(&["--cacert", &ca(), "--resolve", &resolve, &url]);
    assert_eq!((sheet.exit, sheet.status), (0, 200), "{url} {sheet:?}");
    assert!(sheet.headers.contains("max-age=86400"), "{sheet:?}");
    assert!(sheet.headers.contains("cache-control: public"), "{sheet:?}");
    assert!(
        sheet.headers.contains("strict-transport-security: "),
        "{sheet:?}"
    );
    assert_eq!(
        sheet.header("x-served-by"),
        None,
        "no app server was asked: {sheet:?}"
    );
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
}

/// The superuser is made once, with the password that was given, over stdin.
pub fn superuser() {
    converged();
    let variant = Variant::new(|site| {
        let mut user = Table::new();
        for (key, value) in [
            ("name", "lab-admin"),
            ("email", "admin@example.test"),
            ("password_env", "LAB_SUPERUSER_PASSWORD"),
        ] {
            user.insert(key.to_owned(), Value::from(value));
        }
        set(site, &["app", "superuser"], user);
    });
    let made = ended(&variant).proven();
    assert_eq!(made.changed().len(), 1, "{made}");
    assert!(
        !made.stdout.contains("p4ssw0rd") && !made.stderr.contains("p4ssw0rd"),
        "{made}"
    );
    let script = "from django.contrib.auth import get_user_model as m, authenticate as a; \
                  import sys; p = sys.stdin.read(); \
                  print(m().objects.filter(username='lab-admin', is_superuser=True).count(), \
                  a(username='lab-admin', password=p) is not None)";
    let quoted = PASSWORD.replace('\'', "'\\''");
    let seen = console(
        "app2",
        &format!(
            "printf %s '{quoted}' | docker exec -i polls-app python manage.py shell -c \"{script}\""
        ),
    );
    assert!(seen.contains("1 True"), "{seen}");
    let again = ended(&variant);
    assert_eq!(again.summary()["changed"], 0, "{again}");
}

/// With private addresses the app listens there alone, and the proxy comes in by its own.
pub fn private_network() {
    converged();
    let variant = Variant::new(|site| {
        for (host, number) in HOSTS.iter().zip(11..) {
            set(
                site,
                &["hosts", host, "private"],
                format!("10.20.0.{number}"),
            );
        }
    });
    run_with(&variant.file()).proven();
    for host in APPS {
        let listening = console(host, "ss -Hltn '( sport = :80 )' | awk '{print $4}'");
        let number = &host[3..];
        assert_eq!(listening.trim(), format!("10.20.0.1{number}:80"), "{host}");
        let rules = console(host, "iptables -S ufw-user-forward");
        assert!(rules.contains("-s 10.20.0.13/32"), "{rules}");
        assert!(
            rules.contains("-s 198.51.100.13/32"),
            "and by its public one, should its packets take that way: {rules}"
        );
    }
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    converged();
}

/// Steps that the operator wrote into a playbook.
pub fn own_steps() {
    converged();
    let variant = Variant::new(|site| {
        site.insert("playbook".to_owned(), "./own.toml".into());
    });
    fs::write(
        variant.dir().join("motd"),
        "{{ site.name }} on {{ host.name }}\n",
    )
    .unwrap();
    let playbook = r#"
[[step]]
use = "packages"
on = "app"
with = { install = ["tree"] }
[[step]]
use = "files"
on = "app"
with = { files = [{ template = "motd", to = "/etc/motd-lab", mode = "0640" }] }
[[step]]
use = "command"
on = "app"
after = ["files"]
with = { run = ["sh", "-c", "echo ran >>/root/lab-ran"] }
[[step]]
use = "service"
on = "app"
with = { unit = "cron.service" }
"#;
    fs::write(variant.dir().join("own.toml"), playbook).unwrap();
    let first = run_with(&variant.file());
    assert_eq!(first.code, Some(0), "{first}");
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    for host in APPS {
        assert_eq!(
            console(host, "cat /etc/motd-lab"),
            format!("polls on {host}\n")
        );
        assert_eq!(console(host, "stat -c %a /etc/motd-lab").trim(), "640");
        assert_eq!(console(host, "cat /root/lab-ran"), "ran\n", "once");
        assert!(console(host, "command -v tree").contains("tree"));
    }
}

//! A database and a cache of the site's own: where they may be, and what they are called.

use std::ffi::OsString;

use provision::site::{self, Role, Server};

use crate::home::{Home, SMALL, with};

/// A site on one server, with values for both passwords.
const SINGLE: &str = r#"
name = "polls"
domains = ["polls.example.com"]

[hosts.one]
address = "198.51.100.10"
roles = ["app", "proxy", "db", "cache"]

[app]
source = { image = "polls:1" }

[postgres]
version = 17

[redis]
version = 8

[tls]
email = "ops@example.com"
"#;

fn parse(home: &Home, text: &str) -> Result<site::Site, site::Error> {
    let file = home.path().join("site.toml");
    site::parse(text, &file, |name| match name {
        "HOME" => Some(home.path().into()),
        "POSTGRES_PASSWORD" => Some(OsString::from("pg-hunter2")),
        "REDIS_PASSWORD" => Some(OsString::from("redis-hunter2")),
        "SPACED" => Some(OsString::from("two words")),
        _ => None,
    })
}

fn mistake(text: &str) -> String {
    let home = Home::new();
    match parse(&home, text) {
        Ok(_) => "no mistake".to_owned(),
        Err(error) => {
            let mistake = error.mistake().unwrap();
            assert!(mistake.line > 0);
            format!("{}:{} {}", mistake.line, mistake.column, mistake.what)
        }
    }
}

#[test]
fn a_database_and_a_cache_are_named_after_the_site_and_their_version() {
    let site = parse(&Home::new(), &SINGLE.replace("\"polls\"", "\"my-polls\"")).unwrap();
    let postgres = site.postgres.as_ref().unwrap();
    assert_eq!(postgres.image.as_str(), "postgres:17");
    assert_eq!(
        (postgres.database.as_str(), postgres.user.as_str()),
        ("my_polls", "my_polls")
    );
    assert_eq!(postgres.password.reveal(), "pg-hunter2");
    let redis = site.redis.as_ref().unwrap();
    assert_eq!(redis.image.as_str(), "redis:8");
    assert_eq!(redis.password.reveal(), "redis-hunter2");
    assert_eq!(site.backup.directory.as_str(), "/var/backups/my-polls");
    let known: Vec<&str> = site.secrets().map(|secret| secret.reveal()).collect();
    assert_eq!(known, ["pg-hunter2", "redis-hunter2"]);

    let host = site.with_role(Role::Db).next().unwrap();
    assert!(site.alone(host));
    assert_eq!(
        site.data_address(Role::Db, host).as_deref(),
        Some("postgres")
    );
    assert_eq!(
        site.data_address(Role::Cache, host).as_deref(),
        Some("redis")
    );
    assert!(site.data_clients(Role::Db).is_empty());
}

#[test]
fn a_database_of_another_host_is_reached_over_the_private_network_alone() {
    let apart = SINGLE.replace(
        "roles = [\"app\", \"proxy\", \"db\", \"cache\"]\n",
        "private = \"10.20.0.10\"\nroles = [\"app\", \"proxy\", \"cache\"]\n\
         [hosts.two]\naddress = \"198.51.100.11\"\nprivate = \"10.20.0.11\"\nrole = \"db\"\n",
    );
    let site = parse(&Home::new(), &apart).unwrap();
    let one = site.with_role(Role::App).next().unwrap();
    assert_eq!(
        site.data_address(Role::Db, one).as_deref(),
        Some("10.20.0.11")
    );
    let clients = site.data_clients(Role::Db);
    assert_eq!(clients.len(), 1);
    assert_eq!(clients[0].name.as_str(), "one");
    assert!(site.data_clients(Role::Cache).is_empty());
    for private in ["private = \"10.20.0.10\"\n", "private = \"10.20.0.11\"\n"] {
        assert_eq!(
            mistake(&apart.replace(private, ""))
                .split_once(' ')
                .unwrap()
                .1,
            "what one asks of postgres on two would cross the Internet in clear text"
        );
    }
}

#[test]
fn what_is_where_it_cant_be_is_a_mistake_with_its_place() {
    let single = |old: &str, new: &str| {
        assert!(SINGLE.contains(old), "{old}");
        SINGLE.replace(old, new)
    };
    let app = |more: &str| SINGLE.replace("[app]\n", &format!("[app]\n{more}\n"));
    let cases = [
        (
            single(", \"db\"", ""),
            "12:1 [postgres] is there, and no host has the role \"db\"",
        ),
        (
            single("[postgres]\nversion = 17\n", ""),
            "5:8 one has the role \"db\", and there is no [postgres]",
        ),
        (
            SINGLE.replace(
                "[app]\n",
                "[hosts.two]\naddress = \"198.51.100.11\"\nrole = \"db\"\n[app]\n",
            ),
            "9:8 a second host has the role \"db\"",
        ),
        (
            single("version = 17", "version = 9"),
            "13:11 `version` can't be 9",
        ),
        (
            single("version = 17\n", ""),
            "12:1 [postgres] lacks the key `version`",
        ),
        (
            single("version = 17", "version = 17\nuser = \"postgres\""),
            "14:8 \"postgres\" can't be the name of a database or its user",
        ),
        (
            single("version = 17", "version = 17\ndatabase = \"a b\""),
            "14:12 \"a b\" can't be the name of a database or its user",
        ),
        (
            single("version = 17", "version = 17\npassword = \"NONE\""),
            "14:12 there is no value for NONE, in the secrets file or the environment",
        ),
        (
            single("version = 8", "version = 8\npassword = \"SPACED\""),
            "17:12 the value of SPACED can't be a password here",
        ),
        (
            single("[tls]", "[backup]\nat = \"`id`\"\n[tls]"),
            "19:6 \"`id`\" is not a time",
        ),
        (
            app("user = \"0:0\""),
            "10:8 \"0:0\" can't be a container's user",
        ),
        (
            app("user = \"www-data\""),
            "10:8 \"www-data\" can't be a container's user",
        ),
        (
            app("server = \"uwsgi\""),
            "10:10 it isn't known what the server runs",
        ),
        (
            app("server = \"apache\""),
            "10:10 \"apache\" is not a server",
        ),
        (app("wsgi = \"a b\""), "10:8 \"a b\" is not a WSGI module"),
        (app("gpus = 0"), "10:8 that is no number of GPUs"),
        (app("gpus = \"some\""), "10:8 that is no number of GPUs"),
    ];
    for (text, expected) in cases {
        assert_eq!(mistake(&text), expected);
    }
}

#[test]
fn a_socket_and_uploads_need_app_and_proxy_on_one_server() {
    let home = Home::new();
    let text = SINGLE.replace(
        "[app]\n",
        "[app]\nserver = \"uwsgi\"\nwsgi = \"mysite.wsgi\"\nsocket = true\nmedia_root = \"/app/media\"\n",
    );
    let site = parse(&home, &text).unwrap();
    assert_eq!((site.app.server, site.app.socket), (Server::Uwsgi, true));
    for (more, what) in [
        (
            "socket = true",
            "a UNIX socket needs app and proxy on one and the same host",
        ),
        (
            "media_root = \"/app/media\"",
            "uploaded files can be shared only between an app and a proxy on one and the same host",
        ),
    ] {
        let text = with("[app]\n", &format!("[app]\n{more}\n"));
        assert!(SMALL.contains("role = \"proxy\""));
        let said = home.mistake(&text);
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn where_app_and_proxy_are_alone_on_a_server_the_app_is_published_on_no_port() {
    // Both would want port 80 otherwise.
    assert!(parse(&Home::new(), SINGLE).is_ok());
    let two = SINGLE.replace(
        "[app]\n",
        "[hosts.two]\naddress = \"198.51.100.11\"\nrole = \"proxy\"\n[app]\n",
    );
    assert!(
        mistake(&two).contains("which the proxy has"),
        "{}",
        mistake(&two)
    );
}

//! The environment of the app's containers: what follows from the site, and the operator's own.

use std::collections::BTreeMap;

use crate::shell::Secret;
use crate::site::Role;
use crate::step::Cx;

/// The port that PostgreSQL listens on.
pub(in crate::step) const POSTGRES: u16 = 5432;
/// The port that Redis listens on.
pub(in crate::step) const REDIS: u16 = 6379;

/// The variables. Where the operator has one of his own, that one counts.
pub(super) fn environment(cx: &Cx<'_>) -> BTreeMap<String, Secret> {
    let mut all = BTreeMap::new();
    let mut set = |names: &[&str], value: &str| {
        for name in names {
            all.insert((*name).to_owned(), Secret::new(value));
        }
    };
    let app = &cx.site.app;
    let domains = cx.site.domains.iter().map(|domain| domain.as_str());
    let origins: Vec<String> = domains.clone().map(|it| format!("https://{it}")).collect();
    let domains: Vec<&str> = domains.collect();
    // The one directory that anything may be written to.
    set(&["HOME"], "/tmp");
    set(&["DJANGO_ALLOWED_HOSTS"], &domains.join(","));
    set(&["DJANGO_CSRF_TRUSTED_ORIGINS"], &origins.join(","));
    if let Some(root) = &app.static_root {
        set(&["DJANGO_STATIC_ROOT"], root.as_str());
    }
    if let Some(root) = &app.media_root {
        set(&["DJANGO_MEDIA_ROOT"], root.as_str());
    }
    let address = |role| cx.site.data_address(role, cx.host);
    if let (Some(postgres), Some(host)) = (&cx.site.postgres, address(Role::Db)) {
        let (name, user) = (&postgres.database, &postgres.user);
        let password = postgres.password.reveal();
        let port = POSTGRES.to_string();
        set(&["DATABASE_ENGINE"], "postgresql");
        set(&["DATABASE_NAME", "POSTGRES_DB"], name);
        set(&["DATABASE_USERNAME", "POSTGRES_USER"], user);
        set(&["DATABASE_PASSWORD", "POSTGRES_PASSWORD"], password);
        set(&["DATABASE_HOST", "POSTGRES_HOST"], &host);
        set(&["DATABASE_PORT", "POSTGRES_PORT"], &port);
        let (at, password) = (authority(&host, POSTGRES), encoded(password));
        set(
            &["DATABASE_URL"],
            &format!("postgresql://{user}:{password}@{at}/{name}"),
        );
    }
    if let (Some(redis), Some(host)) = (&cx.site.redis, address(Role::Cache)) {
        let password = redis.password.reveal();
        set(&["REDIS_HOST"], &host);
        set(&["REDIS_PORT"], &REDIS.to_string());
        set(&["REDIS_DB"], "0");
        set(&["REDIS_PASSWORD", "REDIS_PASS"], password);
        let (at, password) = (authority(&host, REDIS), encoded(password));
        set(&["REDIS_URL"], &format!("redis://:{password}@{at}/0"));
    }
    for (name, value) in &app.env {
        all.insert(name.to_string(), value.clone());
    }
    all
}

/// Host and port in a URL (RFC 3986, 3.2).
fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// A password in a URL: all but the unreserved characters in percent-encoding (RFC 3986, 2.1).
fn encoded(password: &str) -> String {
    let mut text = String::new();
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::site::{self, Site};

    const SITE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.web]
address = "198.51.100.11"
private = "10.20.0.11"
roles = ["app", "proxy", "cache"]
[hosts.data]
address = "198.51.100.12"
private = "10.20.0.12"
role = "db"
[app]
source = { image = "registry.example/polls:1" }
static_root = "/app/static"
media_root = "/app/media"
secrets = ["POSTGRES_PASSWORD", "REDIS_PASSWORD"]
[app.env]
POSTGRES_DB = "mine"
[postgres]
version = 17
[redis]
version = 8
[tls]
email = "ops@example.com"
"#;

    fn parse(text: &str) -> Site {
        let value = |name: &str| (name != "HOME").then(|| "a/b%c@d".into());
        let file = Path::new("/nowhere/site.toml");
        site::parse(text, file, value).unwrap_or_else(|error| panic!("{error}"))
    }

    fn of(text: &str) -> BTreeMap<String, String> {
        let site = parse(text);
        let host = site.hosts.values().find(|it| it.name.as_str() == "web");
        let cx = Cx {
            site: &site,
            host: host.unwrap(),
            now: 0,
        };
        let all = environment(&cx);
        let shown = |(name, value): (String, Secret)| (name, value.reveal().to_owned());
        all.into_iter().map(shown).collect()
    }

    #[test]
    fn the_app_is_told_where_its_database_and_its_cache_are() {
        let all = of(SITE);
        for (name, value) in [
            ("DATABASE_ENGINE", "postgresql"),
            ("DATABASE_HOST", "10.20.0.12"),
            ("DATABASE_NAME", "polls"),
            ("POSTGRES_PASSWORD", "a/b%c@d"),
            (
                "DATABASE_URL",
                "postgresql://polls:a%2Fb%25c%40d@10.20.0.12:5432/polls",
            ),
            ("REDIS_HOST", "redis"),
            ("REDIS_PASS", "a/b%c@d"),
            ("REDIS_URL", "redis://:a%2Fb%25c%40d@redis:6379/0"),
            ("DJANGO_STATIC_ROOT", "/app/static"),
            ("DJANGO_MEDIA_ROOT", "/app/media"),
        ] {
            assert_eq!(all.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[test]
    fn a_variable_of_the_operator_s_own_counts() {
        assert_eq!(of(SITE)["POSTGRES_DB"], "mine");
    }
}

//! What the main playbook makes of a site: which resources, in which order, and the files
//! that come out of the templates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]

mod bootstrap;
mod certificate;
mod data;
mod files;
mod firewall;
mod gixy;
mod order;
mod renewal;
mod secrets;
mod single;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use provision::plan::{self, Error, Plan, Selection};
use provision::playbook::{self, Playbook};
use provision::resource::fact::File;
use provision::resource::{Action, Content, Observed};
use provision::site::{self, Site};
use provision::step;

/// 2030-01-01.
const NOW: u64 = 1_893_456_000;

const SCALED: &str = r#"name = "polls"
domains = ["polls.example.com", "www.polls.example.com"]
[hosts.app1]
address = "198.51.100.11"
role = "app"
[hosts.app2]
address = "198.51.100.12"
role = "app"
[hosts.proxy]
address = "198.51.100.10"
role = "proxy"
[app]
source = { image = "registry.example/polls:1" }
health = "/polls/"
migrate = true
collectstatic = true
secrets = ["DJANGO_SECRET_KEY", "DATABASE_PASSWORD"]
superuser = { name = "admin", email = "admin@example.com", password_env = "ADMIN_PASSWORD" }
[app.env]
DJANGO_LOGLEVEL = "c4n4ry-level $HOME \"q\""
[tls]
email = "ops@example.com"
"#;

fn site(text: &str) -> Site {
    let file = Path::new("/nowhere/site.toml");
    let environment = |name: &str| match name {
        "HOME" => Some(OsString::from("/nowhere")),
        "WEBHOOK" => Some(OsString::from("https://hook.example/c4n4ry")),
        _ => Some(OsString::from(format!("c4n4ry-{}", name.to_lowercase()))),
    };
    site::parse(text, file, environment).unwrap_or_else(|error| panic!("{error}"))
}

fn scaled() -> Playbook {
    playbook::load("django-scaled", Path::new(""), &step::names()).unwrap()
}

fn plan_of(text: &str, selection: &Selection) -> Result<Plan, Error> {
    plan::plan(&site(text), &scaled(), selection, NOW)
}

fn whole(text: &str) -> Plan {
    plan_of(text, &Selection::default()).unwrap()
}

/// What the nginx of an image says of itself, after the image's id.
const NGINX: &str = "sha256:00
nginx version: nginx/1.28.0
built with OpenSSL 3.5.1 1 Jul 2025
TLS SNI support enabled
configure arguments: --with-http_ssl_module --with-http_v2_module --with-http_v3_module
";

/// nginx was asked what it can do, and there is no configuration yet.
fn asked(seen: &mut Observed) {
    seen.files.insert(
        "/var/lib/provision/polls/nginx".to_owned(),
        Some(File {
            kind: "regular file".to_owned(),
            mode: 0o644,
            owner: "root:root".to_owned(),
            modified: 0,
            sha256: None,
            content: Some(NGINX.as_bytes().to_vec()),
        }),
    );
    let site_conf = "/srv/polls/proxy/conf.d/site.conf";
    seen.files.insert(site_conf.to_owned(), None);
}

/// The files that a plan puts on a host that is bare, or that has its certificate already.
fn files(plan: &Plan, host: &str, certificate: bool) -> BTreeMap<String, String> {
    let mut seen = Observed::default();
    let there = certificate.then(|| File {
        kind: "regular file".to_owned(),
        mode: 0o644,
        owner: "root:root".to_owned(),
        modified: 0,
        sha256: None,
        content: None,
    });
    asked(&mut seen);
    let chain = "/etc/letsencrypt/live/polls.example.com/fullchain.pem";
    seen.files.insert(chain.to_owned(), there);
    for name in ["provided", "self-signed"] {
        let file = format!("/srv/polls/proxy/tls/{name}.pem");
        seen.files.insert(file, None);
    }
    let host = plan.hosts.iter().find(|h| h.host.name.as_str() == host);
    let resources = host.unwrap().steps.iter().flat_map(|step| &step.resources);
    let ops = resources.flat_map(|resource| resource.converge(&seen));
    ops.filter_map(|op| match op.action {
        Action::Put { path, content, .. } => match content {
            Content::Text(text) => Some((path, text)),
            Content::Secret(secret) => Some((path, format!("secret: {}", secret.reveal()))),
            other => panic!("{path} is put as {other:?}"),
        },
        Action::Run { .. } | Action::Look(_) => None,
    })
    .collect()
}

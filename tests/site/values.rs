//! What a site.toml that is right means.

use std::fs;

use provision::site::{
    AccessLog, Acme, Balance, Compatibility, DockerSource, Hsts, Jump, KeyType, Mode, OnFailure,
    Profile, Role, SelfSigned, Site, Source, Sudo, Target,
};

use crate::home::{Home, SMALL, with};

fn acme(site: &Site) -> &Acme {
    match &site.tls.mode {
        Mode::Acme(acme) => acme,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_small_site_gets_every_default() {
    let home = Home::new();
    let site = home.parse(SMALL).unwrap();
    assert_eq!(site.playbook, "django-scaled");
    assert_eq!(
        (site.ssh.user.as_str(), site.ssh.bootstrap.as_ref()),
        ("deploy", None)
    );
    assert_eq!((&site.ssh.key, site.ssh.connect_timeout), (&None, None));
    assert_eq!((&site.ssh.known_hosts, site.ssh.harden), (&None, false));
    assert_eq!(site.ssh.sudo, Sudo::NoPassword);
    let app1 = site.with_role(Role::App).next().unwrap();
    assert_eq!(
        (app1.name.as_str(), app1.port, app1.port(), &app1.host_key),
        ("app1", None, 22, &None)
    );
    assert_eq!(
        (site.app.port, site.app.publish, site.app.health.as_str()),
        (8000, 80, "/")
    );
    assert_eq!((site.app.migrate, site.app.collectstatic), (false, false));
    assert_eq!(site.app.static_url.as_str(), "/static/");
    assert_eq!(site.docker.source, DockerSource::Docker);
    assert_eq!(
        (site.docker.log_max_size.as_str(), site.docker.log_max_file),
        ("10m", 3)
    );
    assert_eq!(
        (site.docker.address_pool.as_str(), site.docker.subnet_bits),
        ("172.30.0.0/16", 24)
    );
    assert_eq!(site.firewall.guard_seconds, 60);
    assert_eq!(site.proxy.image.as_str(), "nginx:1.28");
    assert_eq!(
        (site.proxy.max_body.as_str(), site.proxy.hsts.seconds),
        ("4G", 31_536_000)
    );
    let acme = acme(&site);
    assert_eq!(
        acme.directory,
        "https://acme-v02.api.letsencrypt.org/directory"
    );
    assert_eq!(acme.image.as_str(), "certbot/certbot:v5.1.0");
    assert_eq!(
        (acme.key, acme.staging, acme.check),
        (KeyType::Ecdsa, false, true)
    );
    assert!(acme.profile.is_none() && site.tls.on_failure.is_none());
    let proxy = &site.proxy;
    assert_eq!(
        (proxy.tls, proxy.http2, proxy.http3),
        (Compatibility::Intermediate, true, false)
    );
    assert_eq!(
        (proxy.balance, proxy.read_timeout, proxy.access_log),
        (Balance::RoundRobin, 60, AccessLog::Text)
    );
    assert_eq!(proxy.hsts.header().unwrap(), "max-age=31536000");
    assert!(proxy.locations.is_empty() && proxy.snippets.server.is_empty());
    assert!(site.dns.check && site.dns.resolver.is_none());
    assert!(site.warnings.is_empty());
    assert_eq!(site.file, home.path().join("site.toml"));
}

#[test]
fn every_option_arrives() {
    let home = Home::new();
    home.write("polls.env", "DATABASE_HOST=db\nQUOTED=\"a\\n$b\"\n");
    home.write(
        "ca.pem",
        "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n",
    );
    home.write("http.conf", "gzip on;\n");
    home.write("server.conf", "# server\n");
    home.write("location.conf", "# location\n");
    let text = r#"
name = "polls"
playbook = "own/playbook.toml"
domains = ["polls.example.com", "www.polls.example.com"]
[ssh]
user = "ops"
bootstrap = "debian"
key = "~/.ssh/id_ed25519"
known_hosts = "hosts"
connect_timeout = 5
[hosts.one]
address = "198.51.100.11"
ipv6 = "2001:db8::11"
private = "10.20.0.11"
port = 2222
roles = ["app", "proxy"]
host_key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[app]
source = { path = "polls" }
port = 9000
publish = 8080
health = "/polls/"
env_file = "polls.env"
env = { LEVEL = "it's \"$HOME\" `id`\n100%" }
secrets = ["SECRET_KEY"]
migrate = true
collectstatic = true
superuser = { name = "admin", email = "admin@example.com", password_env = "ADMIN_PASSWORD" }
static_root = "/app/static"
static_url = "/assets/"
[docker]
source = "distro"
log_max_size = "1g"
log_max_file = 5
address_pool = "10.99.0.0/16"
subnet_bits = 26
[firewall]
allow = [{ port = 9100, from = ["198.51.100.7/32", "10.0.0.0/8"], on = "app" }, { port = 9101, to = "container" }]
proxy_addresses = ["203.0.113.10"]
guard_seconds = 10
[proxy]
image = "registry.example:5000/nginx@sha256:00ff"
max_body = "512k"
hsts = 0
tls = "modern"
http2 = false
http3 = true
balance = "least-conn"
read_timeout = 300
access_log = "json"
locations = [
  { url = "/media/", directory = "/srv/./polls//media/", expires = "30d" },
  { url = "/assets/big/", directory = "/mnt/big" },
]
snippets = { http = "http.conf", server = "server.conf", location = "location.conf" }
[tls]
email = "ops@example.com"
profile = "tlsserver"
key_type = "rsa"
rsa_key_size = 3072
check = false
on_failure = { command = ["/usr/local/bin/alert", "it's \"$x\""] }
directory = "https://127.0.0.1:14000/dir"
ca = "ca.pem"
image = "certbot/certbot:latest"
[dns]
resolver = "198.51.100.254:8053"
check = false
[verify]
from = ["ops@203.0.113.9:2222", "probe"]
"#;
    let site = home.parse(text).unwrap();
    assert_eq!(site.ssh.key, Some(home.path().join(".ssh/id_ed25519")));
    assert_eq!(site.ssh.known_hosts, Some(vec![home.path().join("hosts")]));
    let one = site.hosts.values().next().unwrap();
    assert_eq!(one.roles, [Role::App, Role::Proxy]);
    assert_eq!(one.private.unwrap().to_string(), "10.20.0.11");
    assert_eq!(one.public().len(), 2);
    let env: Vec<(&str, &str)> = site
        .app
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.reveal()))
        .collect();
    assert_eq!(
        env,
        [
            ("DATABASE_HOST", "db"),
            ("LEVEL", "it's \"$HOME\" `id`\n100%"),
            ("QUOTED", "a\n$b"),
            ("SECRET_KEY", "s3cr3t key"),
        ]
    );
    assert_eq!(
        site.app.superuser.as_ref().unwrap().password.reveal(),
        "adm1n pass"
    );
    let Source::Path { dir, digest } = &site.app.source else {
        panic!("not a path: {:?}", site.app.source);
    };
    assert_eq!((dir, digest.len()), (&home.path().join("polls"), 64));
    assert_eq!(site.firewall.allow[0].from, ["198.51.100.7", "10.0.0.0/8"]);
    assert_eq!(
        (site.firewall.allow[0].on, site.firewall.allow[1].on),
        (Some(Role::App), None)
    );
    assert_eq!(
        (site.firewall.allow[0].to, site.firewall.allow[1].to),
        (Target::Host, Target::Container)
    );
    assert_eq!(
        (site.proxy.max_body.as_str(), site.proxy.hsts.seconds),
        ("512k", 0)
    );
    assert!(site.tls.ca.as_ref().unwrap().text.starts_with("-----BEGIN"));
    let acme = acme(&site);
    assert_eq!(
        (acme.profile, acme.key, acme.check),
        (Some(Profile::TlsServer), KeyType::Rsa(3072), false)
    );
    let Some(OnFailure::Command(words)) = &site.tls.on_failure else {
        panic!("{:?}", site.tls.on_failure);
    };
    assert_eq!(words, &["/usr/local/bin/alert", "it's \"$x\""]);
    let proxy = &site.proxy;
    assert_eq!(
        (proxy.tls, proxy.http2, proxy.http3),
        (Compatibility::Modern, false, true)
    );
    assert_eq!(
        (proxy.balance, proxy.read_timeout, proxy.access_log),
        (Balance::LeastConn, 300, AccessLog::Json)
    );
    let locations: Vec<(&str, &str, Option<&str>)> = proxy
        .locations
        .iter()
        .map(|l| (l.url.as_str(), l.directory.as_str(), l.expires.as_deref()))
        .collect();
    assert_eq!(
        locations,
        [
            ("/media/", "/srv/polls/media", Some("30d")),
            ("/assets/big/", "/mnt/big", None)
        ]
    );
    let snippets = &proxy.snippets;
    assert_eq!(
        (&*snippets.http, &*snippets.server, &*snippets.location),
        ("gzip on;\n", "# server\n", "# location\n")
    );
    assert_eq!(site.dns.resolver.unwrap().port(), 8053);
    assert!(!site.dns.check);
    let from = [
        Jump::Elsewhere {
            user: Some("ops".to_owned()),
            host: "203.0.113.9".to_owned(),
            port: Some(2222),
        },
        Jump::Elsewhere {
            user: None,
            host: "probe".to_owned(),
            port: None,
        },
    ];
    assert_eq!(site.verify.from, from);
    let shown = format!("{site:?}");
    for secret in ["s3cr3t", "adm1n", "$HOME"] {
        assert!(!shown.contains(secret), "{secret} is shown by Debug");
    }
}

#[test]
fn an_env_file_that_others_can_read_is_warned_about_and_loads() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.write("polls.env", "A=1\n");
    let text = with("[app]\n", "[app]\nenv_file = \"polls.env\"\n");
    let mode = |mode| {
        let file = home.path().join("polls.env");
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        home.parse(&text).unwrap().warnings
    };
    assert_eq!(
        mode(0o640),
        ["polls.env holds secrets, and others can read it (mode 0640): chmod 600 polls.env"]
    );
    assert!(mode(0o600).is_empty());
}

#[test]
fn staging_is_lets_encrypts_other_directory() {
    let home = Home::new();
    let site = home
        .parse(&with("[tls]\n", "[tls]\nstaging = true\n"))
        .unwrap();
    assert_eq!(
        acme(&site).directory,
        "https://acme-staging-v02.api.letsencrypt.org/directory"
    );
    assert!(acme(&site).staging);
}

#[test]
fn a_git_source_by_a_relative_path_is_relative_to_the_file() {
    let home = Home::new();
    let git = |url: &str| {
        let source = format!("{{ git = {url:?}, rev = \"main\" }}");
        match home
            .parse(&with("{ image = \"polls:1\" }", &source))
            .unwrap()
            .app
            .source
        {
            Source::Git { url, commit, .. } => (url, commit),
            other => panic!("{other:?}"),
        }
    };
    let local = home.path().join("../polls").display().to_string();
    assert_eq!(git("../polls"), (local, String::new()));
    for as_written in ["https://git.example/polls.git", "git@git.example:polls.git"] {
        assert_eq!(git(as_written).0, as_written);
    }
}

#[test]
fn an_env_file_that_would_be_sent_along_with_the_sources_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let warnings = |file: &str| {
        home.write(file, "A=1\n");
        let on_disk = home.path().join(file);
        fs::set_permissions(on_disk, fs::Permissions::from_mode(0o600)).unwrap();
        let source = format!("{{ path = \"polls\" }}\nenv_file = {file:?}");
        let text = with("{ image = \"polls:1\" }", &source);
        home.parse(&text).unwrap().warnings
    };
    assert_eq!(
        warnings("polls/.env"),
        [
            "polls/.env lies in the source directory, so it is sent to the servers and may become \
             part of the image: keep it elsewhere"
        ]
    );
    assert!(warnings("polls.env").is_empty());
}

/// The small site with other lines in [tls].
fn tls(lines: &str) -> String {
    with("email = \"ops@example.com\"", lines)
}

#[test]
fn a_self_signed_certificate_has_a_long_rsa_key_unless_another_is_asked_for() {
    let home = Home::new();
    for (lines, key) in [
        ("", KeyType::Rsa(4096)),
        ("rsa_key_size = 2048", KeyType::Rsa(2048)),
        ("key_type = \"rsa\"", KeyType::Rsa(4096)),
        ("key_type = \"ecdsa\"", KeyType::Ecdsa),
    ] {
        let text = tls(&format!("mode = \"self-signed\"\n{lines}"));
        let Mode::SelfSigned(own) = home.parse(&text).unwrap().tls.mode else {
            panic!("not self-signed: {lines}");
        };
        assert_eq!(own, SelfSigned { key, days: 365 }, "{lines}");
    }
}

#[test]
fn without_tls_there_is_a_warning_and_no_hsts() {
    let home = Home::new();
    let site = home.parse(&tls("mode = \"off\"")).unwrap();
    assert!(matches!(site.tls.mode, Mode::Off));
    assert_eq!(site.proxy.hsts.header(), None);
    let [warning] = site.warnings.as_slice() else {
        panic!("{:?}", site.warnings);
    };
    assert!(warning.contains("HTTP alone"), "{warning}");
}

#[test]
fn hsts_says_what_was_asked_for() {
    let home = Home::new();
    let hsts = |lines: &str| {
        let text = format!("{SMALL}[proxy]\n{lines}\n");
        home.parse(&text).unwrap().proxy.hsts
    };
    assert_eq!(hsts("hsts = 0").header(), None);
    assert_eq!(
        hsts("hsts = 300\nhsts_subdomains = true").header().unwrap(),
        "max-age=300; includeSubDomains"
    );
    let all = hsts("hsts = 63072000\nhsts_subdomains = true\nhsts_preload = true");
    let expected = Hsts {
        seconds: 63_072_000,
        subdomains: true,
        preload: true,
    };
    assert_eq!(all, expected);
    assert_eq!(
        all.header().unwrap(),
        "max-age=63072000; includeSubDomains; preload"
    );
}

#[test]
fn old_clients_are_a_choice_with_a_warning() {
    let home = Home::new();
    let site = home.parse(&format!("{SMALL}[proxy]\ntls = \"old\"\n"));
    let warnings = site.unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("TLS 1.0"),
        "{warnings:?}"
    );
}

#[test]
fn a_webhook_comes_from_the_environment_and_is_not_shown() {
    let home = Home::new();
    let text = format!("{SMALL}on_failure = {{ webhook_env = \"WEBHOOK\" }}\n");
    let site = home.parse(&text).unwrap();
    let Some(OnFailure::Webhook(url)) = &site.tls.on_failure else {
        panic!("{:?}", site.tls.on_failure);
    };
    assert_eq!(url.reveal(), "https://alert.example/hunter2");
    assert!(site.secrets().any(|secret| secret == url));
    assert!(!format!("{site:?}").contains("hunter2"));
}

#[test]
fn a_location_may_lie_where_static_files_would_if_nginx_served_them() {
    let home = Home::new();
    let own = "[proxy]\nlocations = [{ url = \"/static/\", directory = \"/srv/a\" }]\n";
    let site = home.parse(&format!("{SMALL}{own}")).unwrap();
    assert_eq!(site.proxy.locations[0].url.as_str(), "/static/");
}

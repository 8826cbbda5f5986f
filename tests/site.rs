//! What a site.toml may say, what it means, and how each mistake in it is shown.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use provision::site::{self, DockerSource, Error, Role, Site, Source};

/// A directory with everything that a site.toml here may name.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Self(dir);
        home.write(".ssh/id_ed25519", "a key");
        home.write("polls/Dockerfile", "FROM scratch\n");
        fs::create_dir(home.path().join("bare")).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn parse(&self, text: &str) -> Result<Site, Error> {
        site::parse(text, &self.path().join("site.toml"), |name| match name {
            "HOME" => Some(self.path().into()),
            "SECRET_KEY" => Some(OsString::from("s3cr3t key")),
            "ADMIN_PASSWORD" => Some(OsString::from("adm1n pass")),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        })
    }

    /// "LINE:COLUMN what → instead", without the directory's random name.
    fn mistake(&self, text: &str) -> String {
        match self.parse(text) {
            Ok(_) => "no mistake".to_owned(),
            Err(error) => {
                let mistake = error.mistake().unwrap();
                let line = format!(
                    "{}:{} {} → {}",
                    mistake.line, mistake.column, mistake.what, mistake.instead
                );
                self.without_name(&line)
            }
        }
    }

    fn without_name(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }

    fn picture(&self, text: &str) -> String {
        self.without_name(&self.parse(text).unwrap_err().to_string())
    }
}

const SMALL: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.app1]
address = "198.51.100.11"
role = "app"
[hosts.proxy]
address = "198.51.100.10"
role = "proxy"
[app]
source = { image = "polls:1" }
[tls]
email = "ops@example.com"
"#;

/// The small site with one piece of it replaced.
fn with(old: &str, new: &str) -> String {
    assert!(SMALL.contains(old), "{old:?} is not in the small site");
    SMALL.replacen(old, new, 1)
}

#[test]
fn a_small_site_gets_every_default() {
    let home = Home::new();
    let site = home.parse(SMALL).unwrap();
    assert_eq!(site.playbook, "django-scaled");
    assert_eq!(
        (site.ssh.user.as_str(), site.ssh.bootstrap.as_str()),
        ("deploy", "root")
    );
    assert_eq!((&site.ssh.key, site.ssh.connect_timeout), (&None, 15));
    assert_eq!(
        site.ssh.known_hosts,
        [
            home.path().join(".ssh/known_hosts"),
            "/etc/ssh/ssh_known_hosts".into()
        ]
    );
    let app1 = site.with_role(Role::App).next().unwrap();
    assert_eq!(
        (app1.name.as_str(), app1.port, &app1.host_key),
        ("app1", 22, &None)
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
        (site.proxy.max_body.as_str(), site.proxy.hsts),
        ("4G", 31_536_000)
    );
    assert_eq!(
        site.tls.directory,
        "https://acme-v02.api.letsencrypt.org/directory"
    );
    assert_eq!(site.tls.image.as_str(), "certbot/certbot:v5.1.0");
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
allow = [{ port = 9100, from = ["198.51.100.7", "10.0.0.0/8"], on = "app" }, { port = 9101 }]
proxy_addresses = ["203.0.113.10"]
guard_seconds = 10
[proxy]
image = "registry.example:5000/nginx@sha256:00ff"
max_body = "512k"
hsts = 0
[tls]
email = "ops@example.com"
directory = "https://127.0.0.1:14000/dir"
ca = "ca.pem"
image = "certbot/certbot:latest"
[dns]
resolver = "198.51.100.254:8053"
check = false
"#;
    let site = home.parse(text).unwrap();
    assert_eq!(site.ssh.key, Some(home.path().join(".ssh/id_ed25519")));
    assert_eq!(site.ssh.known_hosts, [home.path().join("hosts")]);
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
    assert_eq!((site.proxy.max_body.as_str(), site.proxy.hsts), ("512k", 0));
    assert!(site.tls.ca.as_ref().unwrap().text.starts_with("-----BEGIN"));
    assert_eq!(site.dns.resolver.unwrap().port(), 8053);
    assert!(!site.dns.check);
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
        site.tls.directory,
        "https://acme-staging-v02.api.letsencrypt.org/directory"
    );
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
fn each_mistake_is_one_message_with_its_place_and_its_remedy() {
    let home = Home::new();
    home.write("no.pem", "nothing");
    home.write("bad.env", "A=1\nhunter2\n");
    home.write("good.env", "A=1\n");
    let app = |more: &str| with("[app]\n", &format!("[app]\n{more}\n"));
    let host = |more: &str| with("[hosts.app1]\n", &format!("[hosts.app1]\n{more}\n"));
    let table = |more: &str| format!("{SMALL}{more}\n");
    let source = |new: &str| with("{ image = \"polls:1\" }", new);
    let mistakes = [
        // Keys.
        with("name =", "nmae ="),
        app("prot = 80"),
        app("wibble = 80"),
        with("address", "adress"),
        source("{ imgae = \"polls:1\" }"),
        table("[dokcer]"),
        with("name = \"polls\"\n", ""),
        with("email = \"ops@example.com\"\n", ""),
        with("[tls]\nemail = \"ops@example.com\"\n", ""),
        with("address = \"198.51.100.10\"\n", ""),
        with("source = { image = \"polls:1\" }\n", ""),
        with("name =", "name = \"x\"\nname ="),
        // Kinds.
        with("\"polls\"", "polls"),
        with("\"polls\"", "5"),
        with("[\"polls.example.com\"]", "\"polls.example.com\""),
        with("[\"polls.example.com\"]", "[\"polls.example.com\", 5]"),
        source("\"polls:1\""),
        app("port = \"8000\""),
        app("port = 80000"),
        app("publish = 0"),
        app("migrate = \"yes\""),
        // Names and domains.
        with("\"polls\"", "\"../polls\""),
        with("polls.example.com", "po\\\"lls\\n.example.com"),
        with("polls.example.com", "*.example.com"),
        with("[\"polls.example.com\"]", "[]"),
        with(
            "[\"polls.example.com\"]",
            "[\"a.example.com\", \"a.example.com\"]",
        ),
        table("[ssh]\nuser = \"a;b\""),
        table("[ssh]\nkey = \"~/.ssh/none\""),
        table("[ssh]\nkey = \"~/.ssh\""),
        table("[ssh]\nconnect_timeout = 0"),
        // Hosts.
        with("198.51.100.11", "app1.example.com"),
        with("198.51.100.11", "198.51.100.11/24"),
        with("198.51.100.11", "0.0.0.0"),
        with("198.51.100.11", "198.51.100.10"),
        host("private = \"198.51.100.10\""),
        host("private = \"172.30.4.1\""),
        host("ipv6 = \"198.51.100.13\""),
        host("host_key = \"SHA256:abc\""),
        host("host_key = \"MD5:00:11\""),
        host("roles = [\"app\"]"),
        with("role = \"app\"\n", ""),
        with("role = \"app\"\n", "roles = []\n"),
        with("role = \"app\"\n", "role = \"ap\"\n"),
        with("role = \"app\"\n", "role = \"database\"\n"),
        with("role = \"app\"\n", "roles = [\"app\", \"app\"]\n"),
        with("role = \"app\"\n", "roles = [\"app\", \"proxy\"]\n"),
        with("role = \"app\"\n", "role = \"app\"\nport = 80\n"),
        with("[hosts.app1]", "[hosts.App_1]"),
        // The app.
        source("{ git = \"https://git.example/x.git\" }"),
        source("{ rev = \"main\" }"),
        source("{ git = \"--upload-pack=id\", rev = \"main\" }"),
        source("{ git = \"x\", rev = \"-x\" }"),
        source("{ path = \"polls\", image = \"polls:1\" }"),
        source("{ path = \"none\" }"),
        source("{ path = \"bare\" }"),
        app("health = \"polls\""),
        app("env = { \"A-B\" = \"hunter2\" }"),
        app("env = { A = 5 }"),
        app("env = { A = \"\\u0000\" }"),
        app("env_file = \"none.env\""),
        app("env_file = \"bad.env\""),
        app("env_file = \"good.env\"\nenv = { A = \"2\" }"),
        app("env = { SECRET_KEY = \"2\" }\nsecrets = [\"SECRET_KEY\"]"),
        app("secrets = [\"NO_SUCH_THING\"]"),
        app("superuser = { name = \"a\", email = \"a@example.com\", password_env = \"EMPTY\" }"),
        // The rest.
        table("[docker]\naddress_pool = \"172.30.0.1/16\""),
        table("[docker]\naddress_pool = \"8.8.0.0/16\""),
        table("[docker]\nsubnet_bits = 12"),
        table("[docker]\nsource = \"distribution\""),
        table("[firewall]\nguard_seconds = 5"),
        table("[firewall]\nallow = [{ port = 9100, from = [\"10.0.0.1/8\"] }]"),
        table("[[firewall.allow]]\nfrom = [\"10.0.0.1\"]"),
        table("[proxy]\nmax_body = \"4 GB\""),
        table("directory = \"http://127.0.0.1/dir\""),
        table("directory = \"https://127.0.0.1/dir\"\nstaging = true"),
        table("ca = \"no.pem\""),
        table("[dns]\nresolver = \"198.51.100.254\""),
    ]
    .map(|text| home.mistake(&text))
    .join("\n");
    insta::assert_snapshot!(mistakes, @r#"
        1:1 there is no key `nmae` at the top of site.toml → did you mean `name`?
        10:1 [app] has no key `prot` → did you mean `port`?
        10:1 [app] has no key `wibble` → write `source`, `port`, `publish`, `health`, `env_file`, `env`, `secrets`, `migrate`, `collectstatic`, `superuser`, `static_root` or `static_url`
        4:1 [hosts.app1] has no key `adress` → did you mean `address`?
        10:12 [app.source] has no key `imgae` → did you mean `image`?
        13:2 there is no key `dokcer` at the top of site.toml → did you mean `docker`?
        1:1 site.toml lacks the key `name` → add `name = "polls"` at the top
        11:1 [tls] lacks the key `email` → add `email = "ops@example.com"`
        1:1 site.toml has no table [tls] → add
        [tls]
        email = "ops@example.com"
        6:1 [hosts.proxy] lacks the key `address` → add `address = "198.51.100.11"`
        9:1 [app] lacks the key `source` → add `source = { git = "https://git.example/polls.git", rev = "main" }`
        2:1 `name` is set twice → keep one of them
        1:8 this is not TOML: string values must be quoted, expected literal string → put it into quotes
        1:8 `name` must be a string in quotes, not a number → write "5"
        2:11 `domains` must be a list in [ ], not a string → write ["polls.example.com"]
        2:33 each of `domains` must be a string in quotes, not a number → write "5"
        10:10 `source` must be a table such as { git = "…", rev = "…" }, { path = "…" } or { image = "…" }, not a string → write `source = { git = "https://git.example/polls.git", rev = "main" }`
        10:8 `port` must be a whole number from 0 to 65535, not a string → write a whole number from 0 to 65535
        10:8 `port` can't be 80000 → write a whole number from 0 to 65535
        10:11 `publish` can't be 0 → write a number from 1 to 65535
        10:11 `migrate` must be true or false, not a string → write true or false
        1:8 "../polls" can't be a name → write lower-case letters, digits and hyphens, a letter first, at most 32 characters
        2:12 "po\"lls\n.example.com" is not a domain name → write a name such as "polls.example.com": lower-case letters, digits, hyphens and dots (other scripts in their xn-- form)
        2:12 "*.example.com" is a wildcard, which a certificate by http-01 can't cover → write every name in full
        2:11 a site needs at least one domain → write a name such as ["polls.example.com"]
        2:29 a.example.com is named twice → leave one of them out
        14:8 "a;b" can't be a login name → write lower-case letters, digits, - and _, a letter or _ first, at most 32 characters
        14:7 can't read the key .ssh/none: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:7 can't read the key .ssh: it is not a file → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:19 `connect_timeout` can't be 0 → write a number from 1 to 600
        4:11 "app1.example.com" is a name: the firewall's rules need the address itself → write the IP address it stands for, such as "198.51.100.11"
        4:11 "198.51.100.11/24" is a network, not an address → write the host's address, without the `/…`
        4:11 "0.0.0.0" can't be the address of a host → write the address it is reached at, such as "198.51.100.11"
        7:11 proxy has the same address as app1 → give each host its own address; one host can have two roles: roles = ["app", "proxy"]
        8:11 proxy has the same address as app1 → give each host its own address; one host can have two roles: roles = ["app", "proxy"]
        4:11 172.30.4.1 lies in 172.30.0.0/16, which Docker takes its subnets from → give Docker another private network: address_pool in [docker]
        4:8 198.51.100.13 is not an IPv6 address → write an address such as "2001:db8::11", or leave `ipv6` out
        4:12 "SHA256:abc" is not the fingerprint of a key → write SHA256: and the 43 characters that `ssh-keygen -lf` shows; `provision trust` writes it for you
        4:12 "MD5:00:11" is not the fingerprint of a key → write SHA256: and the 43 characters that `ssh-keygen -lf` shows; `provision trust` writes it for you
        4:9 app1 has both `role` and `roles` → keep one of them
        3:8 app1 has no role → add role = "app", role = "proxy" or roles = ["app", "proxy"]
        5:9 app1 has no role → add role = "app", role = "proxy" or roles = ["app", "proxy"]
        5:8 "ap" is not a role → did you mean `app`?
        5:8 "database" is not a role → write `app` or `proxy`
        5:17 app1 has the role "app" twice → leave one of them out
        3:8 on app1 the app would be published on port 80, which the proxy has → publish the app on another port: publish = 8080 in [app]
        3:8 on app1 the app would be published on port 80, which sshd has → publish the app on another port: publish = 8080 in [app]
        3:8 "App_1" can't be a name → write lower-case letters, digits and hyphens, a letter first, at most 32 characters
        10:18 a git source needs a revision → add the branch, tag or commit: rev = "main"
        10:18 a revision needs its repository → add the repository: git = "https://git.example/polls.git"
        10:18 "--upload-pack=id" is not the URL of a git repository → write a URL such as "https://git.example/polls.git", or a path
        10:29 "-x" is not a git revision → write a branch, a tag, or all 40 digits of a commit
        10:10 the app has to come from one place → write { git = "…", rev = "…" }, { path = "…" } or { image = "…" }
        10:19 can't read the source directory none: No such file or directory (os error 2) → write the path of a directory that you can read, relative to this file or beginning with `/` or `~/`
        10:19 bare has no Dockerfile → add one that runs the app, or name the directory that has it
        10:10 "polls" is not the path of a URL → write a path such as "/polls/"
        10:9 "A-B" can't name an environment variable → write letters, digits and _, not a digit first
        10:13 `A` must be a string in quotes, not a number → write a string in quotes
        10:13 the value of A holds a NUL → leave it out: no environment can hold one
        10:12 can't read the env file none.env: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        2:1 this line has no `=` → write NAME=value; a value of several lines goes into quotes
        11:9 A is already set by good.env:1 → keep one of them
        11:12 SECRET_KEY is already set by `env` → keep one of them
        10:12 the environment has no variable NO_SUCH_THING → set it before you call provision: export NO_SUCH_THING=…
        10:67 the environment's EMPTY is empty → set it to the superuser's password
        14:16 "172.30.0.1/16" has bits set after the prefix → write a private network such as "172.30.0.0/16"
        14:16 "8.8.0.0/16" is not a private IPv4 network → write a private network such as "172.30.0.0/16"
        14:15 `subnet_bits` can't be 12 → write a number from 16 to 30
        14:10 "distribution" is not a source of Docker's packages → write `docker` or `distro`
        14:17 `guard_seconds` can't be 5 → write a number from 10 to 600
        14:33 "10.0.0.1/8" has bits set after the prefix → write "10.0.0.0/8", or the address alone
        13:1 [firewall.allow] lacks the key `port` → add `port = 9100`
        14:12 "4 GB" is not a size → write digits and a unit, such as "4G"
        13:13 "http://127.0.0.1/dir" is not the URL of an ACME directory → write a URL such as "https://acme-v02.api.letsencrypt.org/directory"
        14:11 `staging` names another directory than `directory` → keep one of them
        13:6 no.pem holds no certificate → write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it
        14:12 "198.51.100.254" is not an address with a port → write a resolver such as "198.51.100.254:53" or "[2001:db8::53]:53"
        "#);
}

#[test]
fn a_picture_shows_the_line_and_what_was_meant() {
    let home = Home::new();
    insta::assert_snapshot!(home.picture(&with("source", "prot = 80\nsource")), @r#"
        error: [app] has no key `prot`
          --> site.toml:10:1
           |
        10 | prot = 80
           | ^^^^
           |
        help: did you mean `port`?
        "#);
    insta::assert_snapshot!(home.picture(&with("198.51.100.11", "198.51.100.10")), @r#"
        error: proxy has the same address as app1
         --> site.toml:7:11
          |
        4 | address = "198.51.100.10"
          |           --------------- the address of app1
        ...
        7 | address = "198.51.100.10"
          |           ^^^^^^^^^^^^^^^
          |
        help: give each host its own address; one host can have two roles: roles = ["app", "proxy"]
        "#);
    insta::assert_snapshot!(
        home.picture(&with("[tls]\nemail = \"ops@example.com\"\n", "")), @r#"
        error: site.toml has no table [tls]
         --> site.toml:1:1
          |
        1 | name = "polls"
          | ^
          |
        help: add
              [tls]
              email = "ops@example.com"
        "#);
}

#[test]
fn no_picture_shows_a_value_of_the_environment() {
    let home = Home::new();
    for env in [
        "env = { A = \"hunter2\", \"B-\" = \"hunter2\" }",
        "env = { A = \"hunter2\", B = 5 }",
        "env = { A = \"hunter2\", A = \"hunter2\" }",
        "env = { A = \"hunter2\" B = \"hunter2\" }",
        "env = { A = \"hunter2\\u0000\" }",
        "env = \"hunter2\"",
        "env.A = \"hunter2",
    ] {
        let text = with("[app]\n", &format!("[app]\n{env}\n"));
        let picture = home.picture(&text);
        assert!(picture.contains("site.toml:10:"), "{picture}");
        assert!(!picture.contains("hunter2"), "{picture}");
    }
}

#[test]
fn a_missing_file_names_the_command_that_writes_one() {
    let home = Home::new();
    let error = site::load(&home.path().join("none.toml")).unwrap_err();
    assert_eq!(
        home.without_name(&error.to_string()),
        "can't read none.toml: No such file or directory (os error 2); `provision init` writes \
         a first one; another's path can be given as an argument"
    );
}

#[test]
fn a_file_that_is_not_utf8_is_a_mistake_with_a_place() {
    let home = Home::new();
    let file = home.path().join("site.toml");
    fs::write(&file, b"name = \"polls\"\n# caf\xe9\n").unwrap();
    let error = site::load(&file).unwrap_err();
    let mistake = error.mistake().unwrap();
    assert_eq!((mistake.line, mistake.column), (2, 6));
}

#[test]
fn the_starter_loads_as_it_is() {
    let home = Home::new();
    let site = home.parse(site::starter()).unwrap();
    assert_eq!(site.name.as_str(), "polls");
    assert_eq!(site.with_role(Role::App).count(), 2);
    assert_eq!(site.with_role(Role::Proxy).count(), 1);
}

#[test]
fn every_option_the_starter_tells_of_can_be_switched_on() {
    let home = Home::new();
    home.write("polls.env", "DATABASE_HOST=db\n");
    home.write(
        "test-ca.pem",
        "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n",
    );
    let is_option = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| {
                key.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            })
    };
    let lines: Vec<&str> = site::starter().lines().collect();
    let options: Vec<usize> = (0..lines.len())
        .filter(|at| is_option(lines[*at]))
        .collect();
    assert!(options.len() >= 25, "{}", options.len());
    for option in options {
        let text: Vec<&str> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| if at == option { &line[2..] } else { line })
            .collect();
        let environment = |name: &str| match name {
            "HOME" => Some(home.path().into()),
            _ => Some(OsString::from("a value")),
        };
        let file = home.path().join("site.toml");
        if let Err(error) = site::parse(&text.join("\n"), &file, environment) {
            panic!("{error}");
        }
    }
}

/// A small generator of the xorshift family, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn a_mangled_file_is_refused_or_read_but_never_a_panic() {
    let home = Home::new();
    let pieces = [
        "\"",
        "[",
        "]",
        "=",
        "{",
        "}",
        "\n",
        "é",
        "\0",
        "0",
        "'",
        "\\",
        "#",
        ".",
        "\u{1f600}",
        "\r\n",
        "[app.env]\n",
        "\"\"\"",
    ];
    let starter: Vec<char> = format!("{SMALL}[app.env]\nÄ = 1\nB = \"ü\"\n")
        .chars()
        .collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..3000 {
        let mut text = starter.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(text.len());
            match dice.below(3) {
                0 => drop(text.remove(at)),
                1 => drop(text.splice(at..at, pieces[dice.below(pieces.len())].chars())),
                _ => drop(text.drain(at..(at + dice.below(20)).min(text.len()))),
            }
        }
        let text: String = text.into_iter().collect();
        match home.parse(&text) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(error.picture(true).len() >= error.to_string().len());
            }
        }
    }
    assert!(refused > 100, "{refused} refused, {read} read");
}

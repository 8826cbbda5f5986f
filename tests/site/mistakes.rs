//! How each mistake in a site.toml is shown.

use std::fs;

use provision::site;

use crate::home::{Home, SMALL, with};

#[test]
fn each_mistake_is_one_message_with_its_place_and_its_remedy() {
    let home = Home::new();
    home.write("no.pem", "nothing");
    home.write("secret.key", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    home.write("bad.env", "A=1\nhunter2\n");
    home.write("good.env", "A=1\n");
    let app = |more: &str| with("[app]\n", &format!("[app]\n{more}\n"));
    let host = |more: &str| with("[hosts.app1]\n", &format!("[hosts.app1]\n{more}\n"));
    let table = |more: &str| format!("{SMALL}{more}\n");
    home.write("nul.conf", "gzip on;\0\n");
    let tls = |new: &str| with("email = \"ops@example.com\"", new);
    let location = |url: &str, directory: &str, expires: &str| {
        let expires = match expires {
            "" => String::new(),
            time => format!(", expires = {time:?}"),
        };
        table(&format!(
            "[proxy]\nlocations = [{{ url = {url:?}, directory = {directory:?}{expires} }}]"
        ))
    };
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
        table("[ssh]\nhardened = true"),
        table("[ssh]\nuser = \"root\"\nharden = true"),
        table("[ssh]\nsudo = \"none\""),
        table("[ssh]\nsudo = \"paswword\""),
        table("[ssh]\npassword = \"secret\""),
        table("[ssh]\npassword = {}"),
        table("[ssh]\npassword = { env = \"A-B\" }"),
        table("[ssh]\npassword = { evn = \"A\" }"),
        table("[ssh]\npassword = { command = [] }"),
        table("[ssh]\npassword = { command = \"pass show vps\" }"),
        table("[ssh]\njump = \"proxxy\""),
        table("[ssh]\njump = [\"ok.example\", \"-oProxyCommand=id\"]"),
        table("[ssh]\njump = \"a@b:99999\""),
        table("[ssh]\njump = \"none\""),
        host("jump = \"app1\""),
        with("role = \"app\"\n", "role = \"app\"\njump = \"proxy\"\n")
            .replace("role = \"proxy\"", "role = \"proxy\"\njump = \"app1\""),
        host("ssh = \"-oProxyCommand=id\""),
        host("ssh = \"two words\""),
        table("[ssh]\nauthorized_keys = \"~/.ssh/none.pub\""),
        table("[ssh]\nauthorized_keys = \"secret.key\""),
        table("[ssh]\nauthorized_keys = \"no.pem\""),
        table("[ssh]\nauthorized_keys = \"ssh-ed25519 AAAA me\""),
        table("[ssh]\nauthorized_keys = \"ssh-dss AAAA me\""),
        table("[ssh]\nauthorized_keys = \"restrict ssh-rsa AAAA me\""),
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
        table("[firewall]\nallow = [{ port = 9100, from = [\"::/0\"] }]"),
        table("[firewall]\nallow = [{ port = 8000, to = \"contaner\" }]"),
        table("[firewall]\nallow = [{ port = 8000, to = \"polls-app\" }]"),
        table("[proxy]\nmax_body = \"4 GB\""),
        table("directory = \"http://127.0.0.1/dir\""),
        table("directory = \"https://127.0.0.1/dir\"\nstaging = true"),
        table("ca = \"no.pem\""),
        table("staging = \"yes\""),
        table("mode = \"letsencypt\""),
        table("mode = \"manual\""),
        with("email = \"ops@example.com\"\n", "mode = \"letsencrypt\"\n"),
        table("mode = \"self-signed\""),
        table("profile = \"short\""),
        table("profile = \"tls-server\""),
        table("key_type = \"ed25519\""),
        table("key_type = \"ecdsa\"\nrsa_key_size = 4096"),
        table("rsa_key_size = 1024"),
        table("check = \"no\""),
        table("certificate = \"chain.pem\""),
        tls("mode = \"provided\""),
        tls("mode = \"provided\"\ncertificate = \"no.pem\""),
        tls("mode = \"provided\"\ncertificate = \"none.pem\"\nkey = \"no.pem\""),
        tls("mode = \"provided\"\ncertificate = \"no.pem\"\nkey = \"secret.key\""),
        tls("mode = \"provided\"\ncertificate = \"no.pem\"\nkey = \"no.pem\"\ncheck = true"),
        tls("mode = \"off\"\nkey_type = \"rsa\""),
        tls("mode = \"off\"\n[proxy]\nhttp3 = true"),
        tls("mode = \"off\"\n[proxy]\nhsts_subdomains = true"),
        table("on_failure = \"alert\""),
        table("on_failure = {}"),
        table("on_failure = { comand = [\"/bin/true\"] }"),
        table("on_failure = { command = [] }"),
        table("on_failure = { command = [\"alert\"] }"),
        table("on_failure = { command = [\"/bin/alert\", \"a\\nb\"] }"),
        table("on_failure = { command = [\"/bin/alert\"], webhook_env = \"SECRET_KEY\" }"),
        table("on_failure = { webhook_env = \"NO_SUCH_THING\" }"),
        table("on_failure = { webhook_env = \"https://alert.example/hunter2\" }"),
        table("on_failure = { webhook_env = \"SECRET_KEY\" }"),
        table("[proxy]\nhsts = -1"),
        table("[proxy]\nhsts = 0\nhsts_subdomains = true"),
        table("[proxy]\nhsts_preload = true"),
        table("[proxy]\nhsts = 300\nhsts_subdomains = true\nhsts_preload = true"),
        table("[proxy]\ntls = \"moderm\""),
        table("[proxy]\nhttp2 = \"on\""),
        table("[proxy]\nbalance = \"random\""),
        table("[proxy]\nread_timeout = 0"),
        table("[proxy]\naccess_log = \"combined\""),
        table("[proxy]\nlocations = [{ url = \"/media/\" }]"),
        table("[proxy]\nlocations = [{ directory = \"/srv/media\" }]"),
        table(
            "[[proxy.locations]]\nurl = \"/media/\"\ndirectory = \"/srv/media\"\nexpries = \"1d\"",
        ),
        location("/media", "/srv/media", ""),
        location("media/", "/srv/media", ""),
        location("/", "/srv/media", ""),
        location("/a%2Fb/", "/srv/media", ""),
        location("/a//b/", "/srv/media", ""),
        location("/.well-known/acme-challenge/", "/srv/media", ""),
        location("/media/", "media", ""),
        location("/media/", "//", ""),
        location("/media/", "/etc", ""),
        location("/media/", "/srv/polls", ""),
        location("/media/", "/srv/./polls/proxy/", ""),
        location("/media/", "/var/lib/provision/polls", ""),
        location("/media/", "/srv/media", "one day"),
        location("/media/", "/srv/media", "1 d"),
        table(
            "[proxy]\nlocations = [{ url = \"/a/\", directory = \"/srv/a\" }, \
             { url = \"/a/\", directory = \"/srv/b\" }]",
        ),
        app("static_root = \"/app/static\"")
            + "[proxy]\nlocations = [{ url = \"/static/\", directory = \"/srv/a\" }]\n",
        table("[proxy.snippets]\nsever = \"x.conf\""),
        table("[proxy.snippets]\nserver = \"none.conf\""),
        table("[proxy.snippets]\nserver = \"nul.conf\""),
        table("[dns]\nresolver = \"198.51.100.254\""),
        table("[verify]\nfrom = [\"ops@\"]"),
        table("[verify]\nfrom = [\"app1\"]"),
        table("[verify]\nfrom = [\"root@198.51.100.10\"]"),
        table("[verify]\nfrom = [\"ops@here\"]"),
        table("[verify]\nfrom = [\"a@203.0.113.9\", \"b@203.0.113.9\"]"),
    ]
    .map(|text| home.mistake(&text))
    .join("\n");
    insta::assert_snapshot!(mistakes, @r#"
        1:1 there is no key `nmae` at the top of site.toml → did you mean `name`?
        10:1 [app] has no key `prot` → did you mean `port`?
        10:1 [app] has no key `wibble` → write `source`, `port`, `publish`, `health`, `env_file`, `env`, `secrets`, `migrate`, `collectstatic`, `superuser`, `static_root`, `static_url`, `media_root`, `media_url`, `server`, `wsgi`, `workers`, `threads`, `socket`, `user`, `memory`, `read_only`, `gpus`, `development`, `check` or `fixtures`
        4:1 [hosts.app1] has no key `adress` → did you mean `address`?
        10:12 [app.source] has no key `imgae` → did you mean `image`?
        13:2 there is no key `dokcer` at the top of site.toml → did you mean `docker`?
        1:1 site.toml lacks the key `name` → add `name = "polls"` at the top
        11:1 `email` is missing from [tls], which has mode "letsencrypt" → write email = "ops@example.com"
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
        2:12 "*.example.com" is a wildcard, which can't be proven by http-01 (it takes DNS-01, which provision doesn't do) → write every name in full: "example.com", "www.example.com"
        2:11 a site needs at least one domain → write a name such as ["polls.example.com"]
        2:29 a.example.com is named twice → leave one of them out
        14:8 "a;b" can't be a login name → write lower-case letters, digits, - and _, a letter or _ first, at most 32 characters
        14:7 can't read the key .ssh/none: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:7 can't read the key .ssh: it is not a file → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:19 `connect_timeout` can't be 0 → write a number from 1 to 600
        14:1 [ssh] has no key `hardened` → did you mean `harden`?
        15:10 `harden` turns root's login off, and `user` is root → write another `user`, who is made with sudo; or leave `harden` out
        14:8 "none" is not a way of sudo → write `nopasswd` or `password`
        14:8 "paswword" is not a way of sudo → did you mean `password`?
        14:12 `password` must be a place it comes from, such as { env = "VPS_PASSWORD" } or { command = ["pass", "show", "vps"] }, not a string → write a place it comes from, such as { env = "VPS_PASSWORD" } or { command = ["pass", "show", "vps"] }
        14:12 `password` has to come from one place → write { env = "VPS_PASSWORD" } or { command = ["pass", "show", "vps/root"] }
        14:20 the `env` of `password` can't name an environment variable → write letters, digits and _, not a digit first
        14:14 [ssh.password] has no key `evn` → did you mean `env`?
        14:24 the `command` of `password` names no program → write program and arguments, such as ["pass", "show", "vps/root"]
        14:24 `command` must be a list in [ ], not a string → write a list in [ ]
        14:8 "proxxy" is no host of this site → did you mean `proxy`? Another server is written USER@proxxy
        14:23 "-oProxyCommand=id" is not a bastion → write a host of this site, or [USER@]HOST[:PORT] as `ssh -J` takes it
        14:8 "a@b:99999" is not a bastion → write its port as a number from 1 to 65535
        14:8 "none" is not a bastion → write [] for no bastion
        4:8 the way to app1 leads in a circle, through app1 → give the bastion a way of its own: jump = [] under it for a direct one
        6:8 the way to app1 leads in a circle, through app1 → give the bastion a way of its own: jump = [] under it for a direct one
        4:7 "-oProxyCommand=id" can't be a name in ssh_config → write the name you call ssh with, such as "app1.prod"
        4:7 "two words" can't be a name in ssh_config → write the name you call ssh with, such as "app1.prod"
        14:19 can't read the public key .ssh/none.pub: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:19 secret.key is a private key → write the path of its public half, such as "~/.ssh/id_ed25519.pub"
        14:19 line 1 of no.pem is no public key: it doesn't begin with a type that sshd takes → write the path of its public half, such as "~/.ssh/id_ed25519.pub"
        14:19 this is no public key: what follows its type is damaged or cut off → write a line as a .pub file has it, "ssh-ed25519 AAAA… name", or the file's path
        14:19 this is no public key: it doesn't begin with a type that sshd takes → write a line as a .pub file has it, "ssh-ed25519 AAAA… name", or the file's path
        14:19 this is no public key: options before a key aren't taken here → write a line as a .pub file has it, "ssh-ed25519 AAAA… name", or the file's path
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
        5:8 "database" is not a role → write `app`, `proxy`, `db` or `cache`
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
        10:12 there is no value for NO_SUCH_THING, in the secrets file or the environment → keep one: provision secrets --set NO_SUCH_THING; or: export NO_SUCH_THING=…
        10:67 the value of EMPTY is empty → set it to the superuser's password
        14:16 "172.30.0.1/16" has bits set after the prefix → write a private network such as "172.30.0.0/16"
        14:16 "8.8.0.0/16" is not a private IPv4 network → write a private network such as "172.30.0.0/16"
        14:15 `subnet_bits` can't be 12 → write a number from 16 to 30
        14:10 "distribution" is not a source of Docker's packages → write `docker` or `distro`
        14:17 `guard_seconds` can't be 5 → write a number from 10 to 600
        14:33 "10.0.0.1/8" has bits set after the prefix → write "10.0.0.0/8", or the address alone
        13:1 [[firewall.allow]] lacks the key `port` → add `port = 9100`
        14:33 "::/0" is everybody → leave `from` out to let everybody in
        14:30 "contaner" is not what a port leads to → did you mean `container`?
        14:30 "polls-app" is not what a port leads to → write `host` or `container`
        14:12 "4 GB" is not a size → write digits and a unit, such as "4G"
        13:13 "http://127.0.0.1/dir" is not the URL of an ACME directory → write a URL such as "https://acme-v02.api.letsencrypt.org/directory"
        14:11 `staging` names another directory than `directory` → keep one of them
        13:6 no.pem holds no certificate → write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it
        13:11 `staging` must be true or false, not a string → write true or false
        13:8 "letsencypt" is not a source of certificates → did you mean `letsencrypt`?
        13:8 "manual" is not a source of certificates → write `letsencrypt`, `provided`, `self-signed` or `off`
        11:1 `email` is missing from [tls], which has mode "letsencrypt" → write email = "ops@example.com"
        12:9 `email` means nothing with mode "self-signed" → leave it out; it belongs to mode letsencrypt
        13:11 "short" is not a profile of Let's Encrypt's → write `classic`, `tlsserver` or `shortlived`
        13:11 "tls-server" is not a profile of Let's Encrypt's → did you mean `tlsserver`?
        13:12 "ed25519" is not a kind of key → write `ecdsa` or `rsa`
        14:16 `rsa_key_size` is for RSA, and `key_type` is "ecdsa" → leave one of them out
        13:16 `rsa_key_size` can't be 1024 → write a number from 2048 to 8192
        13:9 `check` must be true or false, not a string → write true or false
        13:15 `certificate` means nothing with mode "letsencrypt" → leave it out; it belongs to mode provided
        11:1 `certificate` is missing from [tls], which has mode "provided" → write certificate = "fullchain.pem" and key = "privkey.pem"
        11:1 `key` is missing from [tls], which has mode "provided" → write certificate = "fullchain.pem" and key = "privkey.pem"
        13:15 can't read the certificate none.pem: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        13:15 the certificate no.pem can't be used: it holds no certificate → write the path of a PEM file, which has -----BEGIN CERTIFICATE----- in it
        15:9 `check` means nothing with mode "provided" → leave it out; it belongs to mode letsencrypt
        13:12 `key_type` means nothing with mode "off" → leave it out; it belongs to mode letsencrypt or self-signed
        14:9 there is no HTTP/3 without TLS → leave `http3` out, or `mode = "off"` of [tls]
        14:19 `hsts_subdomains` means nothing, since there is no HSTS without TLS → leave it out
        13:14 `on_failure` must be a table such as { command = ["/usr/local/bin/alert"] } or { webhook_env = "ALERT_URL" }, not a string → write a table such as { command = ["/usr/local/bin/alert"] } or { webhook_env = "ALERT_URL" }
        13:14 `on_failure` is one command or one webhook → write { command = ["/usr/local/bin/alert"] } or { webhook_env = "ALERT_URL" }
        13:16 [tls.on_failure] has no key `comand` → did you mean `command`?
        13:14 `on_failure` is one command or one webhook → write { command = ["/usr/local/bin/alert"] } or { webhook_env = "ALERT_URL" }
        13:27 "alert" is not the path of a program → write the whole path of a program on the proxy, then its arguments
        13:41 an argument can hold neither NUL nor a line's end → write it in one line
        13:14 `on_failure` is one command or one webhook → write { command = ["/usr/local/bin/alert"] } or { webhook_env = "ALERT_URL" }
        13:30 the environment has no variable NO_SUCH_THING → set it before you call provision: export NO_SUCH_THING=…
        13:30 `webhook_env` can't name an environment variable → write letters, digits and _, not a digit first; the URL itself is a secret
        13:30 the environment's SECRET_KEY is not a URL → set it to a URL that begins with https://
        14:8 `hsts` can't be -1 → write a whole number, 0 or more
        15:19 `hsts_subdomains` means nothing, since `hsts = 0` leaves the header out → leave it out
        14:16 browsers preload only sites whose HSTS is for all names below them → write `hsts_subdomains = true` beside it
        16:16 browsers preload only sites whose `hsts` is at least 31536000 seconds → write `hsts = 31536000` or more
        14:7 "moderm" is not one of Mozilla's configurations → did you mean `modern`?
        14:9 `http2` must be true or false, not a string → write true or false
        14:11 "random" is not a way to share requests out → write `round-robin`, `least-conn` or `ip-hash`
        14:16 `read_timeout` can't be 0 → write a number from 1 to 86400
        14:14 "combined" is not a format of the access log → write `text`, `json` or `off`
        14:14 [[proxy.locations]] lacks the key `directory` → add `directory = "/srv/media"`
        14:14 [[proxy.locations]] lacks the key `url` → add `url = "/media/"`
        16:1 [[proxy.locations]] has no key `expries` → did you mean `expires`?
        14:22 "/media" doesn't end with `/`: it would be the beginning of other names → end it with `/`, such as "/media/"
        14:22 "media/" is not the path of a URL → write a path such as "/polls/"
        14:22 "/" is the app's → write a path below it, such as "/media/"
        14:22 "/a%2Fb/" is never asked for: nginx decodes and shortens paths first → write it without `%`, `//` and `/./`
        14:22 "/a//b/" is never asked for: nginx decodes and shortens paths first → write it without `%`, `//` and `/./`
        14:22 /.well-known/acme-challenge/ belongs to the certificate's authority → write another path
        14:45 "media" is not an absolute path → write a path such as "/app/static", without spaces
        14:45 // would let everyone read /etc, where secrets lie → write a directory of its own, such as "/srv/polls/media"
        14:45 /etc would let everyone read /etc, where secrets lie → write a directory of its own, such as "/srv/polls/media"
        14:45 /srv/polls would let everyone read /srv/polls/app, where secrets lie → write a directory of its own, such as "/srv/polls/media"
        14:45 /srv/./polls/proxy/ would let everyone read /srv/polls/proxy/tls, where secrets lie → write a directory of its own, such as "/srv/polls/media"
        14:45 /var/lib/provision/polls would let everyone read /var/lib/provision, where secrets lie → write a directory of its own, such as "/srv/polls/media"
        14:69 "one day" is not a time → write digits and a unit, such as "30d"
        14:69 "1 d" is not a time → write digits and a unit, such as "30d"
        14:61 /a/ is served twice → keep one of them
        15:22 /static/ is the app's `static_url` already → write another path, or leave `static_root` out
        14:1 [proxy.snippets] has no key `sever` → did you mean `server`?
        14:10 can't read the snippet none.conf: No such file or directory (os error 2) → write the path of a file that you can read, relative to this file or beginning with `/` or `~/`
        14:10 nul.conf is not text in UTF-8 → write the path of a text file
        14:12 "198.51.100.254" is not an address with a port → write a resolver such as "198.51.100.254:53" or "[2001:db8::53]:53"
        14:9 "ops@" is not a server to look from → write [USER@]HOST[:PORT] as `ssh -J` takes it
        14:8 "app1" is app1 of this site, which is looked from anyway → leave it out, or write a server that isn't part of the site
        14:8 "198.51.100.10" is proxy of this site, which is looked from anyway → leave it out, or write a server that isn't part of the site
        14:8 "here" is taken: every vantage has a name of its own → leave it out, or give the server another name in ~/.ssh/config
        14:8 "203.0.113.9" is taken: every vantage has a name of its own → leave it out, or give the server another name in ~/.ssh/config
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
fn a_mistake_in_the_env_file_names_that_file_and_shows_no_line_of_it() {
    let home = Home::new();
    home.write("polls.env", "A=1\nhunter2\n");
    let text = with("[app]\n", "[app]\nenv_file = \"polls.env\"\n");
    insta::assert_snapshot!(home.picture(&text), @r#"
        error: this line has no `=`
        --> polls.env:2:1
         |
        help: write NAME=value; a value of several lines goes into quotes
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
    let error = site::load(&home.path().join("none.toml"), &site::NoVault).unwrap_err();
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
    let error = site::load(&file, &site::NoVault).unwrap_err();
    let mistake = error.mistake().unwrap();
    assert_eq!((mistake.line, mistake.column), (2, 6));
}

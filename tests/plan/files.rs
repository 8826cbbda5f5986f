//! The files that come out of the templates.

use crate::{SCALED, files, whole};

/// Static files by the proxy, no HSTS, private addresses, a test authority's directory.
fn private() -> String {
    let text = SCALED
        .replace(
            "address = \"198.51.100.11\"",
            "address = \"198.51.100.11\"\nprivate = \"10.20.0.11\"",
        )
        .replace(
            "address = \"198.51.100.12\"",
            "address = \"198.51.100.12\"\nprivate = \"fd00:20::12\"",
        )
        .replace(
            "address = \"198.51.100.10\"",
            "address = \"198.51.100.10\"\nprivate = \"10.20.0.10\"",
        )
        .replace(
            "migrate = true",
            "migrate = true\nport = 9000\npublish = 8080\nstatic_root = \"/app/static\"\n\
             static_url = \"/assets/\"",
        );
    format!(
        "{text}directory = \"https://acme.example/dir?a=%20b\"\n[proxy]\nhsts = 0\nmax_body = \"512k\"\n"
    )
}

#[test]
fn nginx_over_http_alone_serves_nothing_but_the_challenge() {
    let files = files(&whole(SCALED), "proxy", false);
    insta::assert_snapshot!(files["/srv/polls/proxy/conf.d/site.conf"]);
}

#[test]
fn nginx_in_full() {
    let files = files(&whole(SCALED), "proxy", true);
    insta::assert_snapshot!(files["/srv/polls/proxy/conf.d/site.conf"]);
}

#[test]
fn nginx_in_full_with_static_files_without_hsts() {
    let files = files(&whole(&private()), "proxy", true);
    insta::assert_snapshot!(files["/srv/polls/proxy/conf.d/site.conf"]);
}

#[test]
fn static_files_carry_the_hsts_header_too() {
    let text = private().replace("hsts = 0", "hsts = 600");
    let files = files(&whole(&text), "proxy", true);
    let conf = &files["/srv/polls/proxy/conf.d/site.conf"];
    let (_, location) = conf.split_once("location ^~ /assets/ {").unwrap();
    let (location, _) = location.split_once('}').unwrap();
    let header = "add_header Strict-Transport-Security \"max-age=600\" always;";
    assert!(location.contains(header), "{location}");
}

#[test]
fn the_apps_compose_file() {
    let files = files(&whole(SCALED), "app1", false);
    insta::assert_snapshot!(files["/srv/polls/compose.yaml"]);
}

#[test]
fn the_app_is_published_on_the_private_address_where_there_is_one() {
    let plan = whole(&private());
    let port = |host: &str| {
        let text = files(&plan, host, false)["/srv/polls/compose.yaml"].clone();
        let after = text.split_once("ports:\n").unwrap().1.to_owned();
        after.lines().next().unwrap().trim().to_owned()
    };
    assert_eq!(port("app1"), "- \"10.20.0.11:8080:9000\"");
    // The proxy has no private address of that family, so it comes in by the public one.
    assert_eq!(port("app2"), "- \"8080:9000\"");
}

#[test]
fn a_changed_variable_makes_another_container() {
    let digest = |text: &str| {
        let files = files(&whole(text), "app1", false);
        let compose = files["/srv/polls/compose.yaml"].clone();
        let line = compose.lines().find(|l| l.contains("provision.digest"));
        line.unwrap().to_owned()
    };
    let same = digest(SCALED);
    assert_eq!(digest(SCALED), same);
    assert_ne!(digest(&SCALED.replace("c4n4ry-level", "other")), same);
    assert_ne!(digest(&SCALED.replace("polls:1", "polls:2")), same);
}

#[test]
fn the_environment_file_keeps_every_character_for_compose() {
    let files = files(&whole(SCALED), "app1", false);
    insta::assert_snapshot!(files["/srv/polls/app/app.env"], @r#"
    secret: DATABASE_PASSWORD="c4n4ry-database_password"
    DJANGO_ALLOWED_HOSTS="polls.example.com,www.polls.example.com"
    DJANGO_CSRF_TRUSTED_ORIGINS="https://polls.example.com,https://www.polls.example.com"
    DJANGO_LOGLEVEL="c4n4ry-level \$HOME \"q\""
    DJANGO_SECRET_KEY="c4n4ry-django_secret_key"
    HOME="/tmp"
    "#);
}

#[test]
fn the_proxys_compose_file() {
    let files = files(&whole(SCALED), "proxy", false);
    insta::assert_snapshot!(files["/srv/polls/compose.yaml"]);
}

#[test]
fn the_proxys_compose_file_with_static_files() {
    let files = files(&whole(&private()), "proxy", false);
    let text = &files["/srv/polls/compose.yaml"];
    let mount = "- \"/srv/polls/proxy/static:/srv/static:ro\"";
    assert!(text.contains(mount), "{text}");
}

#[test]
fn the_renewals_units() {
    let files = files(&whole(&private()), "proxy", false);
    insta::assert_snapshot!(
        "renew.service",
        files["/etc/systemd/system/polls-renew.service"]
    );
    insta::assert_snapshot!(
        "renew.timer",
        files["/etc/systemd/system/polls-renew.timer"]
    );
}

const CONF: &str = "/srv/polls/proxy/conf.d/site.conf";

/// nginx's configuration of a site with this `[proxy]`, in full.
fn conf(proxy: &str) -> String {
    files(&whole(&format!("{SCALED}[proxy]\n{proxy}")), "proxy", true)[CONF].clone()
}

#[test]
fn nginx_with_every_switch() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = format!(
        r#"tls = "old"
http3 = true
hsts = 63072000
hsts_subdomains = true
hsts_preload = true
balance = "least-conn"
read_timeout = 600
access_log = "json"
locations = [
  {{ url = "/media/", directory = "/srv/media", expires = "30d" }},
  {{ url = "/files/", directory = "/srv/files" }},
]
snippets = {{ http = "{}", server = "{}", location = "{}" }}
"#,
        write("http.conf", "map $uri $kind {\n    default page;\n}\n"),
        write(
            "server.conf",
            "location = /robots.txt {\n    return 204;\n}\n"
        ),
        write("location.conf", "proxy_buffering off;\n"),
    );
    insta::assert_snapshot!(conf(&text));
}

#[test]
fn nginx_without_tls_serves_the_site_over_http() {
    let off = SCALED.replace("email = \"ops@example.com\"\n", "mode = \"off\"\n");
    let files = files(&whole(&off), "proxy", true);
    insta::assert_snapshot!("without_tls", files[CONF]);
    // Where TLS comes back, the container doesn't have to be made anew; the firewall keeps the
    // port shut until then.
    let compose = |text: &str| crate::files(&whole(text), "proxy", true);
    let path = "/srv/polls/compose.yaml";
    assert_eq!(compose(&off)[path], compose(SCALED)[path]);
}

#[test]
fn mozillas_modern_configuration_is_tls_1_3_alone() {
    let modern = conf("tls = \"modern\"\n");
    assert!(modern.contains("\nssl_protocols TLSv1.3;\n"));
    assert!(!modern.contains("ssl_ciphers"));
}

#[test]
fn every_answer_over_tls_carries_the_headers_and_none_over_http() {
    let text = format!(
        "{}[proxy]\nhttp3 = true\nlocations = [{{ url = \"/media/\", directory = \"/srv/media\" }}]\n",
        SCALED.replace(
            "migrate = true",
            "migrate = true\nstatic_root = \"/app/static\""
        )
    );
    let conf = files(&whole(&text), "proxy", true)[CONF].clone();
    for server in conf.split("\nserver {").skip(1) {
        let tls = server.contains("listen 443") && !server.contains("ssl_reject_handshake");
        // A block with headers of its own inherits none.
        for block in server
            .split("location ")
            .filter(|block| block.contains("add_header"))
        {
            for header in ["Strict-Transport-Security", "Alt-Svc"] {
                assert!(
                    tls && block.contains(&format!("add_header {header}")),
                    "{block}"
                );
            }
        }
        assert_eq!(tls, server.contains("add_header Strict"), "{server}");
    }
    let unsaid = files(&whole(&text), "proxy", false)[CONF].clone();
    assert!(!unsaid.contains("add_header"));
}

#[test]
fn every_client_s_own_word_of_its_address_is_dropped() {
    let conf = conf("");
    for said in [
        "X-Forwarded-For $remote_addr",
        "X-Forwarded-Host $host",
        "X-Forwarded-Port $server_port",
        "X-Forwarded-Proto $scheme",
        "X-Forwarded-Protocol \"\"",
        "X-Forwarded-Ssl \"\"",
        "X-Real-IP $remote_addr",
        "Forwarded \"\"",
    ] {
        assert!(
            conf.contains(&format!("proxy_set_header {said};")),
            "{said}"
        );
    }
}

#[test]
fn directories_of_the_operator_are_mounted_where_nginx_looks_for_them() {
    let text = format!(
        "{SCALED}[proxy]\nhttp3 = true\nlocations = [\n{}]\n",
        "{ url = \"/media/\", directory = \"/srv/media\" },\n{ url = \"/old/\", directory = \"/srv/old\" },\n"
    );
    let files = files(&whole(&text), "proxy", true);
    let compose = &files["/srv/polls/compose.yaml"];
    for (at, directory, url) in [(0, "/srv/media", "/media/"), (1, "/srv/old", "/old/")] {
        let mount = format!("- \"{directory}:/srv/locations/{at}:ro\"");
        assert!(compose.contains(&mount), "{compose}");
        let location = format!("location ^~ {url} {{\n        alias /srv/locations/{at}/;");
        assert!(files[CONF].contains(&location), "{}", files[CONF]);
    }
    assert!(compose.contains("- \"443:443/udp\""), "{compose}");
}

//! What gixy says of every nginx configuration: <https://github.com/dvershinin/gixy>.

use std::ffi::OsString;
use std::process::Command;

use crate::{SCALED, files, whole};

const CONF: &str = "/srv/polls/proxy/conf.d/site.conf";

/// The program, from `$GIXY` or the path. None where it isn't there.
fn program() -> Option<OsString> {
    let named = std::env::var_os("GIXY").unwrap_or_else(|| "gixy".into());
    let asked = Command::new(&named).arg("--version").output();
    if asked.is_ok_and(|asked| asked.status.success()) {
        return Some(named);
    }
    let why = "left out: there is no gixy here ($GIXY, or on the path); pip install gixy-ng";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("{why}");
    None
}

/// The configuration of a site with this `[proxy]`.
fn conf(proxy: &str, certificate: bool) -> String {
    let files = files(
        &whole(&format!("{SCALED}[proxy]\n{proxy}")),
        "proxy",
        certificate,
    );
    files[CONF].clone()
}

/// That of a site whose app and proxy are one host, with these lines in `[app]`.
fn one_host(app: &str) -> String {
    crate::single::of(app)[CONF].clone()
}

/// Every one that is different in kind, by a name.
fn all() -> Vec<(&'static str, String)> {
    let tls = |proxy: &str| conf(proxy, true);
    let files = SCALED.replace(
        "migrate = true",
        "migrate = true\nstatic_root = \"/app/static\"",
    );
    let off = SCALED.replace("email = \"ops@example.com\"\n", "mode = \"off\"\n");
    let of =
        |text: &str, certificate| crate::files(&whole(text), "proxy", certificate)[CONF].clone();
    let media = "locations = [{ url = \"/media/\", directory = \"/srv/media\", expires = \"30d\" }, \
                 { url = \"/files/\", directory = \"/srv/files\" }]\n";
    vec![
        ("the challenge alone", conf("", false)),
        ("as it comes", tls("")),
        ("modern", tls("tls = \"modern\"")),
        ("HTTP/3", tls("http3 = true")),
        ("without HTTP/2", tls("http2 = false")),
        (
            "preloaded",
            tls("hsts = 63072000\nhsts_subdomains = true\nhsts_preload = true"),
        ),
        ("one host", one_host("")),
        (
            "one host, uWSGI over a socket",
            one_host("server = \"uwsgi\"\nwsgi = \"a.wsgi\"\nsocket = true\nmedia_root = \"/m\"\n"),
        ),
        ("JSON", tls("access_log = \"json\"")),
        ("by the client's address", tls("balance = \"ip-hash\"")),
        (
            "fewest connections",
            tls("balance = \"least-conn\"\nread_timeout = 600"),
        ),
        ("media", tls(media)),
        ("media over HTTP/3", tls(&format!("http3 = true\n{media}"))),
        ("static files", of(&files, true)),
        ("without TLS", of(&off, false)),
        ("old", tls("tls = \"old\"")),
        ("no log", tls("access_log = \"off\"")),
    ]
}

/// What was asked for, and is an issue to gixy: weak protocols and ciphers.
const WANTED: [(&str, &str); 1] = [("old", "weak_ssl_tls")];

/// The issues in a configuration: the rule of each, and what it says.
fn issues(program: &OsString, conf: &str) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/site.conf"), conf).unwrap();
    // As the image includes it.
    let main = dir.path().join("nginx.conf");
    std::fs::write(
        &main,
        "worker_processes auto;\nevents {\n}\nhttp {\n    include conf.d/site.conf;\n}\n",
    )
    .unwrap();
    let ended = Command::new(program)
        .args(["-f", "json"])
        .arg(&main)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let found: serde_json::Value = serde_json::from_str(&said)
        .unwrap_or_else(|e| panic!("{e}: {said}{}", String::from_utf8_lossy(&ended.stderr)));
    let found = found.as_array().unwrap().iter();
    found
        .map(|issue| {
            let rule = issue["plugin"].as_str().unwrap().to_owned();
            (rule, issue.to_string())
        })
        .collect()
}

#[test]
fn gixy_has_nothing_to_say_of_any_configuration() {
    let Some(program) = program() else {
        return;
    };
    // It reads what it is given, and knows what is wrong with it.
    let spoilt = conf("", true).replace(
        "proxy_set_header Host $host;",
        "proxy_set_header Host $http_host;",
    );
    let control = issues(&program, &spoilt);
    assert!(
        control.iter().any(|(rule, _)| rule == "host_spoofing"),
        "{control:?}"
    );
    let mut found = Vec::new();
    for (name, conf) in all() {
        for (rule, said) in issues(&program, &conf) {
            if !WANTED.contains(&(name, &rule)) {
                found.push(format!("{name}: {said}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

//! Sites whose app and proxy are one host, and what may run the app.

use std::collections::BTreeMap;
use std::process::Command;

use crate::{SCALED, files, whole};

const CONF: &str = "/srv/polls/proxy/conf.d/site.conf";
const COMPOSE: &str = "/srv/polls/compose.yaml";

/// A site on one host, with these further lines in `[app]`.
fn single(app: &str) -> String {
    let from = SCALED.find("[hosts.app1]").unwrap();
    let to = SCALED.find("[app]").unwrap();
    let host = "[hosts.proxy]\naddress = \"198.51.100.10\"\nroles = [\"app\", \"proxy\"]\n";
    let text = format!("{}{host}{}", &SCALED[..from], &SCALED[to..]);
    text.replace("migrate = true\n", &format!("migrate = true\n{app}\n"))
}

pub fn of(app: &str) -> BTreeMap<String, String> {
    files(&whole(&single(app)), "proxy", true)
}

const SHARED: &str = "static_root = \"/app/static\"\nmedia_root = \"/app/media\"\n";
const UWSGI: &str = "server = \"uwsgi\"\nwsgi = \"mysite.wsgi\"\nworkers = 4\nthreads = 2\n";

#[test]
fn all_of_a_site_on_one_host() {
    let files = of(SHARED);
    insta::assert_snapshot!("single_compose", files[COMPOSE]);
    insta::assert_snapshot!("single_nginx", files[CONF]);
    insta::assert_snapshot!("single_boot", files["/etc/systemd/system/polls.service"]);
}

#[test]
fn uwsgi_over_a_socket() {
    let files = of(&format!("{SHARED}{UWSGI}socket = true\ngpus = 1\n"));
    insta::assert_snapshot!("uwsgi_compose", files[COMPOSE]);
    insta::assert_snapshot!("uwsgi_nginx", files[CONF]);
    insta::assert_snapshot!("uwsgi_ini", files["/srv/polls/app/uwsgi.ini"]);
}

/// The lines that begin with this, without their indentation.
fn lines<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let all = text.lines().map(str::trim);
    all.filter(|line| line.starts_with(begin)).collect()
}

#[test]
fn nginx_reaches_the_app_by_what_runs_it_and_how() {
    for (app, passes) in [
        (
            "",
            &["set $django app:8000;", "proxy_pass http://$django;"][..],
        ),
        (UWSGI, &["set $django app:8000;", "uwsgi_pass $django;"]),
        (
            "wsgi = \"mysite.wsgi\"\nsocket = true\n",
            &[
                "server unix:/run/app/app.sock max_fails",
                "proxy_pass http://django;",
            ],
        ),
        // The development server has no socket, and no other protocol.
        (
            &format!("{UWSGI}socket = true\ndevelopment = true\n"),
            &["set $django app:8000;", "proxy_pass http://$django;"],
        ),
    ] {
        let files = of(app);
        for pass in passes {
            assert!(!lines(&files[CONF], pass).is_empty(), "{app}: {pass}");
        }
        let ini = files.contains_key("/srv/polls/app/uwsgi.ini");
        assert_eq!(ini, app == UWSGI, "{app}");
    }
    // Where a proxy is elsewhere, it comes by the published port in uWSGI's protocol too.
    let scaled = SCALED.replace("migrate = true", &format!("migrate = true\n{UWSGI}"));
    let conf = &files(&whole(&scaled), "proxy", true)[CONF];
    assert_eq!(lines(conf, "uwsgi_pass"), ["uwsgi_pass django;"]);
}

#[test]
fn the_command_is_ours_where_the_module_is_named() {
    let command = |app: &str| {
        let compose = of(app)[COMPOSE].clone();
        let Some((_, rest)) = compose.split_once("    command:\n") else {
            return String::new();
        };
        let words = rest.lines().map_while(|line| line.strip_prefix("      - "));
        words
            .map(|word| word.trim_matches('"'))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(command(""), "");
    assert_eq!(
        command("wsgi = \"mysite.wsgi\"\n"),
        "gunicorn --bind 0.0.0.0:8000 --workers 3 --threads 1 --worker-tmp-dir /dev/shm \
         --access-logfile - --forwarded-allow-ips * mysite.wsgi"
    );
    assert_eq!(
        command("wsgi = \"mysite.wsgi\"\nsocket = true\n"),
        "gunicorn --bind unix:/run/app/app.sock --umask 007 --bind 127.0.0.1:8000 --workers 3 \
         --threads 1 --worker-tmp-dir /dev/shm --access-logfile - --forwarded-allow-ips * \
         mysite.wsgi"
    );
    assert_eq!(command(UWSGI), "uwsgi --ini /etc/uwsgi.ini");
    assert_eq!(
        command("development = true\n"),
        "python manage.py runserver 0.0.0.0:8000"
    );
}

#[test]
fn the_development_server_is_warned_of() {
    let site = crate::site(&single("development = true\n"));
    let warned = site.warnings.iter().filter(|it| it.contains("development"));
    assert_eq!(warned.count(), 1, "{:?}", site.warnings);
    assert!(crate::site(&single("")).warnings.is_empty());
}

#[test]
fn no_container_is_root_s_or_may_become_it() {
    for (app, host) in [(single(UWSGI), "proxy"), (SCALED.to_owned(), "app1")] {
        let compose = files(&whole(&app), host, false)[COMPOSE].clone();
        let services = compose.lines().filter(|line| {
            let name = line.strip_prefix("  ").unwrap_or_default();
            name.ends_with(':') && !name.starts_with([' ', '#'])
        });
        let services = services.filter(|name| !name.contains("frontend")).count();
        assert!(services >= 2, "{compose}");
        for line in [
            "user: \"10001:10001\"",
            "no-new-privileges:true",
            "cap_drop:",
            "mem_limit:",
        ] {
            assert_eq!(compose.matches(line).count(), services, "{line}: {compose}");
        }
        assert!(!compose.contains("cap_add"));
    }
}

#[test]
fn an_app_among_several_that_is_a_proxy_too_is_reached_by_its_published_port() {
    let text = SCALED.replace("role = \"proxy\"", "roles = [\"app\", \"proxy\"]");
    let text = text.replace("migrate = true", "migrate = true\npublish = 8080");
    let files = files(&whole(&text), "proxy", true);
    let (compose, conf) = (&files[COMPOSE], &files[CONF]);
    assert!(compose.contains("- \"8080:8000\""), "{compose}");
    assert!(
        compose.contains("      - edge\n") && compose.contains("  edge: {}"),
        "{compose}"
    );
    assert_eq!(lines(conf, "server 198.51.100.1").len(), 3, "{conf}");
}

#[test]
fn a_site_does_not_take_the_name_of_a_unit_of_the_system() {
    let error = crate::plan_of(
        &SCALED.replace("\"polls\"", "\"docker\""),
        &Default::default(),
    );
    assert!(error.unwrap_err().to_string().contains("docker.service"));
}

#[test]
fn systemd_understands_the_unit() {
    let unit = &of("")["/etc/systemd/system/polls.service"];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("polls.service");
    // What isn't installed here would be told of too.
    let text = unit
        .replace("/usr/bin/docker", "/bin/true")
        .replace("=/srv/polls", "=/");
    std::fs::write(&path, text).unwrap();
    let Ok(done) = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
    else {
        let why = "left out: there is no systemd-analyze here";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("{why}");
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("polls.service"))
        .collect();
    assert!(ours.is_empty(), "{said}");
}

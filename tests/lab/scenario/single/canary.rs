//! A secret of ours in every place that takes one, and a look at all the places where others could
//! find it. Each look has to find what was planted for it first.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use toml::{Table, Value};

use super::example::{self, Deployed};
use super::visitor::Visitor;
use crate::cmdlines::Watch;
use crate::program::{Ended, PROGRAM, provision, succeeds};
use crate::servers::{console, run_with};
use crate::site::{at, set};

/// What all of them begin with. It is no secret itself: the looks may name it.
const CANARY: &str = "canary-5d1f-";

/// The places that take a secret, by the value's name.
const SLOTS: [&str; 4] = [
    "DJANGO_SECRET_KEY",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "ADMIN_PASSWORD",
];

/// A variable of the app that is written into site.toml itself.
const PLAIN: &str = "canary-5d1f-PLAIN-0123456789abcdef0123456789abcdef0123456789";

fn value(slot: &str) -> String {
    // Long and varied enough for Django's own check of its key.
    format!("{CANARY}{slot}-Zq8w7e6r5t4y3u2i1o0pasdfghjklZXCVBNM")
}

/// The example with all of it, as a site with its secrets kept in the age file beside it.
fn site() -> Deployed {
    let site = Deployed::prepare(&example::COMPOSE);
    let mut table: Table = fs::read_to_string(site.file()).unwrap().parse().unwrap();
    let superuser: Table =
        "name = \"admin\"\nemail = \"ops@example.com\"\npassword_env = \"ADMIN_PASSWORD\""
            .parse()
            .unwrap();
    at(&mut table, &["app"]).insert("superuser".to_owned(), Value::Table(superuser));
    set(&mut table, &["app", "env", "BOARD_CANARY"], PLAIN);
    fs::write(site.file(), table.to_string()).unwrap();
    for slot in SLOTS {
        let file = site.file();
        let args = ["secrets", "--set", slot, file.to_str().unwrap()];
        let mut told = Command::new(PROGRAM)
            .args(args)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = told.stdin.take().unwrap();
        stdin.write_all(value(slot).as_bytes()).unwrap();
        drop(stdin);
        assert!(told.wait().unwrap().success(), "{slot} is kept");
    }
    site
}

/// What anybody on the server can read, as far as it holds a canary: files below /, as a user
/// without any rights.
fn readable() -> String {
    let look = format!(
        "runuser -u nobody -- sh -c 'find / -xdev -path /proc -prune -o -type f -size -8192k \
         -readable -print0 2>/dev/null | xargs -0 -r grep -lF -e {CANARY} -- 2>/dev/null' || :"
    );
    console("proxy", &look)
}

/// Labels, commands and entry points of all containers, and what they and systemd logged.
fn shown() -> String {
    let look = format!(
        "{{ docker ps -aq | xargs docker inspect --format \
         '{{{{.Name}}}} {{{{json .Config.Labels}}}} {{{{json .Config.Cmd}}}} \
         {{{{json .Config.Entrypoint}}}} {{{{json .Args}}}} {{{{json .Config.Healthcheck}}}}'; \
         docker ps -aq | while read -r id; do docker logs \"$id\" 2>&1; done; \
         journalctl --no-pager; }} | grep -F -e {CANARY} || :"
    );
    console("proxy", &look)
}

/// All that it printed.
fn whole(ended: &Ended) -> String {
    format!("{}\n{}", ended.stdout, ended.stderr)
}

pub fn canary() {
    let site = site();
    let file = site.file();
    let file = file.to_str().unwrap();
    let mut words: Vec<String> = SLOTS.map(value).to_vec();
    words.push(PLAIN.to_owned());

    let watch = Watch::start(words);
    let mut said = Vec::new();
    for args in [
        &["plan", file, "--json"] as &[&str],
        &["plan", file],
        &["run", file, "--yes", "--json", "-v"],
        &["run", file, "--yes"],
        &["verify", file, "--json"],
        &["status", file],
    ] {
        said.push(whole(&succeeds(args)));
    }
    // A drift of each secret file is told without what it holds.
    console(
        "proxy",
        "cd /srv/board && echo x >>app/app.env && chmod 600 app/app.env",
    );
    said.push(whole(&provision(&["plan", file])));
    said.push(whole(&succeeds(&["run", file, "--yes", "--json"])));
    let seen = watch.end();
    assert!(seen.looks > 100, "looked {} times", seen.looks);
    assert_eq!(seen.hits.len(), 0, "in command lines: {:?}", seen.hits);
    for text in &said {
        assert!(!text.contains(CANARY), "{text}");
    }
    assert_eq!(readable(), "", "files that anybody can read");
    assert_eq!(shown(), "", "labels, commands and logs");

    // The site did use them.
    let used = console("proxy", "docker exec board-app printenv");
    for slot in ["DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"] {
        assert!(used.contains(&value(slot)), "{slot}");
    }
    assert!(used.contains(PLAIN));

    rotated(&site);
    planted();
}

/// How long the board may be gone while it gets new passwords: as long as its containers take to
/// start again, on a busy machine.
const RESTART: Duration = Duration::from_secs(60);

/// New passwords of database and cache are one run.
fn rotated(site: &Deployed) {
    let file = site.file();
    let file = file.to_str().unwrap();
    let mut visitor = Visitor::new(site);
    visitor.leaves_a_note_with_a_picture();
    for slot in ["POSTGRES_PASSWORD", "REDIS_PASSWORD"] {
        succeeds(&["secrets", file, "--generate", slot]);
    }
    let gone = visitor.looks_on(|| {
        run_with(&site.file()).proven();
    });
    eprintln!("new passwords: the board was gone for {gone:.1?}");
    assert!(gone < RESTART, "{gone:?}");
    visitor.leaves_a_note_with_a_picture();
    visitor.counts(true);
    let planned = provision(&["plan", file, "--json"]);
    assert_eq!(planned.differing(), [""; 0], "{planned}");

    // The old ones open nothing any more. Over the network: the socket asks nobody.
    let old = format!(
        "docker exec --env PGPASSWORD={} board-postgres psql -h board-postgres -U board -XAtc 'select 1' \
         2>&1 || :",
        value("POSTGRES_PASSWORD")
    );
    let said = console("proxy", &old);
    assert!(said.contains("password authentication failed"), "{said}");
    let old = format!(
        "docker exec --env REDISCLI_AUTH={} board-redis redis-cli ping 2>&1 || :",
        value("REDIS_PASSWORD")
    );
    let said = console("proxy", &old);
    assert!(!said.contains("PONG"), "{said}");
}

/// Each look sees what is put in front of it.
fn planted() {
    let plant = format!("{CANARY}planted");
    let watch = Watch::start(vec![plant.clone()]);
    console("proxy", &format!("sh -c 'sleep 3' {plant}"));
    assert!(!watch.end().hits.is_empty(), "command lines");

    console(
        "proxy",
        &format!("echo {plant} >/etc/planted; chmod 644 /etc/planted"),
    );
    assert_eq!(readable().trim(), "/etc/planted");
    console("proxy", "chmod 600 /etc/planted");
    assert_eq!(readable(), "");

    let image = "docker inspect --format '{{.Config.Image}}' board-app";
    console(
        "proxy",
        &format!(
            "docker create --name planted --label x={plant} $({image}) true >/dev/null; \
             logger {plant}; sleep 1; journalctl --sync"
        ),
    );
    let found = shown();
    assert!(found.contains("/planted "), "{found}");
    assert!(found.lines().count() > 1, "the journal too: {found}");
    console("proxy", "docker rm planted >/dev/null; rm /etc/planted");
}

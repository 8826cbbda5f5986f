//! The life of a site's data: rows that survive a backup, the end of their server, a restore and a
//! new major version, and what is cut off in the middle of each.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::engine::life::archive;
use toml::Table;

use super::example::{Deployed, MINIMAL};
use super::{carried, manage};
use crate::program::{PROGRAM, Running, provision, succeeds};
use crate::servers::{console, run_with};
use crate::site::set;

/// How long something may take to begin.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until a run has begun to work on the site's data on its server, which is told by this
/// line, and kills what does, at once and with all that it started.
fn killed(run: &mut Running, begun: &str, site: &Deployed, verb: &str) {
    let told = run.until(|event| {
        let line = event["line"].as_str();
        line.is_some_and(|it| it.starts_with(begun))
    });
    assert!(told, "{verb} never began");
    let machine = site.example.app().name;
    // The bracket keeps this command from being what it looks for.
    let (last, rest) = verb.split_at(1);
    let pattern = format!("provision [{last}]{rest} {}", site.example.site);
    let start = Instant::now();
    loop {
        let found = console(
            machine,
            &format!("pkill -KILL -f '{pattern}' && echo hit || :"),
        );
        if found.contains("hit") {
            return;
        }
        assert!(start.elapsed() < LIMIT, "{verb} never began");
        sleep(Duration::from_millis(300));
    }
}

/// What a superuser says on the database's server.
fn psql(site: &Deployed, how: &str, sql: &str) -> String {
    let name = site.example.site;
    let command =
        format!("docker exec {how} {name}-postgres psql -U postgres -d {name} -XAtc \"{sql}\"");
    console(site.example.app().name, &command)
}

/// Keeps a table to itself, so that a dump has to wait for it.
fn hold(site: &Deployed) {
    let lock = "begin; lock table django_migrations in access exclusive mode; select pg_sleep(600)";
    psql(site, "--detach", lock);
    let held = "select count(*) from pg_locks where granted and mode = 'AccessExclusiveLock' \
                and relation = 'django_migrations'::regclass";
    let start = Instant::now();
    while psql(site, "", held).trim() == "0" {
        assert!(start.elapsed() < LIMIT, "the table is never held");
        sleep(Duration::from_millis(200));
    }
}

/// Lets go of it.
fn let_go(site: &Deployed) {
    let end = "select pg_terminate_backend(pid) from pg_stat_activity \
               where pid <> pg_backend_pid() and query like '%pg_sleep%'";
    assert_eq!(psql(site, "", end).trim(), "t");
}

fn written(site: &Deployed, version: u16) {
    let file = site.file();
    let mut table: Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    set(&mut table, &["postgres", "version"], i64::from(version));
    fs::write(file, table.to_string()).unwrap();
}

/// The names of the backups in a directory that count.
fn backups(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tar")).collect()
}

fn counted(site: &Deployed) -> String {
    manage(site, "checksum").trim().to_owned()
}

fn serves(site: &Deployed) -> String {
    let command = format!(
        "docker exec {}-postgres psql -U postgres -XAtc 'show server_version_num'",
        site.example.site
    );
    console(site.example.app().name, &command)
}

/// Nothing is left to be done, and the site is proven.
fn settled(site: &Deployed) {
    let file = site.file();
    // It proves the site only where something was left to be done.
    let ended = run_with(&file);
    assert_eq!(ended.code, Some(0), "{ended}");
    succeeds(&["verify", file.to_str().unwrap(), "--json"]);
    let planned = provision(&["plan", file.to_str().unwrap(), "--json"]);
    assert_eq!(planned.differing(), [""; 0], "{planned}");
}

/// What an operator sees who types this name when `destroy` asks for the site's.
fn asked_to_destroy(file: &str, typed: &str) -> String {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("'{PROGRAM}' destroy '{file}'"))
        .arg("/dev/null")
        .env("SHELL", "/bin/sh")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The terminal keeps it until it is asked for.
    let mut keyboard = child.stdin.take().unwrap();
    writeln!(keyboard, "{typed}").unwrap();
    let mut screen = String::new();
    let mut shown = child.stdout.take().unwrap();
    shown.read_to_string(&mut screen).unwrap();
    drop(keyboard);
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{screen}");
    assert!(screen.contains("type the site's name"), "{screen}");
    screen
}

pub fn rows_survive() {
    let site = Deployed::prepare(&MINIMAL);
    written(&site, 15);
    let file = site.file();
    let file = file.to_str().unwrap();
    let name = site.example.site;
    let machine = site.example.app().name;
    run_with(&site.file()).proven();
    manage(&site, "fill 10000");
    let before = counted(&site);
    assert!(before.starts_with("10000 notes"), "{before}");

    // Cut in the middle, it is none: neither there nor here.
    let here = site.dir().join("backups");
    fs::create_dir(&here).unwrap();
    let to = here.to_str().unwrap();
    hold(&site);
    let mut cut = Running::start(&["backup", file, "--output", to, "--json"]);
    killed(&mut cut, "dumping ", &site, "--held");
    let cut = cut.end();
    let_go(&site);
    assert_eq!(cut.code, Some(3), "{cut}");
    assert_eq!(backups(&here), [""; 0]);
    let listed = succeeds(&["backup", file, "--list", "--json"]);
    let found = &listed.told("backups")[0]["backups"];
    assert_eq!(found.as_array().map(Vec::len), Some(0), "{listed}");

    // Killed here while it comes, it has its name only if it is whole; the server has it.
    let mut made = 0;
    loop {
        made += 1;
        let mut coming = Running::start(&["backup", file, "--output", to, "--json"]);
        let begun = coming.until(|event| event["event"] == "doing" && event["resource"] == "file");
        assert!(begun, "it never came");
        coming.signal("KILL");
        let ended = coming.end();
        for whole in backups(&here) {
            archive::check(&here.join(&whole)).unwrap();
            fs::remove_file(here.join(whole)).unwrap();
        }
        if ended.code.is_none() {
            break;
        }
        // It was through already.
        assert_eq!(ended.code, Some(0), "{ended}");
        assert!(made < 5, "it is never killed in time");
    }
    let listed = succeeds(&["backup", file, "--list", "--json"]);
    let found = &listed.told("backups")[0]["backups"];
    assert_eq!(found.as_array().map(Vec::len), Some(made), "{listed}");
    assert!(found[0]["lacks"].is_null(), "{listed}");

    succeeds(&["backup", file, "--bring", "--output", to, "--json"]);
    let [backup] = backups(&here).try_into().unwrap();
    let backup = here.join(backup);
    let whole = archive::check(&backup).unwrap();
    assert!(whole.manifest.rows >= 10_000, "{whole:?}");
    let backup = backup.to_str().unwrap();

    // The end of the site, and of its server.
    let screen = asked_to_destroy(file, "pinz");
    assert!(screen.contains("nothing was changed"), "{screen}");
    assert_eq!(counted(&site), before);
    let screen = asked_to_destroy(file, name);
    for lost in [&format!("{name}-postgres"), "volume", "container"] {
        assert!(screen.contains(lost), "{lost}: {screen}");
    }
    let left = console(machine, "docker ps -aq; docker volume ls -q");
    assert_eq!(left.trim(), "", "{left}");
    let again = succeeds(&["destroy", file, "--confirm", name, "--json"]);
    assert_eq!(again.summary()["changed"], 0, "{again}");
    succeeds(&["lab", "reset", machine]);
    run_with(&site.file()).proven();
    assert!(counted(&site).starts_with("0 notes"));

    // A restore that is cut leaves what served.
    manage(&site, "fill 3");
    let three = counted(&site);
    let mut cut = Running::start(&["restore", backup, file, "--yes", "--json"]);
    killed(&mut cut, "restoring into ", &site, "restore");
    let cut = cut.end();
    assert_eq!(cut.code, Some(3), "{cut}");
    assert_eq!(counted(&site), three);
    succeeds(&["restore", backup, file, "--yes", "--json"]);
    assert_eq!(counted(&site), before);
    settled(&site);
    succeeds(&["restore", "--undo", file, "--yes", "--json"]);
    assert_eq!(counted(&site), three);
    succeeds(&["restore", "--undo", file, "--yes", "--json"]);
    assert_eq!(counted(&site), before);
    carried::over_broken_connections(&site, &here);
    assert_eq!(counted(&site), before);

    // From 15 to 17, and to 18, which has another layout of its volume.
    for version in [17, 18] {
        written(&site, version);
        run_with(&site.file()).proven();
        let serves = serves(&site);
        assert!(serves.starts_with(&version.to_string()), "{serves}");
        assert_eq!(counted(&site), before);
        settled(&site);
    }

    // Stopped, and back.
    succeeds(&["down", file, "--yes", "--json"]);
    assert_eq!(console(machine, "docker ps -q").trim(), "");
    run_with(&site.file()).proven();
    assert_eq!(counted(&site), before);
    succeeds(&["restore", "--forget", file, "--yes", "--json"]);
    let volumes = console(machine, "docker volume ls -q");
    assert_eq!(volumes.lines().count(), 1, "{volumes}");
    settled(&site);
}

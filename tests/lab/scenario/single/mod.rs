//! The example sites that bring their own database: from bare servers to a site that is used, and
//! back again after a restart. Each is the file in examples/, with nothing changed but where the
//! lab's servers are and whom the lab trusts.
//!
//! | file | what it is about |
//! |---|---|
//! | `carried` | a large backup on its way, over connections that break |
//! | `canary` | secrets, and where others could find them |
//! | `example` | an example as the lab can run it |
//! | `life` | backups, restores, a new major version, the end of a site |
//! | `visitor` | somebody who leaves a note and a picture |
//! | `stack` | what runs on a server: containers, units, ports |

mod canary;
mod carried;
mod example;
mod life;
mod stack;
mod visitor;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::outside::open_ports;
use crate::program::{Ended, PROGRAM, provision, succeeds, text};
use crate::servers::{at_rest, console, run_with};
use crate::site::{at, set};
pub use canary::canary;
use example::{Deployed, Example};
pub use life::rows_survive;
use toml::Table;
use visitor::Visitor;

/// How long a site may take to come back.
const LIMIT: Duration = Duration::from_secs(120);

/// From bare servers to the site with one run, which a second one leaves alone.
fn from_bare_servers(example: &'static Example) -> Deployed {
    let site = Deployed::prepare(example);
    let first = run_with(&site.file()).proven();
    let second = run_with(&site.file());
    eprintln!(
        "{}: {:.0?}, again {:.1?}",
        example.file, first.took, second.took
    );
    let hosts = example.machines.len();
    assert_nothing_to_do(&second, hosts);
    site
}

/// One connection and one command a server, and nothing changed.
fn assert_nothing_to_do(ended: &Ended, hosts: usize) {
    assert_eq!(ended.code, Some(0), "{ended}");
    let summary = ended.summary();
    for (key, value) in [
        ("changed", 0),
        ("failed", 0),
        ("connections", hosts),
        ("execs", hosts),
    ] {
        assert_eq!(summary[key], value, "{key}: {ended}");
    }
}

/// Everything that all of the example sites have to hold.
fn holds(site: &Deployed) -> Visitor {
    let mut visitor = Visitor::new(site);
    visitor.leaves_a_note_with_a_picture();
    visitor.gets_files_from_nginx();
    visitor.counts(site.example.redis);
    for (_, machine) in site.example.machines {
        stack::containers(machine.name, site.example.site);
        stack::files(machine.name, site.example.site);
        let open: &[u16] = match machine.name {
            "proxy" => &[22, 80, 443],
            _ => &[22],
        };
        for address in [machine.address().to_string(), machine.ipv6().to_string()] {
            assert_eq!(open_ports(&address), open, "{} by {address}", machine.name);
        }
    }
    visitor
}

/// Every server is restarted, and all is as before: containers, proof, notes.
fn survives_a_restart(site: &Deployed, visitor: &mut Visitor) {
    let file = site.file();
    let file = file.to_str().unwrap();
    let verify = succeeds(&["verify", "--reboot", "--yes", file, "--json"]);
    let restarted = verify.told("restarted");
    assert_eq!(restarted.len(), site.example.machines.len(), "{verify}");
    for compared in verify.told("compared") {
        let differences = compared["differences"].as_array().map(Vec::len);
        assert_eq!(
            differences,
            Some(0),
            "{} {compared}",
            text(&compared["host"])
        );
    }
    is_as_before(site, visitor);
}

/// The power goes, and comes back.
fn survives_a_power_cut(site: &Deployed, visitor: &mut Visitor) {
    let mut cut = vec!["lab", "power-cut"];
    let mut start = vec!["lab", "start"];
    for (_, machine) in site.example.machines {
        cut.push(machine.name);
        start.push(machine.name);
    }
    succeeds(&cut);
    succeeds(&start);
    is_as_before(site, visitor);
}

fn is_as_before(site: &Deployed, visitor: &mut Visitor) {
    let start = Instant::now();
    while !visitor.sees_the_note() {
        assert!(start.elapsed() < LIMIT, "no note after {LIMIT:?}");
        sleep(Duration::from_millis(500));
    }
    visitor.gets_files_from_nginx();
    // The page may be there before Docker has looked at every container.
    for (_, machine) in site.example.machines {
        at_rest(machine.name);
    }
    let file = site.file();
    let planned = provision(&["plan", file.to_str().unwrap(), "--json"]);
    assert_eq!(planned.code, Some(0), "{planned}");
    assert_eq!(planned.differing(), [""; 0], "{planned}");
    visitor.leaves_a_note_with_a_picture();
}

/// What `manage.py` prints on the server with the app.
fn manage(site: &Deployed, words: &str) -> String {
    let container = format!("{}-app", site.example.site);
    console(
        site.example.app().name,
        &format!("docker exec {container} python manage.py {words}"),
    )
}

/// What a program in a container prints, called as an operator would; its exit code is 0.
fn by_hand(site: &Deployed, verb: &str, args: &[&str], stdin: &str) -> String {
    let mut child = Command::new(PROGRAM)
        .args([verb, "--site"])
        .arg(site.file())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    keyboard.write_all(stdin.as_bytes()).unwrap();
    drop(keyboard);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{verb} {args:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The database and the cache by their own clients, as the site's user and with its password.
fn is_reached_by_hand(site: &Deployed) {
    let user = "select current_user, (select rolsuper from pg_roles where rolname = current_user)";
    let asked = by_hand(site, "dbshell", &["--", "-XAtc", user], "");
    assert_eq!(asked.trim(), format!("{}|f", site.example.site));
    let typed = by_hand(site, "dbshell", &["--", "-XAt"], "select 6 * 7;\n");
    assert_eq!(typed.trim(), "42");
    assert_eq!(by_hand(site, "redis-cli", &["ping"], "").trim(), "PONG");
    let typed = by_hand(site, "redis-cli", &[], "set by hand\nget by\ndel by\n");
    assert_eq!(typed.lines().collect::<Vec<_>>(), ["OK", "hand", "1"]);
    let logged = by_hand(site, "logs", &["postgres", "--tail", "1"], "");
    assert_eq!(logged.lines().count(), 1, "{logged}");
}

/// A container of a service that was moved elsewhere is told of, and goes.
fn loses_what_has_no_service(site: &Deployed) {
    let name = site.example.site;
    let start = format!(
        "docker run --detach --name {name}-mail --label com.docker.compose.project={name} \
         --label com.docker.compose.service=mail \
         $(docker inspect --format '{{{{.Config.Image}}}}' {name}-redis) sleep 600"
    );
    console(site.example.app().name, &start);
    let cleaned = run_with(&site.file()).proven();
    let changed = cleaned.changed();
    assert!(
        changed.iter().any(|it| it.contains(" clean ")),
        "{changed:?}"
    );
    let left = console(
        site.example.app().name,
        "docker ps --all --format '{{.Names}}'",
    );
    assert!(!left.contains("mail"), "{left}");
    assert!(left.contains(&format!("{name}-postgres")), "{left}");
}

/// A timer of backups that was stopped is told of, and is armed again.
fn is_told_of_a_stopped_timer(site: &Deployed) {
    let machine = site.example.app().name;
    let file = site.file();
    let file = file.to_str().unwrap();
    let told = |verb: &str| {
        let ended = provision(&[verb, file, "--json"]);
        assert_eq!(ended.code, Some(4), "{ended}");
        ended.stdout
    };
    console(
        machine,
        &format!("systemctl stop {}-backup.timer", site.example.site),
    );
    let unproven = told("verify");
    let wrong = r#""subject":"backup timer","from":"web","expected":"armed","seen":"stopped""#;
    assert!(unproven.contains(wrong), "{unproven}");
    let ill = told("status");
    assert!(ill.contains("backup timer: stopped"), "{ill}");
    let mended = run_with(&site.file()).proven();
    let changed = mended.changed();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let status = succeeds(&["status", file, "--json"]);
    let timer = &status.told("stands")[0]["backup"]["timer"];
    assert_eq!(timer["armed"], true, "{status}");
    assert!(timer["next"].is_i64(), "{status}");
}

pub fn compose() {
    let site = from_bare_servers(&example::COMPOSE);
    let mut visitor = holds(&site);
    is_reached_by_hand(&site);
    loses_what_has_no_service(&site);
    is_told_of_a_stopped_timer(&site);
    // Sessions are read from Redis, beside the count.
    let keys = stack::redis_keys(site.example.site);
    assert!(keys.contains("sessions.cached_db"), "{keys}");
    assert!(keys.contains(":hits"), "{keys}");
    // The fixture is there, and knows the stranger's network.
    let said = manage(&site, "checksum");
    assert!(said.contains(" 12 networks, "), "{said}");
    visitor.sees("the second book of examples");
    survives_a_power_cut(&site, &mut visitor);
    survives_a_restart(&site, &mut visitor);
}

pub fn uwsgi() {
    let site = from_bare_servers(&example::UWSGI);
    let mut visitor = holds(&site);
    // Nothing of the app listens but for itself: nginx has its socket.
    let listening = console(
        "proxy",
        "docker exec album-app cat /proc/net/tcp /proc/net/tcp6",
    );
    // State 0A is listening; 127.0.0.1 is for the health check, and 127.0.0.11 is Docker's own
    // resolver in every container (proc_net_tcp.txt of the kernel).
    let listening: Vec<&str> = listening
        .lines()
        .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
        .filter(|line| !line.contains(": 0100007F:") && !line.contains(": 0B00007F:"))
        .collect();
    assert!(listening.is_empty(), "{listening:?}");
    let argv = console("proxy", "docker top album-app -eo pid,args");
    assert!(argv.contains("uwsgi"), "{argv}");
    survives_a_restart(&site, &mut visitor);
}

pub fn provided() {
    let site = from_bare_servers(&example::PROVIDED);
    let mut visitor = holds(&site);
    // The data lies in the directory that was asked for, each major version by itself, and
    // belongs to the database alone.
    let lies = console(
        "proxy",
        "cd /srv/database/17; stat -c '%u %a' .; cat PG_VERSION; stat -c %i PG_VERSION; \
         docker exec bureau-postgres sh -c 'stat -c %i $PGDATA/PG_VERSION'",
    );
    let lies: Vec<&str> = lies.lines().collect();
    assert_eq!(lies[..2], ["999 700", "17"], "{lies:?}");
    assert_eq!(lies[2], lies[3], "the container's data is this");
    survives_a_restart(&site, &mut visitor);
}

pub fn minimal() {
    let site = from_bare_servers(&example::MINIMAL);
    let mut visitor = holds(&site);
    survives_a_restart(&site, &mut visitor);
}

pub fn database_host() {
    let site = Deployed::prepare(&example::DATABASE_HOST);
    // The lab's own database makes room for the site's.
    console("db", "systemctl disable --now postgresql 2>&1");
    let first = run_with(&site.file()).proven();
    let second = run_with(&site.file());
    eprintln!(
        "{}: {:.0?}, again {:.1?}",
        site.example.file, first.took, second.took
    );
    assert_nothing_to_do(&second, 4);
    let mut visitor = Visitor::new(&site);
    visitor.votes();
    for (_, machine) in site.example.machines {
        stack::containers(machine.name, site.example.site);
        stack::files(machine.name, site.example.site);
        for address in [machine.address().to_string(), machine.ipv6().to_string()] {
            let open = open_ports(&address);
            match machine.name {
                "proxy" => assert_eq!(open, [22, 80, 443], "{address}"),
                _ => assert_eq!(open, [22], "{address}"),
            }
        }
    }
    // On the private network too: the app servers get through, the proxy doesn't.
    let knock =
        "timeout 3 bash -c ': </dev/tcp/10.20.0.14/5432' 2>/dev/null && echo open || echo shut";
    for (machine, sees) in [("app1", "open"), ("app2", "open"), ("proxy", "shut")] {
        assert_eq!(console(machine, knock).trim(), sees, "from {machine}");
    }
    is_not_left_behind(&site);
}

/// A database that would begin empty, because its role has moved, stops a run before it changes
/// anything.
fn is_not_left_behind(site: &Deployed) {
    let moved = |left_behind: bool| {
        let file = site.file();
        let mut table: Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        for (host, roles) in [("app1", vec!["app", "db"]), ("data", vec!["app"])] {
            let host = at(&mut table, &["hosts", host]);
            host.remove("role");
            host.insert("roles".to_owned(), roles.into());
        }
        set(&mut table, &["hosts", "data", "left_behind"], left_behind);
        // Its secrets are in a file beside it, by its name.
        std::fs::write(&file, table.to_string()).unwrap();
        file
    };
    let refused = run_with(&moved(false));
    assert_eq!(refused.code, Some(3), "{refused}");
    assert_eq!(refused.changed(), [""; 0], "{refused}");
    assert!(refused.told("doing").is_empty(), "{refused}");
    let [(host, stage, all)] = refused.failures().try_into().unwrap();
    assert_eq!((host.as_str(), stage.as_str()), ("data", "check"), "{all}");
    for words in ["survey-postgres-17", "app1, where it would begin empty"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    let planned = provision(&["plan", moved(true).to_str().unwrap(), "--json"]);
    assert_eq!(planned.code, Some(0), "{planned}");
    assert!(planned.failures().is_empty(), "{planned}");
}

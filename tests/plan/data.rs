//! A database and a cache of the site's own: their files, on one host and on hosts of their own,
//! and where their passwords are.

use std::collections::BTreeMap;
use std::path::Path;

use provision::event::State;
use provision::plan::{self, HostPlan, Plan, Selection};
use provision::playbook;
use provision::resource::fact::Printed;
use provision::resource::{Action, Content, Fact, Observed, Op};
use provision::step;

use crate::{NOW, site};

const CANARY: &str = "c4n4ry";

/// All on one host.
const SINGLE: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.web]
address = "198.51.100.10"
roles = ["app", "proxy", "db", "cache"]
[app]
source = { image = "registry.example/polls:1" }
health = "/polls/"
[tls]
email = "ops@example.com"
[postgres]
version = 17
[redis]
version = 8
"#;

/// Database and cache on a host of their own.
const APART: &str = r#"name = "polls"
domains = ["polls.example.com"]
[hosts.web]
address = "198.51.100.10"
private = "10.20.0.10"
roles = ["app", "proxy"]
[hosts.data]
address = "198.51.100.13"
private = "10.20.0.13"
roles = ["db", "cache"]
[app]
source = { image = "registry.example/polls:1" }
health = "/polls/"
[tls]
email = "ops@example.com"
[postgres]
version = 18
database = "polls_db"
data = "/mnt/pg"
[redis]
version = 8
memory = "1g"
"#;

fn plan(text: &str, playbook: &str) -> Plan {
    let playbook = playbook::load(playbook, Path::new(""), &step::names()).unwrap();
    plan::plan(&site(text), &playbook, &Selection::default(), NOW).unwrap()
}

fn host<'a>(plan: &'a Plan, name: &str) -> &'a HostPlan {
    let mut hosts = plan.hosts.iter();
    hosts.find(|it| it.host.name.as_str() == name).unwrap()
}

/// What the steps of database and cache do on a bare host with 4 GB.
fn ops(plan: &Plan, name: &str) -> Vec<Op> {
    let steps = host(plan, name).steps.iter();
    let steps = steps.filter(|step| step.name == "postgres" || step.name == "redis");
    let resources: Vec<_> = steps.flat_map(|step| &step.resources).collect();
    let mut seen = Observed::default();
    for fact in resources.iter().flat_map(|it| it.facts()) {
        match fact {
            Fact::File { path, .. } => {
                seen.files.insert(path, None);
            }
            Fact::Sh(script, args) if script.0.contains("MemTotal") => {
                let (status, text) = (0, "4008960".to_owned());
                seen.printed
                    .insert((script, args), Printed { status, text });
            }
            _ => {}
        }
    }
    resources.iter().flat_map(|it| it.converge(&seen)).collect()
}

/// The files that are put, with mode and owner where those aren't everybody's and root's.
fn files(plan: &Plan, host: &str) -> BTreeMap<String, String> {
    let ops = ops(plan, host).into_iter();
    ops.filter_map(|op| match op.action {
        Action::Put {
            path,
            content,
            mode,
            owner,
            ..
        } => {
            let text = match content {
                Content::Text(text) => text,
                Content::Secret(secret) => format!("secret: {}", secret.reveal()),
                other => panic!("{path} is put as {other:?}"),
            };
            let about = match (mode, owner.as_str()) {
                (0o644, "root:root") => String::new(),
                _ => format!("{owner} {mode:04o} "),
            };
            Some((path, format!("{about}{text}")))
        }
        _ => None,
    })
    .collect()
}

/// What stands below a service's name.
fn service(text: &str, name: &str) -> String {
    let start = format!("  {name}:\n");
    let (_, rest) = text.split_once(&start).unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("    "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn both_on_the_apps_host() {
    let files = files(&plan(SINGLE, "django-single"), "web");
    let compose = &files["/srv/polls/compose.yaml"];
    insta::assert_snapshot!(format!(
        "{}\n---\n{}",
        service(compose, "postgres"),
        service(compose, "redis")
    ));
    insta::assert_snapshot!(files["/srv/polls/.env"]);
    insta::assert_snapshot!(files["/srv/polls/postgres/postgresql.conf"]);
    insta::assert_snapshot!(files["/srv/polls/redis/redis.conf"]);
    assert!(!compose.contains("5432") && !compose.contains("6379:"));
    assert!(compose.contains("external: true"), "{compose}");
}

#[test]
fn both_on_a_host_of_their_own_are_published_to_the_private_network_alone() {
    let plan = plan(APART, "django-scaled");
    let files = files(&plan, "data");
    let compose = &files["/srv/polls/compose.yaml"];
    for (name, port) in [("postgres", 5432), ("redis", 6379)] {
        let text = service(compose, name);
        let published: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(&format!(":{port}")))
            .collect();
        assert_eq!(published, [format!("      - \"10.20.0.13:{port}:{port}\"")]);
        let networks = "    networks:\n      - backend\n      - frontend\n    ports:";
        assert!(text.contains(networks), "{text}");
    }
    assert!(service(compose, "redis").contains("mem_limit: \"1568m\""));
    let env = &files["/srv/polls/.env"];
    for line in [
        "POSTGRES_IMAGE=postgres:18",
        "POSTGRES_VOLUME=polls-postgres-18",
        "POSTGRES_MOUNT=/var/lib/postgresql",
        // The host is there for nothing else.
        "POSTGRES_MEMORY=2928m",
    ] {
        assert!(env.lines().any(|it| it == line), "{line}\n{env}");
    }
    // None of it on the app's host.
    let web = host(&plan, "web").steps.iter();
    let names: Vec<&str> = web.map(|step| step.name.as_str()).collect();
    assert!(!names.contains(&"postgres") && !names.contains(&"redis"));
}

#[test]
fn passwords_are_in_files_for_one_user_and_on_the_standard_input() {
    let plan = plan(SINGLE, "django-single");
    let mut holders = Vec::new();
    for (path, text) in files(&plan, "web") {
        if text.contains(CANARY) {
            // The app's own variables; Docker's client reads them as root.
            let reader = match path == "/srv/polls/app/app.env" {
                true => "root:root 0600 secret: ",
                false => "999:999 0400 secret: ",
            };
            assert!(text.starts_with(reader), "{path}");
            holders.push(path);
        }
    }
    let expected = [
        "/srv/polls/app/app.env",
        "/srv/polls/postgres/password",
        "/srv/polls/redis/password",
        "/srv/polls/redis/redis.conf",
    ];
    assert_eq!(holders, expected);
    for op in ops(&plan, "web") {
        assert!(!format!("{op:?}").contains(CANARY), "{}", op.what);
        if let Action::Run { cmd, input, .. } = &op.action {
            assert!(!cmd.to_shell().contains(CANARY), "{}", op.what);
            if let Content::Secret(sql) = input {
                assert!(!sql.reveal().contains(CANARY), "a verifier alone");
            }
        }
    }
}

#[test]
fn another_password_makes_another_cache_and_leaves_the_databases_container() {
    let compose = |text: &str| {
        let mut files = files(&plan(text, "django-single"), "web");
        files.remove("/srv/polls/compose.yaml").unwrap()
    };
    let named = |value: &str| {
        let redis = format!("[redis]\npassword = \"{value}\"");
        let postgres = format!("[postgres]\npassword = \"{value}\"");
        let text = SINGLE.replace("[redis]", &redis);
        compose(&text.replace("[postgres]", &postgres))
    };
    let (one, other) = (named("ONE"), named("OTHER"));
    assert_eq!(service(&one, "postgres"), service(&other, "postgres"));
    assert_ne!(service(&one, "redis"), service(&other, "redis"));
}

#[test]
fn new_passwords_ask_for_nothing_that_is_done_once_for_a_revision() {
    let text = SINGLE.replace("health =", "migrate = true\nhealth =");
    let once = |variable: &str| {
        let password = |table: &str| format!("{table}\npassword = \"{variable}\"");
        let text = text.replace("[redis]", &password("[redis]"));
        let text = text.replace("[postgres]", &password("[postgres]"));
        let whole = plan(&text, "django-single");
        let steps = host(&whole, "web").steps.iter();
        let resources = steps.filter(|it| it.name == "app");
        let resources = resources.flat_map(|it| &it.resources);
        let tasks = resources.map(|it| format!("{it:?}"));
        tasks
            .filter(|it| it.starts_with("Task "))
            .collect::<Vec<_>>()
    };
    let tasks = once("ONE");
    assert!(
        tasks.iter().any(|it| it.contains("\"--deploy\"")),
        "{tasks:?}"
    );
    assert_eq!(tasks, once("OTHER"));
}

#[test]
fn the_data_of_alpine_images_is_of_another_user() {
    let text = SINGLE.replace(
        "version = 17",
        "version = 17\nimage = \"postgres:17-alpine\"",
    );
    let files = files(&plan(&text, "django-single"), "web");
    assert!(files["/srv/polls/postgres/password"].starts_with("70:70 0400"));
    let compose = service(&files["/srv/polls/compose.yaml"], "postgres");
    assert!(compose.contains("user: \"70:70\""), "{compose}");
    assert!(compose.contains("uid=70,gid=70"), "{compose}");
}

#[test]
fn data_that_the_database_left_elsewhere_stop_a_run_until_they_are_known() {
    let judged = |text: &str, host_name: &str, volume: &str| -> Option<State> {
        let plan = plan(text, "django-single");
        let preflight = host(&plan, host_name)
            .steps
            .iter()
            .find(|step| step.name == "preflight");
        let mut resources = preflight.unwrap().resources.iter();
        let resource = resources.find(|it| it.id() == "data of the database")?;
        let mut seen = Observed::default();
        for fact in resource.facts() {
            let Fact::Sh(script, args) = fact else {
                panic!("it asks for {fact:?}");
            };
            assert_eq!(args, ["/var/lib/provision/polls"]);
            let (status, text) = (0, volume.to_owned());
            seen.printed
                .insert((script, args), Printed { status, text });
        }
        Some(resource.compare(&seen).unwrap())
    };
    assert_eq!(judged(APART, "web", ""), Some(State::InSync));
    let refused = judged(APART, "web", "polls-postgres-17");
    let Some(State::Refused { what, mend }) = refused else {
        panic!("{refused:?}");
    };
    assert!(what.contains("polls-postgres-17"), "{what}");
    assert!(what.contains("its role on data"), "{what}");
    assert!(mend.contains("[hosts.web]"), "{mend}");
    // Where it is, and where it is known, nothing is asked.
    assert_eq!(judged(APART, "data", "polls-postgres-18"), None);
    let known = APART.replace("[hosts.data]", "left_behind = true\n[hosts.data]");
    assert_eq!(judged(&known, "web", "polls-postgres-17"), None);
    assert_eq!(judged(SINGLE, "web", "polls-postgres-17"), None);
}

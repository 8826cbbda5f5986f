//! PostgreSQL: what is made of the volume in use, of the host's memory and of receipts.

use super::{Seen, ops, probe_of, state};
use crate::resource::compose::Service;
use crate::resource::fact::{Container, Docker, HostConfig};
use crate::resource::postgres::{Cluster, Data, Database, File, Postgres, Settings};
use crate::resource::{Action, Content, Resource as _, sha256};
use crate::shell::Secret;

const VOLUME: &str = "/var/lib/provision/polls/postgres";
const MARKER: &str = "/var/lib/provision/polls/postgres-new";
const RECEIPT: &str = "/var/lib/provision/polls/postgres-role";
const ENV: &str = "/srv/polls/.env";
const CONF: &str = "/srv/polls/postgres/postgresql.conf";

fn postgres() -> Postgres {
    Postgres {
        site: "polls".to_owned(),
        version: 17,
        image: "postgres:17".to_owned(),
        ids: "999:999".to_owned(),
        directory: "/srv/polls".to_owned(),
        state: "/var/lib/provision/polls".to_owned(),
        data: None,
        memory: None,
        alone: false,
        conf: |_, tuning| Ok(format!("shared_buffers = {}MB\n", tuning.shared_buffers)),
    }
}

fn env(postgres: Postgres) -> Settings {
    Settings::new(postgres, File::Env)
}

fn cluster(postgres: Postgres) -> Cluster {
    let service = Service {
        project: "polls".to_owned(),
        directory: "/srv/polls".to_owned(),
        service: "postgres".to_owned(),
        container: "polls-postgres".to_owned(),
        digest: "d1".to_owned(),
    };
    Cluster::new(postgres, service)
}

fn database(password: &str) -> Database {
    Database::new(postgres(), "polls", "polls_db", Secret::new(password))
}

fn with_memory(seen: Seen, kilobytes: &str) -> Seen {
    let script = probe_of(&env(postgres()));
    seen.printed(script, &[], 0, kilobytes)
}

/// A host of 4 GB without anything of ours.
fn bare() -> Seen {
    let seen = Seen::default()
        .absent(VOLUME)
        .absent(MARKER)
        .absent(RECEIPT)
        .absent(ENV)
        .absent(CONF)
        .docker(Some(Docker::default()));
    with_memory(seen, "4008960")
}

/// The same with data and .env, whose settings are told too.
fn made() -> (Seen, String) {
    let seen = bare().file(VOLUME, "polls-postgres-17\n");
    let written = put(&env(postgres()), &seen);
    let settings = written
        .lines()
        .find_map(|line| line.strip_prefix("POSTGRES_SETTINGS="))
        .unwrap()
        .to_owned();
    (seen.file(ENV, &written), settings)
}

fn container(digest: &str, settings: &str, status: &str) -> Docker {
    let labels = [
        ("provision.digest", digest),
        ("provision.settings", settings),
    ];
    Docker {
        containers: vec![Container {
            names: vec!["/polls-postgres".to_owned()],
            state: "running".to_owned(),
            status: status.to_owned(),
            image_id: String::new(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ports: Vec::new(),
            host_config: HostConfig::default(),
        }],
        ..Docker::default()
    }
}

/// The text that a resource puts.
fn put(resource: &dyn super::Resource, seen: &Seen) -> String {
    let mut ops = resource.converge(&seen.0);
    assert_eq!(ops.len(), 1, "{ops:?}");
    match ops.remove(0).action {
        Action::Put {
            content: Content::Text(text),
            ..
        } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_volume_in_use_says_how_the_data_stands_to_the_wanted_version() {
    let data = |line: &str| {
        let seen = bare().file(VOLUME, line);
        (
            postgres().data(&seen.0).map_err(|e| e.to_string()),
            state(&postgres().version(), &seen),
        )
    };
    let sync = || "in sync".to_owned();
    assert_eq!(postgres().data(&bare().0), Ok(Data::Absent));
    assert_eq!(state(&postgres().version(), &bare()), "in sync");
    assert_eq!(data("polls-postgres-17\n"), (Ok(Data::Same), sync()));
    assert_eq!(
        data("polls-postgres-17-20300101T000000Z\n"),
        (Ok(Data::Same), sync()),
        "after a restore"
    );
    let (older, said) = data("polls-postgres-15\n");
    assert_eq!(older, Ok(Data::Older(15)));
    assert_eq!(said, "in sync", "that is the upgrade's to change");
    let (newer, said) = data("polls-postgres-18-20300101T000000Z\n");
    assert_eq!(newer, Ok(Data::Newer(18)));
    assert!(said.starts_with("refused: the data is PostgreSQL 18's, which 17"));
    for strange in ["blog-postgres-17\n", "", "polls-postgres-x\n"] {
        let (data, said) = data(strange);
        assert!(data.is_err() && said.starts_with("unreadable"), "{strange}");
    }
}

#[test]
fn what_the_host_knows_is_in_env_and_follows_its_memory() {
    let first = put(&env(postgres()), &bare());
    for line in [
        "POSTGRES_IMAGE=postgres:17",
        "POSTGRES_VOLUME=polls-postgres-17",
        "POSTGRES_MOUNT=/var/lib/postgresql/data",
        "POSTGRES_MEMORY=976m",
        "POSTGRES_SHM=244m",
        "POSTGRES_HOST_MEMORY=3915",
    ] {
        assert!(first.lines().any(|it| it == line), "{line}\n{first}");
    }
    assert_eq!(
        put(&Settings::new(postgres(), File::Conf), &bare()),
        "shared_buffers = 244MB\n"
    );
    let memory = |postgres: Postgres| {
        let text = put(&env(postgres), &bare());
        let line = text.lines().find(|it| it.starts_with("POSTGRES_MEMORY="));
        line.unwrap().to_owned()
    };
    let alone = Postgres {
        alone: true,
        ..postgres()
    };
    assert_eq!(memory(alone), "POSTGRES_MEMORY=2928m");
    let told = Postgres {
        memory: Some(512),
        ..postgres()
    };
    assert_eq!(memory(told), "POSTGRES_MEMORY=512m");
}

#[test]
fn a_little_more_or_less_memory_is_no_drift_and_a_resize_is_one() {
    let (seen, settings) = made();
    let docker = container("d1", &settings, "Up 2 hours (healthy)");
    let seen = seen.docker(Some(docker));
    let told = |kilobytes: &str| {
        let seen = with_memory(seen.clone(), kilobytes);
        (
            state(&env(postgres()), &seen),
            state(&cluster(postgres()), &seen),
        )
    };
    let sync = || ("in sync".to_owned(), "in sync".to_owned());
    assert_eq!(told("4008960"), sync());
    assert_eq!(told("3990528"), sync(), "a larger kernel");
    let (file, container) = told("8131584");
    assert_eq!(file, "differs: content differs");
    assert!(
        container.starts_with(&format!("differs: settings of the host {settings} → ")),
        "{container}"
    );
    assert!(state(&env(postgres()), &with_memory(seen.clone(), "")).starts_with("unreadable"));
}

#[test]
fn a_container_is_right_on_the_volume_in_use_and_after_a_whole_first_start() {
    let (seen, settings) = made();
    let docker = |digest: &str, settings: &str, status: &str| {
        let docker = container(digest, settings, status);
        seen.clone().docker(Some(docker))
    };
    let healthy = "Up 2 hours (healthy)";
    for (seen, expected) in [
        (docker("d1", &settings, healthy), "in sync".to_owned()),
        (bare().docker(None), "unknown until docker".to_owned()),
        (bare(), "differs: no data yet".to_owned()),
        (seen.clone(), "differs: missing".to_owned()),
        (
            docker("d1", &settings, healthy).file(MARKER, "polls-postgres-17\n"),
            "differs: its first start was cut off: begins again".to_owned(),
        ),
        (
            docker("d0", &settings, healthy),
            "differs: made from d0 → d1".to_owned(),
        ),
        (
            docker("d1", &settings, "Up 2 hours (unhealthy)"),
            "differs: Up 2 hours (unhealthy) → healthy".to_owned(),
        ),
        (
            docker("d1", "old", healthy),
            format!("differs: settings of the host old → {settings}"),
        ),
    ] {
        assert_eq!(state(&cluster(postgres()), &seen), expected);
    }
    // Another volume in use is another container.
    let restored =
        docker("d1", &settings, healthy).file(VOLUME, "polls-postgres-17-20300101T000000Z\n");
    assert!(state(&cluster(postgres()), &restored).starts_with("differs: settings"));
}

#[test]
fn the_marker_of_a_first_start_goes_when_it_has_come_to_its_end_and_only_then_is_there_one() {
    let steps = |seen: &Seen| -> Vec<String> {
        let ops = cluster(postgres()).converge(&seen.0);
        ops.into_iter().map(|op| op.what).collect()
    };
    let first = [
        "see to volume polls-postgres-17",
        "start polls-postgres and wait until it is healthy",
        "note that its first start has come to its end",
    ];
    assert_eq!(steps(&bare()), first);
    let (seen, _) = made();
    assert_eq!(steps(&seen), first[..2]);
    assert_eq!(steps(&seen.file(MARKER, "")), first);
    // The volume in use, whatever version is wanted, and where a directory stands for it.
    let bound = Postgres {
        data: Some("/mnt/pg".to_owned()),
        ..postgres()
    };
    let seen = bare().file(VOLUME, "polls-postgres-17-20300101T000000Z\n");
    let shown = ops(&cluster(bound), &seen);
    let volume = shown.lines().next().unwrap();
    assert!(volume.ends_with("/mnt/pg/17-20300101T000000Z"), "{volume}");
}

#[test]
fn role_and_database_are_due_again_with_another_password_name_or_volume() {
    let (seen, _) = made();
    let receipt = database("one").converge(&seen.0).pop().unwrap();
    let Action::Put {
        content: Content::Text(text),
        mode: 0o600,
        path,
        ..
    } = receipt.action
    else {
        panic!("{receipt:?}");
    };
    assert_eq!(path, RECEIPT);
    assert!(!text.contains(&sha256("one")));
    let done = seen.digest(RECEIPT, &text, 0o600);
    assert_eq!(state(&database("one"), &done), "in sync");
    let again = "differs: due again: the password, a name or the volume changed";
    assert_eq!(state(&database("two"), &done), again);
    let renamed = Database::new(postgres(), "other", "polls_db", Secret::new("one"));
    assert_eq!(state(&renamed, &done), again);
    let restored = done.file(VOLUME, "polls-postgres-17-20300101T000000Z\n");
    assert_eq!(state(&database("one"), &restored), again);
    assert_eq!(state(&database("one"), &bare()), "differs: never made");
}

#[test]
fn no_statement_holds_the_password_itself() {
    let (seen, _) = made();
    let ops = database("c4n4ry").converge(&seen.0);
    let Action::Run { cmd, input, .. } = &ops[0].action else {
        panic!("{ops:?}");
    };
    let Content::Secret(sql) = input else {
        panic!("{ops:?}");
    };
    assert!(!cmd.to_shell().contains("SCRAM"));
    let sql = sql.reveal();
    assert!(!sql.contains("c4n4ry"), "{sql}");
    assert!(sql.contains(" PASSWORD 'SCRAM-SHA-256$4096:"), "{sql}");
    // Before it, the server is told to log nothing of what follows.
    let (before, _) = sql.split_once("PASSWORD").unwrap();
    assert!(before.contains("SET log_min_error_statement = 'panic'"));
    assert!(sql.contains("NOSUPERUSER NOCREATEDB"));
    assert!(sql.contains("ALTER DATABASE \"polls_db\" OWNER TO \"polls\""));
    assert!(sql.contains("ALTER SCHEMA public OWNER TO \"polls\""));
    assert!(sql.contains("ALTER ROLE postgres PASSWORD NULL"));
}

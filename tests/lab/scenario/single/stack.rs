//! What runs on a server of the site, looked at from its console.

use serde_json::Value;

use crate::servers::{console, try_console};

/// What `systemd-analyze security` may say of a unit of ours at most.
const EXPOSURE: f64 = 5.0;

/// Every container runs as somebody who isn't root, can't become root, and writes only where it was
/// said.
pub fn containers(host: &str, site: &str) {
    let all = console(host, "docker inspect $(docker ps --quiet)");
    let all: Value = serde_json::from_str(&all).unwrap();
    let all = all.as_array().unwrap();
    assert!(!all.is_empty(), "containers on {host}");
    for container in all {
        let name = container["Name"].as_str().unwrap().trim_start_matches('/');
        assert!(name.starts_with(&format!("{site}-")), "{name} on {host}");
        let user = container["Config"]["User"].as_str().unwrap();
        let uid = user.split(':').next().unwrap();
        assert!(
            uid.parse::<u32>().is_ok_and(|uid| uid > 0),
            "{name}: user {user:?}"
        );
        let settings = &container["HostConfig"];
        assert_eq!(settings["Privileged"], false, "{name}");
        assert_eq!(settings["ReadonlyRootfs"], true, "{name}");
        let has = |key: &str, wanted: &str| {
            let words = settings[key].as_array().into_iter().flatten();
            words
                .filter_map(Value::as_str)
                .any(|word| word.starts_with(wanted))
        };
        assert!(
            has("SecurityOpt", "no-new-privileges"),
            "{name}: {settings}"
        );
        assert!(has("CapDrop", "ALL"), "{name}: {settings}");
        let processes = console(host, &format!("docker top {name} -eo uid,pid,args"));
        // What starts a health check is Docker's, until it has become what it starts.
        let own = |line: &&str| !line.trim_end().ends_with("runc init");
        let mut uids = processes.lines().skip(1).filter(own).filter_map(|line| {
            let uid = line.split_whitespace().next()?;
            uid.parse::<u32>().ok()
        });
        assert!(uids.clone().count() > 0, "{name}: {processes}");
        assert!(uids.all(|uid| uid > 0), "{name}: {processes}");
    }
}

/// What was written there satisfies the programs that read it, and systemd's judgement of units.
pub fn files(host: &str, site: &str) {
    let compose = format!("docker compose --file /srv/{site}/compose.yaml");
    let said = console(
        host,
        &format!("{compose} --profile manage config --format json"),
    );
    let said: Value = serde_json::from_str(&said).unwrap();
    for (name, service) in said["services"].as_object().unwrap() {
        // Docker drops the limit where the kernel has none to give, as in a lab within a lab: so
        // what it was told is looked at.
        let limit = service["mem_limit"]
            .as_str()
            .and_then(|it| it.parse::<u64>().ok());
        assert!(limit > Some(0), "{name}: {service}");
    }
    // All services of the project run, and no other container does.
    let counted = console(
        host,
        &format!("{compose} ps --quiet | wc -l; docker ps --quiet | wc -l"),
    );
    let counted: Vec<&str> = counted.split_whitespace().collect();
    assert_eq!(
        counted[0], counted[1],
        "containers outside of the project on {host}"
    );

    let units = console(
        host,
        &format!("find /etc/systemd/system -maxdepth 1 -name '{site}*' | sort"),
    );
    let units: Vec<&str> = units.lines().collect();
    let own = format!("/etc/systemd/system/{site}.service");
    assert!(units.contains(&own.as_str()), "{units:?}");
    let said = try_console(host, &[&["systemd-analyze", "verify"], &units[..]].concat());
    let said = format!("{}{}", said.stdout, said.stderr);
    assert!(!said.contains(site), "{said}");
    for unit in units {
        let name = unit.rsplit('/').next().unwrap();
        if !name.ends_with(".service") || name.contains('@') {
            continue;
        }
        let exposure = exposure(host, name);
        assert!(exposure < EXPOSURE, "{name} on {host}: {exposure}");
    }
}

/// systemd's own judgement, from 0 (shut off) to 10.
fn exposure(host: &str, unit: &str) -> f64 {
    let said = console(
        host,
        &format!("systemd-analyze security --no-pager {unit} || :"),
    );
    let line = said
        .lines()
        .find(|line| line.contains("Overall exposure level"));
    let line = line.unwrap_or_else(|| panic!("{unit}: {said}"));
    let (_, level) = line.rsplit_once(": ").unwrap();
    level.split_whitespace().next().unwrap().parse().unwrap()
}

/// The keys that Redis has.
pub fn redis_keys(site: &str) -> String {
    let ask = "read -r REDISCLI_AUTH </run/secrets/redis-password; export REDISCLI_AUTH; \
               redis-cli --scan";
    console("proxy", &format!("docker exec {site}-redis sh -c '{ask}'"))
}

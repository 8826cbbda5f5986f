//! Hosts that can't be reached, or that show another key than the one that is pinned.

use russh::keys::Algorithm;

use crate::home::{Home, SITE, Said, with};
use crate::server::{Server, new_key, print};

#[test]
fn a_host_that_does_not_answer_is_named_with_the_stage_and_what_to_do() {
    let home = Home::new(SITE);
    for verb in [
        &["plan"][..],
        &["run", "--yes"],
        &["step", "docker", "--yes"],
        &["status"],
    ] {
        let said = home.call(verb);
        assert_eq!(said.code, 3, "{}", said.stdout);
        assert_eq!(said.stderr, "");
        let line = said.stdout.lines().find(|line| line.contains('✗')).unwrap();
        assert!(line.starts_with("one  ✗ connect: "), "{line}");
        assert!(said.stdout.contains("refused"), "{}", said.stdout);
        assert!(
            said.stdout
                .contains("check that sshd runs on one and listens on port 1"),
            "{}",
            said.stdout
        );
    }
}

#[test]
fn json_is_one_object_a_line_and_ends_with_the_exit_code() {
    let home = Home::new(SITE);
    let said = home.call(&["plan", "--json"]);
    assert_eq!((said.code, said.stderr.as_str()), (3, ""));
    let events: Vec<serde_json::Value> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let named = |name: &str| {
        let found = events.iter().find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("{name}: {}", said.stdout))
    };
    assert_eq!(events[0]["event"], "started");
    assert_eq!(named("host_failed")["host"], "one");
    assert_eq!(named("host_failed")["failure"]["stage"], "connect");
    assert_eq!(events.last().unwrap()["event"], "finished");
    assert_eq!(events.last().unwrap()["exit_code"], 3);
}

/// A site whose only host is this server, with more lines for it.
fn at(server: &Server, more: &str) -> Home {
    let port = format!("port = {}\n{more}", server.port);
    Home::new(&with("port = 1\n", &port))
}

async fn call(home: &Home, arguments: &'static [&'static str]) -> Said {
    // The server needs this thread meanwhile.
    tokio::task::block_in_place(|| home.call(arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_than_the_pinned_one_ends_it_before_any_login() {
    let server = Server::start().await;
    let pinned = print(new_key(Algorithm::Ed25519).public_key());
    let home = at(&server, &format!("host_key = {pinned:?}\n"));
    for verb in [&["plan"][..], &["run", "--yes"]] {
        let said = call(&home, verb).await;
        assert_eq!(said.code, 3, "{}", said.stdout);
        assert!(said.stdout.contains("one  ✗ host key: "), "{}", said.stdout);
        assert!(said.stdout.contains(&pinned), "{}", said.stdout);
        assert!(
            said.stdout.contains(&print(&server.host_keys[0])),
            "{}",
            said.stdout
        );
    }
    assert_eq!(server.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_key_nobody_knows_is_never_trusted_blindly() {
    let server = Server::start().await;
    let home = at(&server, "");
    let said = call(&home, &["plan"]).await;
    assert_eq!(said.code, 3, "{}", said.stdout);
    assert!(said.stdout.contains("one  ✗ host key: "), "{}", said.stdout);
    assert!(said.stdout.contains("provision trust"), "{}", said.stdout);
    assert_eq!(server.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_pins_the_key_that_the_host_shows_and_then_it_is_known() {
    let server = Server::start().await;
    let home = at(&server, "# mine\n");
    let said = call(&home, &["trust"]).await;
    assert_eq!(said.code, 2, "{}{}", said.stdout, said.stderr);
    assert!(!home.site().contains("host_key"), "nobody said yes");
    let said = call(&home, &["trust", "--yes"]).await;
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    let fingerprint = print(&server.host_keys[0]);
    assert!(said.stdout.contains(&fingerprint), "{}", said.stdout);
    let site = home.site();
    assert!(
        site.contains(&format!("host_key = {fingerprint:?}")),
        "{site}"
    );
    assert!(site.contains("# mine"), "{site}");
    // Known now, it gets as far as the login, where our key is a stranger's.
    let said = call(&home, &["plan"]).await;
    assert_eq!(said.code, 3, "{}", said.stdout);
    assert!(
        said.stdout.contains("one  ✗ authenticate: "),
        "{}",
        said.stdout
    );
}

#[test]
fn an_audit_names_every_server_that_it_can_not_reach() {
    let home = Home::new(SITE);
    let said = home.call(&["audit", "root@127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (3, ""),
        "{}",
        said.stdout
    );
    for name in ["127.0.0.1:1  ✗ connect: ", "127.0.0.1:2  ✗ connect: "] {
        assert!(said.stdout.contains(name), "{}", said.stdout);
    }
    assert!(
        said.stdout.contains("2 servers not looked at"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("nothing exposed"), "{}", said.stdout);
}

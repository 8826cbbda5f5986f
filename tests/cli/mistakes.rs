//! Bad input: one clear error each, exit code 2, and nothing done.

use std::fs;

use crate::home::{Home, SITE, with};

/// Calls `provision`, which must refuse with code 2 and say something on stderr alone.
fn refused(home: &Home, arguments: &[&str]) -> String {
    let said = home.call(arguments);
    assert_eq!(said.code, 2, "{arguments:?}: {}", said.stderr);
    if arguments.contains(&"--json") {
        let line: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line["exit_code"], 2, "{line}");
    } else {
        assert_eq!(said.stdout, "", "{arguments:?}");
    }
    assert!(!said.stderr.contains('\u{1b}'), "{}", said.stderr);
    said.stderr
}

#[test]
fn a_mistake_in_site_toml_is_shown_where_it_is_by_every_verb() {
    for (site, place, parts) in [
        (
            with("publish = 8080", "pubish = 8080"),
            "site.toml:12:1",
            &["[app] has no key `pubish`", "did you mean `publish`?"][..],
        ),
        (
            with("publish = 8080", "publish = \"8080\""),
            "site.toml:12:11",
            &["`publish` must be a whole number"],
        ),
        (
            with("polls.example.com", "polls\\\".example.com"),
            "site.toml:2:12",
            &["is not a domain name"],
        ),
        (
            with("polls.example.com", "polls.example.com\\n"),
            "site.toml:2:12",
            &["is not a domain name"],
        ),
        (
            with("key = \"key\"", "key = \"none\""),
            "site.toml:4:7",
            &["can't read the key", "No such file or directory"],
        ),
        (
            with("name = \"polls\"", "name = polls"),
            "site.toml:1:8",
            &["put it into quotes"],
        ),
    ] {
        let home = Home::new(&site);
        for verb in [
            &["plan"][..],
            &["plan", "--json"],
            &["run", "--yes"],
            &["verify"],
            &["status"],
            &["step", "firewall", "--yes"],
            &["trust", "--yes"],
        ] {
            let said = refused(&home, verb);
            assert!(said.contains(place), "{verb:?} {said}");
            for part in parts {
                assert!(said.contains(part), "{verb:?} {said}");
            }
            assert_eq!(said.matches("error:").count(), 1, "{said}");
        }
    }
}

#[test]
fn machines_are_told_the_place_of_a_mistake_and_what_to_write_there() {
    let home = Home::new(&with("publish = 8080", "pubish = 8080"));
    let said = home.call(&["run", "--yes", "--json"]);
    assert_eq!(said.code, 2);
    let line: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(line["what"], "[app] has no key `pubish`");
    let place = &line["place"];
    assert_eq!(
        (&place["file"], &place["line"], &place["column"]),
        (&"site.toml".into(), &12.into(), &1.into())
    );
    assert_eq!(place["instead"], "did you mean `publish`?");
    let said = home.call(&["plan", "--json", "none.toml"]);
    let line: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(
        line["what"]
            .as_str()
            .unwrap()
            .contains("can't read none.toml")
    );
    assert!(line.get("place").is_none(), "{line}");
}

#[test]
fn a_key_that_is_a_directory_or_no_key_is_an_error() {
    let home = Home::new(&with("key = \"key\"", "key = \".\""));
    assert!(refused(&home, &["plan"]).contains("it is not a file"));
    let home = Home::new(SITE);
    fs::write(home.path().join("key"), "not a key").unwrap();
    let said = home.call(&["plan"]);
    assert_eq!(said.code, 3, "{}", said.stdout);
    assert!(
        said.stdout.contains("one  ✗ authenticate: "),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("key"), "{}", said.stdout);
}

#[test]
fn a_role_without_a_host_is_named() {
    let home = Home::new(&with("roles = [\"app\", \"proxy\"]", "role = \"app\""));
    assert_eq!(
        refused(&home, &["plan"]),
        "step proxy runs on role \"proxy\", and no host in site.toml has it\n"
    );
}

#[test]
fn what_does_not_exist_is_an_error_that_names_what_does() {
    let home = Home::new(SITE);
    for (arguments, expected) in [
        (
            &["step", "fierwall", "--yes"][..],
            "there is no step \"fierwall\"; did you mean firewall? see `provision steps`\n",
        ),
        (
            &["step", "docker", "--remove", "--yes"],
            "step docker can't be taken back; firewall can: `provision step firewall --remove`\n",
        ),
        (
            &["step", "fierwall", "--remove", "--yes"],
            "there is no step \"fierwall\"; did you mean firewall? see `provision steps`\n",
        ),
        (
            &["explain", "fierwall"],
            "there is no step \"fierwall\"; did you mean firewall? see `provision steps`\n",
        ),
        (
            &["plan", "--only", "fierwall"],
            "step \"fierwall\" is not part of this playbook; did you mean firewall? it has \
             preflight, bootstrap, docker, firewall, postgres, redis, image, app, proxy, \
             certificate, renewal, boot, backup, clean, \
             verify\n",
        ),
        (
            &["plan", "--host", "two"],
            "there is no host \"two\" in site.toml; it has one\n",
        ),
        (
            &["steps", "django-scald"],
            "there is no playbook \"django-scald\"; did you mean django-scaled? shipped: \
             django-scaled, django-single, django-uwsgi; a path of your own contains a `/` or ends in .toml\n",
        ),
        (
            &["plan", "none.toml"],
            "can't read none.toml: No such file or directory (os error 2); `provision init` \
             writes a first one; another's path can be given as an argument\n",
        ),
    ] {
        assert_eq!(refused(&home, arguments), expected);
    }
    let home = Home::new(&with("name", "playbook = \"django\"\nname"));
    assert!(refused(&home, &["plan"]).contains("there is no playbook \"django\""));
    let home = Home::new(&with("name", "playbook = \"./own.toml\"\nname"));
    fs::write(home.path().join("own.toml"), "[[step]]\nuse = \"dokcer\"\n").unwrap();
    let said = refused(&home, &["plan"]);
    assert!(said.contains("own.toml:2:7"), "{said}");
    assert!(said.contains("did you mean `docker`?"), "{said}");
}

#[test]
fn nothing_is_changed_without_a_terminal_to_ask_on() {
    let home = Home::new(SITE);
    for verb in [&["run"][..], &["step", "firewall"], &["run", "--json"]] {
        assert_eq!(
            refused(&home, verb),
            "there is no terminal to ask on: add --yes to go on without a question\n"
        );
    }
}

#[test]
fn a_wrong_command_line_shows_how_it_is_used() {
    let home = Home::new(SITE);
    assert!(refused(&home, &["bogus"]).contains("Usage: provision"));
    assert!(refused(&home, &["plan", "--wibble"]).contains("--wibble"));
}

#[test]
fn a_proof_that_would_look_at_nothing_is_refused() {
    let home = Home::new(SITE);
    for verb in [
        &["verify", "--skip", "verify"][..],
        &["step", "verify", "--yes", "--host", "one"],
    ] {
        assert_eq!(
            refused(&home, verb),
            "the proof needs every host: leave out --host and --skip verify\n"
        );
    }
}

#[test]
fn an_audit_needs_servers_that_can_be_meant() {
    let home = Home::new(SITE);
    for (arguments, expected) in [
        (&["audit"][..], "<SERVER>"),
        (
            &["audit", "app1", "--site", "site.toml"],
            "cannot be used with",
        ),
        (
            &["audit", "--", "-oProxyCommand=x"],
            "is not of the form [USER@]HOST[:PORT]",
        ),
        (
            &["audit", "app1:0"],
            "\"app1:0\" can't be looked at: its port is no number",
        ),
        (
            &["audit", "root@app1", "app1"],
            "\"app1\" can't be looked at: it is named twice",
        ),
        (&["audit", "--site", "none.toml"], "can't read none.toml"),
    ] {
        let said = refused(&home, arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn no_server_is_restarted_without_a_yes() {
    let home = Home::new(SITE);
    for verb in [
        &["verify", "--reboot"][..],
        &["verify", "--reboot", "--json"],
    ] {
        assert_eq!(
            refused(&home, verb),
            "there is no terminal to ask on: add --yes to go on without a question\n"
        );
    }
    assert!(refused(&home, &["verify", "--yes"]).contains("--reboot"));
    let said = refused(&home, &["verify", "--reboot", "--yes", "--host", "two"]);
    assert_eq!(said, "there is no host \"two\" in site.toml; it has one\n");
}

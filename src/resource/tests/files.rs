//! Files, directories, our keys in others' files, nginx's configuration, pending reloads.

use serde_json::{Map, Value, json};

use super::{Seen, diff, ops, state};
use crate::resource::file::{Absent, Directory, File};
use crate::resource::merged_json::MergedJson;
use crate::resource::nginx::Nginx;
use crate::resource::pending::Pending;
use crate::resource::{Fact, Resource as _, Reveal, sha256};
use crate::shell::{Cmd, Secret};

const PATH: &str = "/etc/x";

#[test]
fn a_file_differs_in_content_mode_owner_or_kind() {
    let file = File::new(PATH, "a\nb\n");
    let seen = Seen::default;
    for (seen, expected) in [
        (seen().file(PATH, "a\nb\n"), "in sync"),
        (seen().absent(PATH), "differs: missing"),
        (seen().file(PATH, "a\n"), "differs: content differs"),
        (
            seen().file_as(PATH, "a\nb\n", 0o600, "root:root"),
            "differs: mode 0600 → 0644",
        ),
        (
            seen().file_as(PATH, "a\n", 0o600, "www-data:root"),
            "differs: content differs, mode 0600 → 0644, owner www-data:root → root:root",
        ),
        (
            seen().other(PATH, "symbolic link", 0o777, "root:root"),
            "differs: is a symbolic link, not a file",
        ),
        (
            seen().other(PATH, "directory", 0o755, "root:root"),
            "differs: is a directory, not a file",
        ),
        (seen(), "unreadable: file /etc/x: was not read on this host"),
    ] {
        assert_eq!(state(&file, &seen), expected);
    }
}

#[test]
fn a_file_shows_its_difference_line_by_line_and_is_put_whole() {
    let file = File::new(PATH, "a\nb\n")
        .mode(0o440)
        .check(Cmd::new("visudo").arg("--check"))
        .pending("/var/lib/m");
    let seen = Seen::default().file(PATH, "a\nc\n");
    assert_eq!(diff(&file, &seen), "  a\n- c\n+ b");
    assert_eq!(
        ops(&file, &seen),
        "write /etc/x: put /etc/x root:root 0440, checked by visudo --check, marks /var/lib/m \
         <- \"a\\nb\\n\""
    );
}

#[test]
fn a_secret_file_is_compared_by_its_digest_and_never_shown() {
    let file = File::secret(PATH, Secret::new("hunter2"));
    let content = Reveal::Never;
    let path = PATH.to_owned();
    assert_eq!(file.facts(), [Fact::File { path, content }]);
    let seen = Seen::default;
    for (seen, expected) in [
        (seen().digest(PATH, "hunter2", 0o600), "in sync"),
        (
            seen().digest(PATH, "hunter2", 0o644),
            "differs: mode 0644 → 0600",
        ),
        (
            seen().digest(PATH, "hunter3", 0o600),
            "differs: content differs (not shown)",
        ),
        (seen().absent(PATH), "differs: missing"),
    ] {
        assert_eq!(state(&file, &seen), expected);
        assert!(!diff(&file, &seen).contains("hunter"));
        assert_eq!(
            ops(&file, &seen),
            "write /etc/x: put /etc/x root:root 0600 <- a secret"
        );
    }
    assert!(!format!("{file:?}").contains("hunter2"));
}

#[test]
fn a_directory_is_made_and_never_takes_the_place_of_something_else() {
    let directory = Directory::new("/srv/x", 0o755);
    let seen = Seen::default;
    for (seen, expected) in [
        (
            seen().other("/srv/x", "directory", 0o755, "root:root"),
            "in sync",
        ),
        (seen().absent("/srv/x"), "differs: missing"),
        (
            seen().other("/srv/x", "directory", 0o700, "root:root"),
            "differs: root:root 0700 → root:root 0755",
        ),
        (
            seen().other("/srv/x", "directory", 0o755, "deploy:deploy"),
            "differs: deploy:deploy 0755 → root:root 0755",
        ),
        (
            seen().file("/srv/x", "mine"),
            "refused: /srv/x is a regular file, not a directory (move /srv/x away)",
        ),
        (seen(), "unreadable: file /srv/x: was not read on this host"),
    ] {
        assert_eq!(state(&directory, &seen), expected);
    }
    assert_eq!(
        ops(&directory, &seen().absent("/srv/x")),
        "make /srv/x: install -d -o root -g root -m 755 -- /srv/x"
    );
}

fn keys(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(keys) => keys,
        other => panic!("{other} is no object"),
    }
}

#[test]
fn keys_are_added_to_a_json_file_and_what_is_no_json_is_refused() {
    let merged = MergedJson::new(
        "/etc/d.json",
        keys(json!({"live-restore": true})),
        Cmd::new("dockerd").arg("--validate"),
        "docker.service",
        "/var/lib/m",
    );
    let seen = Seen::default;
    let file = |text| seen().file("/etc/d.json", text);
    let runs = |seen: Seen, active| seen.unit("docker.service", "loaded", "enabled", active);
    for (seen, expected) in [
        (file("{\"live-restore\": true}"), "in sync"),
        (file("{ \"live-restore\" : false }"), "in sync"),
        (file("{\"debug\": true}"), "differs: keys missing"),
        (file("\n"), "differs: keys missing"),
        (seen().absent("/etc/d.json"), "differs: missing"),
        (
            file("[1]"),
            "refused: /etc/d.json is not a JSON object: invalid type: sequence, expected a map \
             at line 1 column 0 (mend /etc/d.json by hand; nothing of it was changed)",
        ),
        (
            seen().other("/etc/d.json", "directory", 0o755, "root:root"),
            "unreadable: file /etc/d.json: is not a regular file",
        ),
        (
            seen(),
            "unreadable: file /etc/d.json: was not read on this host",
        ),
    ] {
        assert_eq!(state(&merged, &seen), expected);
    }
    assert!(state(&merged, &file("{,}")).starts_with("refused: "));
    // One that doesn't run reads the file when it starts: nothing is due then.
    for (seen, marks) in [
        (
            runs(file("{\"debug\": true}"), "active"),
            ", marks /var/lib/m",
        ),
        (
            runs(file("{\"debug\": true}"), "activating"),
            ", marks /var/lib/m",
        ),
        (file("{\"debug\": true}"), ", marks /var/lib/m"),
        (runs(file("{\"debug\": true}"), "inactive"), ""),
    ] {
        assert_eq!(
            ops(&merged, &seen),
            format!(
                "write /etc/d.json: put /etc/d.json root:root 0644, checked by dockerd \
                 --validate{marks} <- \"{{\\n  \\\"debug\\\": true,\\n  \\\"live-restore\\\": true\\n}}\\n\""
            )
        );
    }
    assert_eq!(ops(&merged, &file("{,}")), "", "what is refused stays");
}

#[test]
fn nginx_gets_the_whole_configuration_once_there_is_a_certificate() {
    let nginx = Nginx {
        path: "/srv/site.conf".to_owned(),
        image: "nginx:1.28".to_owned(),
        tls: "/srv/polls/proxy/tls".to_owned(),
        plain: "http\n".to_owned(),
        certificates: vec![("/live/fullchain.pem".to_owned(), "http\nhttps\n".to_owned())],
        pending: "/var/lib/nginx".to_owned(),
    };
    let without = || Seen::default().absent("/live/fullchain.pem");
    let with = || Seen::default().digest("/live/fullchain.pem", "pem", 0o644);
    let conf = "/srv/site.conf";
    for (seen, expected) in [
        (without().absent(conf), "differs: missing"),
        (without().file(conf, "http\n"), "in sync"),
        (with().file(conf, "http\n"), "differs: content differs"),
        (with().file(conf, "http\nhttps\n"), "in sync"),
        (
            with().file_as(conf, "http\nhttps\n", 0o600, "root:root"),
            "differs: root:root 0600 → root:root 0644",
        ),
        (
            with().file_as(conf, "http\nhttps\n", 0o644, "me:me"),
            "differs: me:me 0644 → root:root 0644",
        ),
        // The certificate was taken away: nginx would not start with the whole configuration.
        (
            without().file(conf, "http\nhttps\n"),
            "differs: content differs",
        ),
        (
            Seen::default().file(conf, "http\n"),
            "unreadable: file /live/fullchain.pem: was not read on this host",
        ),
        (
            with(),
            "unreadable: file /srv/site.conf: was not read on this host",
        ),
    ] {
        assert_eq!(state(&nginx, &seen), expected);
    }
    assert_eq!(
        diff(&nginx, &with().file(conf, "http\n")),
        "  http\n+ https"
    );
    assert_eq!(
        ops(&nginx, &with().absent(conf)),
        "test and write /srv/site.conf: put /srv/site.conf root:root 0644, checked by \
         sh … nginx:1.28 /srv/polls/proxy/tls, marks /var/lib/nginx <- \"http\\nhttps\\n\""
    );
    assert_eq!(
        ops(&nginx, &without().absent(conf)),
        "test and write /srv/site.conf: put /srv/site.conf root:root 0644, checked by \
         sh … nginx:1.28 /srv/polls/proxy/tls, marks /var/lib/nginx <- \"http\\n\""
    );
    let text = sha256("http\nhttps\n");
    assert!(
        nginx.facts().iter().any(
            |fact| matches!(fact, Fact::File { content: Reveal::Unless(sum), .. } if *sum == text)
        ),
        "its text is read only where it is another"
    );
}

#[test]
fn a_reload_is_due_while_its_marker_is_there() {
    let marker = "/var/lib/provision/polls/pending/nginx";
    let reload = Pending::new("reload nginx", marker, Cmd::new("reload-it"));
    let seen = Seen::default;
    assert_eq!(state(&reload, &seen().absent(marker)), "in sync");
    assert_eq!(
        state(&reload, &seen().digest(marker, "", 0o600)),
        "differs: due since a file it reads was written"
    );
    assert_eq!(
        state(&reload, &seen()),
        format!("unreadable: file {marker}: was not read on this host")
    );
    assert_eq!(
        ops(&reload, &seen().digest(marker, "", 0o600)),
        format!("reload nginx: reload-it\nnote that it is done: sh … {marker}"),
        "the marker goes after the reload, not before"
    );
}

#[test]
fn files_that_must_go_are_removed_where_they_are_and_a_directory_is_never() {
    let paths = ["/a/x.pem", "/a/x.crt"].map(str::to_owned);
    let absent = Absent::new("what was left", paths);
    let seen = Seen::default().absent("/a/x.pem").absent("/a/x.crt");
    assert_eq!(state(&absent, &seen), "in sync");
    let seen = seen.digest("/a/x.pem", "", 0o600);
    assert_eq!(state(&absent, &seen), "differs: still there: /a/x.pem");
    assert_eq!(ops(&absent, &seen), "remove /a/x.pem: rm -f -- /a/x.pem");
    let seen = seen.other("/a/x.crt", "directory", 0o755, "root:root");
    assert_eq!(
        state(&absent, &seen),
        "refused: /a/x.crt is a directory, not a file (move /a/x.crt away)"
    );
    let unread = Seen::default().absent("/a/x.pem");
    assert!(state(&absent, &unread).starts_with("unreadable"));
}

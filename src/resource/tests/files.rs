//! Files, directories, our keys in others' files, nginx's configuration, pending reloads.

use serde_json::{Map, Value, json};

use super::{Seen, diff, ops, state};
use crate::resource::fact::{Docker, Image};
use crate::resource::file::{Directory, File};
use crate::resource::merged_json::MergedJson;
use crate::resource::nginx::{Nginx, OPEN};
use crate::resource::nginx_build::{NginxBuild, Texts};
use crate::resource::pending::Pending;
use crate::resource::retired::Retired;
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

#[test]
fn what_belongs_to_a_container_s_user_is_told_by_numbers() {
    let directory = Directory::new("/srv/x", 0o750).owner("10001:10002");
    let seen = |owner: &str| Seen::default().other("/srv/x", "directory", 0o750, owner);
    assert_eq!(state(&directory, &seen("10001:10002")), "in sync");
    assert_eq!(
        state(&directory, &seen("root:root")),
        "differs: root:root 0750 → 10001:10002 0750"
    );
    assert_eq!(
        ops(&directory, &seen("root:root")),
        "make /srv/x: install -d -o 10001 -g 10002 -m 750 -- /srv/x"
    );
    assert_eq!(
        ops(&directory.whole(), &seen("root:root")),
        "make /srv/x and give all of it to 10001:10002: sh … /srv/x 10001:10002 750"
    );
    let file = File::new(PATH, "a\n").owner("10001:10002");
    let seen = |owner: &str| Seen::default().file_as(PATH, "a\n", 0o644, owner);
    assert_eq!(state(&file, &seen("10001:10002")), "in sync");
    assert_eq!(
        state(&file, &seen("root:root")),
        "differs: owner root:root → 10001:10002"
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

/// What nginx says of itself.
fn build(version: &str, openssl: &str, arguments: &str) -> String {
    format!(
        "sha256:00\nnginx version: nginx/{version}\nbuilt with OpenSSL {openssl}\nconfigure \
         arguments: {arguments}\n"
    )
}

/// Where an nginx of today was asked.
fn asked() -> Seen {
    Seen::default().file(BUILD, &build("1.28.0", "3.5.1", ""))
}

const BUILD: &str = "/var/lib/provision/polls/nginx";

fn texts(text: &str) -> Texts {
    let texts = Texts::new(|features| {
        let curve = if features.post_quantum {
            ""
        } else {
            "no curve\n"
        };
        let http2 = if features.http2_directive {
            ""
        } else {
            "http2 word\n"
        };
        Ok::<_, ()>(format!("{text}{curve}{http2}"))
    });
    texts.unwrap()
}

fn nginx() -> Nginx {
    Nginx {
        path: "/srv/site.conf".to_owned(),
        image: "nginx:1.28".to_owned(),
        user: "10001:10001".to_owned(),
        build: BUILD.to_owned(),
        tls: "/srv/tls".to_owned(),
        plain: texts("http\n"),
        certificates: vec![("/live/fullchain.pem".to_owned(), texts("http\nhttps\n"))],
        open: None,
        http3: false,
        pending: "/var/lib/nginx".to_owned(),
    }
}

#[test]
fn nginx_gets_what_it_can_read() {
    let seen = |text: Option<&str>| {
        let seen = Seen::default()
            .absent("/live/fullchain.pem")
            .absent("/srv/site.conf");
        match text {
            Some(text) => seen.file(BUILD, text),
            None => seen.absent(BUILD),
        }
    };
    let written = |text: &str| diff(&nginx(), &seen(Some(text)));
    assert_eq!(state(&nginx(), &seen(None)), "unknown until proxy");
    assert_eq!(ops(&nginx(), &seen(None)), "");
    assert_eq!(written(&build("1.28.0", "3.5.1", "")), "+ http");
    assert_eq!(
        written(&build("1.24.0", "3.0.2", "")),
        "+ http\n+ no curve\n+ http2 word"
    );
    let mut http3 = nginx();
    http3.http3 = true;
    let without = seen(Some(&build("1.24.0", "3.0.2", "--with-http_v2_module")));
    assert!(state(&http3, &without).starts_with("refused: nginx of nginx:1.28 was built without"));
    assert_eq!(ops(&http3, &without), "");
    let with = seen(Some(&build("1.28.0", "3.5.1", "--with-http_v3_module")));
    assert_eq!(diff(&http3, &with), "+ http");
}

#[test]
fn a_site_that_was_served_over_http_still_is_while_a_certificate_is_fetched() {
    let mut nginx = nginx();
    nginx.open = Some(texts(&format!("{OPEN}\nsite\n")));
    let seen = |text: &str| {
        asked()
            .absent("/live/fullchain.pem")
            .file("/srv/site.conf", text)
    };
    assert_eq!(state(&nginx, &seen(&format!("{OPEN}\nsite\n"))), "in sync");
    assert_eq!(
        diff(&nginx, &seen(&format!("{OPEN}\nolder\n"))),
        format!("  {OPEN}\n- older\n+ site")
    );
    assert_eq!(diff(&nginx, &seen("older\n")), "- older\n+ http");
    let there = seen(&format!("{OPEN}\nsite\n")).digest("/live/fullchain.pem", "pem", 0o644);
    assert_eq!(
        diff(&nginx, &there),
        format!("- {OPEN}\n- site\n+ http\n+ https")
    );
}

#[test]
fn an_images_nginx_is_asked_once() {
    let build = NginxBuild {
        image: "nginx:1.28".to_owned(),
        user: "10001:10001".to_owned(),
        receipt: BUILD.to_owned(),
    };
    let image = |id: &str| Image {
        id: id.to_owned(),
        created: 0,
        repo_tags: Some(vec!["nginx:1.28".to_owned()]),
        repo_digests: None,
    };
    let docker = |ids: &[&str]| {
        let images = ids.iter().map(|id| image(id)).collect();
        let docker = Docker {
            images,
            ..Docker::default()
        };
        Seen::default().docker(Some(docker))
    };
    let receipt = "sha256:00\nnginx version: nginx/1.28.0\n";
    for (seen, expected) in [
        (
            Seen::default().docker(None).absent(BUILD),
            "unknown until docker",
        ),
        (docker(&[]).absent(BUILD), "unknown until proxy"),
        (docker(&["sha256:00"]).absent(BUILD), "differs: never asked"),
        (docker(&["sha256:00"]).file(BUILD, receipt), "in sync"),
        (
            docker(&["sha256:01"]).file(BUILD, receipt),
            "differs: asked of another image",
        ),
        (
            docker(&["sha256:00"]).file(BUILD, ""),
            "differs: never asked",
        ),
    ] {
        assert_eq!(state(&build, &seen), expected);
    }
    assert_eq!(
        ops(&build, &docker(&["sha256:01"]).file(BUILD, receipt)),
        format!("ask the nginx of nginx:1.28 what it can do: sh … sha256:01 {BUILD} 10001:10001")
    );
}

#[test]
fn somebody_elses_directory_is_made_and_left_alone() {
    let directory = Directory::any("/srv/media");
    let seen = Seen::default;
    let media = "/srv/media";
    assert_eq!(state(&directory, &seen().absent(media)), "differs: missing");
    for (mode, owner) in [(0o755, "root:root"), (0o2770, "app:www-data")] {
        let there = seen().other(media, "directory", mode, owner);
        assert_eq!(state(&directory, &there), "in sync");
    }
    let file = seen().file(media, "");
    assert!(state(&directory, &file).starts_with("refused: "));
}

#[test]
fn nginx_gets_the_whole_configuration_once_there_is_a_certificate() {
    let nginx = nginx();
    let without = || asked().absent("/live/fullchain.pem");
    let with = || asked().digest("/live/fullchain.pem", "pem", 0o644);
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
            asked().file(conf, "http\n"),
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
         sh … nginx:1.28 /srv/tls 10001:10001, marks /var/lib/nginx <- \"http\\nhttps\\n\""
    );
    assert_eq!(
        ops(&nginx, &without().absent(conf)),
        "test and write /srv/site.conf: put /srv/site.conf root:root 0644, checked by \
         sh … nginx:1.28 /srv/tls 10001:10001, marks /var/lib/nginx <- \"http\\n\""
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
    let retired = Retired {
        what: "what was left".to_owned(),
        units: vec!["old.timer".to_owned()],
        files: ["/a/x.pem", "/a/x.crt"].map(str::to_owned).to_vec(),
    };
    let unit = "/etc/systemd/system/old.timer";
    let seen = Seen::default().absent("/a/x.pem").absent("/a/x.crt");
    assert!(state(&retired, &seen).starts_with("unreadable"));
    let seen = seen.absent(unit);
    assert_eq!(state(&retired, &seen), "in sync");
    let running = seen.clone().file(unit, "");
    assert_eq!(
        state(&retired, &running),
        format!("differs: {unit} → removed")
    );
    let seen = seen.digest("/a/x.pem", "", 0o600);
    assert_eq!(state(&retired, &seen), "differs: /a/x.pem → removed");
    assert_eq!(
        ops(&retired, &seen),
        "remove what was left: sh … 1 old.timer /a/x.pem /a/x.crt"
    );
    let seen = seen.other("/a/x.crt", "directory", 0o755, "root:root");
    assert_eq!(
        state(&retired, &seen),
        "refused: /a/x.crt is a directory, not a file (move /a/x.crt away)"
    );
}

//! `backup`, `restore`, `down`, `destroy`: what is refused before any host is looked at.

use std::fs;

use crate::home::{Home, SITE, with};

/// A site with a database of its own.
fn with_database() -> Home {
    let site = with(
        "roles = [\"app\", \"proxy\"]",
        "roles = [\"app\", \"proxy\", \"db\"]",
    );
    let more = "[secrets.from]\nPOSTGRES_PASSWORD = { command = [\"/bin/echo\", \"password\"] }\n\
                [postgres]\nversion = 15\n[tls]";
    let site = site.replace("[tls]", more);
    Home::new(&format!("playbook = \"django-single\"\n{site}"))
}

/// Calls `provision`, which must refuse with code 2 before it connects.
fn refused(home: &Home, arguments: &[&str]) -> String {
    let said = home.call(arguments);
    assert_eq!(
        said.code, 2,
        "{arguments:?}: {}{}",
        said.stdout, said.stderr
    );
    assert_eq!(said.stdout, "", "{arguments:?}");
    said.stderr
}

#[test]
fn nothing_is_stopped_or_removed_without_a_word() {
    let home = Home::new(SITE);
    assert!(refused(&home, &["down"]).contains("add --yes"));
    let said = refused(&home, &["destroy"]);
    assert!(said.contains("add --confirm polls"), "{said}");
    let said = refused(&home, &["destroy", "--confirm", "poll"]);
    assert!(said.contains("poll is not the name of this site, which is polls"));
    let said = refused(&home, &["destroy", "--confirm", "polls", "--host", "two"]);
    assert!(said.contains("there is no host \"two\""), "{said}");
}

#[test]
fn a_site_without_a_database_of_its_own_has_no_backups() {
    let home = Home::new(SITE);
    for words in [&["backup"][..], &["restore", "--undo", "--yes"]] {
        assert!(refused(&home, words).contains("no database of its own"));
    }
}

#[test]
fn a_backup_takes_no_other_files_place() {
    let home = with_database();
    fs::write(home.path().join("kept.tar"), "precious").unwrap();
    let said = refused(&home, &["backup", "--output", "kept.tar"]);
    assert!(said.contains("kept.tar is there already"), "{said}");
    let kept = fs::read(home.path().join("kept.tar")).unwrap();
    assert_eq!(kept, b"precious");
    refused(&home, &["backup", "--list", "--on-server"]);
    refused(&home, &["backup", "--list", "--bring"]);
}

#[test]
fn what_is_no_whole_backup_of_this_site_is_never_sent() {
    let home = with_database();
    assert!(refused(&home, &["restore", "--yes"]).contains("name the backup"));
    let said = refused(&home, &["restore", "none.tar", "--yes"]);
    assert!(
        said.contains("none.tar can't be used as a backup"),
        "{said}"
    );
    fs::write(home.path().join("cut.tar"), [0; 20_000]).unwrap();
    let said = refused(&home, &["restore", "cut.tar", "--yes"]);
    assert!(said.contains("cut off, or no backup at all"), "{said}");
    let write = |name: &str, site: &str, version: u16| {
        fs::write(home.path().join(name), backup(site, version)).unwrap();
    };
    write("theirs.tar", "blog", 15);
    let said = refused(&home, &["restore", "theirs.tar", "--yes"]);
    assert!(said.contains("a backup of blog, not of polls"), "{said}");
    assert!(said.contains("--from-site blog"), "{said}");
    write("newer.tar", "polls", 17);
    let said = refused(&home, &["restore", "newer.tar", "--yes"]);
    assert!(said.contains("it is PostgreSQL 17's, and site.toml asks for 15"));
    // What is fit gets as far as the host, which nobody answers on.
    write("good.tar", "polls", 15);
    let said = home.call(&["restore", "good.tar", "--yes"]);
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    let said = home.call(&["restore", "theirs.tar", "--from-site", "blog", "--yes"]);
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
}

/// A backup with a line for a dump.
fn backup(site: &str, version: u16) -> Vec<u8> {
    let members = [("database.dump", "dump"), ("tables.txt", "public.a\t1\n")];
    let mut files = Vec::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, text: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
    };
    for (name, text) in members {
        add(name, text);
        let sum = provision::resource::sha256(text);
        let bytes = text.len();
        files.push(serde_json::json!({"name": name, "bytes": bytes, "sha256": sum}));
    }
    let manifest = serde_json::json!({
        "format": 1, "site": site, "made": "20260102T030405Z", "postgres": version,
        "database": site, "user": site, "tables": 1, "rows": 1, "files": files,
    });
    add("manifest.json", &manifest.to_string());
    builder.into_inner().unwrap()
}

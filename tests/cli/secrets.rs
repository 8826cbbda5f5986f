//! `provision secrets`: what is made, changed, shown and refused, and what never shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;

use crate::executable;
use crate::home::{Home, SITE, Said};
use crate::server::new_key;

const CANARY: &str = "c4n4ry 'quoted' $value \\ of \"all\" kinds";

/// A site that asks for two values, and a directory for clear text that can be looked into.
fn home(extra: &str) -> Home {
    let site = SITE.replace(
        "publish = 8080\n",
        "publish = 8080\nsecrets = [\"DJANGO_SECRET_KEY\", \"DATABASE_PASSWORD\"]\n",
    );
    let home = Home::new(&format!("{site}{extra}"));
    public(&home, "key");
    fs::create_dir(home.path().join("memory")).unwrap();
    home
}

/// Writes the public half of a private key beside it.
fn public(home: &Home, name: &str) -> String {
    let path = home.path().join(name);
    let key = russh::keys::load_secret_key(&path, None).unwrap();
    let line = key.public_key().to_openssh().unwrap();
    fs::write(path.with_extension("pub"), format!("{line}\n")).unwrap();
    line
}

fn call(home: &Home, arguments: &[&str], env: &[(&str, &str)], stdin: &str) -> Said {
    let done = Command::new(env!("CARGO_BIN_EXE_provision"))
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("XDG_RUNTIME_DIR", home.path().join("memory"))
        .envs(env.iter().copied())
        .args(arguments)
        .write_stdin(stdin)
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: done.status.code().unwrap(),
        stdout: text(done.stdout),
        stderr: text(done.stderr),
    }
}

fn secrets(home: &Home, arguments: &[&str]) -> Said {
    let mut all = vec!["secrets"];
    all.extend(arguments);
    call(home, &all, &[], "")
}

fn set(home: &Home, name: &str, value: &str) {
    let said = call(home, &["secrets", "--set", name], &[], value);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}

/// The file's text, opened with one of the home's keys.
fn opened(home: &Home, key: &str) -> String {
    let locked = fs::read(file(home)).unwrap();
    let identities = provision::secrets::Identities::named_files(vec![home.path().join(key)]);
    let ask = provision::secrets::Ask::nobody();
    let text = provision::secrets::unlock(&locked, &identities, &ask).unwrap();
    text.reveal().to_owned()
}

fn file(home: &Home) -> std::path::PathBuf {
    home.path().join("site.secrets.age")
}

/// An editor that runs this on the file it is given.
fn editor(home: &Home, script: &str) -> String {
    let path = home.path().join("editor");
    executable::write(&path, &format!("#!/bin/sh\nset -eu\n{script}\n"));
    path.display().to_string()
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn passwords_that_the_site_itself_gives_are_made() {
    let home = home("\n[postgres]\nversion = 17\n\n[redis]\nversion = 8\npassword = \"CACHE\"\n");
    let said = secrets(&home, &[]);
    assert_eq!(said.code, 2, "DATABASE_PASSWORD is another's");
    for made in ["POSTGRES_PASSWORD made", "CACHE made"] {
        assert!(said.stdout.contains(made), "{}", said.stdout);
    }
    assert!(said.stderr.contains("no value for DATABASE_PASSWORD;"));
    let text = opened(&home, "key");
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once('=').unwrap().1.to_owned()
    };
    let values = [value("POSTGRES_PASSWORD"), value("CACHE")];
    assert_ne!(values[0], values[1]);
    for value in values {
        assert_eq!(value.len(), 40);
        assert!(!said.stdout.contains(&value) && !said.stderr.contains(&value));
    }
    // What is there is left as it is.
    secrets(&home, &[]);
    assert_eq!(opened(&home, "key"), text);
}

#[test]
fn a_secret_key_is_made_and_what_only_others_know_is_asked_for() {
    let home = home("");
    let said = secrets(&home, &[]);
    assert_eq!(said.code, 2);
    assert!(
        said.stdout.contains("DJANGO_SECRET_KEY made"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("no value for DATABASE_PASSWORD"),
        "{}",
        said.stderr
    );
    let text = opened(&home, "key");
    let key = text.trim().strip_prefix("DJANGO_SECRET_KEY=").unwrap();
    assert_eq!(key.len(), 64);
    assert!(!said.stdout.contains(key) && !said.stderr.contains(key));
    let mode = fs::metadata(file(&home)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(
        fs::read_to_string(file(&home))
            .unwrap()
            .starts_with("-----BEGIN AGE")
    );

    set(&home, "DATABASE_PASSWORD", CANARY);
    let before = opened(&home, "key");
    let said = secrets(&home, &[]);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "nothing is missing\n")
    );
    assert_eq!(opened(&home, "key"), before, "what is there is kept");
}

#[test]
fn a_value_of_any_kind_comes_out_as_it_went_in_and_never_shows() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    set(&home, "DJANGO_SECRET_KEY", "first\nsecond");
    let path = file(&home);
    let held = provision::site::held(&path, &provision::shell::Secret::new(opened(&home, "key")));
    let held = held.unwrap();
    let value = |name: &str| {
        let found = held.iter().find(|held| held.name.as_str() == name);
        found.unwrap().value.reveal().to_owned()
    };
    assert_eq!(value("DATABASE_PASSWORD"), CANARY);
    assert_eq!(value("DJANGO_SECRET_KEY"), "first\nsecond");
    let said = secrets(&home, &["--list"]);
    assert_eq!(said.code, 0);
    assert!(
        said.stdout.contains("DATABASE_PASSWORD  site.secrets.age"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("c4n4ry"), "{}", said.stdout);
    assert!(!fs::read_to_string(&path).unwrap().contains("c4n4ry"));
}

#[test]
fn plan_takes_values_from_the_file_and_says_which_are_missing() {
    let home = home("");
    set(&home, "DJANGO_SECRET_KEY", "x");
    let said = call(&home, &["plan", "--host", "none"], &[], "");
    assert_eq!(said.code, 2);
    assert!(
        said.stderr
            .contains("there is no value for DATABASE_PASSWORD"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("provision secrets --set DATABASE_PASSWORD"),
        "{}",
        said.stderr
    );
    set(&home, "DATABASE_PASSWORD", CANARY);
    let env = [("DATABASE_PASSWORD", "another")];
    let said = call(&home, &["plan", "--host", "none"], &env, "");
    // A host that isn't there gets us past the file and no further.
    assert!(
        said.stderr.contains("there is no host \"none\""),
        "{}",
        said.stderr
    );
}

#[test]
fn values_may_be_kept_elsewhere() {
    let from = "[secrets.from]\nDATABASE_PASSWORD = { command = [\"cat\", \"kept\"] }\n\
                DJANGO_SECRET_KEY = { env = \"ELSEWHERE\" }\n";
    let home = home(from);
    let plan = |env: &[(&str, &str)]| call(&home, &["plan", "--host", "none"], env, "");
    let said = plan(&[("ELSEWHERE", "x")]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("`cat kept`"), "{}", said.stderr);
    fs::write(home.path().join("kept"), format!("{CANARY}\n")).unwrap();
    let said = plan(&[]);
    assert!(
        said.stderr.contains("the environment's ELSEWHERE"),
        "{}",
        said.stderr
    );
    let said = plan(&[("ELSEWHERE", "x")]);
    assert!(
        said.stderr.contains("there is no host \"none\""),
        "{}",
        said.stderr
    );
    assert!(!file(&home).exists());
}

#[test]
fn an_editor_gets_clear_text_in_memory_alone_and_leaves_none_behind() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    let seen = home.path().join("seen");
    let script = format!(
        "cp \"$1\" {0}; stat -c %a \"$1\" >{0}.mode; cp \"$1\" \"$1~\"; \
         echo '# a comment' >>\"$1\"; echo ADDED=1 >>\"$1\"",
        seen.display()
    );
    let editor = editor(&home, &script);
    let env = [("EDITOR", editor.as_str())];
    let said = call(&home, &["secrets", "--edit"], &env, "");
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert!(fs::read_to_string(&seen).unwrap().contains("c4n4ry"));
    assert_eq!(
        fs::read_to_string(home.path().join("seen.mode"))
            .unwrap()
            .trim(),
        "600"
    );
    assert!(opened(&home, "key").ends_with("# a comment\nADDED=1\n"));
    assert!(is_empty(&home.path().join("memory")));
}

#[test]
fn what_an_editor_broke_is_not_taken_and_nothing_is_left() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    let before = fs::read(file(&home)).unwrap();
    for (script, expected) in [
        ("echo 'no equals' >>\"$1\"", "secrets.env:2:1"),
        ("echo X=1 >>\"$1\"; exit 3", "nothing was changed"),
        ("rm \"$1\"", "can't read"),
        ("kill -TERM $PPID; sleep 5", "ended by a signal"),
    ] {
        let editor = editor(&home, script);
        let env = [("VISUAL", editor.as_str()), ("EDITOR", "false")];
        let said = call(&home, &["secrets", "--edit"], &env, "");
        assert_eq!(said.code, 2, "{script}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{script}: {}", said.stderr);
        assert!(!said.stderr.contains("c4n4ry"), "{script}: {}", said.stderr);
        assert_eq!(fs::read(file(&home)).unwrap(), before, "{script}");
        assert!(is_empty(&home.path().join("memory")), "{script}");
    }
    let editor = editor(&home, ":");
    let said = call(&home, &["secrets", "--edit"], &[("EDITOR", &editor)], "");
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "nothing was changed\n")
    );
}

#[test]
fn the_file_is_for_its_recipients_and_nobody_locks_themselves_out() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    let other = new_key(russh::keys::Algorithm::Ed25519);
    let pem = other.to_openssh(Default::default()).unwrap();
    fs::write(home.path().join("other"), pem.as_bytes()).unwrap();
    let other = public(&home, "other");
    let alone = format!("{}[secrets]\nrecipients = [\"{other}\"]\n", home.site());
    let before = fs::read(file(&home)).unwrap();
    fs::write(home.path().join("site.toml"), &alone).unwrap();
    let said = secrets(&home, &["--rekey"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("could not open it any more"),
        "{}",
        said.stderr
    );
    assert_eq!(fs::read(file(&home)).unwrap(), before);

    let both = alone.replace("recipients = [", "recipients = [\"key.pub\", ");
    fs::write(home.path().join("site.toml"), both).unwrap();
    assert_eq!(secrets(&home, &["--rekey"]).code, 0);
    for key in ["key", "other"] {
        assert!(opened(&home, key).contains("c4n4ry"), "{key}");
    }
    // Somebody whose key it isn't.
    let third = new_key(russh::keys::Algorithm::Ed25519);
    let pem = third.to_openssh(Default::default()).unwrap();
    fs::write(home.path().join("key"), pem.as_bytes()).unwrap();
    let said = secrets(&home, &["--list"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("none of your keys opens it"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_passphrase_does_where_there_is_no_key() {
    let home = home("[secrets]\npassphrase = { env = \"SECRETS_PASSPHRASE\" }\n");
    fs::remove_file(home.path().join("key.pub")).unwrap();
    let with = |arguments: &[&str], passphrase: &str| {
        call(
            &home,
            arguments,
            &[("SECRETS_PASSPHRASE", passphrase)],
            CANARY,
        )
    };
    let said = with(
        &["secrets", "--set", "DATABASE_PASSWORD"],
        "a long passphrase",
    );
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let said = with(&["secrets", "--list"], "a long passphrase");
    assert!(
        said.stdout.contains("DATABASE_PASSWORD  site.secrets.age"),
        "{}",
        said.stdout
    );
    let said = with(&["secrets", "--list"], "another passphrase");
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("can't be opened"), "{}", said.stderr);
    let said = secrets(&home, &["--list"]);
    for why in [
        "the environment's SECRETS_PASSPHRASE",
        "locked with a passphrase",
    ] {
        assert!(said.stderr.contains(why), "{}", said.stderr);
    }
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    let whole = fs::read_to_string(file(&home)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cut = lines[..lines.len() - 2].join("\n");
    let changed = whole.replacen('A', "B", 12);
    for broken in [cut.as_str(), &changed, "", "NAME=value\n"] {
        fs::write(file(&home), broken).unwrap();
        for arguments in [&["secrets", "--list"][..], &["plan"]] {
            let said = call(&home, arguments, &[], "");
            assert_eq!(said.code, 2, "{broken:?}: {}", said.stderr);
            assert!(
                said.stderr.contains("secrets file"),
                "{broken:?}: {}",
                said.stderr
            );
        }
    }
}

#[test]
fn age_itself_opens_the_file() {
    let home = home("");
    set(&home, "DATABASE_PASSWORD", CANARY);
    let mut age = std::process::Command::new("age");
    age.args(["--decrypt", "--identity"])
        .arg(home.path().join("key"))
        .arg(file(&home));
    match age.output() {
        Ok(done) => {
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
            assert_eq!(String::from_utf8_lossy(&done.stdout), opened(&home, "key"));
        }
        Err(e) => {
            println!("left out: age can't be started ({e}); install the package age");
            assert!(std::env::var_os("CI").is_none(), "age is missing");
        }
    }
}

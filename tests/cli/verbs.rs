//! `init`, `steps`, `explain`, `--version`.

use std::fs;

use crate::home::{Home, SITE};

#[test]
fn init_writes_a_site_that_loads_and_never_over_another() {
    let home = Home::new(SITE);
    let said = home.call(&["init", "new.toml"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stdout.starts_with("new.toml is written"),
        "{}",
        said.stdout
    );
    let path = home.path().join("new.toml");
    // What has to be filled in: here, a key and a source that this machine has.
    let text = fs::read_to_string(&path).unwrap();
    let source = text.lines().find(|l| l.starts_with("source =")).unwrap();
    let filled = text
        .replace(source, "source = { image = \"polls:1\" }")
        .replace("\"~/.ssh/id_ed25519\"", "\"key\"");
    fs::write(&path, &filled).unwrap();
    // A host that isn't there gets us past the file and no further.
    let said = home.call(&["plan", "new.toml", "--host", "none"]);
    assert_eq!(
        said.stderr,
        "there is no host \"none\" in site.toml; it has app1, app2, proxy\n"
    );
    let said = home.call(&["init", "new.toml"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert_eq!(
        said.stderr,
        "new.toml is there already; name another file or remove it\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), filled);
    let said = home.call(&["init"]);
    assert_eq!(said.code, 2, "site.toml is the default, and is there");
    assert_eq!(home.site(), SITE);
}

#[test]
fn steps_lists_the_steps_in_their_order_and_where_they_run() {
    let home = Home::new(SITE);
    let said = home.call(&["steps"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    let first: Vec<&str> = said
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.contains('·'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(first, provision::step::names());
    assert!(
        said.stdout
            .contains("after image, postgres, redis on every host")
    );
    assert!(said.stdout.contains("one host after another"));
}

#[test]
fn every_step_can_be_explained() {
    let home = Home::new(SITE);
    for step in provision::step::names() {
        let said = home.call(&["explain", step]);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""));
        assert!(said.stdout.starts_with(&format!("{step}\n")));
        assert!(said.stdout.contains("\nreads\n") && said.stdout.contains("\nchanges\n"));
        let guarded = provision::step::find(step).unwrap().guarded;
        assert_eq!(said.stdout.contains("\nguarded\n"), guarded, "{step}");
    }
}

#[test]
fn the_help_tells_of_every_verb_and_exit_code() {
    let home = Home::new(SITE);
    let said = home.call(&["--help"]);
    for word in [
        "run",
        "step",
        "plan",
        "verify",
        "status",
        "audit",
        "manage",
        "dbshell",
        "redis-cli",
        "shell",
        "logs",
        "init",
        "trust",
        "steps",
        "explain",
        "lab",
        "130",
    ] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    let said = home.call(&["--version"]);
    assert_eq!(
        said.stdout,
        format!("provision {}\n", env!("CARGO_PKG_VERSION"))
    );
}

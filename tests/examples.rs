//! What examples/ and the README show is loaded and planned, so that it can't rot.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provision::plan::{self, Plan, Selection};
use provision::playbook;
use provision::site::{self, Role, Site, Source};
use provision::step;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every commented site.toml under examples/.
fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("examples")).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The first block of the README in this language.
fn block(language: &str) -> String {
    let readme = read("README.md");
    let (_, after) = readme.split_once(&format!("\n```{language}\n")).unwrap();
    after.split_once("\n```").unwrap().0.to_owned()
}

/// The site of a text, in a home where the key and every variable it names are there.
fn load(text: &str) -> Site {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/id_ed25519"), "a key").unwrap();
    let env_file = home.path().join("polls.env");
    fs::write(&env_file, "DATABASE_PASSWORD=hush\n").unwrap();
    fs::set_permissions(&env_file, Permissions::from_mode(0o600)).unwrap();
    let environment = |name: &str| match name {
        "HOME" => Some(home.path().into()),
        _ => Some(OsString::from("a value")),
    };
    let file = home.path().join("site.toml");
    let mut site = site::parse(text, &file, environment).unwrap_or_else(|e| panic!("{e}"));
    // Looked up in the repository by the command line, before it plans.
    if let Source::Git { commit, .. } = &mut site.app.source {
        *commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
    }
    site
}

fn plan(site: &Site) -> Plan {
    let playbook = playbook::load(&site.playbook, root(), &step::names()).unwrap();
    plan::plan(site, &playbook, &Selection::default(), 1_800_000_000).unwrap()
}

fn is_whole(plan: &Plan) {
    assert_eq!(plan.hosts.len(), 3);
    let steps: BTreeSet<&str> = plan
        .hosts
        .iter()
        .flat_map(|host| &host.steps)
        .map(|step| step.name)
        .collect();
    assert_eq!(steps, step::names().into_iter().collect());
    for step in plan.hosts.iter().flat_map(|host| &host.steps) {
        assert!(!step.resources.is_empty(), "{} needs nothing", step.name);
    }
    assert!(!plan.checks.is_empty());
}

#[test]
fn every_example_is_loaded_and_planned() {
    for path in examples() {
        let site = load(&fs::read_to_string(&path).unwrap());
        assert!(site.warnings.is_empty(), "{:?}", site.warnings);
        is_whole(&plan(&site));
    }
}

#[test]
fn the_readme_s_site_is_loaded_planned_and_short() {
    let text = block("toml");
    let site = load(&text);
    assert!(site.warnings.is_empty(), "{:?}", site.warnings);
    assert_eq!(site.with_role(Role::App).count(), 2);
    assert_eq!(site.with_role(Role::Proxy).count(), 1);
    is_whole(&plan(&site));
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 30, "{lines} lines");
}

#[test]
fn the_readme_tells_of_every_step_and_verb() {
    let readme = read("README.md");
    for step in step::names() {
        assert!(readme.contains(&format!("`{step}`")), "{step}");
    }
    let mut help = assert_cmd::Command::cargo_bin("provision").unwrap();
    let help = String::from_utf8(help.arg("--help").output().unwrap().stdout).unwrap();
    let (_, verbs) = help.split_once("Commands:\n").unwrap();
    let verbs: Vec<&str> = verbs
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() >= 9, "{verbs:?}");
    for verb in verbs {
        assert!(readme.contains(&format!("`provision {verb}")), "{verb}");
    }
}

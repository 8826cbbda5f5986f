//! What examples/ and the README show is loaded and planned, so that it can't rot.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use provision::plan::{self, Plan, Selection};
use provision::playbook::{self, Playbook};
use provision::site::{self, HostName, Role, Site, Source};
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

/// The site of a text, in a home where the key, a certificate and every variable it names are
/// there. What is relative in it is looked for beside `file`.
fn load(text: &str, file: &Path) -> Site {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    fs::write(home.path().join(".ssh/id_ed25519"), "a key").unwrap();
    certificate(&home.path().join("certificates"), "bureau.example.com");
    let environment = |name: &str| match name {
        "HOME" => Some(home.path().into()),
        _ => Some(OsString::from("a-value")),
    };
    let mut site = site::parse(text, file, environment).unwrap_or_else(|e| panic!("{e}"));
    // Looked up in the repository by the command line, before it plans.
    if let Source::Git { commit, .. } = &mut site.app.source {
        *commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
    }
    site
}

/// A certificate for a name, and its key.
fn certificate(dir: &Path, name: &str) {
    fs::create_dir(dir).unwrap();
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params
    };
    let pair = || rcgen::KeyPair::generate().unwrap();
    let root = rcgen::CertifiedIssuer::self_signed(authority("Root"), pair()).unwrap();
    let middle = rcgen::CertifiedIssuer::signed_by(authority("Middle"), pair(), &root).unwrap();
    let own = pair();
    let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    let made = params.signed_by(&own, &middle).unwrap();
    let chain = made.pem() + &middle.pem();
    fs::write(dir.join(format!("{name}.pem")), chain).unwrap();
    let key = dir.join(format!("{name}.key"));
    fs::write(&key, own.serialize_pem()).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
}

fn playbook_of(site: &Site) -> Playbook {
    playbook::load(&site.playbook, root(), &step::names()).unwrap()
}

fn plan(site: &Site) -> Plan {
    plan::plan(
        site,
        &playbook_of(site),
        &Selection::default(),
        1_800_000_000,
    )
    .unwrap()
}

/// Every server has every step of the playbook that is for it, and each step something to do.
fn is_whole(site: &Site, plan: &Plan) {
    let hosts: Vec<&str> = plan
        .hosts
        .iter()
        .map(|host| host.host.name.as_str())
        .collect();
    let known: Vec<&str> = site.hosts.keys().map(HostName::as_str).collect();
    assert_eq!(hosts, known);
    for (planned, host) in plan.hosts.iter().zip(site.hosts.values()) {
        let steps: Vec<&str> = planned
            .steps
            .iter()
            .map(|step| step.name.as_str())
            .collect();
        let playbook = playbook_of(site);
        let wanted = playbook.steps.iter().filter(|entry| {
            entry.on.is_empty() || entry.on.iter().any(|role| host.roles.contains(role))
        });
        let wanted: Vec<&str> = wanted.map(|entry| entry.step.as_str()).collect();
        assert_eq!(steps, wanted, "{}", host.name);
        for step in &planned.steps {
            assert!(!step.resources.is_empty(), "{} needs nothing", step.name);
        }
    }
    assert!(!plan.checks.is_empty());
}

#[test]
fn every_example_is_loaded_and_planned() {
    for path in examples() {
        let site = load(&fs::read_to_string(&path).unwrap(), &path);
        let warnings = &site.warnings;
        assert!(warnings.is_empty(), "{}: {warnings:?}", path.display());
        is_whole(&site, &plan(&site));
    }
}

#[test]
fn every_shipped_playbook_has_an_example() {
    let sites = examples().into_iter().map(|path| {
        let site = load(&fs::read_to_string(&path).unwrap(), &path);
        site.playbook
    });
    let shown: BTreeSet<String> = sites.collect();
    let shipped: BTreeSet<String> = playbook::SHIPPED
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(shown, shipped);
}

/// A line that is switched off by a `# ` is as good as the others.
#[test]
fn what_the_examples_offer_in_comments_is_taken_too() {
    for path in examples() {
        let text = fs::read_to_string(&path).unwrap();
        let keys = ["gpus", "development", "jump", "snapd", "staging"];
        let offered = |line: &&str| {
            let key = line
                .strip_prefix("# ")
                .and_then(|line| line.split_once(" = "));
            key.is_some_and(|(key, _)| keys.contains(&key.trim()))
        };
        for line in text.lines().filter(offered) {
            let taken = text.replace(line, line.trim_start_matches("# "));
            assert!(taken.len() < text.len());
            plan(&load(&taken, &path));
        }
    }
}

#[test]
fn the_readme_s_site_is_loaded_planned_and_short() {
    let text = block("toml");
    let dir = tempfile::tempdir().unwrap();
    let env_file = dir.path().join("polls.env");
    fs::write(&env_file, "DATABASE_PASSWORD=hush\n").unwrap();
    fs::set_permissions(&env_file, Permissions::from_mode(0o600)).unwrap();
    let site = load(&text, &dir.path().join("site.toml"));
    assert!(site.warnings.is_empty(), "{:?}", site.warnings);
    assert_eq!(site.with_role(Role::App).count(), 2);
    assert_eq!(site.with_role(Role::Proxy).count(), 1);
    is_whole(&site, &plan(&site));
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

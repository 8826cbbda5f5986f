//! Every shell script that goes to a server is POSIX sh and passes shellcheck.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sh") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() >= 20, "src has {} scripts", found.len());
    found
}

/// What a checker finds fault with in these files.
fn faults(command: &mut Command) -> Option<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let mut said = String::from_utf8_lossy(&stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&stderr));
    (!status.success()).then_some(said)
}

fn syntax(script: &Path) -> Option<String> {
    faults(Command::new("sh").arg("-n").arg(script))
}

fn shellcheck(scripts: &[PathBuf]) -> Option<String> {
    faults(
        Command::new("shellcheck")
            .args(["-s", "sh", "--"])
            .args(scripts),
    )
}

/// Whether shellcheck is here. Where tests must be whole (CI is set), it has to be.
fn has_shellcheck() -> bool {
    if Command::new("shellcheck").arg("--version").output().is_ok() {
        return true;
    }
    let install = "install it: apt-get install shellcheck, or brew install shellcheck";
    assert!(
        std::env::var_os("CI").is_none(),
        "shellcheck is missing; {install}"
    );
    println!("left out: shellcheck is missing on this machine; {install}");
    false
}

#[test]
fn every_script_is_read_by_sh_without_a_fault() {
    for script in scripts() {
        assert_eq!(syntax(&script), None, "{}", script.display());
    }
}

#[test]
fn every_script_passes_shellcheck() {
    if has_shellcheck() {
        assert_eq!(shellcheck(&scripts()), None);
    }
}

#[test]
fn a_faulty_script_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("bad.sh");
    fs::write(&script, "if true; then echo $1\n").unwrap();
    assert!(syntax(&script).is_some());
    fs::write(&script, "[[ $1 == a ]] && rm -rf $1/*\n").unwrap();
    if has_shellcheck() {
        assert!(shellcheck(&[script]).is_some());
    }
}

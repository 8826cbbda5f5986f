//! A large backup on its way, and connections that break meanwhile.

use std::path::Path;

use provision::engine::life::archive;

use super::example::Deployed;
use crate::program::{Ended, Running};
use crate::servers::console;

/// How often a cut may come too late to hit anything.
const TRIES: usize = 5;

/// Runs this, and kills sshd's side of its connection once some of a large file is where this word
/// says. It ends well, over a further connection.
fn cut(machine: &str, args: &[&str], there: &str) -> Ended {
    for _ in 0..TRIES {
        let mut running = Running::start(args);
        let some = running.until(|event| {
            let line = event["line"].as_str().unwrap_or_default();
            line.ends_with(there) && !line.starts_with("0 B ")
        });
        assert!(some, "it never came: {}", running.end());
        // The console is no session of sshd's: all of them are the run's.
        console(
            machine,
            "kill -KILL $(pgrep -x 'sshd-session|sshd' | tail -n +2) || :",
        );
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{ended}");
        if !ended.told("reconnected").is_empty() {
            return ended;
        }
    }
    panic!("{TRIES} cuts came too late: {args:?}");
}

/// An upload that takes a while comes here whole, and goes back whole.
pub fn over_broken_connections(site: &Deployed, to: &Path) {
    let machine = site.example.app().name;
    let file = site.file();
    let file = file.to_str().unwrap();
    let media = format!("/srv/{}/media", site.example.site);
    let large = format!("{media}/large");
    let sum = || console(machine, &format!("sha256sum <{large}"));
    console(
        machine,
        &format!("head -c 64M /dev/urandom >{large}; chown --reference={media} {large}"),
    );
    let before = sum();
    let made = cut(
        machine,
        &["backup", file, "--output", to.to_str().unwrap(), "--json"],
        "brought here",
    );
    let saved = made.told("saved");
    let [saved] = saved.as_slice() else {
        panic!("one is saved: {made}");
    };
    let here = Path::new(saved["file"].as_str().unwrap());
    let whole = archive::check(here).unwrap();
    assert!(whole.manifest.has_media(), "{whole:?}");

    console(machine, &format!("rm {large}"));
    let restore = ["restore", here.to_str().unwrap(), file, "--yes", "--json"];
    cut(machine, &restore, "taken there");
    assert_eq!(sum(), before);
    console(machine, &format!("rm {large}"));
    std::fs::remove_file(here).unwrap();
}

//! When nginx has to read a certificate, and what is no longer wanted.

use super::{Seen, ops, state};
use crate::resource::retired::Retired;
use crate::resource::served::Served;
use crate::resource::{Fact, Resource as _, Reveal, sha256};
use crate::shell::Cmd;

const FILE: &str = "/srv/polls/proxy/tls/provided.pem";
const RECEIPT: &str = "/var/lib/provision/polls/served";

#[test]
fn nginx_reads_a_certificate_that_is_another_than_the_one_it_has_loaded() {
    let served = Served {
        file: FILE.to_owned(),
        receipt: RECEIPT.to_owned(),
        reload: Cmd::new("reload"),
    };
    let there = || Seen::default().digest(FILE, "new", 0o600);
    let loaded = |text: &str| format!("{}\n", sha256(text));
    for (seen, expected) in [
        (there().digest(RECEIPT, &loaded("new"), 0o644), "in sync"),
        (
            there().digest(RECEIPT, &loaded("old"), 0o644),
            "differs: nginx has loaded another",
        ),
        (there().absent(RECEIPT), "differs: not known to be loaded"),
        (
            Seen::default().absent(FILE).absent(RECEIPT),
            "unknown until certificate",
        ),
        (
            there(),
            "unreadable: file /var/lib/provision/polls/served: was not read on this host",
        ),
    ] {
        assert_eq!(state(&served, &seen), expected);
    }
    assert_eq!(
        ops(&served, &there()),
        "let nginx read the certificate: reload"
    );
    // The file may hold the key.
    assert!(served.facts().iter().all(|fact| matches!(
        fact,
        Fact::File {
            content: Reveal::Never,
            ..
        }
    )));
}

#[test]
fn what_is_no_longer_wanted_is_removed_units_first() {
    let retired = Retired {
        what: "leftovers".to_owned(),
        units: vec!["a.timer".to_owned(), "a.service".to_owned()],
        files: vec!["/srv/a.sh".to_owned()],
    };
    let gone = || {
        Seen::default()
            .absent("/etc/systemd/system/a.timer")
            .absent("/etc/systemd/system/a.service")
            .absent("/srv/a.sh")
    };
    assert_eq!(state(&retired, &gone()), "in sync");
    let left = gone().file("/srv/a.sh", "x");
    assert_eq!(state(&retired, &left), "differs: /srv/a.sh → removed");
    assert_eq!(
        ops(&retired, &left),
        "remove leftovers: sh … 2 a.timer a.service /srv/a.sh"
    );
}

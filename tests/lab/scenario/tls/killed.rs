//! The program is killed again and again while a certificate comes; the site is served all the
//! while, and the run that isn't killed gets there.

use std::thread::sleep;
use std::time::Duration;

use super::{served, site_with};
use crate::authority::{Authority, Settings};
use crate::program::Running;
use crate::requests::{Over, Requests};
use crate::servers::{converged, run_with};

/// How long after the certificate's step began to change something, in milliseconds.
const MOMENTS: [u64; 5] = [0, 700, 2000, 4500, 9000];

pub fn at_any_moment() {
    converged();
    let authority = Authority::start(14400, Settings::default());
    let site = site_with(&authority);
    let file = site.file();
    let before = served();
    let requests = Requests::start(Over::Https);
    let mut kills = 0;
    for after in MOMENTS {
        let mut running = Running::start(&["run", file.to_str().unwrap(), "--yes", "--json"]);
        if !running.until(|event| event["event"] == "doing" && event["step"] == "certificate") {
            // What the killed ones left to do was done by itself.
            let ended = running.end();
            assert_eq!(ended.code, Some(0), "{ended}");
            break;
        }
        sleep(Duration::from_millis(after));
        running.signal("KILL");
        running.end();
        kills += 1;
    }
    assert!(kills > 1, "killed {kills} times");
    let last = run_with(&site.file());
    assert_eq!(last.code, Some(0), "{last}");
    let again = run_with(&site.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    let seen = requests.none_lost("kills");
    eprintln!("killed {kills} times; {} orders", authority.orders());
    assert_eq!(served().issuer, authority.issuer());
    assert_eq!(seen.first(), Some(&before));
    assert_eq!(seen.last(), Some(&served()));
    // One more may have been issued by a run that was killed before nginx was told.
    assert!(seen.len() <= 3, "{seen:#?}");
    assert!(
        authority.orders() <= 2 * (kills + 1),
        "{} orders",
        authority.orders()
    );
    converged();
}

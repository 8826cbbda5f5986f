//! All hosts lose their power at once; the site comes back by itself, closed as before.

use std::thread;
use std::time::{Duration, Instant};

use crate::outside::{APPS, PROXY, Poller, assert_closed, page};
use crate::program::{provision, succeeds};
use crate::scenario::fresh;
use crate::servers::{HOSTS, at_rest, converged, plan};
use crate::site;

/// How long the site may take to come back.
const LIMIT: Duration = Duration::from_secs(120);

pub fn cut() {
    converged();
    let targets: Vec<&str> = APPS.iter().chain(&PROXY).copied().collect();
    let poller = Poller::start(&targets);
    let start = Instant::now();
    let mut args = vec!["lab", "power-cut"];
    args.extend(HOSTS);
    succeeds(&args);
    let boot = Instant::now();
    loop {
        let both = PROXY.iter().all(|address| page(address).status == 200);
        if both {
            break;
        }
        assert!(
            boot.elapsed() < LIMIT,
            "no page {LIMIT:?} after SSH was back"
        );
        thread::sleep(Duration::from_millis(500));
    }
    // The neighbour comes up when it does: some more seconds of both.
    thread::sleep(Duration::from_secs(5));
    assert_closed(&poller.end(), start.elapsed());
    fresh::app_servers_answer_to_the_proxy_alone();

    HOSTS.iter().for_each(|host| at_rest(host));
    let planned = plan();
    assert_eq!(planned.differing(), [""; 0], "{planned}");
    let file = site::file();
    provision(&["verify", file.to_str().unwrap(), "--json"]).proven();
}

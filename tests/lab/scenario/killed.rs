//! The program is killed or interrupted in the middle of a step; the next run goes on.

use serde_json::Value;

use crate::outside::{PROXY, page};
use crate::program::Running;
use crate::scenario::fresh;
use crate::servers::{reset, run};
use crate::site;

/// The steps that change something on bare hosts, in order.
const STEPS: [&str; 8] = [
    "bootstrap",
    "docker",
    "firewall",
    "image",
    "app",
    "proxy",
    "certificate",
    "renewal",
];

fn start() -> Running {
    let file = site::file();
    Running::start(&["run", file.to_str().unwrap(), "--yes", "--json"])
}

/// Whether an event says that something of a step is being changed.
fn doing<'a>(step: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |event| event["event"] == "doing" && event["step"] == step
}

/// One run after the other is killed in the middle of a later step, and the last one is not.
pub fn in_every_step() {
    reset();
    for step in STEPS {
        let mut running = start();
        assert!(
            running.until(doing(step)),
            "{step} begins: {}",
            running.end()
        );
        running.signal("KILL");
        let killed = running.end();
        assert_eq!(killed.code, None, "killed in {step}: {killed}");
    }
    let last = run().proven();
    assert!(last.summary()["changed"].as_u64() > Some(0), "{last}");
    let again = run();
    assert_eq!(again.code, Some(0), "{again}");
    assert_eq!(again.summary()["changed"], 0, "{again}");
    let page = page(PROXY[0]);
    assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
    fresh::app_servers_answer_to_the_proxy_alone();
}

/// Ctrl-C: a message of its own, exit code 130, and the next run goes on.
pub fn by_the_operator() {
    reset();
    let mut running = start();
    assert!(
        running.until(doing("docker")),
        "docker begins: {}",
        running.end()
    );
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(ended.stderr.starts_with("interrupted: "), "{ended}");
    assert!(ended.stderr.contains("the next run goes on"), "{ended}");
    assert!(ended.told("finished").is_empty(), "{ended}");
    run().proven();
}

//! Two runs at once, and a run that died while a guard was armed.

use std::thread;
use std::time::Duration;

use crate::program::Running;
use crate::scenario::fresh;
use crate::servers::{APPS, console, converged, reset, run, run_with};
use crate::site::{Variant, set};

/// A host that another run holds is left alone, and who holds it is said.
pub fn by_another_run() {
    converged();
    let hold = "cd /var/lib/provision && echo 'somebody@elsewhere, pid 1' >owner && \
                { setsid flock lock sleep 20 >/dev/null 2>&1 & } && chmod 644 /srv/polls/app/app.env";
    console("app1", hold);
    let refused = run();
    assert_eq!(refused.code, Some(6), "{refused}");
    let failures = refused.failures();
    assert_eq!(failures.len(), 1, "{refused}");
    assert_eq!(failures[0].0, "app1", "{refused}");
    assert!(
        failures[0].2.contains("somebody@elsewhere, pid 1"),
        "{refused}"
    );
    let mode = console("app1", "stat -c %a /srv/polls/app/app.env");
    assert_eq!(mode.trim(), "644", "nothing was changed");
    console(
        "app1",
        "while ! flock --nonblock /var/lib/provision/lock true; do sleep 0.2; done",
    );
    assert_eq!(
        run().proven().changed(),
        ["app1 app file /srv/polls/app/app.env"]
    );
}

/// What a guard would take back after the program was killed is made anew and stays.
pub fn killed_under_an_armed_guard() {
    const SECONDS: u64 = 40;
    reset();
    let variant = Variant::new(|site| {
        site.entry("firewall")
            .or_insert_with(|| toml::Table::new().into());
        set(
            site,
            &["firewall", "guard_seconds"],
            i64::try_from(SECONDS).unwrap(),
        );
    });
    for step in ["bootstrap", "firewall"] {
        let file = variant.file();
        let mut running = Running::start(&["run", file.to_str().unwrap(), "--yes", "--json"]);
        let armed = running.until(|event| event["event"] == "guard_armed" && event["step"] == step);
        assert!(armed, "{step} is guarded: {}", running.end());
        running.signal("KILL");
        running.end();
    }
    let converged = run_with(&variant.file()).proven();
    assert!(
        converged
            .changed()
            .iter()
            .any(|what| what.ends_with("guards of earlier runs"))
    );
    // Every guard that could still fire has fired by now.
    thread::sleep(Duration::from_secs(SECONDS + 3));
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    for host in APPS {
        let timers = console(
            host,
            "systemctl list-timers --all 'provision-guard-*' --no-legend",
        );
        assert_eq!(timers.trim(), "", "{host}");
        let modes = console(host, "stat -c %a / /etc /etc/ufw /etc/default");
        assert_eq!(
            modes, "755\n755\n755\n755\n",
            "what was put back lies where it lay"
        );
    }
    fresh::app_servers_answer_to_the_proxy_alone();
}

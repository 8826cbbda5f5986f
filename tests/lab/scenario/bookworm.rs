//! Debian 12: its Docker knows no Compose v2, but the firewall holds there too.

use crate::outside::{PROXY, Poller, curl};
use crate::program::{provision, succeeds, text};
use crate::servers::{HOSTS, console, try_console, up_with};
use crate::site;

pub fn firewall() {
    up_with("bookworm");
    let mut reset = vec!["lab", "reset"];
    reset.extend(HOSTS);
    succeeds(&reset);
    let file = site::file();
    let file = file.to_str().unwrap();
    for host in HOSTS {
        assert!(console(host, "cat /etc/os-release").contains("bookworm"));
    }
    for step in ["preflight", "bootstrap", "docker", "firewall"] {
        let ended = succeeds(&["step", step, file, "--yes", "--json"]);
        let changed = ended.summary()["changed"].as_u64();
        assert_eq!(changed > Some(0), step != "preflight", "{step}: {ended}");
        let again = succeeds(&["step", step, file, "--yes", "--json"]);
        assert_eq!(again.summary()["changed"], 0, "{step}: {again}");
    }
    // A container published by hand, as the tutorial does it.
    let serve = "docker run -d --name by-hand -p 80:8000 python:3.13-slim \
                 python -m http.server 8000 --bind ::";
    let poller = Poller::start(&["198.51.100.11", "[2001:db8::11]", "198.51.100.13"]);
    console("app1", serve);
    console("proxy", "docker run -d --name by-hand -p 80:80 nginx:1.28");
    // So often where an answer is to come, which takes as long as its server takes to start.
    let ask = |from: &str, address: &str, tries: &str| {
        let url = format!("http://{address}/");
        let argv = [
            "curl",
            "-sS",
            "--retry",
            tries,
            "--retry-all-errors",
            "--retry-delay",
            "1",
            "--connect-timeout",
            "2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ];
        let ended = try_console(from, &argv);
        (ended.code, ended.stdout)
    };
    let answer = ask("proxy", "198.51.100.11", "60");
    assert_eq!(answer, (Some(0), "200".to_owned()));
    for address in ["198.51.100.11", "[2001:db8::11]"] {
        assert!(!console("app1", "ss -Hltn '( sport = :80 )'").is_empty());
        let seen = curl(&["--connect-timeout", "3", &format!("http://{address}/")]);
        assert_eq!(seen.exit, 28, "{address}: {seen:?}");
        assert_eq!(
            ask("app2", address, "2").0,
            Some(28),
            "{address} from the neighbour"
        );
    }
    // The positive control: what is let in is seen from outside.
    let seen = curl(&[&format!("http://{}/", PROXY[0])]);
    assert_eq!((seen.exit, seen.status), (0, 200), "{seen:?}");
    let polls = poller.end();
    assert!(polls[PROXY[0]].connected > 0, "{polls:?}");
    for address in ["198.51.100.11", "[2001:db8::11]"] {
        assert_eq!(polls[address].connected, 0, "{address}: {polls:?}");
        assert!(polls[address].all > 20, "{polls:?}");
    }
    // What needs Compose v2 says so instead of half working.
    let plan = provision(&["plan", file, "--json"]);
    assert_eq!(plan.code, Some(3), "{plan}");
    let refused: Vec<_> = plan
        .told("seen")
        .into_iter()
        .filter(|seen| seen["state"]["state"] == "refused")
        .collect();
    for host in HOSTS {
        let told = refused.iter().find(|seen| seen["host"] == host);
        let told = told.unwrap_or_else(|| panic!("nothing refused on {host}: {plan}"));
        assert_eq!(told["resource"], "Compose v2", "{plan}");
        let mend = text(&told["state"]["mend"]);
        assert!(mend.contains("docker.source"), "{mend}");
    }
}

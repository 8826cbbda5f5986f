//! An operator's pair that can't be served is refused by the line that names it, before anybody
//! is asked.

use provision::lab::DOMAIN;

use super::mode;
use super::switches::{Own, write};
use crate::outside::{PROXY, page};
use crate::program::provision;
use crate::requests::{Over, Requests};
use crate::servers::{assert_untouched, converged, fingerprints};
use crate::site::Variant;

pub fn refused() {
    converged();
    let own = Own::new();
    let (chain, key) = own.pair(DOMAIN, 2029);
    let (_, other_key) = own.pair(DOMAIN, 2029);
    let requests = Requests::start(Over::Https);
    let before = fingerprints();
    for (what, pair, says) in [
        ("the key of another", (chain, other_key), "key.pem"),
        ("expired", own.pair(DOMAIN, 2025), "chain.pem"),
        ("other names", own.pair("other.example.test", 2029), DOMAIN),
        ("no certificate", ("none".to_owned(), key), "chain.pem"),
    ] {
        let site = Variant::beside(|site, dir| {
            write(dir, &pair);
            let keys = [
                ("certificate", "chain.pem".into()),
                ("key", "key.pem".into()),
            ];
            mode(site, "provided", &keys);
        });
        let file = site.file();
        let file = file.to_str().unwrap();
        let lines = std::fs::read_to_string(file).unwrap();
        for command in ["run", "plan"] {
            let mut args = vec![command, file];
            if command == "run" {
                args.push("--yes");
            }
            let ended = provision(&args);
            assert_eq!(ended.code, Some(2), "{what}: {ended}");
            assert!(ended.stderr.contains(says), "{what}: {ended}");
            // The line that the picture points to is one of the two.
            let place = ended.stderr.split("site.toml:").nth(1);
            let line = place
                .and_then(|rest| rest.split(':').next()?.parse::<usize>().ok())
                .unwrap_or_else(|| panic!("{what} has line and column: {ended}"));
            let line = lines.lines().nth(line - 1).unwrap_or_default();
            assert!(
                line.starts_with("certificate")
                    || line.starts_with("key")
                    || line.starts_with("domains"),
                "{what}: {line:?}: {ended}"
            );
            for secret in pair.1.lines().filter(|line| !line.starts_with('-')) {
                assert!(
                    !ended.stderr.contains(secret) && !ended.stdout.contains(secret),
                    "{what}: the key is told"
                );
            }
        }
    }
    assert_untouched(&before, &fingerprints(), "refused pairs");
    assert_eq!(requests.none_lost("refused pairs").len(), 1);
    assert_eq!(page(PROXY[0]).status, 200);
}

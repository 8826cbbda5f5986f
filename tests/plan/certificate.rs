//! What nginx serves while a certificate's source changes, and what is removed afterwards.

use provision::plan::Plan;
use provision::resource::fact::File;
use provision::resource::{Action, Content, Observed};

use crate::{SCALED, asked, whole};

const ACME: &str = "/etc/letsencrypt/live/polls.example.com/fullchain.pem";
const PROVIDED: &str = "/srv/polls/proxy/tls/provided.pem";
const OWN: &str = "/srv/polls/proxy/tls/self-signed.pem";

fn plan(mode: &str) -> Plan {
    match mode {
        "letsencrypt" => whole(SCALED),
        mode => whole(&SCALED.replace("email = \"ops@example.com\"", &format!("mode = {mode:?}"))),
    }
}

/// A proxy where these certificates are, and no other file that a step looks at.
fn seen(there: &[&str]) -> Observed {
    let mut seen = Observed::default();
    asked(&mut seen);
    for path in [ACME, PROVIDED, OWN] {
        for path in [path.to_owned(), path.replace(".pem", ".crt")] {
            let file = there.contains(&&*path).then(|| File {
                kind: "regular file".to_owned(),
                mode: 0o600,
                owner: "root:root".to_owned(),
                modified: 0,
                sha256: None,
                content: None,
            });
            seen.files.insert(path, file);
        }
    }
    seen
}

/// The certificate in the configuration that a step writes.
fn served(plan: &Plan, step: &str, there: &[&str]) -> String {
    let proxy = plan.hosts.iter().find(|h| h.host.name.as_str() == "proxy");
    let steps = &proxy.unwrap().steps;
    let step = steps.iter().find(|s| s.name == step).unwrap();
    let ops = step.resources.iter().flat_map(|r| r.converge(&seen(there)));
    let conf = ops.into_iter().find_map(|op| match op.action {
        Action::Put {
            path,
            content: Content::Text(text),
            ..
        } if path.ends_with("/site.conf") => Some(text),
        _ => None,
    });
    let conf = conf.unwrap();
    let mut lines = conf.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix("ssl_certificate "));
    line.unwrap_or("nothing").trim_end_matches(';').to_owned()
}

#[test]
fn nginx_goes_on_with_what_it_has_until_the_wanted_certificate_was_brought() {
    let (provided, own) = (
        "/etc/nginx/tls/provided.pem",
        "/etc/nginx/tls/self-signed.pem",
    );
    for (mode, there, before, after) in [
        ("letsencrypt", &[][..], "nothing", "nothing"),
        ("letsencrypt", &[ACME], ACME, ACME),
        // certbot's is from an earlier time and may be over: it isn't served before the step has
        // looked after it.
        ("letsencrypt", &[ACME, PROVIDED], provided, ACME),
        ("letsencrypt", &[PROVIDED], provided, provided),
        ("self-signed", &[ACME], ACME, ACME),
        ("self-signed", &[ACME, PROVIDED], provided, provided),
        ("self-signed", &[ACME, PROVIDED, OWN], provided, own),
        ("self-signed", &[ACME, OWN], own, own),
        ("off", &[ACME, PROVIDED, OWN], "nothing", "nothing"),
    ] {
        let plan = plan(mode);
        assert_eq!(served(&plan, "proxy", there), before, "{mode} {there:?}");
        assert_eq!(
            served(&plan, "certificate", there),
            after,
            "{mode} {there:?}"
        );
    }
}

#[test]
fn what_an_earlier_mode_left_goes_at_the_very_end() {
    for (mode, goes) in [
        ("letsencrypt", &[PROVIDED, OWN][..]),
        ("self-signed", &[PROVIDED]),
        ("off", &[PROVIDED, OWN]),
    ] {
        let plan = plan(mode);
        let proxy = plan.hosts.iter().find(|h| h.host.name.as_str() == "proxy");
        let steps = &proxy.unwrap().steps;
        let step = steps.iter().find(|s| s.name == "certificate");
        let last = step.unwrap().resources.last().unwrap();
        assert_eq!(last.id(), "what an earlier certificate left");
        let [op] = &last.converge(&seen(&[ACME, PROVIDED, OWN]))[..] else {
            panic!("{mode}");
        };
        let Action::Run { cmd, .. } = &op.action else {
            panic!("{op:?}");
        };
        // No unit is among them.
        let both = goes
            .iter()
            .flat_map(|pem| [(*pem).to_owned(), pem.replace(".pem", ".crt")]);
        let words: Vec<String> = ["0".to_owned()].into_iter().chain(both).collect();
        assert!(cmd.argv().ends_with(&words), "{:?}", cmd.argv());
    }
}

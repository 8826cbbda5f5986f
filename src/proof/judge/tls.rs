//! The certificate, its rehearsed renewal, and HTTP/3.

use super::timer::{DAY, span};
use super::{Judgement, failed, inconclusive, proven};
use crate::proof::{Filed, Leaf, Origin, Quic, Rehearsed, Shown, Window};

pub(super) fn certificate(
    wanted: &[String],
    origin: Origin,
    shown: &Shown,
    filed: &Filed,
    now: i64,
) -> Judgement {
    let leaf = match shown {
        Shown::Trusted(leaf) => leaf,
        Shown::Distrusted { issuer, reason } => {
            let issuer = issuer.as_deref().unwrap_or("an unknown issuer");
            return failed(format!("not trusted, from {issuer}"), reason);
        }
        Shown::Failed(why) => return failed("no certificate", why),
    };
    if let Some(judgement) = as_filed(leaf, filed) {
        return judgement;
    }
    let lacking: Vec<&str> = wanted
        .iter()
        .filter(|name| !leaf.names.contains(name))
        .map(String::as_str)
        .collect();
    if !lacking.is_empty() {
        return failed(
            format!("valid for {}", leaf.names.join(", ")),
            format!("not for {}", lacking.join(", ")),
        );
    }
    in_time(leaf, origin, now)
}

/// That nginx serves what lies on the server; `None` if so.
fn as_filed(leaf: &Leaf, filed: &Filed) -> Option<Judgement> {
    match filed {
        Filed::Certificate(sha256) if *sha256 == leaf.sha256 => None,
        Filed::Certificate(_) => Some(failed(
            "not the one on file",
            "the certificate on the server is another one, which nginx has not read yet: \
             `provision run` reloads it",
        )),
        Filed::Nothing(path) => Some(failed(
            "not the one on file",
            format!("there is none at {path}: `provision run` brings it"),
        )),
        Filed::Unknown(why) => Some(inconclusive(
            format!("valid for {}", leaf.names.join(", ")),
            format!("whether it is the one on file is not known: {why}"),
        )),
    }
}

fn in_time(leaf: &Leaf, origin: Origin, now: i64) -> Judgement {
    if leaf.not_before > now {
        let from = span(leaf.not_before - now);
        return failed("not valid yet", format!("it will be in {from}"));
    }
    let window = Window::of(origin, leaf.not_after - leaf.not_before);
    let left = leaf.not_after - now;
    let words = match left {
        ..0 => "ended".to_owned(),
        _ => format!("{} left", span(left)),
    };
    // Authorities take a second off: 90 days are 89 and much of another.
    let due = match window.due {
        ..DAY => span(window.due),
        long => span((long + DAY / 2) / DAY * DAY),
    };
    if left < window.overdue {
        return failed(
            words,
            match origin {
                Origin::Provided => format!("replace it: it is due from {due} before its end on"),
                _ => format!(
                    "it should have been renewed by now: it is due from {due} before its end on"
                ),
            },
        );
    }
    let next = match (origin, left < window.due) {
        (Origin::Provided, _) => format!("to be replaced from {due} on"),
        (_, true) => format!("renewed from {due} on, by the timer's next run"),
        (_, false) => format!("renewed from {due} on"),
    };
    let mut evidence = vec![format!("from {}", leaf.issuer), words, next];
    evidence.extend(origin.warning().map(str::to_owned));
    proven(
        format!("valid for {}", leaf.names.join(", ")),
        evidence.join("; "),
    )
}

pub(super) fn rehearsed(rehearsed: &Rehearsed) -> Judgement {
    match rehearsed {
        Rehearsed::Well { ms } => proven(
            "succeeds",
            format!("a dry run, {}.{} s", ms / 1000, ms % 1000 / 100),
        ),
        Rehearsed::Busy => inconclusive(
            "not rehearsed",
            "certbot is at work there just now: try again in a minute",
        ),
        Rehearsed::Failed(tail) => failed("fails", tail.join(" / ")),
    }
}

pub(super) fn quic(quic: &Quic) -> Judgement {
    let Some(header) = &quic.alt_svc else {
        return failed("not offered", "no Alt-Svc header");
    };
    if !header.split(',').any(|one| one.trim().starts_with("h3=")) {
        return failed("not offered", format!("Alt-Svc: {header}"));
    }
    match quic.published {
        Some(true) => proven(
            "offered",
            format!("443/udp is published; Alt-Svc: {header}"),
        ),
        Some(false) => failed("offered in vain", "Docker doesn't publish 443/udp"),
        None => inconclusive("offered", "whether 443/udp is published is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::timer::HOUR;
    use super::*;
    use crate::event::Verdict::{Failed, Inconclusive, Proven};

    const NOW: i64 = 1_000_000_000;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A certificate of 90 days that has so many seconds left.
    fn leaf(left: i64) -> Leaf {
        Leaf {
            names: names(&["b.example.com", "a.example.com"]),
            issuer: "CN=R12".to_owned(),
            not_before: NOW + left - 90 * DAY,
            not_after: NOW + left,
            sha256: "ab".to_owned(),
        }
    }

    fn seen(shown: &Shown, filed: &Filed, origin: Origin) -> Judgement {
        let wanted = names(&["a.example.com", "b.example.com"]);
        certificate(&wanted, origin, shown, filed, NOW)
    }

    fn on_file() -> Filed {
        Filed::Certificate("ab".to_owned())
    }

    #[test]
    fn a_certificate_is_believed_covers_every_name_and_is_not_overdue() {
        let trusted = |left| Shown::Trusted(leaf(left));
        let alone = Shown::Trusted(Leaf {
            names: names(&["a.example.com"]),
            ..leaf(60 * DAY)
        });
        let early = Shown::Trusted(Leaf {
            not_before: NOW + HOUR,
            ..leaf(60 * DAY)
        });
        let stranger = Shown::Distrusted {
            issuer: Some("CN=(STAGING) R12".to_owned()),
            reason: "unknown issuer".to_owned(),
        };
        for (shown, expected) in [
            (trusted(60 * DAY), Proven),
            (trusted(30 * DAY), Proven),
            // The timer is given its time.
            (trusted(30 * DAY - 18 * HOUR), Proven),
            (trusted(30 * DAY - 18 * HOUR - 1), Failed),
            (trusted(60), Failed),
            (trusted(-1), Failed),
            (alone, Failed),
            (early, Failed),
            (stranger, Failed),
            (Shown::Failed("time-out".to_owned()), Failed),
        ] {
            let judgement = seen(&shown, &on_file(), Origin::Acme);
            assert_eq!(judgement.verdict, expected, "{shown:?}");
        }
    }

    #[test]
    fn nginx_serves_the_certificate_that_is_on_file() {
        let shown = Shown::Trusted(leaf(60 * DAY));
        for (filed, expected) in [
            (on_file(), Proven),
            (Filed::Certificate("cd".to_owned()), Failed),
            (Filed::Nothing("/etc/x".to_owned()), Failed),
            (Filed::Unknown("proxy is gone".to_owned()), Inconclusive),
        ] {
            let judgement = seen(&shown, &filed, Origin::Acme);
            assert_eq!(judgement.verdict, expected, "{filed:?}");
        }
    }

    #[test]
    fn what_no_browser_trusts_says_so_and_the_operators_own_is_to_be_replaced() {
        let evidence = |left, origin| {
            let judgement = seen(&Shown::Trusted(leaf(left)), &on_file(), origin);
            (judgement.verdict, judgement.evidence)
        };
        let from = "from CN=R12; 60 days left; ";
        let due = "renewed from 30 days on";
        for (origin, told) in [
            (Origin::Acme, due.to_owned()),
            (
                Origin::Staging,
                format!("{due}; staging: no browser trusts it"),
            ),
            (
                Origin::SelfSigned,
                format!("{due}; self-signed: no browser trusts it"),
            ),
            (
                Origin::Provided,
                "to be replaced from 30 days on".to_owned(),
            ),
        ] {
            let expected = (Proven, format!("{from}{told}"));
            assert_eq!(evidence(60 * DAY, origin), expected);
        }
        // No timer stands behind it, so that nothing is waited for.
        let (verdict, told) = evidence(30 * DAY - 1, Origin::Provided);
        assert_eq!(verdict, Failed);
        assert!(told.starts_with("replace it"), "{told}");
    }

    #[test]
    fn a_rehearsal_that_fails_is_told_with_its_last_lines() {
        let well = rehearsed(&Rehearsed::Well { ms: 8_460 });
        assert_eq!(
            (well.verdict, well.evidence.as_str()),
            (Proven, "a dry run, 8.4 s")
        );
        assert_eq!(rehearsed(&Rehearsed::Busy).verdict, Inconclusive);
        let failed = rehearsed(&Rehearsed::Failed(names(&["a: b", "exit code 1"])));
        assert_eq!(failed.verdict, Failed);
        assert_eq!(failed.evidence, "a: b / exit code 1");
    }

    #[test]
    fn http3_is_offered_by_header_and_port() {
        let quic_of = |alt_svc: Option<&str>, published| Quic {
            alt_svc: alt_svc.map(str::to_owned),
            published,
        };
        let header = Some("h2=\":443\", h3=\":443\"; ma=86400");
        for (evidence, expected) in [
            (quic_of(header, Some(true)), Proven),
            (quic_of(header, Some(false)), Failed),
            (quic_of(header, None), Inconclusive),
            (quic_of(Some("h2=\":443\""), Some(true)), Failed),
            (quic_of(None, Some(true)), Failed),
        ] {
            assert_eq!(quic(&evidence).verdict, expected, "{evidence:?}");
        }
    }
}

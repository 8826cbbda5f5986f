//! The certificate, its renewal, and HTTP/3.

use super::{Judgement, failed, inconclusive, proven};
use crate::proof::{Filed, Leaf, Origin, Quic, Rehearsed, Shown, Timer, Window};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A timer that fires twice a day has run within this time.
const SILENT: i64 = 2 * DAY;

/// "60 days", "3 hours", "12 min".
fn span(seconds: i64) -> String {
    let one = |n: i64, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    match seconds {
        ..HOUR => format!("{} min", seconds.max(0) / MINUTE),
        HOUR..172_800 => one(seconds / HOUR, "hour"),
        _ => one(seconds / DAY, "day"),
    }
}

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
    let due = span(window.due);
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

pub(super) fn armed(timer: &Timer, now: i64) -> Judgement {
    if !timer.active {
        return failed("stopped", "the timer is not running");
    }
    if !timer.enabled {
        return failed("disabled", "it won't start again at boot");
    }
    if timer.next.is_none() {
        return failed("no next run", "systemd has none planned");
    }
    if let Some((when, message)) = timer.failure() {
        let when = when.map_or_else(String::new, |when| format!("{} ago: ", span(now - when)));
        return failed("armed, and its last run failed", format!("{when}{message}"));
    }
    let active = timer.since.map_or(0, |since| now - since);
    match &timer.last {
        Some(last) if now - last.ended > SILENT && active > SILENT => failed(
            format!("no run for {}", span(now - last.ended)),
            "the timer has been active all the while: see `journalctl -u` for it",
        ),
        None if active > SILENT => failed(
            format!("no run for {}", span(active)),
            "none is on record since the timer was started",
        ),
        None => proven("armed", "enabled, active, the next run is planned"),
        Some(last) => proven(
            "armed",
            format!(
                "enabled, active, the next run is planned; the last ended well {} ago",
                span(now - last.ended)
            ),
        ),
    }
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

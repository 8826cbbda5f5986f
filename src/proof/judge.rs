//! When a sight is believed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Check, Claim, Control, Evidence, Hello, LOOKS, Look, Reach, Witness};
use crate::event::{Finding, Verdict};

mod timer;
mod tls;

/// What was seen, why it can be believed, and what that makes of the claim.
struct Judgement {
    verdict: Verdict,
    seen: String,
    evidence: String,
}

fn proven(seen: impl Into<String>, evidence: impl Into<String>) -> Judgement {
    Judgement {
        verdict: Verdict::Proven,
        seen: seen.into(),
        evidence: evidence.into(),
    }
}

fn failed(seen: impl Into<String>, evidence: impl Into<String>) -> Judgement {
    Judgement {
        verdict: Verdict::Failed,
        ..proven(seen, evidence)
    }
}

fn inconclusive(seen: impl Into<String>, why: impl Into<String>) -> Judgement {
    Judgement {
        verdict: Verdict::Inconclusive,
        ..proven(seen, why)
    }
}

/// Judges one check by what was measured for it. Evidence of another kind than the claim
/// needs decides nothing.
pub fn judge(check: &Check, evidence: &Evidence) -> Finding {
    let judgement = match (&check.claim, evidence) {
        (Claim::Blocked(_), Evidence::Touch { reach, control }) => blocked(reach, control),
        (Claim::Closed(_), Evidence::Touch { reach, control }) => closed(reach, control),
        (Claim::Open(_), Evidence::Touch { reach, control }) => open(reach, control),
        (Claim::Either(_), Evidence::Touch { reach, control }) => either(reach, control),
        (Claim::Page { status, .. }, Evidence::Look(look)) => page(*status, look),
        (
            Claim::Page { status, .. },
            Evidence::Served {
                look,
                source,
                denied,
            },
        ) => served(*status, look, source.as_ref(), *denied),
        (Claim::Redirect { to }, Evidence::Look(look)) => redirect(to, look),
        (Claim::Balanced(servers), Evidence::Looks(looks)) => balanced(servers, looks),
        (Claim::Ignored, Evidence::Look(look)) => ignored(look),
        (Claim::NoCertificate, Evidence::Hello(hello)) => no_certificate(hello),
        (Claim::Certificate { names, origin }, Evidence::Shown { shown, filed, now }) => {
            tls::certificate(names, *origin, shown, filed, *now)
        }
        (Claim::Timer(timed), Evidence::Timer { timer, now }) => timer::armed(*timed, timer, *now),
        (Claim::Rehearsal, Evidence::Rehearsed(rehearsed)) => tls::rehearsed(rehearsed),
        (Claim::Http3, Evidence::Quic(quic)) => tls::quic(quic),
        (_, Evidence::Missing(why)) => inconclusive("not looked at", why),
        (_, _) => inconclusive("not looked at", "something else was measured"),
    };
    Finding {
        host: check.host.clone(),
        subject: check.claim.subject(),
        from: check.from.clone(),
        address: check.address.clone(),
        expected: check.claim.expected(),
        seen: judgement.seen,
        evidence: judgement.evidence,
        verdict: judgement.verdict,
    }
}

fn blocked(reach: &Reach, control: &Control) -> Judgement {
    let (seen, sight) = match reach {
        Reach::Open => return failed("open", "a connection was made"),
        Reach::Unreachable(why) => return no_way(why),
        Reach::TimedOut => ("blocked", "time-out"),
        Reach::Refused => ("closed", "refused"),
    };
    let mut for_it = vec![sight.to_owned()];
    let mut against = Vec::new();
    match control.listens {
        Some(true) => for_it.push("the port listens".to_owned()),
        Some(false) => against.push("nothing listens on the port".to_owned()),
        None => against.push("whether the port listens is not known".to_owned()),
    }
    match &control.witness {
        Some(Witness::Proxy(Look::Page(_))) => for_it.push("the proxy gets an answer".to_owned()),
        Some(Witness::Own(Reach::Open)) => {
            for_it.push("the host itself gets an answer".to_owned());
        }
        Some(Witness::Proxy(other)) => {
            against.push(format!("the proxy gets no answer ({})", words(other)));
        }
        Some(Witness::Own(other)) => {
            against.push(format!("the host itself gets no answer ({})", short(other)));
        }
        None => against.push("whether anybody gets an answer is not known".to_owned()),
    }
    match control.alive {
        Some(true) => for_it.push("the host answers otherwise".to_owned()),
        Some(false) => against.push("the host doesn't answer from there at all".to_owned()),
        None => {}
    }
    if matches!(reach, Reach::TimedOut) {
        for_it.extend(control.denied.map(counted));
    }
    if against.is_empty() {
        proven(seen, for_it.join("; "))
    } else {
        inconclusive(seen, format!("{sight}, but {}", against.join("; ")))
    }
}

/// How far the deny counter moved.
fn counted(denied: u64) -> String {
    match denied {
        0 => "the deny counter didn't move".to_owned(),
        count => format!("the deny counter moved by {count}"),
    }
}

fn closed(reach: &Reach, control: &Control) -> Judgement {
    let nothing = match control.listens {
        Some(false) => "; nothing listens",
        _ => "",
    };
    match (reach, control.alive) {
        (Reach::Open, _) => failed("open", "a connection was made"),
        (Reach::Unreachable(why), _) => no_way(why),
        (Reach::Refused, _) => proven("closed", format!("refused{nothing}")),
        (Reach::TimedOut, Some(true)) => proven(
            "closed",
            format!("time-out; the host answers otherwise{nothing}"),
        ),
        (Reach::TimedOut, Some(false)) => inconclusive(
            "no answer",
            "time-out, but the host doesn't answer from there at all",
        ),
        (Reach::TimedOut, None) if control.listens == Some(false) => {
            proven("closed", "time-out; nothing listens")
        }
        (Reach::TimedOut, None) => inconclusive(
            "no answer",
            "time-out, but whether the host answers otherwise is not known",
        ),
    }
}

fn open(reach: &Reach, control: &Control) -> Judgement {
    match reach {
        Reach::Open => proven("open", "a connection was made"),
        Reach::Unreachable(why) => no_way(why),
        _ => {
            let mut why = vec![short(reach).to_owned()];
            match control.listens {
                Some(true) => why.push("the port listens".to_owned()),
                Some(false) => why.push("nothing listens on the port".to_owned()),
                None => {}
            }
            if matches!(reach, Reach::TimedOut) {
                why.extend(control.denied.map(counted));
            }
            let seen = match reach {
                Reach::TimedOut => "no answer",
                _ => "closed",
            };
            failed(seen, why.join("; "))
        }
    }
}

/// Nothing is claimed, so only what was seen is told.
fn either(reach: &Reach, control: &Control) -> Judgement {
    match reach {
        Reach::Open => proven(
            "open",
            "not needed, and not denied either: a connection was made",
        ),
        Reach::Refused => proven("closed", "not needed: refused"),
        Reach::TimedOut => {
            let mut why = vec!["not needed: time-out".to_owned()];
            why.extend(control.denied.map(counted));
            proven("blocked", why.join("; "))
        }
        Reach::Unreachable(why) => proven("not reached", format!("no way to that address: {why}")),
    }
}

/// What came of a connection, in few words.
fn short(reach: &Reach) -> &'static str {
    match reach {
        Reach::Open => "open",
        Reach::Refused => "refused",
        Reach::TimedOut => "time-out",
        Reach::Unreachable(_) => "no way there",
    }
}

/// The page as another host of the site gets it.
fn served(status: u16, look: &Look, source: Option<&IpAddr>, denied: Option<u64>) -> Judgement {
    let mut judgement = page(status, look);
    let known = source.map(|source| format!("it comes from {source}"));
    judgement.evidence = match (judgement.verdict, look, denied) {
        (Verdict::Proven, _, _) => known.unwrap_or_default(),
        (_, Look::TimedOut, Some(count)) if count > 0 => format!(
            "{}; it is dropped although it is let in by its address{}: it may come in under \
             another one, to be named in firewall.proxy_addresses",
            counted(count),
            source.map_or_else(String::new, |source| format!(" {source}")),
        ),
        (_, Look::TimedOut, Some(0)) => {
            format!("{}: something before the host drops it", counted(0))
        }
        _ => judgement.evidence,
    };
    judgement
}

/// Without a way there, nothing was learnt about the server.
fn no_way(why: &str) -> Judgement {
    inconclusive(
        "not reached",
        format!("there is no way to that address from there: {why}"),
    )
}

fn page(status: u16, look: &Look) -> Judgement {
    match look {
        Look::Page(page) if page.status == status => proven(words(look), by(look)),
        _ => failed(words(look), by(look)),
    }
}

fn redirect(to: &str, look: &Look) -> Judgement {
    match look {
        Look::Page(page)
            if matches!(page.status, 301 | 308) && page.location.as_deref() == Some(to) =>
        {
            proven(words(look), "the Location header")
        }
        _ => failed(words(look), by(look)),
    }
}

fn balanced(servers: &[String], looks: &[Look]) -> Judgement {
    if let Some(bad) = looks
        .iter()
        .find(|look| !matches!(look, Look::Page(page) if page.status == 200))
    {
        return failed(words(bad), format!("one of {} looks", looks.len()));
    }
    let seen: BTreeSet<&str> = looks.iter().filter_map(served_by).collect();
    let names = seen.iter().copied().collect::<Vec<_>>().join(", ");
    let missing: Vec<&str> = servers
        .iter()
        .map(String::as_str)
        .filter(|server| !seen.contains(server))
        .collect();
    let count = format!("{} looks", looks.len());
    if servers.is_empty() || looks.is_empty() {
        inconclusive("nothing", "no server was named or no look taken")
    } else if seen.is_empty() {
        inconclusive("answers", "no answer says who gave it (X-Served-By)")
    } else if seen.iter().any(|name| !servers.iter().any(|s| s == name)) {
        inconclusive(
            format!("answers from {names}"),
            "X-Served-By names other servers than the site has",
        )
    } else if missing.is_empty() {
        proven(format!("answers from {names}"), count)
    } else if looks.len() < servers.len() * LOOKS {
        inconclusive(
            format!("answers from {names}"),
            format!("{count} are too few to miss {}", missing.join(", ")),
        )
    } else {
        failed(
            format!("answers from {names}"),
            format!("none from {} in {count}", missing.join(", ")),
        )
    }
}

fn ignored(look: &Look) -> Judgement {
    match look {
        Look::Closed => proven("no answer", "the connection was closed"),
        Look::Page(_) => failed(words(look), "a foreign Host was answered"),
        Look::Refused | Look::TimedOut | Look::Failed(_) => inconclusive(
            words(look),
            "the server wasn't reached, so it ignored nothing",
        ),
    }
}

fn no_certificate(hello: &Hello) -> Judgement {
    match hello {
        Hello::Rejected(alert) => proven("no certificate", format!("alert {alert}")),
        Hello::Closed => proven("no certificate", "the connection was closed"),
        Hello::Certificate(names) => failed(
            format!("a certificate for {}", names.join(", ")),
            "shown to a foreign name",
        ),
        Hello::Failed(why) => inconclusive("no handshake", why),
    }
}

fn served_by(look: &Look) -> Option<&str> {
    match look {
        Look::Page(page) => page.served_by.as_deref(),
        _ => None,
    }
}

fn by(look: &Look) -> String {
    match (look, served_by(look)) {
        (Look::Page(_), Some(server)) => format!("answered by {server}"),
        (Look::Page(_), None) => "an answer".to_owned(),
        _ => "there must be an answer".to_owned(),
    }
}

/// A look in few words.
fn words(look: &Look) -> String {
    match look {
        Look::Page(page) => match &page.location {
            Some(to) => format!("{} to {to}", page.status),
            None => page.status.to_string(),
        },
        Look::Closed => "closed without an answer".to_owned(),
        Look::Refused => "refused".to_owned(),
        Look::TimedOut => "time-out".to_owned(),
        Look::Failed(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;

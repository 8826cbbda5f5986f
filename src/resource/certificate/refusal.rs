//! Why an authority gave no certificate, by what certbot printed, and what to do.
//!
//! certbot shows of an ACME error its title and detail, without the name that RFC 8555 has for
//! it, and of a challenge that failed its `Type:` and `Detail:`. Limits are Let's Encrypt's
//! (<https://letsencrypt.org/docs/rate-limits/>), whose words Boulder writes.

use super::when::{moment, shown};
use crate::resource::op::Advice;

/// A limit of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    /// A part of what is said when it is reached, in lower case.
    said: &'static str,
    /// What it is.
    what: &'static str,
    /// Seconds until it lets something pass again, where nothing is said of it.
    wait: u64,
    /// What to do beside waiting.
    mend: &'static str,
}

const HOUR: u64 = 3600;

/// The first that fits is meant.
const LIMITS: [Limit; 6] = [
    Limit {
        said: "exact set of",
        what: "the limit of certificates for the same set of names is reached (Let's Encrypt: 5 \
               a week)",
        wait: 34 * HOUR,
        mend: "another set of names, with one added or left out, is not held back by it",
    },
    Limit {
        said: "failed authorizations",
        what: "the limit of failed challenges of a name is reached (Let's Encrypt: 5 an hour)",
        wait: HOUR,
        mend: "mend meanwhile why they failed",
    },
    Limit {
        said: "new orders",
        what: "the limit of orders of an account is reached (Let's Encrypt: 300 in 3 hours)",
        wait: 3 * HOUR,
        mend: "see who else uses this account",
    },
    Limit {
        said: "registrations",
        what: "the limit of new accounts of an address is reached (Let's Encrypt: 10 in 3 hours)",
        wait: 3 * HOUR,
        mend: "an account that is kept, in /etc/letsencrypt/accounts, needs no new one",
    },
    Limit {
        said: "too many certificates",
        what: "the limit of certificates of a registered domain is reached (Let's Encrypt: 50 a \
               week)",
        wait: 24 * HOUR,
        mend: "see who else gets certificates for names below it",
    },
    Limit {
        said: "",
        what: "the authority takes no more requests for now",
        wait: HOUR,
        mend: "see what it says",
    },
];

/// The marks of a refusal for too many requests, in lower case; `certbot.sh` has them too.
const MARKS: [&str; 10] = [
    "too many certificates",
    "too many currently",
    "too many failed",
    "too many new",
    "too many requests",
    "ratelimited",
    "rate limit",
    "rate-limit",
    "[429]",
    "service busy",
];

/// A refusal for too many requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    limit: Limit,
    /// Until when, by the authority's own words, in seconds since 1970.
    said: Option<u64>,
}

impl Limited {
    /// What this text says of a limit, if it does.
    pub(super) fn read(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| {
            let line = line.to_lowercase();
            MARKS.iter().any(|mark| line.contains(mark))
        })?;
        let lower = line.to_lowercase();
        let limit = LIMITS
            .into_iter()
            .find(|limit| lower.contains(limit.said))?;
        let said = lower
            .split("retry after ")
            .skip(1)
            .find_map(|rest| moment(&rest.to_uppercase()));
        Some(Self { limit, said })
    }

    /// What is reached.
    pub(super) fn what(&self) -> &'static str {
        self.limit.what
    }

    /// When the authority may be asked again, if it refused at `at` (seconds since 1970).
    pub(super) fn until(&self, at: u64) -> u64 {
        self.said.unwrap_or(at + self.limit.wait)
    }

    /// What to do before `until`.
    pub(super) fn mend(&self, until: u64) -> String {
        format!(
            "run again after {}; until then nothing is asked of it. {}. To try things out, take \
             staging = true, whose limits are wide",
            shown(until),
            capital(self.limit.mend)
        )
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Why else: parts of a line in lower case that all have to be there, what it means, and what to
/// do. The first that fits is meant.
const REASONS: [(&[&str], &str, &str); 21] = [
    (
        &["nxdomain"],
        "the authority finds no such name in DNS",
        "see that each name has an A or AAAA record and that all its name servers know it",
    ),
    (
        &["no valid ip addresses"],
        "the authority finds no address of the name in DNS",
        "see that each name has an A or AAAA record and that all its name servers know it",
    ),
    (
        &["dnssec"],
        "the authority finds the name's DNSSEC signatures invalid",
        "mend the zone's signatures; https://dnsviz.net shows what is wrong with them",
    ),
    (
        &["caa record"],
        "a CAA record of the domain forbids this authority",
        "add it to the domain's CAA records (for Let's Encrypt: 0 issue \"letsencrypt.org\")",
    ),
    (
        &["dns problem"],
        "the domain's name servers don't answer the authority",
        "see that all name servers of the domain answer, over UDP and TCP, then run again",
    ),
    (
        &["could not resolve"],
        "the domain's name servers don't answer the authority",
        "see that all name servers of the domain answer, over UDP and TCP, then run again",
    ),
    (
        &["invalid response from", "404"],
        "the authority found no challenge under the name (404)",
        "see that the name leads to this proxy alone, for IPv6 too, from everywhere in the world",
    ),
    (
        &["invalid response from"],
        "the authority found something else than its challenge under the name",
        "see that the name leads to this proxy alone, for IPv6 too, with nothing before it",
    ),
    (
        &["timeout during connect"],
        "the authority gets no answer on port 80",
        "open port 80 to all the world: authorities look from several places, which they don't \
         name",
    ),
    (
        &["valueerror: requesting "],
        "the proxy gets no answer from the authority",
        "see that the proxy reaches the directory over HTTPS, and the authority's status page",
    ),
    (
        &["connection refused"],
        "the authority finds port 80 closed",
        "open port 80 to all the world: authorities look from several places, which they don't \
         name",
    ),
    (
        &["forbid", "policy"],
        "the authority gives no certificate for such a name",
        "take another name, or another authority",
    ),
    (
        &["profile"],
        "the authority doesn't have this profile",
        "take a profile that it has (its directory lists them), or leave `profile` out",
    ),
    (
        &["external account"],
        "the authority gives certificates only to accounts that it knows",
        "take another authority: provision doesn't bind accounts",
    ),
    (
        &["account ", " not found"],
        "the authority doesn't know the account that certbot kept",
        "move its directory below /etc/letsencrypt/accounts aside on the proxy, then run again: a \
         new one is made",
    ),
    (
        &["no account exists"],
        "the authority doesn't know the account that certbot kept",
        "move its directory below /etc/letsencrypt/accounts aside on the proxy, then run again: a \
         new one is made",
    ),
    (
        &["certificate verify failed"],
        "the directory's own certificate is not trusted",
        "see that `directory` is right; name the authority's root in `ca` if it is one of your own",
    ),
    (
        &["anti-replay nonce"],
        "the authority went on finding certbot's requests too old",
        "run again: that passes by itself",
    ),
    (
        &["directory exists for"],
        "what certbot kept of an earlier certificate is not whole",
        "move /etc/letsencrypt/live/NAME and archive/NAME aside on the proxy, then run again",
    ),
    (
        &["another instance of certbot"],
        "another certbot is at work on the proxy",
        "wait until it is done, then run again",
    ),
    (
        &["internal error"],
        "the authority has an error of its own",
        "see its status page, and run again later",
    ),
];

/// What certbot's output means, if it is known. Times are those the authority names.
pub(super) fn advice(printed: &str) -> Option<Advice> {
    if let Some(limited) = Limited::read(printed) {
        let next = match limited.said {
            Some(until) => limited.mend(until),
            None => format!(
                "wait; provision asks nothing of it for {} hours. {}. To try things out, take \
                 staging = true, whose limits are wide",
                limited.limit.wait / HOUR,
                capital(limited.limit.mend)
            ),
        };
        let what = limited.limit.what.to_owned();
        return Some(Advice { what, next });
    }
    let lines: Vec<String> = printed.lines().map(str::to_lowercase).collect();
    let (_, what, next) = REASONS
        .into_iter()
        .find(|(parts, _, _)| fits(&lines, parts))?;
    Some(Advice {
        what: what.to_owned(),
        next: next.to_owned(),
    })
}

fn fits(lines: &[String], parts: &[&str]) -> bool {
    lines
        .iter()
        .any(|line| parts.iter().all(|part| line.contains(part)))
}

/// A refusal that `certbot.sh` noted on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// When, by the server's clock.
    at: u64,
    limited: Limited,
}

impl Noted {
    /// Reads the note, if it is about these names and this directory.
    pub(super) fn read(text: &str, directory: &str, names: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut values = text.lines().filter_map(|line| line.split_once('='));
            values
                .find(|(known, _)| *known == key)
                .map(|(_, value)| value)
        };
        if value("directory") != Some(directory) || value("names") != Some(names) {
            return None;
        }
        Some(Self {
            at: value("at")?.parse().ok()?,
            limited: Limited::read(value("said")?)?,
        })
    }

    /// What it comes to, if it still holds: what, and what to do.
    pub(super) fn holds(&self, now: u64) -> Option<(String, String)> {
        let until = self.limited.until(self.at);
        (now < until).then(|| {
            let what = format!(
                "the authority refused at {}: {}",
                shown(self.at),
                self.limited.what()
            );
            (what, self.limited.mend(until))
        })
    }
}

#[cfg(test)]
mod tests;

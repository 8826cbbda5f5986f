//! What makes a firewall unsound without being ours to change: settings of ufw, Docker and
//! iptables under which rules don't hold, and doors that stand open beside the guarded one.
//!
//! | file | what it looks at |
//! |---|---|
//! | `host` | the facts, as the rules ask for them |
//! | `ufw` | ufw's settings: on, loaded, IPv6, the built-in chains |
//! | `ssh` | ufw's rules that SSH comes in by |
//! | `docker` | Docker's backend and its jump into DOCKER-USER |
//! | `published` | what containers publish, or open on the host's own network |
//! | `trust` | networks that are let in whole |
//! | `beside` | whatever else loads rules into the kernel |
//!
//! [`Lint`] is a resource that is never converged: what keeps the firewall from holding is
//! refused, everything else remarked. It stands in every step that touches the firewall, and
//! first of all in `preflight`, so that nothing is changed on any host of a site one of which
//! can't be guarded. For servers that are none of a site's, [`remarks`] says all there is to say.

mod beside;
mod docker;
mod host;
mod published;
mod ssh;
#[cfg(test)]
mod tests;
mod trust;
mod ufw;

use std::collections::BTreeSet;

use crate::event::{Level, Remark, State};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};
use host::Host;

/// What a run puts right by itself: no reason to refuse one.
const MENDED: &[&str] = &[
    "ufw-off",
    "ufw-not-loaded",
    "ufw-default",
    "docker-user-jump",
    "docker-user-open",
];

/// The ports that containers are meant to publish over TCP. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    ports: BTreeSet<(u16, Option<u16>)>,
    datagrams: BTreeSet<(u16, u16)>,
}

impl Wanted {
    /// A container's port published as this port of the host.
    #[must_use]
    pub fn published(mut self, inner: u16, outer: u16) -> Self {
        self.ports.insert((inner, Some(outer)));
        self
    }

    /// A container's port of UDP published as this port of the host.
    #[must_use]
    pub fn published_udp(mut self, inner: u16, outer: u16) -> Self {
        self.datagrams.insert((inner, outer));
        self
    }

    /// A container's port, whatever port of the host it is published as.
    #[must_use]
    pub fn inner(mut self, inner: u16) -> Self {
        self.ports.insert((inner, None));
        self
    }

    fn has(&self, protocol: &str, inner: u16, outer: u16) -> bool {
        match protocol {
            "tcp" => {
                self.ports.contains(&(inner, Some(outer))) || self.ports.contains(&(inner, None))
            }
            "udp" => self.datagrams.contains(&(inner, outer)),
            _ => false,
        }
    }
}

/// All that [`remarks`] looks at.
pub fn facts() -> Vec<Fact> {
    host::facts(true)
}

/// Everything that is unsound on a host or worth knowing, the gravest first, by its [`facts`].
///
/// # Errors
/// If they were not read, or can't be understood.
pub fn remarks(seen: &Observed, wanted: &Wanted) -> Result<Vec<Remark>, Unreadable> {
    let host = Host::of(seen)?;
    let mut all = Vec::new();
    ssh::look(&host, &mut all);
    ufw::look(&host, &mut all);
    docker::look(&host, &mut all);
    beside::look(&host, &mut all);
    trust::look(&host, &mut all);
    published::look(&host, wanted, &mut all);
    all.sort_by_key(|remark| remark.level);
    Ok(all)
}

/// Looks a site's host over.
#[derive(Clone, Debug, Default)]
pub struct Lint {
    wanted: Wanted,
    thorough: bool,
}

impl Lint {
    /// What every run can afford to look at, for a host that is to publish these ports.
    pub fn new(wanted: Wanted) -> Self {
        let thorough = false;
        Self { wanted, thorough }
    }

    /// Everything there is, what a run would mend too: for a look that changes nothing, and so
    /// refuses nothing.
    #[must_use]
    pub fn thorough(mut self) -> Self {
        self.thorough = true;
        self
    }

    /// What is said of a host in the middle of a site's life.
    fn judge(&self, seen: &Observed) -> Result<Vec<Remark>, Unreadable> {
        let mut all = remarks(seen, &self.wanted)?;
        if self.thorough {
            return Ok(all);
        }
        // A server that is still to be set up has nothing that could stand open.
        let exposed = Host::of(seen)?.publishes();
        all.retain(|remark| exposed || !MENDED.contains(&remark.rule.as_str()));
        for remark in &mut all {
            if MENDED.contains(&remark.rule.as_str()) {
                remark.level = Level::Warning;
                remark.mend = format!("`provision run` puts it right; by hand: {}", remark.mend);
            }
        }
        all.sort_by_key(|remark| remark.level);
        Ok(all)
    }
}

impl Resource for Lint {
    fn id(&self) -> String {
        "soundness of the firewall".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        host::facts(self.thorough)
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let mut all = self.judge(seen)?;
        all.retain(|remark| remark.level == Level::Refusal);
        if self.thorough || all.is_empty() {
            return Ok(State::InSync);
        }
        let joined = |part: fn(&Remark) -> &str| {
            let parts: Vec<&str> = all.iter().map(part).collect();
            parts.join("; ")
        };
        Ok(State::Refused {
            what: joined(|remark| &remark.what),
            mend: joined(|remark| &remark.mend),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        Vec::new()
    }

    fn remarks(&self, seen: &Observed) -> Vec<Remark> {
        match self.judge(seen) {
            Ok(all) => all,
            // A look that changes nothing hears of no state.
            Err(e) if self.thorough => vec![remark(
                Level::Refusal,
                "unreadable",
                e.to_string(),
                "what can't be read can't be called sound",
                "see what keeps it from being read on the server",
            )],
            // `compare` refuses it.
            Err(_) => Vec::new(),
        }
    }
}

/// A remark of a rule.
fn remark(
    level: Level,
    rule: &str,
    what: impl Into<String>,
    why: impl Into<String>,
    mend: impl Into<String>,
) -> Remark {
    Remark {
        level,
        rule: rule.to_owned(),
        what: what.into(),
        why: why.into(),
        mend: mend.into(),
    }
}

/// "a", "a and b", "a, b and c".
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

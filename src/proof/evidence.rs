//! What was measured, in plain terms, whoever measured it.

use std::net::IpAddr;

/// What was measured for one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A TCP connection was attempted.
    Touch {
        /// What came of it.
        reach: Reach,
        /// What else is known, so that silence can be believed.
        control: Control,
    },
    /// A page was asked for.
    Look(Look),
    /// A page was asked for by another host of the site, at the port that only it may use.
    Served {
        /// What came of it.
        look: Look,
        /// Under which address that host is seen, as far as it knows itself.
        source: Option<IpAddr>,
        /// By how much the firewall's deny counter moved meanwhile.
        denied: Option<u64>,
    },
    /// A page was asked for several times, over a connection of its own each time.
    Looks(Vec<Look>),
    /// A TLS handshake with a foreign name was attempted.
    Hello(Hello),
    /// A TLS handshake with the site's own name was attempted.
    Shown {
        /// What was shown.
        shown: Shown,
        /// What lies on the server to be shown.
        filed: Filed,
        /// When, seconds since 1970.
        now: i64,
    },
    /// A timer was read.
    Timer {
        /// What it is like.
        timer: Timer,
        /// When, seconds since 1970.
        now: i64,
    },
    /// A renewal was rehearsed.
    Rehearsed(Rehearsed),
    /// What is known of HTTP/3.
    Quic(Quic),
    /// Nothing could be measured, and why: "app2 can't be reached over SSH".
    Missing(String),
}

/// What came of a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It was made.
    Open,
    /// A reset came back.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// The system or a router says no packet gets there, in these words. That says
    /// something about the way, and nothing about the server.
    Unreachable(String),
}

/// What is known beside a port's silence. `None` is "could not be read", never "no".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// On the host itself something listens on the port, or Docker publishes it.
    pub listens: Option<bool>,
    /// What somebody got who may use the port.
    pub witness: Option<Witness>,
    /// The host answered the same vantage in another way (its SSH port), or counted its packets.
    pub alive: Option<bool>,
    /// By how much the firewall's deny counter moved meanwhile. It supports a verdict and
    /// decides none: a provider's own firewall may drop packets before it.
    pub denied: Option<u64>,
}

/// Somebody who may use a port, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The proxy asked for the page, at the port itself. (What nginx answered to somebody else
    /// would not do: a 502 of its own is no answer through the port.)
    Proxy(Look),
    /// The host connected to its own address.
    Own(Reach),
}

/// What came of asking for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// An answer.
    Page(Page),
    /// The connection was made and closed without an answer.
    Closed,
    /// No connection: refused.
    Refused,
    /// No answer in time.
    TimedOut,
    /// Something else, in words: "the certificate is for another name".
    Failed(String),
}

/// An answer, as far as the proof cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// Where it leads, as written.
    pub location: Option<String>,
    /// The server that answered (`X-Served-By`), if the app says so.
    pub served_by: Option<String>,
}

/// What a foreign name got in a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// An alert, by its name, and no certificate.
    Rejected(String),
    /// The connection was closed, and no certificate shown.
    Closed,
    /// A certificate for these names.
    Certificate(Vec<String>),
    /// No handshake came about: refused, timed out, not TLS.
    Failed(String),
}

/// What the site's own name got in a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A certificate that is believed: by the authorities that this machine trusts or, where
    /// nobody is to trust it, as exactly the one that lies on the server.
    Trusted(Leaf),
    /// A certificate that doesn't hold.
    Distrusted {
        /// Its issuer, if it could be read.
        issuer: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// None: rejected, refused, timed out.
    Failed(String),
}

/// What a server's own certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its names.
    pub names: Vec<String>,
    /// Its issuer.
    pub issuer: String,
    /// When it begins to hold, seconds since 1970.
    pub not_before: i64,
    /// When it ends, seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of its DER form, in hexadecimal digits.
    pub sha256: String,
}

/// The certificate that lies on the server for nginx to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filed {
    /// SHA-256 of its DER form, in hexadecimal digits.
    Certificate(String),
    /// There is none at this path.
    Nothing(String),
    /// It could not be read, and why.
    Unknown(String),
}

/// What a server says of a timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    /// It will start again at boot.
    pub enabled: bool,
    /// It is running now.
    pub active: bool,
    /// Since when, seconds since 1970.
    pub since: Option<i64>,
    /// When it fires next, seconds since 1970; systemd doesn't know while `running`.
    pub next: Option<i64>,
    /// What it starts is at work now.
    pub running: bool,
    /// The last run, as it left it on record.
    pub last: Option<Run>,
    /// What systemd says of the service that it starts.
    pub service: Service,
}

/// A run of the timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// When it ended, seconds since 1970.
    pub ended: i64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What it did: "renewed", "not-due", "watched"; empty for a backup.
    pub did: String,
    /// When one ended well the last time, seconds since 1970.
    pub well: Option<i64>,
}

/// The timer's service, as systemd sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How it ended, in systemd's word ("exit-code", "timeout"), if not well.
    pub failed: Option<String>,
    /// When it ended, seconds since 1970.
    pub ended: Option<i64>,
}

impl Timer {
    /// That the last run failed: when, and why. A run that systemd had to end could leave nothing
    /// on record, and one by hand is nothing that systemd knows of: the later word counts.
    pub fn failure(&self) -> Option<(Option<i64>, String)> {
        let recorded = self.last.as_ref();
        if let Some(run) = recorded
            && let Some(message) = &run.failure
        {
            return Some((Some(run.ended), message.clone()));
        }
        let word = self.service.failed.as_ref()?;
        let later = match (self.service.ended, recorded) {
            (Some(ended), Some(run)) => ended >= run.ended,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let message = format!("systemd says that its service ended with {word}");
        later.then_some((self.service.ended, message))
    }
}

/// What came of a renewal that was rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsed {
    /// It would succeed.
    Well {
        /// Milliseconds it took.
        ms: u64,
    },
    /// Another certbot was at work.
    Busy,
    /// It wouldn't; the last lines it printed.
    Failed(Vec<String>),
}

/// What is known of HTTP/3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quic {
    /// The `Alt-Svc` header of the page, if it has one (RFC 7838).
    pub alt_svc: Option<String>,
    /// Whether Docker publishes 443/udp.
    pub published: Option<bool>,
}

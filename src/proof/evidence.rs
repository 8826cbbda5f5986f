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
        /// When, seconds since 1970.
        now: i64,
    },
    /// The renewal timer was read.
    Timer(Timer),
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
    /// A certificate that was verified.
    Trusted {
        /// Its names.
        names: Vec<String>,
        /// Its issuer.
        issuer: String,
        /// When it ends, seconds since 1970.
        not_after: i64,
    },
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

/// What systemd says of the renewal timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// It will start again at boot.
    pub enabled: bool,
    /// It is running now.
    pub active: bool,
    /// When it fires next, seconds since 1970.
    pub next: Option<i64>,
}

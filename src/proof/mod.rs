//! What must be seen before a site counts as proven, and when a sight is believed.
//!
//! A [`Check`] says where to look and what has to be seen. Whoever looks (this machine, or a
//! server that was asked to) brings [`Evidence`]. [`judge`] makes a
//! [`Finding`](crate::event::Finding) of both. Nothing here looks at anything.
//!
//! The rule behind all of it: silence proves nothing by itself. A port that gives no answer
//! is *blocked* only if something is known to listen behind it; a host that gives no answer
//! is not *closed* unless it is known to be alive. What can't be decided is inconclusive.

mod compare;
mod evidence;
mod exposure;
mod judge;
mod sight;
mod window;

pub use compare::compare;
pub use evidence::{
    Control, Evidence, Filed, Hello, Leaf, Look, Page, Quic, Reach, Rehearsed, Run, Service, Shown,
    Timer, Witness,
};
pub use exposure::{Alive, Belief, Knock, exposures};
pub use judge::judge;
pub use sight::{Denied, Listener, Published, Sight};
pub use window::{Origin, Window};

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The host that is looked at.
    pub host: String,
    /// From where: "here", "proxy", "app2".
    pub from: String,
    /// The address to use, where a host has several or DNS isn't to be asked.
    pub address: Option<String>,
    /// What has to be seen.
    pub claim: Claim,
}

/// What has to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Something listens on this TCP port, and a stranger doesn't get to it. Needs
    /// [`Evidence::Touch`] with the whole [`Control`].
    Blocked(u16),
    /// This TCP port takes no connection, whether or not anything listens. Needs
    /// [`Evidence::Touch`]; after a time-out, [`Control::alive`] too.
    Closed(u16),
    /// This TCP port takes connections. Needs [`Evidence::Touch`].
    Open(u16),
    /// Whether this TCP port takes connections is told, and either will do: the vantage may come
    /// in, or it can't be known whether it may. Needs [`Evidence::Touch`].
    Either(u16),
    /// A page is answered with this status. Needs [`Evidence::Look`], or [`Evidence::Served`]
    /// from another host of the site.
    Page {
        /// Path of the URL.
        path: String,
        /// The status.
        status: u16,
    },
    /// A page leads permanently (301 or 308) to exactly this URL. Needs [`Evidence::Look`].
    Redirect {
        /// The URL.
        to: String,
    },
    /// Each of these servers answers in its turn. Needs [`Evidence::Looks`], at least
    /// [`LOOKS`] for each server.
    Balanced(Vec<String>),
    /// A request with a foreign `Host` gets no answer at all. Needs [`Evidence::Look`].
    Ignored,
    /// A TLS handshake with a foreign name gets no certificate. Needs [`Evidence::Hello`].
    NoCertificate,
    /// A certificate for all these names that is believed, is the one on file on the server, and
    /// isn't overdue for its successor ([`Window`]). Needs [`Evidence::Shown`].
    Certificate {
        /// The names.
        names: Vec<String>,
        /// Where it comes from.
        origin: Origin,
    },
    /// A timer will fire, now and after a reboot, and its last run ended well. Needs
    /// [`Evidence::Timer`].
    Timer(Timed),
    /// A renewal would succeed now. Needs [`Evidence::Rehearsed`].
    Rehearsal,
    /// HTTP/3 is offered. Needs [`Evidence::Quic`].
    Http3,
}

/// What is done by a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timed {
    /// The certificate is renewed, or watched over; twice a day.
    Renewal,
    /// A backup of the database is made; when the operator says.
    Backup,
}

/// Looks for each server, without which a missing one is inconclusive and not failed: each
/// of nginx's workers takes its turns by itself, so that some repetition is normal.
pub const LOOKS: usize = 8;

impl Claim {
    /// What is looked at, as a report names it: "80/tcp", "certificate".
    pub fn subject(&self) -> String {
        match self {
            Self::Blocked(port) | Self::Closed(port) | Self::Open(port) | Self::Either(port) => {
                format!("{port}/tcp")
            }
            Self::Page { path, .. } => path.clone(),
            Self::Redirect { .. } => "redirect".to_owned(),
            Self::Balanced(_) => "load balancing".to_owned(),
            Self::Ignored => "foreign Host".to_owned(),
            Self::NoCertificate => "foreign TLS name".to_owned(),
            Self::Certificate { .. } => "certificate".to_owned(),
            Self::Timer(Timed::Renewal) => "renewal timer".to_owned(),
            Self::Timer(Timed::Backup) => "backup timer".to_owned(),
            Self::Rehearsal => "renewal rehearsal".to_owned(),
            Self::Http3 => "HTTP/3".to_owned(),
        }
    }

    /// What has to be seen, as a report says it: "blocked", "200 /polls/".
    pub fn expected(&self) -> String {
        match self {
            Self::Blocked(_) => "blocked".to_owned(),
            Self::Closed(_) => "closed".to_owned(),
            Self::Open(_) => "open".to_owned(),
            Self::Either(_) => "open or blocked".to_owned(),
            Self::Page { path, status } => format!("{status} {path}"),
            Self::Redirect { to } => format!("301 to {to}"),
            Self::Balanced(servers) => format!("answers from {}", servers.join(", ")),
            Self::Ignored => "no answer".to_owned(),
            Self::NoCertificate => "no certificate".to_owned(),
            Self::Certificate { names, .. } => format!("valid for {}", names.join(", ")),
            Self::Timer(_) => "armed".to_owned(),
            Self::Rehearsal => "succeeds".to_owned(),
            Self::Http3 => "offered".to_owned(),
        }
    }
}

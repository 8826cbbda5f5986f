//! Why a look at a server gave no answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Certificate;

/// Why a look at a server gave no answer. The variants are what a server, or something on
/// the way to it, can do; only [`Error::Request`] is about ourselves.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A reset came instead of a connection: nothing listens, or a firewall says so.
    #[error("{address} refused the connection")]
    Refused {
        /// Where to.
        address: SocketAddr,
    },
    /// Nothing came within the limit, at whatever stage.
    #[error("{address} gave no answer within {limit:?}")]
    TimedOut {
        /// Where to.
        address: SocketAddr,
        /// How long was waited.
        limit: Duration,
    },
    /// No packet gets there: no route, or a router that says no.
    #[error("{address} can't be reached")]
    Unreachable {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The connection stood and was closed before an answer (what nginx's 444 does).
    #[error("{address} closed the connection without an answer")]
    Closed {
        /// Where to.
        address: SocketAddr,
    },
    /// The server ended the TLS handshake with an alert, before any certificate was accepted.
    #[error("{address} rejected the TLS handshake with {alert}; is the name one it serves?")]
    Rejected {
        /// Where to.
        address: SocketAddr,
        /// The alert's name in RFC 8446, such as `UnrecognizedName`.
        alert: String,
    },
    /// The server's certificate isn't valid for the name, or not now, or not trusted.
    #[error("{address} presented a certificate that doesn't hold")]
    Distrusted {
        /// Where to.
        address: SocketAddr,
        /// The certificate, if it could be read at all.
        certificate: Option<Box<Certificate>>,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// What came was not TLS, or not a version we speak.
    #[error("{address} doesn't speak TLS 1.2 or 1.3")]
    NotTls {
        /// Where to.
        address: SocketAddr,
        /// What was wrong.
        #[source]
        source: rustls::Error,
    },
    /// Something answered, but not in HTTP.
    #[error("{address} answered something that is not HTTP")]
    NotHttp {
        /// Where to.
        address: SocketAddr,
        /// What was wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The request could not be made up: check the host, the path and the headers.
    #[error("a request for {url} can't be made")]
    Request {
        /// What was asked for.
        url: String,
        /// What was wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What a connection attempt or a read that failed means.
    pub(super) fn from_io(address: SocketAddr, limit: Duration, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { address },
            io::ErrorKind::TimedOut => Self::TimedOut { address, limit },
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed { address },
            _ => Self::Unreachable { address, source },
        }
    }

    /// What a failed TLS handshake means, with the certificate that was shown in it.
    pub(super) fn from_tls(
        address: SocketAddr,
        source: rustls::Error,
        shown: Option<Certificate>,
    ) -> Self {
        match source {
            rustls::Error::AlertReceived(alert) => Self::Rejected {
                address,
                alert: format!("{alert:?}"),
            },
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Self::Distrusted {
                    address,
                    certificate: shown.map(Box::new),
                    source,
                }
            }
            _ => Self::NotTls { address, source },
        }
    }
}

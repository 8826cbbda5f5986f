//! One page, asked for at one address, over a connection of its own.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HOST, HeaderMap};
use reqwest::{Client, Response, redirect, retry};

use super::tls::Witness;
use super::{Certificate, Error, Trust};

/// The part of a body that is kept, in bytes.
const BODY: usize = 64 * 1024;

/// Plain or over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80 by default.
    Http,
    /// `https`, port 443 by default.
    Https,
}

/// One GET. Each is made over a new connection, so that load balancing can be seen; no
/// redirect is followed, no proxy variable honoured, and nothing is tried twice.
#[derive(Clone, Debug)]
pub struct Get {
    /// Plain or over TLS.
    pub scheme: Scheme,
    /// The name in the URL: the `Host` header and TLS's server name.
    pub host: String,
    /// The address to connect to, whatever DNS says.
    pub address: IpAddr,
    /// The port to connect to, and the URL's.
    pub port: u16,
    /// The path and query, beginning with `/`.
    pub path: String,
    /// A `Host` header that differs from the URL's name. It keeps the request to HTTP/1.1,
    /// which alone has that header.
    pub host_header: Option<String>,
    /// Further headers, such as `X-Forwarded-Proto` for a look around the proxy.
    pub headers: Vec<(String, String)>,
    /// How long everything together may take, connecting and reading included.
    pub limit: Duration,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Where a redirect leads, as written.
    pub location: Option<String>,
    /// All headers by lower-case name; repeated ones are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// The server's certificate, which was found valid; `None` without TLS.
    pub certificate: Option<Certificate>,
    /// "HTTP/1.1" or "HTTP/2.0".
    pub version: String,
}

impl Answer {
    /// The body as text, with what isn't UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Get {
    /// A GET of `path` on the scheme's own port, with a limit of 10 s.
    pub fn new(scheme: Scheme, host: &str, address: IpAddr, path: &str) -> Self {
        Self {
            scheme,
            host: host.to_owned(),
            address,
            port: match scheme {
                Scheme::Http => 80,
                Scheme::Https => 443,
            },
            path: path.to_owned(),
            host_header: None,
            headers: Vec::new(),
            limit: Duration::from_secs(10),
        }
    }

    /// Connects to another port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sends another `Host` header than the URL's name.
    #[must_use]
    pub fn host_header(mut self, host: &str) -> Self {
        self.host_header = Some(host.to_owned());
        self
    }

    /// Sends one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits no longer than this.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What is asked for, as a URL.
    pub fn url(&self) -> String {
        let (scheme, usual) = match self.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
        };
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        if self.port == usual {
            format!("{scheme}://{host}{}", self.path)
        } else {
            format!("{scheme}://{host}:{}{}", self.port, self.path)
        }
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// What the server did instead of answering; any status at all is an answer.
    pub async fn send(&self, trust: &Trust) -> Result<Answer, Error> {
        let (mut tls, witness) = trust.connection().map_err(|error| self.made_up(error))?;
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Pinned(self.to())))
            .timeout(self.limit)
            .user_agent(concat!("provision/", env!("CARGO_PKG_VERSION")));
        if self.host_header.is_some() {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            client = client.http1_only();
        } else {
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        let client = client
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| self.made_up(error))?;
        let mut request = client.get(self.url());
        if let Some(host) = &self.host_header {
            request = request.header(HOST, host);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.build().map_err(|error| self.made_up(error))?;
        // An address in a URL is connected to as it stands, past any resolver.
        let literal = request
            .url()
            .host_str()
            .map(|host| host.trim_matches(['[', ']']));
        let literal = literal.and_then(|host| host.parse::<IpAddr>().ok());
        if literal.is_some_and(|literal| literal != self.address) {
            return Err(self.made_up("the host is an address, but not the one to connect to"));
        }

        match client.execute(request).await {
            Ok(response) => self.read(response, &witness).await,
            Err(error) => Err(self.explain(error, &witness)),
        }
    }

    async fn read(&self, mut response: Response, witness: &Arc<Witness>) -> Result<Answer, Error> {
        let mut body = Vec::new();
        while body.len() < BODY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.explain(error, witness)),
            }
        }
        body.truncate(BODY);
        let headers = joined(response.headers());
        Ok(Answer {
            status: response.status().as_u16(),
            location: headers.get("location").cloned(),
            headers,
            body,
            certificate: witness.shown(),
            version: format!("{:?}", response.version()),
        })
    }

    fn to(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    fn made_up(&self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::Request {
            url: self.url(),
            source: source.into(),
        }
    }

    fn explain(&self, error: reqwest::Error, witness: &Witness) -> Error {
        let address = self.to();
        if error.is_timeout() {
            return Error::TimedOut {
                address,
                limit: self.limit,
            };
        }
        if let Some(tls) = find::<rustls::Error>(&error) {
            return Error::from_tls(address, tls.clone(), witness.shown());
        }
        if error.is_connect() {
            // The innermost is the system's own; those around it only say where it happened.
            let io = causes(&error).filter_map(|cause| cause.downcast_ref::<io::Error>());
            return match io.last() {
                Some(io) => Error::from_io(address, self.limit, copy(io)),
                None => self.made_up(error),
            };
        }
        if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) {
            return Error::NotHttp {
                address,
                source: error,
            };
        }
        Error::Closed { address }
    }
}

/// Every name is at this one address.
struct Pinned(SocketAddr);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.as_str().to_owned())
            .and_modify(|seen| {
                seen.push_str(", ");
                seen.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    all
}

/// An error and its causes, the outermost first. An `io::Error` hides the error it wraps from
/// `source`, which goes straight on to that one's own cause: so it is looked into.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// The first error of a type among the causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// `io::Error` can't be cloned; its kind and words are what matters.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

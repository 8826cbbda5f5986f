//! `[proxy]`: nginx and how it serves.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::raw::{RawLocation, RawProxy, RawSnippets, Text};
use super::read::Reader;
use super::tls::Tls;
use super::{AbsolutePath, ImageRef, Mode, SiteName, UrlPath, options};
use crate::input::Error;

/// nginx.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The image ("nginx:1.28").
    pub image: ImageRef,
    /// Largest request body, as nginx writes it ("4G").
    pub max_body: String,
    /// Strict-Transport-Security.
    pub hsts: Hsts,
    /// Which clients TLS is offered to, by Mozilla's server side TLS guidelines, version 6.0.
    pub tls: Compatibility,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Whether HTTP/3 is spoken, over UDP port 443.
    pub http3: bool,
    /// How requests are shared out among the app servers.
    pub balance: Balance,
    /// Seconds that an app server may take to say something, and a websocket may be silent.
    pub read_timeout: u32,
    /// What is logged of every request.
    pub access_log: AccessLog,
    /// Directories on the proxy that it serves by itself.
    pub locations: Vec<Location>,
    /// nginx configuration of the operator's own.
    pub snippets: Snippets,
}

/// Strict-Transport-Security (RFC 6797).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// Seconds that browsers insist on HTTPS; 0 leaves the header out.
    pub seconds: u64,
    /// For all names below the site's too.
    pub subdomains: bool,
    /// Asks to be built into browsers (https://hstspreload.org).
    pub preload: bool,
}

impl Hsts {
    /// The header's value; `None` if there is none.
    pub fn header(self) -> Option<String> {
        let mut value = format!("max-age={}", self.seconds);
        if self.subdomains {
            value.push_str("; includeSubDomains");
        }
        if self.preload {
            value.push_str("; preload");
        }
        (self.seconds > 0).then_some(value)
    }
}

/// The configurations of Mozilla's server side TLS guidelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.2 and 1.3.
    Intermediate,
    /// Down to TLS 1.0, for clients that know nothing better.
    Old,
}

/// How requests are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn.
    RoundRobin,
    /// To the server with the fewest open requests.
    LeastConn,
    /// By the client's address, so that one client stays with one server.
    IpHash,
}

/// What is logged of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// A line as every log has, and the app server.
    Text,
    /// A JSON object.
    Json,
    /// Nothing.
    Off,
}

/// A directory that the proxy serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path of the URL, "/media/".
    pub url: UrlPath,
    /// The directory on the proxy.
    pub directory: AbsolutePath,
    /// How long browsers may keep a file, as nginx writes it ("1d"); `None`: nothing is said.
    pub expires: Option<String>,
}

/// nginx configuration of the operator's own: its text, empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippets {
    /// Outside of any server.
    pub http: String,
    /// In the server of the canonical name.
    pub server: String,
    /// In the location that leads to the app.
    pub location: String,
}

const YEAR: u64 = 31_536_000;

/// Where challenges of an ACME authority are answered (RFC 8555, 8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// What else of the site matters here.
pub(super) struct Beside<'a> {
    /// Its name.
    pub site: &'a SiteName,
    /// The path of static files, if nginx serves them.
    pub static_url: Option<&'a UrlPath>,
    /// That of uploaded files, if nginx serves them.
    pub media_url: Option<&'a UrlPath>,
}

pub(super) fn resolve(
    reader: &Reader<'_>,
    raw: &RawProxy,
    tls: &Tls,
    beside: &Beside<'_>,
    warnings: &mut Vec<String>,
) -> Result<Proxy, Error> {
    let off = matches!(tls.mode, Mode::Off);
    let choice = |text: Option<&Text>| match text {
        Some(text) => reader.choice(
            text,
            "one of Mozilla's configurations",
            &[
                ("intermediate", Compatibility::Intermediate),
                ("modern", Compatibility::Modern),
                ("old", Compatibility::Old),
            ],
        ),
        None => Ok(Compatibility::Intermediate),
    };
    let http3 = raw.http3.as_ref().is_some_and(|http3| *http3.get_ref());
    if let (true, true, Some(span)) = (off, http3, raw.http3.as_ref()) {
        return Err(reader.wrong(
            span.span(),
            "there is no HTTP/3 without TLS",
            "leave `http3` out, or `mode = \"off\"` of [tls]",
        ));
    }
    let compatibility = choice(raw.tls.as_ref())?;
    if compatibility == Compatibility::Old && !off {
        warnings.push(
            "[proxy] tls is \"old\": TLS 1.0 and 1.1 are spoken too, which are broken (RFC 8996)"
                .to_owned(),
        );
    }
    Ok(Proxy {
        image: reader.name_or(raw.image.as_ref(), "nginx:1.28", ImageRef::new)?,
        max_body: options::size(reader, raw.max_body.as_ref(), "4G", "kKmMgG")?,
        hsts: hsts(reader, raw, off)?,
        tls: compatibility,
        http2: raw.http2.unwrap_or(true),
        http3,
        balance: match &raw.balance {
            Some(text) => reader.choice(
                text,
                "a way to share requests out",
                &[
                    ("round-robin", Balance::RoundRobin),
                    ("least-conn", Balance::LeastConn),
                    ("ip-hash", Balance::IpHash),
                ],
            )?,
            None => Balance::RoundRobin,
        },
        read_timeout: reader.within("read_timeout", raw.read_timeout.as_ref(), 60, 1..=86_400)?,
        access_log: match &raw.access_log {
            Some(text) => reader.choice(
                text,
                "a format of the access log",
                &[
                    ("text", AccessLog::Text),
                    ("json", AccessLog::Json),
                    ("off", AccessLog::Off),
                ],
            )?,
            None => AccessLog::Text,
        },
        locations: locations(reader, raw, beside)?,
        snippets: snippets(reader, &raw.snippets)?,
    })
}

fn hsts(reader: &Reader<'_>, raw: &RawProxy, off: bool) -> Result<Hsts, Error> {
    let set = |flag: Option<&toml::Spanned<bool>>| flag.is_some_and(|flag| *flag.get_ref());
    let seconds = raw.hsts.as_ref().map(|hsts| *hsts.get_ref());
    let hsts = Hsts {
        // Without TLS the header means nothing (RFC 6797, 7.2).
        seconds: if off { 0 } else { seconds.unwrap_or(YEAR) },
        subdomains: set(raw.hsts_subdomains.as_ref()),
        preload: set(raw.hsts_preload.as_ref()),
    };
    let flags = [
        ("hsts_subdomains", &raw.hsts_subdomains),
        ("hsts_preload", &raw.hsts_preload),
    ];
    for (key, flag) in flags {
        if let Some(flag) = flag
            .as_ref()
            .filter(|flag| *flag.get_ref() && hsts.seconds == 0)
        {
            let why = if off {
                "there is no HSTS without TLS"
            } else {
                "`hsts = 0` leaves the header out"
            };
            return Err(reader.wrong(
                flag.span(),
                format!("`{key}` means nothing, since {why}"),
                "leave it out",
            ));
        }
    }
    if let (true, Some(preload)) = (hsts.preload, &raw.hsts_preload) {
        if !hsts.subdomains {
            return Err(reader.wrong(
                preload.span(),
                "browsers preload only sites whose HSTS is for all names below them",
                "write `hsts_subdomains = true` beside it",
            ));
        }
        if hsts.seconds < YEAR {
            return Err(reader.wrong(
                preload.span(),
                format!("browsers preload only sites whose `hsts` is at least {YEAR} seconds"),
                format!("write `hsts = {YEAR}` or more"),
            ));
        }
    }
    Ok(hsts)
}

fn locations(
    reader: &Reader<'_>,
    raw: &RawProxy,
    beside: &Beside<'_>,
) -> Result<Vec<Location>, Error> {
    let mut seen: BTreeMap<UrlPath, std::ops::Range<usize>> = BTreeMap::new();
    let mut all = Vec::new();
    for raw in &raw.locations {
        let location = location(reader, raw, beside)?;
        let span = raw.url.span();
        if let Some(first) = seen.insert(location.url.clone(), span.clone()) {
            return Err(reader.document.clash(
                span,
                first,
                "the first",
                format!("{} is served twice", location.url),
                "keep one of them",
            ));
        }
        all.push(location);
    }
    Ok(all)
}

fn location(
    reader: &Reader<'_>,
    raw: &RawLocation,
    beside: &Beside<'_>,
) -> Result<Location, Error> {
    Ok(Location {
        url: location_url(reader, &raw.url, beside)?,
        directory: location_directory(reader, &raw.directory, beside.site)?,
        expires: expires(reader, raw.expires.as_ref())?,
    })
}

/// A path that nginx compares with what it makes of the request's.
fn location_url(reader: &Reader<'_>, text: &Text, beside: &Beside<'_>) -> Result<UrlPath, Error> {
    let url = reader.name(text, UrlPath::new)?;
    let written = url.as_str();
    let wrong = |what: String, instead: &str| Err(reader.wrong(text.span(), what, instead));
    if !written.ends_with('/') {
        return wrong(
            format!("{written:?} doesn't end with `/`: it would be the beginning of other names"),
            "end it with `/`, such as \"/media/\"",
        );
    }
    if written == "/" {
        return wrong(
            "\"/\" is the app's".to_owned(),
            "write a path below it, such as \"/media/\"",
        );
    }
    let odd = written.contains("//") || written.split('/').any(|part| part == ".");
    if odd || written.contains('%') {
        return wrong(
            format!("{written:?} is never asked for: nginx decodes and shortens paths first"),
            "write it without `%`, `//` and `/./`",
        );
    }
    if written.starts_with(CHALLENGE) {
        return wrong(
            format!("{CHALLENGE} belongs to the certificate's authority"),
            "write another path",
        );
    }
    if beside
        .static_url
        .is_some_and(|other| other.as_str() == written)
    {
        return wrong(
            format!("{written} is the app's `static_url` already"),
            "write another path, or leave `static_root` out",
        );
    }
    if beside
        .media_url
        .is_some_and(|other| other.as_str() == written)
    {
        return wrong(
            format!("{written} is the app's `media_url` already"),
            "write another path, or leave `media_root` out",
        );
    }
    Ok(url)
}

/// A directory without anything in or below it that isn't for everyone.
fn location_directory(
    reader: &Reader<'_>,
    text: &Text,
    site: &SiteName,
) -> Result<AbsolutePath, Error> {
    let written = reader.name(text, AbsolutePath::new)?;
    let plain: PathBuf = Path::new(written.as_str())
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let own = format!("/srv/{site}");
    let secret = [
        "/etc",
        "/root",
        "/boot",
        "/dev",
        "/proc",
        "/run",
        "/sys",
        "/var/lib/docker",
        "/var/lib/letsencrypt",
        "/var/lib/provision",
        "/var/log",
        &format!("{own}/app"),
        &format!("{own}/proxy/tls"),
    ]
    .map(PathBuf::from);
    let bad = secret
        .iter()
        .find(|secret| plain.starts_with(secret) || secret.starts_with(&plain));
    if let Some(bad) = bad {
        let bad = bad.display();
        return Err(reader.wrong(
            text.span(),
            format!("{written} would let everyone read {bad}, where secrets lie"),
            format!("write a directory of its own, such as \"{own}/media\""),
        ));
    }
    AbsolutePath::new(plain.display().to_string())
        .map_err(|wrong| reader.wrong(text.span(), wrong.what, wrong.instead))
}

/// A time as nginx writes it.
fn expires(reader: &Reader<'_>, text: Option<&Text>) -> Result<Option<String>, Error> {
    let Some(text) = text else {
        return Ok(None);
    };
    let written = text.get_ref();
    let digits = written.strip_suffix(['s', 'm', 'h', 'd', 'w', 'y']);
    let ok = digits.is_some_and(|digits| {
        (1..=6).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
    });
    if ok {
        return Ok(Some(written.clone()));
    }
    Err(reader.wrong(
        text.span(),
        format!("{written:?} is not a time"),
        "write digits and a unit, such as \"30d\"",
    ))
}

fn snippets(reader: &Reader<'_>, raw: &RawSnippets) -> Result<Snippets, Error> {
    let read = |text: Option<&Text>| match text {
        None => Ok(String::new()),
        Some(text) => {
            let (path, bytes) = reader.file("the snippet", text)?;
            let held = String::from_utf8(bytes).ok();
            let held = held.filter(|held| !held.contains('\0'));
            held.ok_or_else(|| {
                reader.wrong(
                    text.span(),
                    format!("{} is not text in UTF-8", path.display()),
                    "write the path of a text file",
                )
            })
        }
    };
    Ok(Snippets {
        http: read(raw.http.as_ref())?,
        server: read(raw.server.as_ref())?,
        location: read(raw.location.as_ref())?,
    })
}

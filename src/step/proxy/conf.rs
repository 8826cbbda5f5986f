//! nginx's configuration, from what site.toml says.

use std::net::IpAddr;

use askama::Template;

use super::guideline::{Guideline, curves};
use super::{Cx, locations};
use crate::resource::nginx::OPEN;
use crate::resource::nginx_build::{Features, Texts};
use crate::site::{AccessLog, Balance, Proxy, Role};
use crate::step::app::serve;
use crate::step::material::Material;

#[derive(Template)]
#[template(path = "proxy/nginx.conf")]
struct Conf<'a> {
    site: &'a str,
    proxy: &'a Proxy,
    /// How the app is reached, a line each.
    pass: Pass,
    upstreams: &'a [String],
    /// The words that choose among them.
    balance: &'a str,
    /// How many of them are tried for one request.
    tries: usize,
    names: &'a str,
    canonical: &'a str,
    others: Option<&'a str>,
    log: &'a str,
    /// Said in every server: beside the image's own of all servers it would be a second one.
    access_log: &'a str,
    /// Headers of every answer over TLS.
    headers: &'a [String],
    places: &'a [Place],
    snippets: Snippets,
    /// The comment of a configuration that serves the site over HTTP; it does if there is one.
    open: Option<&'a str>,
    tls: Option<Tls<'a>>,
}

/// How nginx reaches the app.
struct Pass {
    /// Whether it speaks uWSGI's protocol: the directives' names begin with it.
    uwsgi: bool,
    /// The container's name and port among the host's own, looked up while nginx runs; `None`:
    /// there is an upstream.
    named: Option<String>,
}

impl Pass {
    /// What the directives' names begin with.
    fn word(&self) -> &'static str {
        if self.uwsgi { "uwsgi" } else { "proxy" }
    }

    /// What is asked.
    fn target(&self) -> String {
        let name = if self.named.is_some() {
            "$django"
        } else {
            "django"
        };
        if self.uwsgi {
            name.to_owned()
        } else {
            format!("http://{name}")
        }
    }
}

/// What is said where there is a certificate.
struct Tls<'a> {
    material: &'a Material,
    guideline: Guideline,
    ciphers: String,
    curves: String,
    /// The listeners of the server that answers to foreign names, and of the others.
    default: Vec<String>,
    named: Vec<String>,
    /// Whether a server says that it speaks HTTP/2.
    http2: bool,
}

/// Files that nginx serves by itself.
struct Place {
    url: String,
    directory: String,
    expires: Option<String>,
    /// Whether they come from whoever may upload something.
    media: bool,
}

/// The operator's own, each a block of lines with its indentation, or nothing.
struct Snippets {
    http: String,
    server: String,
    location: String,
}

/// What a configuration is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over<'a> {
    /// HTTP alone, and nothing but the challenge of an authority.
    Challenge,
    /// HTTP alone, the site itself.
    Http,
    /// HTTPS, with this certificate.
    Tls(&'a Material),
}

/// The texts for every nginx there may be.
pub(super) fn texts(cx: &Cx<'_>, over: Over<'_>) -> Result<Texts, askama::Error> {
    Texts::new(|features| render(cx, over, features))
}

fn render(cx: &Cx<'_>, over: Over<'_>, features: Features) -> Result<String, askama::Error> {
    let site = cx.site;
    let proxy = &site.proxy;
    let socket = serve::over_socket(&site.app);
    let pass = Pass {
        uwsgi: serve::speaks_uwsgi(&site.app),
        named: (site.alone(cx.host) && !socket).then(|| format!("app:{}", site.app.port)),
    };
    let upstreams: Vec<String> = site
        .with_role(Role::App)
        .map(|app| match app.inner_from(cx.host) {
            _ if socket => format!("unix:{}", serve::SOCKET),
            IpAddr::V4(v4) => format!("{v4}:{}", site.app.publish),
            IpAddr::V6(v6) => format!("[{v6}]:{}", site.app.publish),
        })
        .collect();
    let names: Vec<&str> = site.domains.iter().map(|domain| domain.as_str()).collect();
    let others = names[1..].join(" ");
    let conf = Conf {
        site: site.name.as_str(),
        proxy,
        pass,
        upstreams: &upstreams,
        balance: match proxy.balance {
            Balance::RoundRobin => "",
            Balance::LeastConn => "least_conn",
            Balance::IpHash => "ip_hash",
        },
        // With one server there is nobody else to ask.
        tries: upstreams.len().max(2),
        names: &names.join(" "),
        canonical: site.canonical().as_str(),
        others: (names.len() > 1).then_some(others.as_str()),
        log: match proxy.access_log {
            AccessLog::Text => "text",
            AccessLog::Json => "json",
            AccessLog::Off => "off",
        },
        access_log: match proxy.access_log {
            AccessLog::Text | AccessLog::Json => "/var/log/nginx/access.log site",
            AccessLog::Off => "off",
        },
        headers: &headers(proxy, over),
        places: &places(cx),
        snippets: Snippets {
            http: snippet("http", &proxy.snippets.http, 0),
            server: snippet("server", &proxy.snippets.server, 4),
            location: snippet("location", &proxy.snippets.location, 8),
        },
        open: matches!(over, Over::Http).then_some(OPEN),
        tls: match over {
            Over::Tls(material) => Some(tls(proxy, material, features)),
            Over::Challenge | Over::Http => None,
        },
    };
    conf.render()
}

fn tls<'a>(proxy: &Proxy, material: &'a Material, features: Features) -> Tls<'a> {
    let guideline = Guideline::of(proxy.tls);
    let http2_word = proxy.http2 && !features.http2_directive;
    Tls {
        material,
        guideline,
        ciphers: guideline.ciphers.join(":"),
        curves: curves(features),
        default: listeners(proxy, http2_word, true),
        named: listeners(proxy, http2_word, false),
        http2: proxy.http2 && features.http2_directive,
    }
}

/// Where a server of HTTPS listens.
fn listeners(proxy: &Proxy, http2_word: bool, default: bool) -> Vec<String> {
    let mut all = Vec::new();
    for address in ["", "[::]:"] {
        let mut tcp = format!("{address}443 ssl");
        if http2_word {
            tcp.push_str(" http2");
        }
        if default {
            tcp.push_str(" default_server");
        }
        all.push(tcp);
    }
    if proxy.http3 {
        for address in ["", "[::]:"] {
            // A socket for each worker, so that all packets of a client get to one; it is said
            // once for an address.
            let options = if default {
                " reuseport default_server"
            } else {
                ""
            };
            all.push(format!("{address}443 quic{options}"));
        }
    }
    all
}

fn headers(proxy: &Proxy, over: Over<'_>) -> Vec<String> {
    // A browser heeds neither over HTTP (RFC 6797, 8.1; RFC 7838, 2.1).
    if !matches!(over, Over::Tls(_)) {
        return Vec::new();
    }
    let hsts = proxy.hsts.header();
    let hsts = hsts.map(|value| format!("Strict-Transport-Security \"{value}\""));
    let alt = proxy
        .http3
        .then(|| "Alt-Svc 'h3=\":443\"; ma=86400'".to_owned());
    hsts.into_iter().chain(alt).collect()
}

/// A path without the slash at its end would match the beginning of other names too.
fn with_slash(url: &str) -> String {
    format!("{}/", url.trim_end_matches('/'))
}

fn places(cx: &Cx<'_>) -> Vec<Place> {
    let app = &cx.site.app;
    let files = app.static_root.iter().map(|_| Place {
        url: with_slash(app.static_url.as_str()),
        directory: "/srv/static/".to_owned(),
        expires: Some("1d".to_owned()),
        media: false,
    });
    let uploads = app.media_root.iter().map(|_| Place {
        url: with_slash(app.media_url.as_str()),
        directory: "/srv/media/".to_owned(),
        expires: Some("1d".to_owned()),
        media: true,
    });
    let own = cx.site.proxy.locations.iter().enumerate();
    let own = own.map(|(at, location)| Place {
        url: with_slash(location.url.as_str()),
        directory: format!("{}/", locations::inside(at)),
        expires: location.expires.clone(),
        media: true,
    });
    files.chain(uploads).chain(own).collect()
}

/// The operator's text between marks that the test of the configuration looks for
/// (`nginx-check.sh`): from the first mark on, each line is one of the file's. It ends without a
/// newline.
fn snippet(name: &str, text: &str, indent: usize) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let indent = " ".repeat(indent);
    let odd = |line: &str, quote: char| line.matches(quote).count() % 2 == 1;
    // What a quotation holds over more than a line is left as it is.
    let inner = match text.lines().any(|line| odd(line, '"') || odd(line, '\'')) {
        true => "",
        false => indent.as_str(),
    };
    let mut block = format!("{indent}# the operator's own: begin of proxy.snippets.{name}\n");
    for line in text.lines() {
        if !line.trim().is_empty() {
            block.push_str(inner);
            block.push_str(line);
        }
        block.push('\n');
    }
    block.push_str(&format!(
        "{indent}# the operator's own: end of proxy.snippets.{name}"
    ));
    block
}

#[cfg(test)]
mod tests {
    use super::snippet;

    #[test]
    fn a_snippet_keeps_its_lines_between_its_marks() {
        assert_eq!(
            snippet("server", "a b;\n\nlocation /x {\n    c;\n}", 4),
            "    # the operator's own: begin of proxy.snippets.server\n    a b;\n\n    \
             location /x {\n        c;\n    }\n    # the operator's own: end of \
             proxy.snippets.server"
        );
        assert_eq!(snippet("http", " \n", 0), "");
    }

    #[test]
    fn a_quotation_over_several_lines_is_left_as_it_is() {
        let text = "return 200 'one\ntwo';\n";
        assert!(snippet("location", text, 8).contains("\nreturn 200 'one\ntwo';\n"));
    }
}

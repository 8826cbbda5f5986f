//! Names that aren't the site's, and headers that somebody made up.

use provision::lab::{DOMAIN, STRANGER};

use crate::outside::{PROXY, curl};
use crate::requests::shown;
use crate::servers::{console, converged};
use crate::site::ca;

pub fn names() {
    converged();
    for address in PROXY {
        assert!(shown(address, Some(DOMAIN)).is_ok(), "positive control");
        let foreign = format!("www.{DOMAIN}.other.example");
        let bare = address.trim_matches(['[', ']']);
        for name in [Some("other.example"), Some(foreign.as_str()), None] {
            let seen = shown(address, name);
            assert!(seen.is_err(), "{name:?} at {address}: {seen:?}");
        }
        for host in ["other.example", bare, "localhost", "polls-proxy", "_"] {
            let host = format!("Host: {host}");
            let url = format!("http://{address}/polls/");
            let answer = curl(&["-H", &host, &url]);
            assert_eq!((answer.exit, answer.status), (52, 0), "{host}: {answer:?}");
            // By the site's own name in TLS, and another in HTTP.
            let resolve = format!("{DOMAIN}:443:{address}");
            let url = format!("https://{DOMAIN}/polls/");
            let answer = curl(&["--cacert", &ca(), "--resolve", &resolve, "-H", &host, &url]);
            let by_the_app = answer.header("x-served-by").is_some();
            assert!(answer.status != 200 && !by_the_app, "{host}: {answer:?}");
        }
        // Without a name at all, as HTTP/1.0 allows.
        let answer = curl(&[
            "--http1.0",
            "-H",
            "Host:",
            &format!("http://{address}/polls/"),
        ]);
        let refused = answer.status == 0 || answer.status == 400;
        assert!(refused, "{answer:?}");
    }
}

/// A server in an app's place that answers with the headers it got.
const ECHO: &str = "import http.server as h
class E(h.BaseHTTPRequestHandler):
    def do_GET(s):
        b = str(s.headers).encode()
        s.send_response(200)
        s.send_header('X-Echo', 'yes')
        s.send_header('Content-Length', str(len(b)))
        s.end_headers()
        s.wfile.write(b)
h.ThreadingHTTPServer(('', 8000), E).serve_forever()
";

pub fn headers() {
    converged();
    let image = "docker inspect -f '{{.Image}}' polls-app";
    let ports = "docker port polls-app 8000/tcp | grep -v '\\[' | head -n 1";
    console(
        "app1",
        &format!(
            "image=$({image}); port=$({ports}); docker stop polls-app >/dev/null; \
             docker run -d --rm --name lab-echo -p \"$port:8000\" --entrypoint python \
               \"$image\" -c \"$(printf %s '{}')\" >/dev/null",
            ECHO.replace('\'', "\"").replace('"', "'\\''")
        ),
    );
    let seen = PROXY.map(|address| (address, echoed(address)));
    console(
        "app1",
        "docker stop lab-echo >/dev/null; docker start polls-app >/dev/null",
    );
    for (address, seen) in seen {
        assert!(
            !seen.contains("192.0.2.66") && !seen.contains("forged"),
            "by {address} the app got:\n{seen}"
        );
        let is = |name: &str, value: &str| {
            let line = seen.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then_some(value)
            });
            assert_eq!(line, Some(value), "{name} by {address}:\n{seen}");
        };
        // By IPv6, Docker's own relay is in between, and all come from its address.
        if !address.starts_with('[') {
            is("X-Forwarded-For", &STRANGER.to_string());
            is("X-Real-IP", &STRANGER.to_string());
        }
        is("X-Forwarded-Proto", "https");
        is("Host", DOMAIN);
    }
    converged();
}

/// What the app's place got of a request with headers that were made up.
fn echoed(address: &str) -> String {
    let resolve = format!("{DOMAIN}:443:{address}");
    let url = format!("https://{DOMAIN}/polls/");
    let mut args = vec!["--cacert", "", "--resolve", &resolve];
    let ca = ca();
    args[1] = &ca;
    for header in [
        "X-Forwarded-For: 192.0.2.66",
        "X-Real-IP: 192.0.2.66",
        "Forwarded: for=192.0.2.66;host=forged.example;proto=http",
        "X-Forwarded-Proto: forged",
        "X-Forwarded-Host: forged.example",
        "X-Forwarded-Port: 192.0.2.66",
        "X-Forwarded-Protocol: forged",
        "X-Forwarded-Ssl: forged",
        "Proxy: http://forged.example",
    ] {
        args.extend(["-H", header]);
    }
    args.push(&url);
    let mut last = None;
    for _ in 0..20 {
        let answer = curl(&args);
        if answer.header("x-echo").is_some() {
            return answer.body;
        }
        last = Some(answer);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    panic!("app1's place was never asked: {last:?}");
}

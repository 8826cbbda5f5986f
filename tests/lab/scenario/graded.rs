//! How nginx serves: what testssl.sh says of it from outside, and that every setting of site.toml
//! does what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::lab::DOMAIN;
use serde_json::Value;
use toml::Table;

use crate::outside::{Curl, PROXY, curl, page};
use crate::program::{Ended, provision};
use crate::servers::{console, converged, outside};
use crate::site::{self, Variant};

/// Where testssl.sh is kept, in a tree of the suite whose release gives grades.
const TREE: &str = "/var/cache/provision-lab/testssl";

/// Seconds that testssl.sh waits for the header of an answer, in its environment.
const PATIENT: &str = "HEADER_MAXSLEEP=30";
/// How often it looks at the most, where it misses something.
const LOOKS: usize = 5;

/// What is worse than LOW and no matter of how nginx serves, with the reason.
const OF_THE_LAB: [(&str, &str); 2] = [
    ("engine_problem", "about the OpenSSL that testssl.sh uses"),
    (
        "cert_revocation",
        "the lab's authority has neither CRL nor OCSP",
    ),
];

/// The lab's site with these lines in `[proxy]`.
fn variant(proxy: &str) -> Variant {
    let proxy: Table = proxy.parse().unwrap();
    Variant::new(|table| {
        table.insert("proxy".to_owned(), toml::Value::Table(proxy));
    })
}

/// Brings what a change of `[proxy]` concerns to the proxy.
fn apply(file: &Path) -> Ended {
    let file = file.to_str().unwrap();
    let steps = ["firewall", "proxy", "certificate"];
    let mut args = vec!["run", file, "--yes", "--json", "--host", "proxy"];
    args.extend(steps.iter().flat_map(|step| ["--only", step]));
    provision(&args)
}

fn applied(proxy: &str) -> Variant {
    let variant = variant(proxy);
    let ended = apply(&variant.file());
    assert_eq!(ended.code, Some(0), "{proxy}\n{ended}");
    variant
}

/// A URL of the site, by the proxy's IPv4 address.
fn get(path: &str, more: &[&str]) -> Curl {
    let resolve = format!("{DOMAIN}:443:{}", PROXY[0]);
    let url = format!("https://{DOMAIN}{path}");
    let ca = site::ca();
    let mut args = vec!["--cacert", &ca, "--resolve", &resolve, &url];
    args.extend(more);
    curl(&args)
}

fn serves() {
    for address in PROXY {
        let page = page(address);
        assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
    }
}

/// The tree with testssl.sh, made once.
fn testssl() -> PathBuf {
    let tree = PathBuf::from(TREE);
    if tree.join("usr/bin/testssl").exists() {
        return tree;
    }
    let making = format!("{TREE}.{}", std::process::id());
    let made = Command::new("mmdebstrap")
        .args(["--quiet", "--mode=root", "--variant=essential"])
        .args(["--include=testssl.sh,ca-certificates", "trixie", &making])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    std::fs::rename(&making, &tree).unwrap();
    tree
}

pub fn by_testssl() {
    converged();
    // Two years for all names below, as a site that means it; no more is asked of nginx.
    let _two_years = applied("hsts = 63072000\nhsts_subdomains = true\n");
    let tree = testssl();
    let inside = format!("/tmp/graded.{}", std::process::id());
    let path = |name: &str| format!("{}{inside}.{name}", tree.display());
    std::fs::copy(site::ca(), path("pem")).unwrap();
    let proc = format!("--mount-proc={}/proc", tree.display());
    let root = tree.display().to_string();
    let (ca, json) = (format!("{inside}.pem"), format!("{inside}.json"));
    let url = format!("https://{DOMAIN}/polls/");
    let mut argv = vec![
        "unshare", "--mount", "--pid", "--fork", &proc, "chroot", &root, "env", PATIENT,
    ];
    argv.extend([
        "testssl",
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--nodns",
        "none",
    ]);
    argv.extend(["--add-ca", &ca, "--ip", PROXY[0], "--jsonfile", &json, &url]);
    let look = || {
        let ended = outside(&argv);
        let text = std::fs::read_to_string(path("json")).unwrap();
        let _ = std::fs::remove_file(path("json"));
        let report: Vec<Value> = serde_json::from_str(&text).unwrap();
        (ended, report)
    };
    // Of its many connections one may come too late, on a busy machine above all: it warns that it
    // doesn't know then, or leaves a finding out.
    let ours = |finding: &Value| {
        let id = finding["id"].as_str().unwrap();
        OF_THE_LAB.iter().all(|(other, _)| !id.starts_with(other))
    };
    let knows_all = |report: &[Value]| {
        let warns = report.iter().filter(|it| it["severity"] == "WARN");
        report.iter().any(|it| it["id"] == "HSTS_time") && !warns.into_iter().any(ours)
    };
    let mut looked = look();
    for _ in 1..LOOKS {
        if knows_all(&looked.1) {
            break;
        }
        eprintln!("looked again: testssl.sh missed an answer");
        looked = look();
    }
    let (ended, report) = looked;
    let _ = std::fs::remove_file(path("pem"));
    let of = |id: &str| {
        let found = report.iter().find(|it| it["id"] == id);
        let found = found.unwrap_or_else(|| panic!("{id} in what testssl.sh says: {ended}"));
        found["finding"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("overall_grade"), "A+", "{ended}");
    assert!(of("HSTS_time").contains("730 days"), "{}", of("HSTS_time"));
    assert!(of("FS_KEMs").contains("X25519MLKEM768"), "{ended}");
    let chain = report.iter().find(|it| it["id"] == "cert_chain_of_trust");
    assert_eq!(chain.unwrap()["severity"], "OK", "{chain:?}");
    let grave = |finding: &&Value| {
        let severity = finding["severity"].as_str().unwrap();
        !["OK", "INFO", "LOW"].contains(&severity) && ours(finding)
    };
    let found: Vec<&Value> = report.iter().filter(grave).collect();
    assert!(found.is_empty(), "{found:#?}");
    converged();
}

pub fn settings() {
    converged();
    let tls = |args: &[&str]| get("/polls/", args).exit;

    let _modern = applied("tls = \"modern\"\n");
    serves();
    assert_eq!(tls(&["--tls-max", "1.2"]), 35, "no TLS 1.2");

    let _old = applied("tls = \"old\"\n");
    serves();
    let weak = [
        "--ciphers",
        "DEFAULT@SECLEVEL=0",
        "--tls-max",
        "1.0",
        "--tlsv1.0",
    ];
    assert_eq!(tls(&weak), 0, "TLS 1.0");

    let _json = applied("access_log = \"json\"\nhsts = 0\nbalance = \"ip-hash\"\n");
    let mut servers = BTreeMap::new();
    for _ in 0..6 {
        let page = get("/polls/?a=%22", &["-A", "a \"b\" \\ c"]);
        assert_eq!((page.exit, page.status), (0, 200), "{page:?}");
        // nginx says nothing of its own; the app's is passed on.
        let hsts = page.header("strict-transport-security");
        assert_eq!(hsts, Some("max-age=63072000"), "{page:?}");
        *servers
            .entry(page.header("x-served-by").unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert_eq!(servers.len(), 1, "one client, one server: {servers:?}");
    let last = console("proxy", "docker logs --tail 1 polls-proxy 2>/dev/null");
    let line: Value = serde_json::from_str(&last).unwrap_or_else(|e| panic!("{e}: {last}"));
    assert_eq!(line["agent"], "a \"b\" \\ c");
    assert_eq!(
        (&line["uri"], &line["tls_protocol"]),
        (&"/polls/?a=%22".into(), &"TLSv1.3".into())
    );
    assert!(
        line["seconds"].is_number() && line["bytes"].is_number(),
        "{line}"
    );

    let media =
        "locations = [{ url = \"/media/\", directory = \"/srv/media\", expires = \"30d\" }]\n";
    let _media = applied(media);
    console(
        "proxy",
        "echo hello >/srv/media/a.txt; echo secret >/srv/media/.b; chmod 750 /srv/media",
    );
    // What the operator gives it stays: nginx can't read it now, and nobody lets it.
    let again = apply(&_media.file());
    assert_eq!(again.changed(), [] as [&str; 0], "{again}");
    assert_eq!(get("/media/a.txt", &[]).status, 403);
    console("proxy", "chmod 755 /srv/media");
    let file = get("/media/a.txt", &[]);
    assert_eq!(
        (file.status, file.body.as_str()),
        (200, "hello\n"),
        "{file:?}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
        ("content-type", "text/plain"),
    ] {
        assert_eq!(file.header(name), Some(value), "{file:?}");
    }
    assert!(file.headers.contains("max-age=2592000"), "{file:?}");
    for path in [
        "/media/.b",
        "/media/",
        "/media../x",
        "/media/../../etc/passwd",
    ] {
        let asked = get(path, &["--path-as-is"]);
        assert_ne!(asked.status, 200, "{path}: {asked:?}");
    }
    serves();
    converged();
}

pub fn snippets() {
    converged();
    let variant = variant(
        "snippets = { http = \"http.conf\", server = \"server.conf\", location = \"location.conf\" }\n",
    );
    let write = |name: &str, text: &str| std::fs::write(variant.dir().join(name), text).unwrap();
    write("http.conf", "map $uri $kind {\n    default page;\n}\n");
    write(
        "server.conf",
        "location = /robots.txt {\n    return 200 $kind;\n}\n",
    );
    write("location.conf", "add_header X-Mine yes always;\n");
    let ended = apply(&variant.file());
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(get("/robots.txt", &[]).body, "page");
    let mine = get("/polls/", &[]);
    assert_eq!(mine.header("x-mine"), Some("yes"), "{mine:?}");
    let hsts = mine.header("strict-transport-security");
    assert_eq!(
        hsts,
        Some("max-age=31536000"),
        "beside a header of the operator's"
    );

    write("location.conf", "# mine\nproxy_bufering off;\n");
    let ended = apply(&variant.file());
    assert_eq!(ended.code, Some(3), "{ended}");
    let said = "line 2 of the snippet proxy.snippets.location of site.toml: proxy_bufering off;";
    assert!(ended.stdout.contains(said), "{ended}");
    // It goes on with what it had, over a restart too.
    console("proxy", "docker restart polls-proxy");
    let restarted = Instant::now();
    while get("/polls/", &[]).status != 200 {
        assert!(restarted.elapsed() < Duration::from_secs(60), "no page");
        sleep(Duration::from_millis(500));
    }
    assert_eq!(get("/polls/", &[]).header("x-mine"), Some("yes"));

    write("location.conf", "");
    write("server.conf", "location = /x {\n    return 204;\n");
    let ended = apply(&variant.file());
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(
        ended.stdout.contains("one that leaves a { or a ; out"),
        "{ended}"
    );
    converged();
}

/// A packet of QUIC that asks for a version that doesn't exist, as RFC 9000 wants to be asked
/// (section 6); prints the answer in hexadecimal.
const KNOCK: &str = r#"
exec 3<>"/dev/udp/$1/443"
{
    printf '\xc0\x1a\x2a\x3a\x4a\x08abcdefgh\x08ijklmnop'
    head -c 1177 /dev/zero
} | dd bs=1200 iflag=fullblock status=none >&3
timeout 3 dd bs=2000 count=1 status=none <&3 | od -An -v -tx1 | tr -d ' \n'
"#;

/// Whether QUIC version 1 is spoken at an address.
fn speaks_quic(address: &str) -> bool {
    let address = address.trim_matches(['[', ']']);
    let answer = outside(&["bash", "-c", KNOCK, "knock", address]).stdout;
    // Version Negotiation: our name for the connection comes back, then the versions.
    let ours = "0000000008696a6b6c6d6e6f70";
    answer.contains(ours) && answer.get(46..).is_some_and(|it| it.contains("00000001"))
}

pub fn http3() {
    converged();
    for address in PROXY {
        assert!(!speaks_quic(address), "{address}");
    }
    let _on = applied("http3 = true\n");
    for address in PROXY {
        // A packet may be lost.
        assert!((0..10).any(|_| speaks_quic(address)), "{address}");
        let page = page(address);
        assert_eq!(
            page.header("alt-svc"),
            Some("h3=\":443\"; ma=86400"),
            "{page:?}"
        );
    }
    let again = apply(&_on.file());
    assert_eq!(again.changed(), [] as [&str; 0], "{again}");
    let _off = applied("http3 = false\n");
    for address in PROXY {
        assert!(!speaks_quic(address), "{address}");
    }
    let rules = console("proxy", "ufw status");
    assert!(!rules.contains("443/udp"), "{rules}");
    serves();
}

pub fn without_tls() {
    converged();
    let off = Variant::new(|table| {
        let off = Table::from_iter([("mode".to_owned(), "off".into())]);
        table.insert("tls".to_owned(), toml::Value::Table(off));
    });
    let ended = apply(&off.file());
    assert_eq!(ended.code, Some(0), "{ended}");
    for address in PROXY {
        let resolve = format!("{DOMAIN}:80:{address}");
        let page = curl(&["--resolve", &resolve, &format!("http://{DOMAIN}/polls/")]);
        // Django's own answer: nginx says that it wasn't asked over HTTPS.
        assert!(page.header("x-served-by").is_some(), "{page:?}");
        assert_eq!(page.header("strict-transport-security"), None, "{page:?}");
        let foreign = curl(&["-H", "Host: other.example", &format!("http://{address}/")]);
        assert_eq!((foreign.exit, foreign.status), (52, 0), "{foreign:?}");
        let tls = curl(&[
            "--connect-timeout",
            "2",
            "-k",
            &format!("https://{address}/"),
        ]);
        assert!([7, 28].contains(&tls.exit), "{tls:?}");
    }
    converged();
    serves();
}

//! The lab's services on the machine itself: registry mirror, resolver, ACME directory.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::Error;
use super::command::{finish, run};
use super::layout::{self, Layout, text};
use super::process::{Daemon, Process};
use super::topology::{
    ACME_MANAGEMENT_PORT, ACME_PORT, DNS_MANAGEMENT_PORT, DNS_PORT, DOMAIN, GATEWAY, REGISTRY_PORT,
    proxy,
};

/// Seconds a service may take to answer.
const START: u64 = 15;

/// The services and their ports, in the order they start.
pub(super) const SERVICES: [(&str, u16); 3] = [
    ("registry", REGISTRY_PORT),
    ("resolver", DNS_PORT),
    ("acme", ACME_PORT),
];

/// A service's process, if it runs.
pub(super) fn running(layout: &Layout, name: &str) -> Option<Process> {
    Process::recorded(&Daemon::record(&layout.service(name)))
}

/// Ends every service.
pub(super) fn stop(layout: &Layout) -> Result<(), Error> {
    for (name, _) in SERVICES {
        if let Some(process) = running(layout, name) {
            process.end()?;
        }
    }
    Ok(())
}

fn start(
    layout: &Layout,
    name: &str,
    port: u16,
    argv: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
) -> Result<(), Error> {
    let daemon = Daemon {
        dir: layout.service(name),
        argv,
        env,
        groups: Vec::new(),
    };
    let process = daemon.start()?;
    daemon.ready(process, START, || open(port))
}

fn open(port: u16) -> bool {
    let address = SocketAddr::new(GATEWAY.into(), port);
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// The registry mirror. Its storage lies in the cache.
pub(super) fn registry(layout: &Layout) -> Result<(), Error> {
    if running(layout, "registry").is_some() {
        return Ok(());
    }
    let dir = layout.service("registry");
    layout::private_dir(&dir)?;
    let config = dir.join("config.yml");
    // JSON is YAML, and quotes the path.
    let content = json!({
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": true}},
        "storage": {
            "filesystem": {"rootdirectory": text(&layout.cache.join("registry"))},
            "delete": {"enabled": true},
        },
        "http": {"addr": format!("{GATEWAY}:{REGISTRY_PORT}")},
    });
    layout::write(&config, 0o600, content.to_string())?;
    let argv = ["docker-registry", "serve", text(&config)]
        .map(String::from)
        .to_vec();
    start(layout, "registry", REGISTRY_PORT, argv, Vec::new())
}

/// The resolver. It knows the site's names and no others.
pub(super) fn resolver(layout: &Layout) -> Result<(), Error> {
    if running(layout, "resolver").is_none() {
        layout::private_dir(&layout.service("resolver"))?;
        let argv = [
            "pebble-challtestsrv".to_owned(),
            "-defaultIPv4=".to_owned(),
            "-defaultIPv6=".to_owned(),
            "-http01=".to_owned(),
            "-https01=".to_owned(),
            "-tlsalpn01=".to_owned(),
            format!("-dns01={GATEWAY}:{DNS_PORT}"),
            format!("-management={GATEWAY}:{DNS_MANAGEMENT_PORT}"),
        ];
        start(
            layout,
            "resolver",
            DNS_MANAGEMENT_PORT,
            argv.to_vec(),
            Vec::new(),
        )?;
    }
    for host in [DOMAIN.to_owned(), format!("www.{DOMAIN}")] {
        // It adds to what it knows: said twice, an address would be answered twice.
        tell("clear-a", &json!({"host": host}))?;
        tell("clear-aaaa", &json!({"host": host}))?;
        tell(
            "add-a",
            &json!({"host": host, "addresses": [proxy().address()]}),
        )?;
        tell(
            "add-aaaa",
            &json!({"host": host, "addresses": [proxy().ipv6()]}),
        )?;
    }
    Ok(())
}

/// Tells the resolver something.
fn tell(what: &str, body: &serde_json::Value) -> Result<(), Error> {
    let url = format!("http://{GATEWAY}:{DNS_MANAGEMENT_PORT}/{what}");
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sS",
        "--fail",
        "--noproxy",
        "*",
        "--max-time",
        "10",
        "--data",
        "@-",
        &url,
    ]);
    finish(&mut curl, body.to_string().as_bytes()).map(drop)
}

/// The ACME directory, with a CA of its own for its own address, and `ca.pem`: that CA and
/// the root it issues from, which is new at every start.
pub(super) fn acme(layout: &Layout) -> Result<(), Error> {
    if running(layout, "acme").is_some() && layout.ca().exists() {
        return Ok(());
    }
    let dir = layout.service("acme");
    layout::private_dir(&dir)?;
    if let Some(process) = running(layout, "acme") {
        process.end()?;
    }
    let own = certificates(&dir)?;
    let config = dir.join("pebble.json");
    let content = json!({"pebble": {
        "listenAddress": format!("{GATEWAY}:{ACME_PORT}"),
        "managementListenAddress": format!("{GATEWAY}:{ACME_MANAGEMENT_PORT}"),
        "certificate": text(&dir.join("server.crt")),
        "privateKey": text(&dir.join("server.key")),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
        // As a public CA's: 90 days, in seconds.
        "certificateValidityPeriod": 90 * 24 * 3600,
    }});
    layout::write(&config, 0o600, content.to_string())?;
    let argv = [
        "pebble".to_owned(),
        format!("-config={}", config.display()),
        format!("-dnsserver={GATEWAY}:{DNS_PORT}"),
    ];
    // Without these it waits at random and refuses some good requests, to test clients.
    let env = vec![("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")];
    start(layout, "acme", ACME_MANAGEMENT_PORT, argv.to_vec(), env)?;
    let root = run(
        "curl",
        &[
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "--cacert",
            text(&own),
            &format!("https://{GATEWAY}:{ACME_MANAGEMENT_PORT}/roots/0"),
        ],
    )?;
    let mut bundle = layout::read(&own)?;
    bundle.push_str(&root);
    layout::write(&layout.ca(), 0o644, bundle)
}

/// The directory's CA and server certificate; returns the CA's path.
fn certificates(dir: &Path) -> Result<PathBuf, Error> {
    let path = |name: &str| text(&dir.join(name)).to_owned();
    let ca = path("ca.crt");
    if dir.join("server.crt").exists() {
        return Ok(ca.into());
    }
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let (ca_key, key, request, part) = (
        path("ca.key"),
        path("server.key"),
        path("server.csr"),
        path("server.part"),
    );
    let mut args = vec![
        "req",
        "-x509",
        "-days",
        "3650",
        "-subj",
        "/CN=provision lab directory",
    ];
    args.extend(new_key);
    args.extend(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
    args.extend(["-keyout", &ca_key, "-out", &ca]);
    run("openssl", &args)?;
    let mut args = vec!["req", "-subj", "/CN=provision lab"];
    args.extend(new_key);
    args.extend(["-keyout", &key, "-out", &request]);
    run("openssl", &args)?;
    let extensions = dir.join("server.ext");
    layout::write(
        &extensions,
        0o600,
        format!("subjectAltName=IP:{GATEWAY}\nextendedKeyUsage=serverAuth\n"),
    )?;
    run(
        "openssl",
        &[
            "x509",
            "-req",
            "-days",
            "3650",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-extfile",
            text(&extensions),
            "-out",
            &part,
        ],
    )?;
    std::fs::rename(&part, dir.join("server.crt")).map_err(Error::file("rename", &part))?;
    Ok(ca.into())
}

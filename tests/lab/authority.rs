//! An ACME authority of a scenario's own, beside the lab's: Pebble with settings of its own, and
//! a resolver that it alone asks.
//!
//! Both run beside the lab's services at the machine's address and end with the scenario. The
//! directory's certificate is that of the lab's own directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use provision::lab::{DNS_PORT, DOMAIN, GATEWAY};
use serde_json::json;

use crate::servers::console;
use crate::site;

/// How long a service may take to answer.
const START: Duration = Duration::from_secs(15);

/// What an authority is like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long its certificates hold.
    pub lifetime_seconds: u32,
    /// How many good requests of a hundred it refuses for their nonce.
    pub reject_nonces_percent: u8,
    /// How many validations of a hundred it spares a client that has been validated before.
    pub reuse_authorizations_percent: u8,
    /// The port of the resolver that it asks, at the machine's address.
    pub resolver: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lifetime_seconds: 90 * 24 * 3600,
            reject_nonces_percent: 0,
            reuse_authorizations_percent: 0,
            resolver: DNS_PORT,
        }
    }
}

/// One that runs. It ends when this is dropped.
pub struct Authority {
    port: u16,
    service: Service,
    root: String,
    issuer: String,
}

impl Authority {
    /// Starts it at this port; its management is 1000 above.
    pub fn start(port: u16, settings: Settings) -> Self {
        let dir = dir(&format!("acme-{port}"));
        let own = Path::new(&site::lab()).join("services/acme");
        let config = json!({"pebble": {
            "listenAddress": format!("{GATEWAY}:{port}"),
            "managementListenAddress": format!("{GATEWAY}:{}", port + 1000),
            "certificate": own.join("server.crt"),
            "privateKey": own.join("server.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": settings.lifetime_seconds,
        }});
        let file = dir.join("pebble.json");
        fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new("pebble");
        command
            .arg(format!("-config={}", file.display()))
            .arg(format!("-dnsserver={GATEWAY}:{}", settings.resolver))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env(
                "PEBBLE_WFE_NONCEREJECT",
                settings.reject_nonces_percent.to_string(),
            )
            .env(
                "PEBBLE_AUTHZREUSE",
                settings.reuse_authorizations_percent.to_string(),
            );
        // An account with one that ended is none with this one.
        console(
            "proxy",
            &format!("rm -rf /etc/letsencrypt/accounts/{GATEWAY}:{port}"),
        );
        let service = Service::start(&dir, command);
        let ask = |what: &str| {
            let url = format!("https://{GATEWAY}:{}/{what}/0", port + 1000);
            let ca = own.join("ca.crt");
            service.answers(&["--cacert", ca.to_str().unwrap(), &url])
        };
        let (root, intermediate) = (ask("roots"), ask("intermediates"));
        Self {
            port,
            root,
            issuer: subject(&intermediate),
            service,
        }
    }

    /// Its ACME directory, for site.toml.
    pub fn directory(&self) -> String {
        format!("https://{GATEWAY}:{}/dir", self.port)
    }

    /// Whom its certificates name as their issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How many requests it has had.
    pub fn requests(&self) -> usize {
        self.logged("-> calling handler()")
    }

    /// How many orders it has had, rehearsals too.
    pub fn orders(&self) -> usize {
        self.logged("/order-plz -> calling handler()")
    }

    /// How many certificates it has issued, rehearsals too.
    pub fn issued(&self) -> usize {
        self.logged("Issued certificate serial")
    }

    fn logged(&self, words: &str) -> usize {
        let log = self.service.log();
        log.lines().filter(|line| line.contains(words)).count()
    }
}

/// A file for `[tls] ca`, in this directory: what the lab's own bundle holds, and the roots of
/// these authorities.
pub fn bundle(dir: &Path, authorities: &[&Authority]) -> PathBuf {
    let mut text = fs::read_to_string(site::ca()).unwrap();
    for authority in authorities {
        text.push_str(&authority.root);
    }
    let path = dir.join("authorities.pem");
    fs::write(&path, text).unwrap();
    path
}

/// A resolver of an authority's own. It knows what it is told.
pub struct Resolver {
    management: u16,
    service: Service,
}

impl Resolver {
    /// Starts it at this port; it is told names at the next but one.
    pub fn start(port: u16) -> Self {
        let management = port + 2;
        let mut command = Command::new("pebble-challtestsrv");
        command.args([
            "-defaultIPv4=",
            "-defaultIPv6=",
            "-http01=",
            "-https01=",
            "-tlsalpn01=",
        ]);
        command.arg(format!("-dns01={GATEWAY}:{port}"));
        command.arg(format!("-management={GATEWAY}:{management}"));
        let service = Service::start(&dir(&format!("resolver-{port}")), command);
        let resolver = Self {
            management,
            service,
        };
        for host in [DOMAIN.to_owned(), format!("www.{DOMAIN}")] {
            resolver.points(&host, &["198.51.100.13"], &["2001:db8::13"]);
        }
        resolver
    }

    /// From now on the name has these addresses.
    pub fn points(&self, host: &str, ipv4: &[&str], ipv6: &[&str]) {
        self.tell("clear-a", &json!({"host": host}));
        self.tell("clear-aaaa", &json!({"host": host}));
        self.tell("add-a", &json!({"host": host, "addresses": ipv4}));
        self.tell("add-aaaa", &json!({"host": host, "addresses": ipv6}));
    }

    /// From now on the name is answered with SERVFAIL, or as before.
    pub fn fails(&self, host: &str, fails: bool) {
        let what = if fails {
            "set-servfail"
        } else {
            "clear-servfail"
        };
        self.tell(what, &json!({"host": host}));
    }

    fn tell(&self, what: &str, body: &serde_json::Value) {
        let url = format!("http://{GATEWAY}:{}/{what}", self.management);
        let body = body.to_string();
        self.service.answers(&["--data", &body, &url]);
    }
}

/// A program that runs beside the scenario.
struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    fn start(dir: &Path, mut command: Command) -> Self {
        let log = dir.join("log");
        let out = fs::File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What curl gets, with these arguments; asks on while nobody listens.
    fn answers(&self, args: &[&str]) -> String {
        let end = Instant::now() + START;
        loop {
            let done = Command::new("curl")
                .args(["-sS", "--fail", "--noproxy", "*", "--max-time", "10"])
                .args(args)
                .output()
                .unwrap();
            if done.status.success() {
                return String::from_utf8(done.stdout).unwrap();
            }
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(Instant::now() < end, "{args:?}: {said}\n{}", self.log());
            sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dir(name: &str) -> PathBuf {
    let dir = Path::new(&site::lab()).join("services").join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The subject of a certificate in PEM.
fn subject(pem: &str) -> String {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    certificate.subject().to_string()
}

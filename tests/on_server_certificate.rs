//! The script that makes a self-signed certificate, run for real with this machine's OpenSSL; and
//! what curl and rustls think of what it makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has failed"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use provision::resource::certificate::{Key, Leaf, SELF_SIGNED, copy_of};
use provision::shell::{Cmd, Script};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Whether OpenSSL is here. Where tests must be whole (CI is set), it has to be.
fn has_openssl() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let install = "install it: apt-get install openssl";
    assert!(
        std::env::var_os("CI").is_none(),
        "openssl is missing; {install}"
    );
    println!("left out: openssl is missing on this machine; {install}");
    false
}

struct Made {
    dir: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("self-signed.pem")
    }

    fn copy(&self) -> PathBuf {
        PathBuf::from(copy_of(self.file().to_str().unwrap()))
    }

    fn run(&self, args: &[&str]) -> Output {
        let cmd = Cmd::script(Script(SELF_SIGNED), [self.file().to_str().unwrap()])
            .args(args.iter().copied());
        let mut sh = Command::new("sh");
        sh.arg("-c").arg(cmd.to_shell()).output().unwrap()
    }

    fn make(&self, args: &[&str]) -> Leaf {
        let done = self.run(args);
        assert!(done.status.success(), "{done:?}");
        Leaf::read(&fs::read(self.copy()).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_certificate_is_made_for_all_names_with_the_key_that_was_asked_for() {
    if !has_openssl() {
        return;
    }
    let made = Made::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for (args, key, days, names) in [
        (
            &["365", "rsa", "2048", "www.a.example", "a.example"][..],
            Key::Rsa(2048),
            365,
            &["a.example", "www.a.example"][..],
        ),
        (
            &["90", "ecdsa", "256", "a.example"],
            Key::Ecdsa,
            90,
            &["a.example"],
        ),
    ] {
        let leaf = made.make(args);
        assert_eq!(
            (leaf.key.clone(), leaf.names.as_slice()),
            (
                key.to_string(),
                &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..]
            )
        );
        assert_eq!(leaf.issuer, format!("CN={}", args[3]));
        assert_eq!(leaf.ends - leaf.begins, days * 86_400);
        assert!(leaf.begins.abs_diff(now.as_secs()) < 600, "{leaf:?}");
        assert_eq!(made.names(), ["self-signed.crt", "self-signed.pem"]);
        assert_eq!((mode(&made.file()), mode(&made.copy())), (0o640, 0o644));
        let copy = fs::read_to_string(made.copy()).unwrap();
        assert!(!copy.contains("PRIVATE"));
        let whole = fs::read_to_string(made.file()).unwrap();
        assert!(whole.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(whole.ends_with(&copy));
    }
}

#[test]
fn a_name_too_long_for_a_common_name_is_in_the_certificate_all_the_same() {
    if !has_openssl() {
        return;
    }
    let long = format!("{}.{}.example", "a".repeat(40), "b".repeat(40));
    let made = Made::new();
    let leaf = made.make(&["365", "ecdsa", "256", &long]);
    assert_eq!(
        (leaf.names, leaf.issuer),
        (vec![long], "CN=self-signed".to_owned())
    );
}

#[test]
fn what_cant_be_made_leaves_what_was_there() {
    if !has_openssl() {
        return;
    }
    let made = Made::new();
    made.make(&["365", "ecdsa", "256", "a.example"]);
    let before = fs::read(made.file()).unwrap();
    // What a run that was killed left behind.
    fs::create_dir(made.dir.path().join(".self-signed.AbCdEf")).unwrap();
    for args in [
        &["365", "dsa", "1024", "a.example"][..],
        &["365", "rsa", "2", "a.example"],
        &["365", "ecdsa", "256", "a b,c"],
    ] {
        let done = made.run(args);
        assert!(
            !done.status.success() && !done.stderr.is_empty(),
            "{done:?}"
        );
        assert_eq!(fs::read(made.file()).unwrap(), before);
        assert_eq!(made.names(), ["self-signed.crt", "self-signed.pem"]);
        assert!(!String::from_utf8_lossy(&done.stderr).contains("PRIVATE KEY"));
    }
}

/// Serves one connection over TLS with the pair, and says what the client asked for.
fn serve(made: &Made) -> (u16, std::thread::JoinHandle<String>) {
    let chain = vec![CertificateDer::from_pem_file(made.file()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(made.file()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, tcp);
        let mut asked = [0; 4096];
        let Ok(read) = tls.read(&mut asked) else {
            return String::new();
        };
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        tls.write_all(answer).unwrap();
        tls.conn.send_close_notify();
        tls.flush().unwrap();
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    (port, serving)
}

#[test]
fn whoever_trusts_the_certificate_itself_gets_an_answer_and_nobody_else() {
    if !has_openssl() {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "curl is missing; install it"
        );
        println!("left out: curl is missing on this machine; install it");
        return;
    }
    let made = Made::new();
    for args in [
        ["365", "rsa", "2048", "a.example"],
        ["365", "ecdsa", "256", "a.example"],
    ] {
        made.make(&args);
        for trusted in [true, false] {
            let (port, serving) = serve(&made);
            let mut curl = Command::new("curl");
            curl.args(["-sS", "--noproxy", "*", "--resolve"]);
            curl.arg(format!("a.example:{port}:127.0.0.1"));
            if trusted {
                curl.arg("--cacert").arg(made.copy());
            }
            curl.arg(format!("https://a.example:{port}/"));
            let done = curl.output().unwrap();
            assert_eq!(done.status.success(), trusted, "{args:?}: {done:?}");
            assert_eq!(serving.join().unwrap().starts_with("GET / "), trusted);
        }
    }
}

#[test]
fn rustls_takes_the_certificate_as_its_own_trust_anchor() {
    if !has_openssl() {
        return;
    }
    let made = Made::new();
    made.make(&["365", "ecdsa", "256", "a.example"]);
    for name in ["a.example", "b.example"] {
        let (port, serving) = serve(&made);
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(made.copy()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = name.to_owned();
        let server = name.clone().try_into().unwrap();
        let connection = rustls::ClientConnection::new(Arc::new(config), server).unwrap();
        let tcp = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, tcp);
        let asked = tls
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .and_then(|()| tls.flush());
        assert_eq!(asked.is_ok(), name == "a.example", "{name}: {asked:?}");
        drop(tls);
        let _ = serving.join();
    }
}

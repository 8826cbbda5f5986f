//! Keys, certificates and agents of OpenSSH's own making.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use provision::ssh::{Agent, Error, Fault, Identity, Keys, Session};
use russh::keys::{PrivateKey, PublicKey};

use crate::server::{Asked, Server, Setup, dialer, print};

const PASSPHRASE: &str = "open sesame";

/// Whether OpenSSH's tools are here. Where they must be, their absence is a failure.
fn there() -> bool {
    let found = ["ssh-keygen", "ssh-agent", "ssh-add"]
        .iter()
        .all(|tool| Path::new("/usr/bin").join(tool).exists());
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "OpenSSH's client is missing"
        );
        eprintln!("left out: OpenSSH's client isn't installed");
    }
    found
}

fn tool(name: &str, arguments: &[&str], dir: &Path) {
    let done = Command::new(name)
        .args(arguments)
        .current_dir(dir)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{name} {arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn public(path: &Path) -> PublicKey {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PublicKey::from_openssh(&std::fs::read_to_string(PathBuf::from(name)).unwrap()).unwrap()
}

/// A server that lets this key in.
async fn server_for(key: PublicKey) -> Server {
    Server::with(Setup {
        user_public: Some(key),
        ..Setup::default()
    })
    .await
}

async fn log_in(server: &Server, key: &Path, asked: &[&'static str]) -> Result<Session, Error> {
    let mut target = server.target();
    target.identity.key = Some(key.to_owned());
    server
        .dialer_with(&Asked::new(asked))
        .connect(&target)
        .await
}

#[tokio::test]
async fn keys_in_every_format_log_in() {
    if !there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Format, kind, bits. `-m PEM` is PKCS#1 for RSA and SEC1 for ECDSA.
    let table = [
        ("RFC4716", "ed25519", "256"),
        ("RFC4716", "rsa", "2048"),
        ("RFC4716", "ecdsa", "256"),
        ("RFC4716", "ecdsa", "384"),
        ("RFC4716", "ecdsa", "521"),
        ("PEM", "rsa", "2048"),
        ("PEM", "ecdsa", "256"),
        ("PEM", "ecdsa", "384"),
        ("PEM", "ecdsa", "521"),
        ("PKCS8", "rsa", "2048"),
        ("PKCS8", "ecdsa", "256"),
        ("PKCS8", "ecdsa", "521"),
    ];
    for (format, kind, bits) in table {
        for passphrase in ["", PASSPHRASE] {
            let name = format!("{format}-{kind}-{bits}-{}", passphrase.len());
            let arguments = [
                "-q", "-t", kind, "-b", bits, "-m", format, "-N", passphrase, "-f", &name,
            ];
            tool("ssh-keygen", &arguments, dir.path());
            let path = dir.path().join(&name);
            let server = server_for(public(&path)).await;
            let outcome = log_in(&server, &path, &["wrong", PASSPHRASE]).await;
            if (format, kind) == ("PEM", "ecdsa") && !passphrase.is_empty() {
                // russh decrypts PEM of RSA only; what to do is said.
                let error = outcome.err().unwrap();
                assert!(
                    matches!(error.fault(), Fault::KeyOldCipher { .. }),
                    "{error}"
                );
                assert!(
                    error.next().contains("ssh-keygen -p -f"),
                    "{}",
                    error.next()
                );
                continue;
            }
            assert!(outcome.is_ok(), "{name}: {:?}", outcome.err());
            // Without the public half beside it, which old formats hide.
            std::fs::remove_file(format!("{}.pub", path.display())).unwrap();
            let outcome = log_in(&server, &path, &[PASSPHRASE]).await;
            assert!(outcome.is_ok(), "{name} alone: {:?}", outcome.err());
        }
    }
}

#[tokio::test]
async fn a_dsa_key_is_refused_with_the_reason() {
    let server = Server::start().await;
    let path = server.dir.path().join("old");
    std::fs::write(
        &path,
        "-----BEGIN DSA PRIVATE KEY-----\nMIIB\n-----END DSA PRIVATE KEY-----\n",
    )
    .unwrap();
    let error = log_in(&server, &path, &[]).await.err().unwrap();
    assert!(matches!(error.fault(), Fault::KeyDsa { .. }), "{error}");
}

/// Makes a certificate of `name` for these users, signed by the authority `ca`.
fn certify(dir: &Path, name: &str, users: &str, more: &[&str]) {
    let public = format!("{name}.pub");
    let mut arguments = vec!["-q", "-s", "ca", "-I", "me at my desk", "-n", users];
    arguments.extend(more);
    arguments.push(&public);
    tool("ssh-keygen", &arguments, dir);
}

/// A key and an authority, and a server that takes only certificates of it.
async fn certified(kind: &str) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [("ca", "ed25519"), ("key", kind)] {
        tool(
            "ssh-keygen",
            &["-q", "-t", kind, "-N", "", "-f", name],
            dir.path(),
        );
    }
    let server = Server::with(Setup {
        user_public: Some(public(&dir.path().join("key"))),
        user_ca: Some(public(&dir.path().join("ca"))),
        ..Setup::default()
    })
    .await;
    (server, dir)
}

#[tokio::test]
async fn a_certificate_beside_its_key_logs_in() {
    if !there() {
        return;
    }
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let (server, dir) = certified(kind).await;
        let key = dir.path().join("key");
        assert!(log_in(&server, &key, &[]).await.is_err());
        certify(dir.path(), "key", "deploy", &[]);
        log_in(&server, &key, &[]).await.unwrap();
        // The certificate comes before the key, which costs nothing more then.
        assert_eq!(server.logins(), 2, "{kind}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_named_or_over_is_told() {
    if !there() {
        return;
    }
    let (server, dir) = certified("ed25519").await;
    certify(dir.path(), "key", "deploy", &[]);
    let elsewhere = dir.path().join("elsewhere.pub");
    std::fs::rename(dir.path().join("key-cert.pub"), &elsewhere).unwrap();
    let mut target = server.target();
    target.identity.key = None;
    target.identity.files = vec![dir.path().join("key")];
    target.identity.certificates = vec![elsewhere];
    server.dialer().connect(&target).await.unwrap();

    certify(dir.path(), "key", "deploy", &["-V", "20010101:20020101"]);
    let error = log_in(&server, &dir.path().join("key"), &[])
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("it expired on 2002-01-0"),
        "{error}"
    );
}

/// An ssh-agent that ends with the test.
struct SshAgent {
    child: Child,
    dir: tempfile::TempDir,
}

impl SshAgent {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(dir.path().join("agent"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, dir };
        while !agent.socket().exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        agent
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent")
    }

    fn add(&self, key: &Path) {
        self.add_for(key, &[]);
    }

    fn add_for(&self, key: &Path, more: &[&std::ffi::OsStr]) {
        let done = Command::new("ssh-add")
            .arg("-q")
            .args(more)
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key(dir: &Path, name: &str, kind: &str) -> PathBuf {
    let arguments = ["-q", "-t", kind, "-N", "", "-C", name, "-f", name];
    tool("ssh-keygen", &arguments, dir);
    dir.join(name)
}

#[tokio::test]
async fn keys_are_tried_in_the_order_of_openssh() {
    if !there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let agent = SshAgent::start();
    let [other, held, file] =
        ["other", "held", "file"].map(|name| key(dir.path(), name, "ed25519"));
    agent.add(&other);
    agent.add(&held);
    let server = server_for(public(&file)).await;
    let offered = || -> Vec<String> { std::mem::take(&mut server.saw.offered.lock().unwrap()) };
    let prints = |paths: &[&PathBuf]| -> Vec<String> {
        paths.iter().map(|path| print(&public(path))).collect()
    };
    let dialer = dialer(Keys::new(Some(dir.path().to_owned()), Some(agent.socket())));
    let mut target = server.target();
    target.identity = Identity {
        files: vec![file.clone(), held.clone()],
        ..Identity::default()
    };
    dialer.connect(&target).await.unwrap();
    assert_eq!(offered(), prints(&[&held, &other, &file]));

    target.identity.only = true;
    dialer.connect(&target).await.unwrap();
    assert_eq!(offered(), prints(&[&held, &file]));

    target.identity.only = false;
    target.identity.agent = Agent::Off;
    dialer.connect(&target).await.unwrap();
    assert_eq!(offered(), prints(&[&file]));

    // Another agent than that of the environment.
    let second = SshAgent::start();
    second.add(&file);
    target.identity.agent = Agent::Socket(second.socket());
    target.identity.files = vec![dir.path().join("nowhere")];
    dialer.connect(&target).await.unwrap();
    assert_eq!(offered(), prints(&[&file]));
}

#[tokio::test]
async fn keys_and_certificates_in_the_agent_log_in() {
    if !there() {
        return;
    }
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let (server, dir) = certified(kind).await;
        certify(dir.path(), "key", "deploy", &[]);
        let agent = SshAgent::start();
        let path = dir.path().join("key");
        agent.add(&path);
        let dialer = dialer(Keys::new(Some(dir.path().to_owned()), Some(agent.socket())));
        let mut target = server.target();
        target.identity = Identity::default();
        dialer.connect(&target).await.unwrap();
        // The key in the agent, the certificate in a file of another place.
        let moved = dir.path().join("moved.pub");
        std::fs::rename(dir.path().join("key-cert.pub"), &moved).unwrap();
        let plain = SshAgent::start();
        plain.add(&path);
        std::fs::remove_file(&path).unwrap();
        target.identity.files = vec![path];
        target.identity.agent = Agent::Socket(plain.socket());
        target.identity.certificates = vec![moved];
        dialer.connect(&target).await.unwrap();
        assert_eq!(server.logins(), 2, "{kind}");
    }
}

#[tokio::test]
async fn a_key_that_is_good_for_some_hosts_only_signs_for_those() {
    if !there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = key(dir.path(), "key", "ed25519");
    let server = server_for(public(&path)).await;
    let elsewhere = server_for(public(&path)).await;
    let known = dir.path().join("known_hosts");
    let line = server.host_keys[0].to_openssh().unwrap();
    std::fs::write(&known, format!("app1.example.com {line}\n")).unwrap();
    let agent = SshAgent::start();
    let more = ["-h", "app1.example.com", "-H"].map(std::ffi::OsStr::new);
    agent.add_for(&path, &[&more[..], &[known.as_os_str()]].concat());
    let dialer = dialer(Keys::new(None, Some(agent.socket())));
    for (server, good) in [(&server, true), (&elsewhere, false)] {
        let mut target = server.target();
        target.identity = Identity::default();
        let outcome = dialer.connect(&target).await;
        assert_eq!(outcome.is_ok(), good, "{:?}", outcome.err());
    }
}

#[tokio::test]
async fn public_halves_are_chosen_as_ssh_copy_id_does() {
    if !there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".ssh")).unwrap();
    let line = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".pub");
        let text = std::fs::read_to_string(PathBuf::from(name)).unwrap();
        text.trim().to_owned()
    };
    let [named, configured, held] =
        ["named", "configured", "held"].map(|name| key(dir.path(), name, "ed25519"));
    let usual = key(dir.path(), ".ssh/id_ed25519", "ed25519");
    let agent = SshAgent::start();
    agent.add(&held);
    let keys = Keys::new(Some(dir.path().to_owned()), Some(agent.socket()));
    let mut identity = Identity::default();
    assert_eq!(keys.public_keys(&identity).await, [line(&held)]);
    identity.agent = Agent::Off;
    assert_eq!(keys.public_keys(&identity).await, [line(&usual)]);
    identity.files = vec!["~/configured".into()];
    assert_eq!(keys.public_keys(&identity).await, [line(&configured)]);
    identity.key = Some("~/named".into());
    assert_eq!(keys.public_keys(&identity).await, [line(&named)]);

    // A key with a passphrase says its public half without it.
    let arguments = ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", "named"];
    tool("ssh-keygen", &arguments, dir.path());
    let expected = line(&named);
    std::fs::remove_file(dir.path().join("named.pub")).unwrap();
    let keys = Keys::new(Some(dir.path().to_owned()), None);
    let found = keys.public_keys(&identity).await;
    let kind_and_key = |line: &str| {
        line.split(' ')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(found.len(), 1);
    assert_eq!(kind_and_key(&found[0]), kind_and_key(&expected));
}

#[tokio::test]
async fn a_security_key_that_isnt_in_the_agent_asks_for_ssh_add() {
    // What ssh-keygen writes for one, made by hand: there is no security key here.
    let server = Server::start().await;
    let path = server.dir.path().join("id_sk");
    std::fs::write(&path, hardware_key()).unwrap();
    let error = log_in(&server, &path, &[]).await.err().unwrap();
    assert!(
        matches!(error.fault(), Fault::KeyHardware { .. }),
        "{error}"
    );
    assert!(error.next().contains("ssh-add"), "{}", error.next());
}

/// An ed25519-sk key in OpenSSH's format (PROTOCOL.key, PROTOCOL.u2f).
fn hardware_key() -> String {
    use base64::Engine;
    let string = |to: &mut Vec<u8>, bytes: &[u8]| {
        to.extend((bytes.len() as u32).to_be_bytes());
        to.extend(bytes);
    };
    let point = PrivateKey::random(
        &mut russh::keys::key::safe_rng(),
        russh::keys::Algorithm::Ed25519,
    )
    .unwrap();
    let point = point.public_key().key_data().ed25519().unwrap().0;
    let mut public = Vec::new();
    string(&mut public, b"sk-ssh-ed25519@openssh.com");
    string(&mut public, &point);
    string(&mut public, b"ssh:");
    let mut private = vec![1, 2, 3, 4, 1, 2, 3, 4];
    private.extend(&public);
    private.push(1);
    string(&mut private, b"handle");
    string(&mut private, b"");
    string(&mut private, b"me@laptop");
    let mut padding = 1;
    while private.len() % 8 != 0 {
        private.push(padding);
        padding += 1;
    }
    let mut all = b"openssh-key-v1\0".to_vec();
    string(&mut all, b"none");
    string(&mut all, b"none");
    string(&mut all, b"");
    all.extend(1u32.to_be_bytes());
    string(&mut all, &public);
    string(&mut all, &private);
    let text = base64::engine::general_purpose::STANDARD.encode(all);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(70)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

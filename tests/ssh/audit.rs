//! What ssh-audit says of our client side: <https://github.com/jtesta/ssh-audit>.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use provision::ssh::Fault;

use crate::server::{Server, new_key};

/// How long it may take to start and to judge, in seconds.
const PATIENCE: &str = "20";
/// How often it is started: its port may be somebody else's by the time it listens.
const STARTS: usize = 3;
/// Ports to listen on. They are below those that the kernel gives away by itself, since it listens
/// only seconds after its port was chosen, and aside from those of `../ssh_servers`.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 2_000;

/// The program, from `$SSH_AUDIT` or the path. None where it isn't there.
fn program() -> Option<OsString> {
    let named = std::env::var_os("SSH_AUDIT").unwrap_or_else(|| "ssh-audit".into());
    let asked = Command::new(&named).arg("-h").output();
    if asked.is_ok_and(|asked| String::from_utf8_lossy(&asked.stdout).contains("--client-audit")) {
        return Some(named);
    }
    let why = "left out: there is no ssh-audit here ($SSH_AUDIT, or on the path)";
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("{why}");
    None
}

/// A port that nobody listens on, another each time.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id() % u32::from(PORTS);
    let own = u16::try_from(own).unwrap();
    for _ in 0..PORTS {
        let next = NEXT.fetch_add(1, Ordering::SeqCst) % PORTS;
        let port = FIRST_PORT + (own + next) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// It listens here, judges the first client, and ends.
fn listening(program: &OsString) -> (Child, u16) {
    let port = free_port();
    let audit = Command::new(program)
        .args(["-4", "-c", "-j", "-t", PATIENCE, "-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (audit, port)
}

/// The algorithms it finds failing, and how many it saw at all; or what it says instead of a
/// report.
fn failing(audit: Child) -> Result<(Vec<String>, usize), String> {
    let output = audit.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_str(text.trim()).map_err(|error| format!("{error}: {said}"))?;
    let (mut failing, mut seen) = (Vec::new(), 0);
    for kind in ["kex", "key", "enc", "mac"] {
        for found in report[kind].as_array().expect(&said) {
            seen += 1;
            let fails = &found["notes"]["fail"];
            if !fails.is_null() {
                failing.push(format!("{kind} {}: {fails}", found["algorithm"]));
            }
        }
    }
    Ok((failing, seen))
}

/// What it finds failing in what we propose to a host of which this is known.
async fn found(program: &OsString, known: &str) -> Vec<String> {
    let server = Server::start().await;
    let mut said = Vec::new();
    for _ in 0..STARTS {
        let (mut audit, port) = listening(program);
        let mut target = server.target();
        target.port = port;
        target.trust = server.known_hosts(known);
        while audit.try_wait().unwrap().is_none() {
            let error = server.dialer().connect(&target).await.err().unwrap();
            // It listens only after a moment.
            if !matches!(error.fault(), Fault::Unreachable(_)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        match failing(audit) {
            Ok((failing, seen)) => {
                assert!(seen > 8, "{seen}");
                return failing;
            }
            Err(instead) => said.push(instead),
        }
    }
    panic!("no report: {said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_algorithm_of_ours_fails() {
    let Some(program) = program() else { return };
    assert_eq!(found(&program, "").await, [""; 0]);

    // Which keys an authority has certified can't be known beforehand, and many hosts' are
    // ECDSA: those are taken where the operator trusts one, and nothing else is.
    let authority = new_key(russh::keys::Algorithm::Ed25519);
    let authority = authority.public_key().to_openssh().unwrap();
    let failing = found(
        &program,
        &format!("@cert-authority 127.0.0.1 {authority}\n"),
    )
    .await;
    let others = |fails: &&String| !fails.starts_with("key \"ecdsa-sha2-nistp");
    assert_eq!(failing.iter().find(others), None);
}

#[test]
fn a_weak_client_fails() {
    let Some(program) = program() else { return };
    let mut said = Vec::new();
    for _ in 0..STARTS {
        let (mut audit, port) = listening(&program);
        while audit.try_wait().unwrap().is_none() {
            let ssh = Command::new("ssh")
                .args(["-F", "none", "-o", "BatchMode=yes"])
                .args(["-o", "KexAlgorithms=diffie-hellman-group1-sha1"])
                .args(["-p", &port.to_string(), "127.0.0.1", "true"])
                .stdin(Stdio::null())
                .output();
            let Ok(ssh) = ssh else {
                let why = "left out: there is no ssh here (openssh-client)";
                assert!(std::env::var_os("CI").is_none(), "{why}");
                eprintln!("{why}");
                audit.kill().unwrap();
                audit.wait().unwrap();
                return;
            };
            if !String::from_utf8_lossy(&ssh.stderr).contains("refused") {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        match failing(audit) {
            Ok((failing, _)) => {
                let found = failing
                    .iter()
                    .any(|fails| fails.contains("diffie-hellman-group1-sha1"));
                assert!(found, "{failing:#?}");
                return;
            }
            Err(instead) => said.push(instead),
        }
    }
    panic!("no report: {said:#?}");
}

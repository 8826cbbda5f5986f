//! Servers that speak one thing only: each that we propose, and some that we don't.

use std::time::Duration;

use provision::ssh::{Stage, Target};

use super::kit::Kit;
use super::row::{Knows, Row, sshd};

/// Each key exchange we propose, with the version of OpenSSH that first had it.
const KEX: [(&str, (u32, u32)); 6] = [
    ("mlkem768x25519-sha256", (9, 9)),
    ("curve25519-sha256", (0, 0)),
    ("curve25519-sha256@libssh.org", (0, 0)),
    ("diffie-hellman-group16-sha512", (0, 0)),
    ("diffie-hellman-group18-sha512", (0, 0)),
    ("diffie-hellman-group-exchange-sha256", (0, 0)),
];
const CIPHERS: [&str; 5] = [
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
];
const MACS: [&str; 4] = [
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512",
    "hmac-sha2-256",
];
const KEYS: [(&str, &str); 4] = [
    ("ssh-ed25519", "ed25519"),
    ("rsa-sha2-512", "rsa"),
    ("rsa-sha2-256", "rsa"),
    ("ecdsa-sha2-nistp256", "ecdsa"),
];

/// The rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, (major, minor)) in KEX {
        // Large numbers take long where nothing is optimised, and sshd of itself gives a login two
        // minutes.
        let server = sshd(&format!("KexAlgorithms {name}\nLoginGraceTime 400"));
        let row = Row::new(format!("only {name}"), server).since(major, minor);
        let patient = |_: &Kit, target: &mut Target| {
            target.patience.connect = Duration::from_secs(380);
        };
        rows.push(match name.starts_with("diffie") {
            true => row.client(patient),
            false => row,
        });
    }
    for name in CIPHERS {
        // Twice the keys, too: a cipher that is right at the start may be wrong afterwards.
        let server = sshd(&format!("Ciphers {name}\nRekeyLimit 512K"));
        rows.push(Row::new(format!("only {name}"), server));
    }
    for name in MACS {
        let server = sshd(&format!("Ciphers aes128-ctr\nMACs {name}"));
        rows.push(Row::new(format!("only {name}"), server));
    }
    for (name, kind) in KEYS {
        let lines = format!("HostKeyAlgorithms {name}\nHostKey $D/host_{kind}");
        for (how, knows) in [("pinned", Knows::Pin(kind)), ("known", Knows::Line(kind))] {
            rows.push(Row::new(format!("only {name}, {how}"), sshd(&lines)).knows(knows));
        }
    }
    let old = [
        (
            "KexAlgorithms diffie-hellman-group14-sha1",
            &["diffie-hellman-group14-sha1"],
        ),
        ("Ciphers aes128-cbc,3des-cbc", &["aes128-cbc"]),
        (
            "Ciphers aes128-ctr\nMACs hmac-sha1,umac-64@openssh.com",
            &["hmac-sha1"],
        ),
        (
            "HostKey $D/host_rsa\nHostKeyAlgorithms ssh-rsa",
            &["ssh-rsa"],
        ),
    ];
    for (lines, words) in old {
        let name = format!("only old: {}", lines.replace('\n', ", "));
        let row = Row::new(name, sshd(lines)).knows(Knows::Pin("rsa"));
        rows.push(row.fails(Stage::Connect, words));
    }
    rows.push(Row::new("packed, but not with us", sshd("Compression yes")));
    rows
}

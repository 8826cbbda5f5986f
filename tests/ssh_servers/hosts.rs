//! Who the server is, and the way to it.

use provision::ssh::Stage::{Connect, HostKey};

use super::row::{Knows, Must, Row, Server, dropbear, sshd};

/// What a server's log says first of anybody who tries to log in.
const TRIED: &str = "tabler";

/// The rows.
pub fn rows() -> Vec<Row> {
    let all = "HostKey $D/host_ed25519\nHostKey $D/host_rsa\nHostKey $D/host_ecdsa";
    let certified = "HostCertificate $D/host_ed25519-cert.pub";
    let mut rows = vec![
        Row::new("plain", sshd("")),
        Row::new("all kinds of host keys, one known", sshd(all)).knows(Knows::Line("ecdsa")),
        Row::new("all kinds of host keys, one pinned", sshd(all)).knows(Knows::Pin("ecdsa")),
        Row::new("hashed", sshd(all)).knows(Knows::Hashed("rsa")),
        Row::new("a host certificate", sshd(certified)).knows(Knows::Authority),
        Row::new("a host certificate, the key pinned", sshd(certified)),
        Row::new("no host certificate", sshd(""))
            .knows(Knows::Authority)
            .fails(HostKey, &["trusts an authority instead", "HostCertificate"])
            .log_lacks(TRIED),
        Row::new("a revoked key", sshd(""))
            .knows(Knows::Revoked("ed25519"))
            .fails(HostKey, &["revokes", "give host"])
            .log_lacks(TRIED),
        Row::new("another key than the known one", sshd(""))
            .knows(Knows::Other("ed25519"))
            .fails(HostKey, &["expected was SHA256:", "nothing was sent to it"])
            .log_lacks(TRIED),
        Row::new("another kind than the known one", sshd(""))
            .knows(Knows::Other("rsa"))
            .fails(HostKey, &["expected was SHA256:", "(ssh-rsa, "])
            .log_lacks(TRIED),
        Row::new("another key than the pinned one", sshd(all))
            .client(|_, target| target.trust.pinned = Some("SHA256:wrong".into()))
            .fails(HostKey, &["SHA256:wrong (pinned in site.toml)"])
            .log_lacks(TRIED),
        Row::new("an unknown key", sshd(""))
            .knows(Knows::Nothing)
            .fails(HostKey, &["isn't pinned in site.toml nor known"])
            .log_lacks(TRIED),
    ];
    rows.extend([
        Row::new("forwards", sshd("AllowTcpForwarding yes")),
        Row::new("through one that forwards", sshd("")).via("forwards"),
        Row::new("through a chain", sshd("")).via("through one that forwards"),
        Row::new("forwards nothing", sshd("AllowTcpForwarding no")),
        Row::new("through one that forwards nothing", sshd(""))
            .via("forwards nothing")
            .fails(Connect, &["open failed", "AllowTcpForwarding"]),
        Row::new("forwards to others", sshd("PermitOpen $A:{plain}")),
        Row::new("through one that forwards to others", sshd(""))
            .via("forwards to others")
            .fails(Connect, &["open failed", "PermitOpen"]),
        Row::new(
            "forwards there",
            sshd("PermitOpen $A:{through one that forwards there}"),
        ),
        Row::new("through one that forwards there", sshd("")).via("forwards there"),
        Row::new(
            "forwards only",
            sshd("MaxSessions 0\nAllowTcpForwarding yes"),
        )
        .must(Must::Idles(&["no session", "MaxSessions"])),
        Row::new("through one without sessions", sshd("")).via("forwards only"),
        Row::new("forwards to nobody", sshd("AllowTcpForwarding yes")),
        Row::new("through one to a closed port", sshd(""))
            .via("forwards to nobody")
            .client(|_, target| target.port = 1)
            .fails(Connect, &["Connection refused", "nc "]),
        Row::new("a closed port", sshd(""))
            .client(|_, target| target.port = 1)
            .fails(Connect, &["Connection refused", "check that sshd runs"]),
        Row::new("dropbear forwards", dropbear("")),
        Row::new("through dropbear", sshd("")).via("dropbear forwards"),
        Row::new("dropbear behind sshd", dropbear("")).via("forwards"),
        Row::new("dropbear forwards nothing", dropbear("-j")),
        Row::new("through dropbear that forwards nothing", sshd(""))
            .via("dropbear forwards nothing")
            .fails(Connect, &["it isn't allowed to", "allow forwarding"]),
    ]);
    for (name, key) in [
        ("dropbear with RSA", "rsa"),
        ("dropbear with ECDSA", "ecdsa"),
    ] {
        let server = Server::Dropbear { args: "", key };
        rows.push(Row::new(name, server).knows(Knows::Hashed(key)));
    }
    rows
}

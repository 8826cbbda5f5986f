//! The script that starts the servers, and the one that ends them.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Started;
use super::kit::{KINDS, Kit, PASSWORD};
use super::row::Server;

/// Where everything lies that the servers need.
pub const DIR: &str = "/run/ssh-table";
/// The first server's port; the others follow.
pub const FIRST_PORT: u16 = 22100;

/// Users: name, login shell, how the password is set.
const USERS: [(&str, &str, &str); 4] = [
    ("tabler", "/bin/sh", "echo $U:$P | chpasswd"),
    ("noshell", "/bin/false", "echo $U:$P | chpasswd"),
    (
        "stale",
        "/bin/sh",
        "echo $U:$P | chpasswd; chage -d 0 stale",
    ),
    ("nopass", "/bin/sh", "passwd -q -d $U"),
];

/// What every sshd is told after its own lines.
const USUAL: &str = "AuthorizedKeysFile $D/authorized_keys\nUsePAM no\nUseDNS no\n\
                     PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                     PrintMotd no\nPrintLastLog no\nLogLevel VERBOSE\n";

/// The console takes a script as one argument, and Linux no longer one (MAX_ARG_STRLEN).
const LONGEST_ARGUMENT: usize = 128 * 1024;

/// A file in the folder, by way of the script's text.
fn put(script: &mut String, name: &str, mode: &str, text: &str) {
    let text = text.trim_end();
    assert!(!text.contains("END OF IT"));
    writeln!(
        script,
        "cat >{DIR}/{name} <<'END OF IT'\n{text}\nEND OF IT\nchmod {mode} {DIR}/{name}"
    )
    .unwrap();
}

/// Makes users, files and servers.
pub fn start(kit: &Kit, address: IpAddr, rows: &[Started]) -> String {
    let mut script = format!(
        "{}\numask 022\nmkdir -p {DIR} /run/sshd\nP={PASSWORD}\n",
        stop()
    );
    for (user, shell, password) in USERS {
        writeln!(script, "U={user}\nuseradd -m -s {shell} $U\n{password}").unwrap();
    }
    for kind in KINDS {
        let name = format!("host_{kind}");
        put(&mut script, &name, "600", &kit.text(&name));
    }
    let certificate = kit.text("host_ed25519-cert.pub");
    put(&mut script, "host_ed25519-cert.pub", "644", &certificate);
    put(&mut script, "ca.pub", "644", &kit.text("ca.pub"));
    let keys = ["key.pub", "rsa.pub", "ecdsa.pub"].map(|name| kit.text(name));
    put(&mut script, "authorized_keys", "644", &keys.concat());
    put(&mut script, "usual", "644", &USUAL.replace("$D", DIR));
    let key = kit.text("key.pub");
    let bound = format!("restrict,command=\"echo bound\" {key}");
    put(&mut script, "bound_keys", "644", &bound);
    let over = format!("expiry-time=\"20010101\" {key}");
    put(&mut script, "expired_keys", "644", &over);
    let elsewhere = format!("from=\"192.0.2.1\" {key}");
    put(&mut script, "from_keys", "644", &elsewhere);
    put(
        &mut script,
        "banner",
        "644",
        "Authorised use only.\n\nAll is logged.",
    );
    put(
        &mut script,
        "resolv.conf",
        "644",
        "nameserver 127.0.0.99\noptions timeout:1 attempts:2",
    );
    writeln!(
        script,
        "install -d -m 700 -o tabler ~tabler/.ssh\n\
         install -m 600 -o tabler {DIR}/authorized_keys ~tabler/.ssh/"
    )
    .unwrap();
    // Takes questions and never answers.
    writeln!(
        script,
        "setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Proto => \"udp\", \
         LocalAddr => \"127.0.0.99\", LocalPort => 53) or die; sleep 3600' \
         >/dev/null 2>&1 </dev/null &\necho $! >{DIR}/resolver.pid"
    )
    .unwrap();
    let mut pids = String::new();
    for started in rows {
        let port = started.port;
        one(&mut script, started, address, rows);
        write!(pids, " {port}").unwrap();
    }
    writeln!(
        script,
        "for n in{pids}; do i=0; until [ -s {DIR}/$n.pid ]; do i=$((i + 1)); \
         [ $i -lt 600 ] || {{ echo \"$n doesn't start\" >&2; cat {DIR}/$n.log >&2; exit 1; }}; \
         sleep 0.05; done; done"
    )
    .unwrap();
    assert!(script.len() < LONGEST_ARGUMENT, "{} bytes", script.len());
    script
}

/// Starts one server.
fn one(script: &mut String, started: &Started, address: IpAddr, rows: &[Started]) {
    let port = started.port;
    let fill = |text: &str| {
        let mut text = text
            .replace("$D", DIR)
            .replace("$A", &address.to_string())
            .replace("$N", &port.to_string());
        for other in rows {
            text = text.replace(&format!("{{{}}}", other.row.name), &other.port.to_string());
        }
        text
    };
    match &started.row.server {
        Server::Sshd(lines) => {
            let key = match lines.contains("HostKey ") {
                true => "",
                false => "HostKey $D/host_ed25519\n",
            };
            let text = fill(&format!(
                "{lines}\n{key}Port $N\nListenAddress $A\nPidFile $D/$N.pid\nInclude $D/usual"
            ));
            put(script, &format!("{port}.conf"), "600", &text);
            let slow = lines.contains("UseDNS yes");
            let before = if slow {
                format!(
                    "unshare -m sh -c 'mount --bind {DIR}/resolv.conf $(readlink -f /etc/resolv.conf) && exec \"$@\"' - "
                )
            } else {
                String::new()
            };
            writeln!(
                script,
                "{before}$(command -v sshd || echo /usr/sbin/sshd) -f {DIR}/{port}.conf -E {DIR}/{port}.log"
            )
            .unwrap();
        }
        Server::Dropbear { args, key } => {
            writeln!(
                script,
                "dropbearconvert openssh dropbear {DIR}/host_{key} {DIR}/{port}.key 2>/dev/null\n\
                 setsid dropbear -F -E -P {DIR}/{port}.pid -p {address}:{port} -r {DIR}/{port}.key {} \
                 >/dev/null 2>{DIR}/{port}.log </dev/null &",
                fill(args)
            )
            .unwrap();
        }
    }
}

/// What a server said.
pub fn log(port: u16) -> String {
    format!("cat {DIR}/{port}.log")
}

/// The last it said.
pub fn end_of_log(port: u16) -> String {
    format!("tail -n 6 {DIR}/{port}.log | sed 's/^/    /'")
}

/// Ends what was started, and takes away what was made.
pub fn stop() -> String {
    let mut script = format!(
        "if [ -d {DIR} ]; then for p in {DIR}/*.pid; do \
         [ ! -s \"$p\" ] || kill \"$(cat \"$p\")\" 2>/dev/null || :; done; fi\n"
    );
    for (user, _, _) in USERS {
        // Their sessions end with their clients; a moment later than those.
        writeln!(
            script,
            "if getent passwd {user} >/dev/null; then userdel -f -r {user} 2>/dev/null || :; fi"
        )
        .unwrap();
    }
    writeln!(script, "rm -rf {DIR}").unwrap();
    script
}

//! Who we are: keys, certificates, passwords, questions, and refusals of each.

use std::time::Duration;

use provision::ssh::Stage::Authenticate;
use provision::ssh::{Status, Target};

use super::kit::{Kit, OTHERS, PASSWORD};
use super::row::{Must, Row, dropbear, sshd};

/// PAM asks.
const ASKS: &str = "UsePAM yes\nKbdInteractiveAuthentication yes";
const PASSWORDS: &str = "PasswordAuthentication yes";

fn no_key(_: &Kit, target: &mut Target) {
    target.identity.key = None;
    target.identity.keys = false;
}

fn wrong_key(kit: &Kit, target: &mut Target) {
    target.identity.key = Some(kit.path(OTHERS[0]));
}

/// Who is turned away for want of room comes again, for as long as the others take.
pub fn patient(_: &Kit, target: &mut Target) {
    target.patience.connect = Duration::from_secs(100);
}

fn many_keys(kit: &Kit, target: &mut Target) {
    target.identity.key = None;
    target.identity.files = OTHERS.iter().map(|name| kit.path(name)).collect();
}

/// The rows.
pub fn rows() -> Vec<Row> {
    let mut rows = keys();
    rows.extend(passwords());
    rows.extend(of_dropbear());
    rows
}

fn keys() -> Vec<Row> {
    let ca = "TrustedUserCAKeys $D/ca.pub\nAuthorizedKeysFile none";
    vec![
        Row::new("an RSA key", sshd(""))
            .client(|kit, target| target.identity.key = Some(kit.path("rsa"))),
        // Up to 9.2 at least it says that it takes SHA-512 besides, and ssh fails as well.
        Row::new(
            "an RSA key with SHA-256 alone",
            sshd("PubkeyAcceptedAlgorithms rsa-sha2-256"),
        )
        .since(10, 0)
        .client(|kit, target| target.identity.key = Some(kit.path("rsa"))),
        Row::new(
            "an RSA key for a server that takes none",
            sshd("PubkeyAcceptedAlgorithms ssh-ed25519"),
        )
        .client(|kit, target| target.identity.key = Some(kit.path("rsa")))
        .fails(Authenticate, &["is refused with", "rsa"]),
        Row::new("an RSA key that is too short", sshd("RequiredRSASize 4096"))
            .client(|kit, target| target.identity.key = Some(kit.path("rsa")))
            .since(9, 1)
            .fails(Authenticate, &["is refused with", "rsa"]),
        Row::new("an ECDSA key", sshd(""))
            .client(|kit, target| target.identity.key = Some(kit.path("ecdsa"))),
        Row::new("a user certificate", sshd(ca))
            .client(|kit, target| target.identity.key = Some(kit.path("certified"))),
        Row::new(
            "a user certificate of another authority",
            sshd("TrustedUserCAKeys $D/host_rsa.pub"),
        )
        .client(|kit, target| target.identity.key = Some(kit.path("certified")))
        .fails(Authenticate, &["certified", "authorized_keys"]),
        Row::new("a user certificate for others", sshd(ca))
            .client(|kit, target| {
                target.identity.key = Some(kit.path("certified"));
                target.user = "noshell".into();
            })
            .fails(Authenticate, &["certified"]),
        Row::new("a wrong key", sshd("")).client(wrong_key).fails(
            Authenticate,
            &["is refused with", "other1", "accepts publickey"],
        ),
        Row::new("the last of several keys", sshd("")).client(|kit, target| {
            many_keys(kit, target);
            target.identity.files.push(kit.path("key"));
        }),
        Row::new("more keys than it hears", sshd("MaxAuthTries 2"))
            .client(many_keys)
            .fails(
                Authenticate,
                &["hung up on tabler", "Too many", "name the one key"],
            ),
        Row::new(
            "a key bound to a command",
            sshd("AuthorizedKeysFile $D/bound_keys"),
        )
        .must(Must::Runs("echo mine", "bound\n", Status::Code(0))),
        Row::new(
            "a key that is over",
            sshd("AuthorizedKeysFile $D/expired_keys"),
        )
        .fails(Authenticate, &["is refused with"]),
        Row::new(
            "a key good from elsewhere",
            sshd("AuthorizedKeysFile $D/from_keys"),
        )
        .fails(Authenticate, &["is refused with"]),
        Row::new("a user who isn't allowed", sshd("AllowUsers somebody"))
            .fails(Authenticate, &["tabler is refused with"]),
        Row::new("a user who isn't there", sshd(""))
            .client(|_, target| target.user = "nobody-here".into())
            .fails(Authenticate, &["nobody-here is refused with"]),
        Row::new("root, who isn't let in", sshd("PermitRootLogin no"))
            .client(|_, target| target.user = "root".into())
            .fails(Authenticate, &["root is refused with"]),
        Row::new("no method at all", sshd("PubkeyAuthentication no"))
            .fails(Authenticate, &["tabler"]),
    ]
}

fn passwords() -> Vec<Row> {
    vec![
        Row::new("a password", sshd(PASSWORDS))
            .client(no_key)
            .answers(&[PASSWORD]),
        Row::new("a password after a wrong key", sshd(PASSWORDS))
            .client(wrong_key)
            .answers(&[PASSWORD]),
        Row::new("a password at the second try", sshd(PASSWORDS))
            .client(no_key)
            .answers(&["canary-wrong", PASSWORD]),
        Row::new("wrong passwords", sshd(PASSWORDS))
            .client(no_key)
            .answers(&["canary-1", "canary-2", "canary-3", PASSWORD])
            .fails(Authenticate, &["3 passwords", "check the password"]),
        Row::new("a password nobody gives", sshd(PASSWORDS))
            .client(no_key)
            .fails(
                Authenticate,
                &["there is no key to log in with", "start it on a terminal"],
            ),
        Row::new("more passwords than it hears", sshd("PasswordAuthentication yes\nMaxAuthTries 1"))
            .client(no_key)
            .answers(&["canary-1", "canary-2"])
            .fails(Authenticate, &["hung up on tabler", "Too many", "MaxAuthTries"]),
        Row::new("a password through PAM", sshd("UsePAM yes\nPasswordAuthentication yes"))
            .client(no_key)
            .answers(&[PASSWORD]),
        Row::new("a question of PAM's", sshd(ASKS))
            .client(no_key)
            .answers(&[PASSWORD]),
        Row::new("a question of PAM's, answered wrong", sshd(ASKS))
            .client(no_key)
            .answers(&["canary-1"])
            .fails(Authenticate, &["a password", "keyboard-interactive"]),
        Row::new("a question of PAM's at the second try", sshd(ASKS))
            .client(no_key)
            .answers(&["canary-1", PASSWORD]),
        Row::new("a password that must be changed", sshd(ASKS))
            .client(|kit, target| {
                no_key(kit, target);
                target.user = "stale".into();
            })
            .answers(&[PASSWORD])
            .fails(Authenticate, &["stale to set a new password", "ssh -p 22"]),
        Row::new("no password", sshd("PasswordAuthentication yes\nPermitEmptyPasswords yes"))
            .client(|kit, target| {
                no_key(kit, target);
                target.user = "nopass".into();
            }),
        Row::new(
            "a key and a password",
            sshd("PasswordAuthentication yes\nAuthenticationMethods publickey,password"),
        )
        .answers(&[PASSWORD]),
        Row::new(
            "a key and a question",
            sshd("UsePAM yes\nKbdInteractiveAuthentication yes\nAuthenticationMethods publickey,keyboard-interactive"),
        )
        .answers(&[PASSWORD]),
        Row::new(
            "a key without its password",
            sshd("PasswordAuthentication yes\nAuthenticationMethods publickey,password"),
        )
        .fails(
            Authenticate,
            &["is accepted for tabler, but the server also wants password", "on a terminal"],
        ),
        Row::new("two keys", sshd("AuthenticationMethods publickey,publickey")).client(
            |kit, target| {
                target.identity.key = None;
                target.identity.files = vec![kit.path("key"), kit.path("rsa")];
            },
        ),
        // The grace is longer than what comes before the question on a busy machine. sshd adds up to
        // four seconds to it since 9.8.
        Row::new("a slow answer", sshd("PasswordAuthentication yes\nLoginGraceTime 15"))
            .client(no_key)
            .answers(&[PASSWORD])
            .thinks(Duration::from_secs(25))
            .fails(Authenticate, &["hung up on tabler", "LoginGraceTime"]),
    ]
}

fn of_dropbear() -> Vec<Row> {
    vec![
        Row::new("dropbear", dropbear("")),
        Row::new("dropbear: an RSA key", dropbear(""))
            .client(|kit, target| target.identity.key = Some(kit.path("rsa"))),
        Row::new("dropbear: an ECDSA key", dropbear(""))
            .client(|kit, target| target.identity.key = Some(kit.path("ecdsa"))),
        Row::new("dropbear: a wrong key", dropbear("-s"))
            .client(wrong_key)
            .fails(Authenticate, &["is refused with", "accepts publickey"]),
        Row::new("dropbear: a password", dropbear(""))
            .client(no_key)
            .answers(&[PASSWORD]),
        Row::new("dropbear: a wrong password", dropbear(""))
            .client(no_key)
            .answers(&["canary-1"])
            .fails(Authenticate, &["a password"]),
        Row::new("dropbear: a key and a password", dropbear("-t")).answers(&[PASSWORD]),
        Row::new("dropbear: the last of several keys", dropbear("-s -T 2")).client(
            |kit, target| {
                many_keys(kit, target);
                target.identity.files.push(kit.path("key"));
            },
        ),
        Row::new("dropbear: more passwords than it hears", dropbear("-T 1"))
            .client(no_key)
            .answers(&["canary-1", "canary-2"])
            .fails(Authenticate, &["hung up on tabler", "a password"]),
        Row::new("dropbear: a forced command", dropbear("-c \"echo forced\"")).must(Must::Runs(
            "echo mine",
            "forced\n",
            Status::Code(0),
        )),
        Row::new("dropbear: a banner", dropbear("-b $D/banner"))
            .must(Must::Tells("the server says: All is logged.")),
        Row::new("dropbear: many commands", dropbear("")).must(Must::AtOnce(8, 1..=1)),
        Row::new("dropbear: many connections", dropbear(""))
            .client(patient)
            .must(Must::Dials(8)),
        // It doesn't count our signs of life. The login counts as quiet too: on a busy machine it
        // takes more than a second.
        Row::new("dropbear: closes quiet connections", dropbear("-I 5"))
            .must(Must::Idles(&["the connection was lost"])),
    ]
}

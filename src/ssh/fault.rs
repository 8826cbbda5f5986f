//! What can go wrong with a connection, in the words that a failure is told with.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No TCP connection came about in time.
    #[error("no answer within {} s{}", .after.as_secs_f32(), from_any(.tried))]
    ConnectTimeout {
        /// How long we waited.
        after: Duration,
        /// The addresses that were tried.
        tried: Vec<SocketAddr>,
    },
    /// TCP was refused, or there is no way there.
    #[error("{0}")]
    Unreachable(#[source] io::Error),
    /// TCP is open, but SSH wasn't set up in time.
    #[error("the port is open, but SSH wasn't set up within {} s", .after.as_secs_f32())]
    HandshakeTimeout {
        /// How long we waited in all.
        after: Duration,
    },
    /// TCP is open, but what answers doesn't get to speak SSH with us.
    #[error("the port is open, but SSH wasn't set up: {0}")]
    Handshake(#[source] russh::Error),
    /// A known_hosts file is there and can't be read.
    #[error("read {}: {cause}", .path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Another key than the one that is expected. Nothing was sent to the server.
    #[error("it shows {offered} ({algorithm}), expected was {}", .expected.join(" or "))]
    HostKeyChanged {
        /// The kind of key the server showed.
        algorithm: String,
        /// Its fingerprint.
        offered: String,
        /// What was expected: fingerprints, each with where it stands.
        expected: Vec<String>,
    },
    /// A key that is neither pinned nor known. Nothing was sent to the server.
    #[error("it shows {offered} ({algorithm}), which isn't pinned in site.toml nor known{}",
        .authority.as_ref().map(|at| format!(" ({at} trusts an authority instead)"))
        .unwrap_or_default())]
    HostKeyUnknown {
        /// The kind of key the server showed.
        algorithm: String,
        /// Its fingerprint.
        offered: String,
        /// The `@cert-authority` line that speaks for this host, as `file:line`.
        authority: Option<String>,
    },
    /// A key that a known_hosts file revokes. Nothing was sent to the server.
    #[error("it shows {offered}, which {at} revokes")]
    HostKeyRevoked {
        /// The fingerprint.
        offered: String,
        /// The line, as `file:line`.
        at: String,
    },
    /// The key file can't be read.
    #[error("read the key {}: {cause}", .path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file isn't a key we can use.
    #[error("{} isn't a private key in a known format: {cause}", .path.display())]
    KeyInvalid {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: russh::keys::Error,
    },
    /// The key has a passphrase and the agent doesn't hold it.
    #[error("the key {} has a passphrase and isn't in the agent", .path.display())]
    KeyEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Only the public half is there, and the agent doesn't hold the other.
    #[error("the private half of {} isn't in the agent", .path.display())]
    KeyNotInAgent {
        /// The file.
        path: PathBuf,
    },
    /// There is no key to try.
    #[error("there is no key to log in with as {user}; the server accepts {}{}",
        accepted(.accepts), listed("; not tried: ", .passed_over))]
    NoKeys {
        /// The user.
        user: String,
        /// The methods the server accepts.
        accepts: Vec<String>,
        /// What was found or offered and can't be used, with the reason.
        passed_over: Vec<String>,
    },
    /// The server turned down everything that was tried.
    #[error("{user} is refused with {}; the server accepts {}{}",
        .tried.join(", "), accepted(.accepts), listed("; not tried: ", .passed_over))]
    AuthRefused {
        /// The user.
        user: String,
        /// What was tried: keys, with where they come from, and passwords.
        tried: Vec<String>,
        /// The methods the server goes on to accept.
        accepts: Vec<String>,
        /// What was found or offered and can't be used, with the reason.
        passed_over: Vec<String>,
    },
    /// The server closed the connection while we logged in.
    #[error("the server hung up on {user}{}{}", listed(" after ", .tried),
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    AuthCutOff {
        /// The user.
        user: String,
        /// The keys that were tried, with where they come from.
        tried: Vec<String>,
        /// Whether the operator was asked something meanwhile.
        asked: bool,
        /// The server's last words.
        said: Option<String>,
    },
    /// What was tried is good, and the server wants something on top.
    #[error("{key} is accepted for {user}, but the server also wants {}{}{}",
        .wants.join(" or "), listed("; refused: ", .tried), listed("; not tried: ", .passed_over))]
    AuthIncomplete {
        /// The user.
        user: String,
        /// What was accepted: a key, with where it comes from, or a password.
        key: String,
        /// What is wanted besides.
        wants: Vec<String>,
        /// What was tried and turned down.
        tried: Vec<String>,
        /// What was found or offered and can't be used, with the reason.
        passed_over: Vec<String>,
    },
    /// Logging in took too long.
    #[error("no answer to the login within {} s", .after.as_secs_f32())]
    AuthTimeout {
        /// How long we waited.
        after: Duration,
    },
    /// The agent can't be reached or fails to sign.
    #[error("the SSH agent fails: {0}")]
    Agent(#[source] russh::keys::Error),
    /// The connection broke. What the command was doing then isn't known.
    #[error("the connection was lost{}",
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Lost {
        /// The server's last words, or what was seen.
        said: Option<String>,
    },
    /// The server wouldn't run a command.
    #[error("the server won't run it: {what}")]
    ExecRefused {
        /// What it said.
        what: String,
    },
    /// The command ended, and the server didn't say how.
    #[error("it ended without an exit status")]
    NoExitStatus,
    /// The command took longer than it may. It may still be running.
    #[error("it didn't end within {} s", .after.as_secs_f32())]
    Limit {
        /// How long it may take.
        after: Duration,
    },
    /// What was to be sent to the command couldn't be read here.
    #[error("read what was to be sent: {0}")]
    Input(#[source] io::Error),
    /// A host certificate of a trusted authority that isn't in order. Nothing was sent.
    #[error("it shows {offered} with a certificate of {authority}, but {why}")]
    HostCertificate {
        /// The authority's fingerprint, and where it is trusted.
        authority: String,
        /// The fingerprint of the key in the certificate.
        offered: String,
        /// What is wrong with it.
        why: String,
    },
    /// The passphrase of the key wasn't given.
    #[error("the passphrase of {} wasn't given: {why}", .path.display())]
    KeyLocked {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// None of the passphrases that were given opens the key.
    #[error("none of the passphrases opens the key {}", .path.display())]
    KeyPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file only says which security key signs (FIDO), and the agent doesn't hold it.
    #[error("the key {} is on a security key, and only the agent can use that", .path.display())]
    KeyHardware {
        /// The file.
        path: PathBuf,
    },
    /// A DSA key: OpenSSH takes none since 10.0.
    #[error("{} is a DSA key, which servers no longer accept", .path.display())]
    KeyDsa {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file with an encryption that can't be read here.
    #[error("the key {} is encrypted in an old format that can't be read here", .path.display())]
    KeyOldCipher {
        /// The file.
        path: PathBuf,
    },
    /// The password is right, and must be changed first.
    #[error("the server wants {user} to set a new password first")]
    PasswordExpired {
        /// The user.
        user: String,
    },
    /// The name can't be looked up.
    #[error("look up {name}: {cause}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver says.
        #[source]
        cause: io::Error,
    },
    /// Looking the name up took too long.
    #[error("no answer about {name} from the resolver within {} s", .after.as_secs_f32())]
    ResolveTimeout {
        /// The name.
        name: String,
        /// How long we waited.
        after: Duration,
    },
    /// The name has no address of the family that is asked for.
    #[error("{name} has no {family}address{}",
        if .other.is_empty() { String::new() } else { format!(", only {}", list(.other)) })]
    NoAddress {
        /// The name, or address.
        name: String,
        /// `IPv4 `, `IPv6 ` or nothing.
        family: &'static str,
        /// The addresses it does have.
        other: Vec<IpAddr>,
    },
    /// The other side ends the connection before SSH is set up.
    #[error("the port is open, but the connection is closed before SSH is set up (tries: {tries}){}",
        .words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    HungUp {
        /// How often we tried.
        tries: u32,
        /// What was said.
        words: Option<String>,
    },
    /// What answers speaks something else.
    #[error("the port is open, but what answers isn't SSH: {words}")]
    NotSsh {
        /// The first line of it.
        words: String,
    },
    /// The command that is the way there failed.
    #[error("the ProxyCommand ended ({status}){}",
        if .said.is_empty() { String::new() } else { format!(": {}", .said.join("; ")) })]
    ProxyCommand {
        /// How it ended.
        status: String,
        /// Its last lines on standard error.
        said: Vec<String>,
    },
    /// There is no connection to the bastion on the way.
    #[error("through bastion {}: failed to {_0}", .0.host())]
    Bastion(#[source] Arc<Error>),
    /// The bastion's connection broke while the way through it was opened.
    #[error("through bastion {bastion}: the connection to it was lost{}",
        .said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    BastionLost {
        /// The bastion.
        bastion: String,
        /// Its last words, or what was seen.
        said: Option<String>,
    },
    /// The bastion won't or can't connect to the host.
    #[error("through bastion {bastion}: {bastion} says: {what}")]
    ForwardRefused {
        /// The bastion.
        bastion: String,
        /// Whether it isn't allowed to, rather than unable to.
        forbidden: bool,
        /// What the bastion says.
        what: String,
    },
    /// The bastion neither connects to the host nor says why not.
    #[error("through bastion {bastion}: {bastion} didn't reach it within {} s", .after.as_secs_f32())]
    ForwardTimeout {
        /// The bastion.
        bastion: String,
        /// How long we waited in all.
        after: Duration,
    },
    /// The server doesn't answer the request to run a command.
    #[error("no answer to the request to run it within {} s", .after.as_secs_f32())]
    ExecTimeout {
        /// How long we waited.
        after: Duration,
    },
    /// The command wrote more than its caller can use.
    #[error("it wrote more than {} MiB to its standard output", .most / (1024 * 1024))]
    TooMuch {
        /// How much it may write (bytes).
        most: usize,
    },
}

fn from_any(addresses: &[SocketAddr]) -> String {
    match addresses {
        [] | [_] => String::new(),
        several => format!(" from any of {}", list(several)),
    }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    let all: Vec<_> = all.iter().map(T::to_string).collect();
    all.join(", ")
}

/// `, …: a, b`, or nothing.
fn listed(before: &str, what: &[String]) -> String {
    match what.is_empty() {
        true => String::new(),
        false => format!("{before}{}", what.join(", ")),
    }
}

/// The methods a server accepts, as words.
fn accepted(methods: &[String]) -> String {
    match methods.is_empty() {
        true => "nothing else".to_owned(),
        false => methods.join(", "),
    }
}

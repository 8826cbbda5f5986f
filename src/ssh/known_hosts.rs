//! known_hosts files, as sshd(8) describes them under SSH_KNOWN_HOSTS FILE FORMAT.
//!
//! Keys are compared as the bytes on the wire, so a line with a kind of key this program
//! doesn't know still counts: such a host is known, and another key is not its key.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::hmac;
use sha2::{Digest, Sha256};

/// What a line says of the hosts it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    /// This is a key of theirs.
    Key,
    /// This key must not be accepted from them.
    Revoked,
    /// This key signs their certificates.
    Authority,
}

/// A line that speaks for the host in question.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    algorithm: String,
    blob: Vec<u8>,
    at: String,
}

/// What the files say of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known(Vec<Entry>);

/// What the files say of a key that a host shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is a key of this host.
    Known,
    /// Nothing is known of this host, or only an authority (where).
    Unknown(Option<String>),
    /// The host has other keys: fingerprints, each with where it stands.
    Changed(Vec<String>),
    /// The key is revoked (where).
    Revoked(String),
}

/// A key's fingerprint as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

impl Known {
    /// Reads what `files` say of a host. A file that isn't there says nothing.
    ///
    /// # Errors
    /// A file that is there and can't be read, with its path: it might have said no.
    pub(super) fn read(
        files: &[PathBuf],
        address: &str,
        port: u16,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let mut known = Self::default();
        for path in files {
            match std::fs::read(path) {
                Ok(bytes) => known.add(path, &String::from_utf8_lossy(&bytes), address, port),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((path.clone(), error)),
            }
        }
        Ok(known)
    }

    /// Takes in the lines of a file that speak for the host.
    fn add(&mut self, path: &Path, text: &str, address: &str, port: u16) {
        let bare = address.to_ascii_lowercase();
        let name = if port == 22 {
            bare.clone()
        } else {
            format!("[{bare}]:{port}")
        };
        for (number, line) in text.lines().enumerate() {
            if let Some((marker, algorithm, blob)) = parse(line, &name, &bare) {
                self.0.push(Entry {
                    marker,
                    algorithm,
                    blob,
                    at: format!("{}:{}", path.display(), number + 1),
                });
            }
        }
    }

    /// The kinds of keys known for the host, in the order of the files.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|entry| entry.algorithm.as_str())
    }

    fn keys(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(|entry| entry.marker == Marker::Key)
    }

    /// Whether an authority speaks for the host.
    pub(super) fn has_authority(&self) -> bool {
        self.0.iter().any(|entry| entry.marker == Marker::Authority)
    }

    /// Where this key is named as an authority that speaks for the host.
    pub(super) fn authority(&self, blob: &[u8]) -> Option<&str> {
        self.marked(Marker::Authority, blob)
    }

    /// Where this key is revoked.
    pub(super) fn revoked(&self, blob: &[u8]) -> Option<&str> {
        self.marked(Marker::Revoked, blob)
    }

    fn marked(&self, marker: Marker, blob: &[u8]) -> Option<&str> {
        self.0
            .iter()
            .find(|entry| entry.marker == marker && entry.blob == blob)
            .map(|entry| entry.at.as_str())
    }

    /// Judges a key the host shows. A host that is known by a key of another kind is known:
    /// otherwise whoever is in between had only to show a kind we haven't seen.
    pub(super) fn judge(&self, blob: &[u8]) -> Verdict {
        if let Some(at) = self.revoked(blob) {
            return Verdict::Revoked(at.to_owned());
        }
        if self.keys().any(|entry| entry.blob == blob) {
            return Verdict::Known;
        }
        let expected: Vec<String> = self
            .keys()
            .map(|entry| {
                format!(
                    "{} ({}, {})",
                    fingerprint(&entry.blob),
                    entry.algorithm,
                    entry.at
                )
            })
            .collect();
        if !expected.is_empty() {
            return Verdict::Changed(expected);
        }
        let authority = self
            .0
            .iter()
            .find(|entry| entry.marker == Marker::Authority);
        Verdict::Unknown(authority.map(|entry| entry.at.clone()))
    }
}

/// A line's marker, kind of key and key, if it speaks for `name`.
///
/// Authorities and revocations also count if they name the host without its port: patterns like
/// `*.example.com` are written for hosts, whatever port their sshd has, and ssh(1) looks them
/// up that way too.
fn parse(line: &str, name: &str, bare: &str) -> Option<(Marker, String, Vec<u8>)> {
    let mut fields = line.split_ascii_whitespace();
    let mut hosts = fields.next()?;
    if hosts.starts_with('#') {
        return None;
    }
    let mut marker = Marker::Key;
    if hosts.starts_with('@') {
        marker = match hosts {
            "@revoked" => Marker::Revoked,
            "@cert-authority" => Marker::Authority,
            _ => return None,
        };
        hosts = fields.next()?;
    }
    let algorithm = fields.next()?;
    let blob = STANDARD.decode(fields.next()?).ok()?;
    let named = speaks_for(hosts, name) || (marker != Marker::Key && speaks_for(hosts, bare));
    named.then(|| (marker, algorithm.to_owned(), blob))
}

/// Whether a comma-separated list of patterns matches; a negated match overrules the others.
fn speaks_for(hosts: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in hosts.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let matched = if pattern.starts_with('|') {
            hashed(pattern, name)
        } else {
            glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes())
        };
        if matched && negated {
            return false;
        }
        found |= matched;
    }
    found
}

/// `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
fn hashed(pattern: &str, name: &str) -> bool {
    let Some((salt, hash)) = pattern
        .strip_prefix("|1|")
        .and_then(|rest| rest.split_once('|'))
    else {
        return false;
    };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

/// `*` for any run of characters, `?` for one.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests {
    use super::*;

    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPNyzY6qGT6b4GDFuK6VLm7MTFll5MWWPJnvfQcFEVdO";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEumHddlzDKpwaTnJ/m2y6IpU0Qqevjadxd0NaOVhh+D";
    const E: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsr\
        AYejl8Na5YrcgjE+D+HunXFO30mOycYxS0DXX1j++ySTPNVHszeOTItMBe8SI8cnPAs7ir1gWKujtL2CHe4=";
    /// As `ssh-keygen -H` wrote them: 198.51.100.7, and the same with port 2222.
    const HASHED: &str = "|1|DCS9Jd9gQDuzzt03JA6FlBSCovs=|Ok0DWTygGL5DQDCi6Np6K4GYWrY=";
    const HASHED_PORT: &str = "|1|Y3sC+qtDQ/vI4oAOreM/QY7efgQ=|iter6t1oqfO69k0A/cZST1hqNco=";

    fn blob(key: &str) -> Vec<u8> {
        STANDARD.decode(key.split(' ').nth(1).unwrap()).unwrap()
    }

    fn judge(text: &str, address: &str, port: u16, key: &str) -> Verdict {
        let mut known = Known::default();
        known.add(Path::new("kh"), text, address, port);
        known.judge(&blob(key))
    }

    /// The verdict in a letter: a word for each would hide the table.
    fn letter(verdict: &Verdict) -> char {
        match verdict {
            Verdict::Known => 'k',
            Verdict::Unknown(None) => 'u',
            Verdict::Unknown(Some(_)) => 'a',
            Verdict::Changed(_) => 'c',
            Verdict::Revoked(_) => 'r',
        }
    }

    #[test]
    fn every_kind_of_line_is_read_as_openssh_reads_it() {
        let table = [
            // plain
            (format!("198.51.100.7 {A}"), 22, A, 'k'),
            (format!("198.51.100.7 {A}"), 22, B, 'c'),
            (format!("198.51.100.8 {A}"), 22, A, 'u'),
            (format!("198.51.100.70 {A}"), 22, A, 'u'),
            (format!("app1,198.51.100.7 {A} a comment"), 22, A, 'k'),
            (format!("  198.51.100.7  {A}"), 22, A, 'k'),
            (
                format!("198.51.100.7\t{}", A.replace(' ', "\t")),
                22,
                A,
                'k',
            ),
            (format!("198.51.100.7 {A}\r"), 22, A, 'k'),
            (format!("#198.51.100.7 {A}"), 22, A, 'u'),
            (format!("# 198.51.100.7 {A}"), 22, A, 'u'),
            (String::from("\n\n198.51.100.7"), 22, A, 'u'),
            // ports
            (format!("198.51.100.7 {A}"), 2222, A, 'u'),
            (format!("[198.51.100.7]:2222 {A}"), 2222, A, 'k'),
            (format!("[198.51.100.7]:2222 {A}"), 2223, A, 'u'),
            (format!("[198.51.100.7]:2222 {A}"), 22, A, 'u'),
            (format!("[198.51.100.7]:2222 {A}"), 2222, B, 'c'),
            // hashed
            (format!("{HASHED} {A}"), 22, A, 'k'),
            (format!("{HASHED} {A}"), 22, B, 'c'),
            (format!("{HASHED} {A}"), 2222, A, 'u'),
            (format!("{HASHED_PORT} {A}"), 2222, A, 'k'),
            (format!("{HASHED_PORT} {A}"), 22, A, 'u'),
            (format!("|1|broken {A}"), 22, A, 'u'),
            // patterns
            (format!("198.51.100.* {A}"), 22, A, 'k'),
            (format!("198.51.100.? {A}"), 22, A, 'k'),
            (format!("198.51.100.?? {A}"), 22, A, 'u'),
            (format!("* {A}"), 2222, A, 'k'),
            (format!("198.51.100.*,!198.51.100.7 {A}"), 22, A, 'u'),
            (format!("!198.51.100.7,198.51.100.* {A}"), 22, A, 'u'),
            (format!("!198.51.100.8,198.51.100.* {A}"), 22, A, 'k'),
            (format!("!198.51.100.8 {A}"), 22, A, 'u'),
            // several keys, several kinds
            (format!("198.51.100.7 {A}\n198.51.100.7 {B}"), 22, B, 'k'),
            (format!("198.51.100.7 {E}\n198.51.100.7 {B}"), 22, A, 'c'),
            (format!("198.51.100.7 {E}"), 22, A, 'c'),
            (
                String::from("198.51.100.7 ssh-new@example.com AAAA"),
                22,
                A,
                'c',
            ),
            // markers
            (format!("@revoked * {A}\n198.51.100.7 {A}"), 22, A, 'r'),
            (format!("198.51.100.7 {A}\n@revoked * {A}"), 22, A, 'r'),
            (format!("@revoked * {A}"), 22, B, 'u'),
            (format!("@revoked\t198.51.100.7\t{A}"), 22, A, 'r'),
            (
                format!("@revoked 198.51.100.8 {A}\n198.51.100.7 {A}"),
                22,
                A,
                'k',
            ),
            (format!("@cert-authority 198.51.100.* {A}"), 22, A, 'a'),
            (format!("@cert-authority 198.51.100.* {A}"), 2222, A, 'a'),
            (format!("@revoked 198.51.100.7 {A}"), 2222, A, 'r'),
            (
                format!("@cert-authority * {A}\n198.51.100.7 {B}"),
                22,
                B,
                'k',
            ),
            (format!("@something 198.51.100.7 {A}"), 22, A, 'u'),
        ];
        for (text, port, key, expected) in table {
            let verdict = judge(&text, "198.51.100.7", port, key);
            assert_eq!(
                letter(&verdict),
                expected,
                "{text:?} port {port}: {verdict:?}"
            );
        }
    }

    #[test]
    fn an_ipv6_address_is_looked_up_with_and_without_port() {
        let plain = format!("2001:DB8::7 {A}");
        assert_eq!(judge(&plain, "2001:db8::7", 22, A), Verdict::Known);
        let port = format!("[2001:db8::7]:2222 {A}");
        assert_eq!(judge(&port, "2001:db8::7", 2222, A), Verdict::Known);
    }

    #[test]
    fn what_was_expected_is_named_with_its_line() {
        let text = format!("# mine\n198.51.100.7 {A}\n198.51.100.7 {E}\n");
        assert_eq!(
            judge(&text, "198.51.100.7", 22, B),
            Verdict::Changed(vec![
                "SHA256:68ptuoCi72wzuBUWyhPcF7QO9Pj1UIU0KSD0fb6etoc (ssh-ed25519, kh:2)".into(),
                "SHA256:V1Igb3LOKtID3Vo03EEaKb7ELdxDvlmDlwl9cIUB5Gk (ecdsa-sha2-nistp256, kh:3)"
                    .into(),
            ])
        );
    }

    #[test]
    fn a_missing_file_says_nothing_and_an_unreadable_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let known = Known::read(&[missing], "198.51.100.7", 22).unwrap();
        assert_eq!(known, Known::default());
        // A directory can't be read as a file, by root neither.
        let folder = dir.path().to_owned();
        let (path, _) = Known::read(std::slice::from_ref(&folder), "198.51.100.7", 22).unwrap_err();
        assert_eq!(path, folder);
    }

    #[test]
    fn many_stars_end_in_time() {
        let pattern = "*a".repeat(200);
        assert!(!glob(pattern.as_bytes(), "a".repeat(150).as_bytes()));
    }

    /// A small generator of the xorshift family, so that a failure can be run again.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % end as u64).unwrap()
        }
    }

    #[test]
    fn mangled_lines_say_something_or_nothing_but_never_a_panic() {
        let pieces = [
            "*", "?", "!", ",", "|1|", "|", "@", "#", " ", "\t", "[", "]:", "=", "\0", "é",
        ];
        let starters = [
            format!("{HASHED} {A}\n@revoked * {B}\n"),
            format!("@cert-authority *.example.com,198.51.100.* {A} me\n"),
            format!("[198.51.100.7]:22,!198.51.100.8,198.51.100.7 {E}\n"),
        ];
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut known = 0;
        for turn in 0..50_000 {
            let mut text: Vec<char> = starters[turn % starters.len()].chars().collect();
            for _ in 0..=dice.below(4) {
                let at = dice.below(text.len().max(1)).min(text.len());
                match dice.below(3) {
                    0 => drop(text.splice(at..at, pieces[dice.below(pieces.len())].chars())),
                    1 if at < text.len() => drop(text.remove(at)),
                    _ => drop(text.drain(at..(at + dice.below(20)).min(text.len()))),
                }
            }
            let text: String = text.into_iter().collect();
            known += usize::from(judge(&text, "198.51.100.7", 22, A) != Verdict::Unknown(None));
        }
        assert!(
            (5_000..45_000).contains(&known),
            "{known} of 50000 said something"
        );
    }
}

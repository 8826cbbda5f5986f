//! Public keys that site.toml names: lines of authorized_keys, or files that hold such lines.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use toml::Spanned;

use super::raw::Text;
use super::read::Reader;
use crate::input::{Error, Words};

/// What sshd takes (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// All keys, each once, as `TYPE BASE64 COMMENT`.
pub(super) fn lines(
    reader: &Reader<'_>,
    raw: Option<&Spanned<Words>>,
) -> Result<Vec<String>, Error> {
    let mut keys: Vec<String> = Vec::new();
    for text in raw.map(Words::list).unwrap_or_default() {
        for key in entry(reader, &text)? {
            // The comment makes no other key.
            if !keys.iter().any(|other| blob(other) == blob(&key)) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

fn blob(line: &str) -> Option<&str> {
    line.split(' ').nth(1)
}

fn entry(reader: &Reader<'_>, text: &Text) -> Result<Vec<String>, Error> {
    let written = text.get_ref().trim();
    if written.contains("PRIVATE KEY") {
        return Err(reader.wrong(text.span(), "this is a private key", PUBLIC));
    }
    if written.contains([' ', '\t']) && !written.starts_with(['/', '~', '.']) {
        return match key(written) {
            Ok(key) => Ok(vec![key]),
            Err(why) => Err(reader.wrong(
                text.span(),
                format!("this is no public key: {why}"),
                "write a line as a .pub file has it, \"ssh-ed25519 AAAA… name\", or the file's path",
            )),
        };
    }
    let (path, bytes) = reader.file("the public key", text)?;
    let path = path.display();
    let content = String::from_utf8_lossy(&bytes);
    if content.contains("PRIVATE KEY") {
        return Err(reader.wrong(text.span(), format!("{path} is a private key"), PUBLIC));
    }
    let mut keys = Vec::new();
    for (at, line) in content.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        keys.push(key(line).map_err(|why| {
            reader.wrong(
                text.span(),
                format!("line {} of {path} is no public key: {why}", at + 1),
                PUBLIC,
            )
        })?);
    }
    if keys.is_empty() {
        return Err(reader.wrong(text.span(), format!("{path} holds no public key"), PUBLIC));
    }
    Ok(keys)
}

const PUBLIC: &str = "write the path of its public half, such as \"~/.ssh/id_ed25519.pub\"";

/// One key as `TYPE BASE64 COMMENT`, or why it is none.
fn key(line: &str) -> Result<String, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let kind = words.next().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(
            if TYPES
                .iter()
                .any(|known| line.contains(&format!(" {known} ")))
            {
                "options before a key aren't taken here"
            } else {
                "it doesn't begin with a type that sshd takes"
            },
        );
    }
    let blob = words.next().unwrap_or_default();
    // The key says its type once more: a length in four bytes, then the word (RFC 4253, 6.6).
    let mut head = u32::try_from(kind.len())
        .unwrap_or_default()
        .to_be_bytes()
        .to_vec();
    head.extend(kind.as_bytes());
    let whole = BASE64_STANDARD.decode(blob);
    if !whole.is_ok_and(|bytes| bytes.starts_with(&head) && bytes.len() > head.len() + 4) {
        return Err("what follows its type is damaged or cut off");
    }
    let comment: Vec<&str> = words.collect();
    if comment.iter().any(|word| word.contains(char::is_control)) {
        return Err("its comment holds a control character");
    }
    Ok([kind, blob]
        .into_iter()
        .chain(comment)
        .collect::<Vec<_>>()
        .join(" "))
}

//! PEM (RFC 7468): blocks of base64 between lines that name them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use x509_parser::pem::Pem;
use zeroize::Zeroize;

/// A block. It may hold a private key, so it is never shown and doesn't stay in memory.
pub(super) struct Block {
    /// What its first line calls it: "CERTIFICATE", "PRIVATE KEY".
    pub label: String,
    /// Its bytes, DER.
    pub der: Vec<u8>,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.der.zeroize();
    }
}

/// All blocks of a text, in its order; `None` if one of them is damaged.
pub(super) fn blocks(text: &str) -> Option<Vec<Block>> {
    // Editors on other systems put a byte order mark first.
    let text = text.trim_start_matches('\u{feff}');
    Pem::iter_from_buffer(text.as_bytes())
        .map(|pem| {
            pem.ok().map(|pem| Block {
                label: pem.label,
                der: pem.contents,
            })
        })
        .collect()
}

/// A block as every program reads it: lines of 64 characters, no carriage returns.
pub(super) fn encode(block: &Block) -> String {
    let label = &block.label;
    let mut body = BASE64_STANDARD.encode(&block.der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, c) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    body.zeroize();
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_in_their_order_whatever_the_lines_end_with_and_stand_between() {
        let text = "\u{feff}-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\nsubject=x\n\
                    -----BEGIN B C-----\nAw==\n-----END B C-----";
        let all = blocks(text).unwrap();
        let seen: Vec<(&str, &[u8])> = all.iter().map(|b| (&*b.label, &*b.der)).collect();
        assert_eq!(seen, [("A", &[0, 1, 2][..]), ("B C", &[3][..])]);
        assert!(blocks("nothing").unwrap().is_empty());
        for damaged in [
            "-----BEGIN A-----\nAAEC\n",
            "-----BEGIN A-----\nA\u{e9}EC\n-----END A-----\n",
            "-----BEGIN A-----\nAAE\n-----END A-----\n",
        ] {
            assert!(blocks(damaged).is_none(), "{damaged:?}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_again_in_lines_of_64() {
        for length in [1, 47, 48, 49, 96, 200] {
            let block = Block {
                label: "PRIVATE KEY".to_owned(),
                der: (0..length).collect(),
            };
            let text = encode(&block);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
            assert!(!text.contains("\n\n"), "{text}");
            assert_eq!(blocks(&text).unwrap()[0].der, block.der);
        }
    }
}

//! Files that are no site.toml any more.

use crate::home::{Home, SMALL};

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
fn a_mangled_file_is_refused_or_read_but_never_a_panic() {
    let home = Home::new();
    let pieces = [
        "\"",
        "[",
        "]",
        "=",
        "{",
        "}",
        "\n",
        "é",
        "\0",
        "0",
        "'",
        "\\",
        "#",
        ".",
        "\u{1f600}",
        "\r\n",
        "[app.env]\n",
        "\"\"\"",
        "mode = \"self-signed\"\n",
        "on_failure = { webhook_env = \"WEBHOOK\" }\n",
        "key_type = \"rsa\"\n",
        "[proxy]\nhsts_preload = true\n",
        "[[proxy.locations]]\nurl = \"/media/\"\ndirectory = \"/srv/media\"\n",
        "[proxy.snippets]\nserver = \"/dev/null\"\n",
    ];
    let starter: Vec<char> = format!("{SMALL}[app.env]\nÄ = 1\nB = \"ü\"\n")
        .chars()
        .collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..3000 {
        let mut text = starter.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(text.len());
            match dice.below(3) {
                0 => drop(text.remove(at)),
                1 => drop(text.splice(at..at, pieces[dice.below(pieces.len())].chars())),
                _ => drop(text.drain(at..(at + dice.below(20)).min(text.len()))),
            }
        }
        let text: String = text.into_iter().collect();
        match home.parse(&text) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(error.picture(true).len() >= error.to_string().len());
            }
        }
    }
    assert!(refused > 100, "{refused} refused, {read} read");
}

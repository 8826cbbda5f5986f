//! A rules file with our block in it, and the file as it was before.
//!
//! All else in the file stays as it is, byte for byte.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::text::is_ours;

/// What our block replaced, so that it can be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replaced {
    /// The blocks that stood there, from top to bottom.
    pub blocks: Vec<String>,
    /// What stood between each of them and the next.
    pub between: Vec<String>,
    /// The file's last line had no newline, and got one.
    pub newline: bool,
}

/// Which of the blocks is ours.
pub(super) fn ours(file: &str, blocks: &[Range<usize>]) -> Option<Range<usize>> {
    blocks
        .iter()
        .find(|block| is_ours(&file[(*block).clone()]))
        .cloned()
}

impl Replaced {
    /// What is lost when our block comes in place of these.
    pub fn of(file: &str, blocks: &[Range<usize>]) -> Self {
        let between = blocks.windows(2).map(|pair| match pair {
            [one, next] => file[one.end..next.start].to_owned(),
            _ => String::new(),
        });
        Self {
            blocks: blocks
                .iter()
                .map(|at| file[at.clone()].to_owned())
                .collect(),
            between: between.collect(),
            newline: blocks.is_empty() && !file.is_empty() && !file.ends_with('\n'),
        }
    }

    /// The file without our block and with what it replaced. What was changed elsewhere in the
    /// meantime stays.
    pub fn back(&self, file: &str, ours: &Range<usize>) -> String {
        let mut text = file[..ours.start].to_owned();
        let mut rest = &file[ours.end..];
        if self.blocks.is_empty() && self.newline && rest.is_empty() && text.ends_with('\n') {
            text.pop();
        }
        for (at, block) in self.blocks.iter().enumerate() {
            let between = at
                .checked_sub(1)
                .and_then(|before| self.between.get(before));
            if let Some(between) = between
                && let Some(later) = rest.strip_prefix(between.as_str())
            {
                text.push_str(between);
                rest = later;
            }
            end_line(&mut text);
            text.push_str(block);
        }
        if !rest.is_empty() {
            end_line(&mut text);
            text.push_str(rest);
        }
        text
    }
}

/// `file` with our block in place of those that are there, or at its end: in place of our own
/// where there is one, else of the first. A missing final newline is put first, since
/// iptables-restore would take the block's first line for the rest of the last one.
pub(super) fn with_block(file: &str, blocks: &[Range<usize>], block: &str) -> String {
    let place = ours(file, blocks).or_else(|| blocks.first().cloned());
    let Some(place) = place else {
        let mut text = file.to_owned();
        end_line(&mut text);
        return text + block;
    };
    let mut text = String::new();
    let mut from = 0;
    for at in blocks {
        text.push_str(&file[from..at.start]);
        if *at == place {
            text.push_str(block);
        }
        from = at.end;
    }
    text + &file[from..]
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

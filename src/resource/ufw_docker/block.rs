//! The block in `after.rules` or `after6.rules`.

use super::edit::{Replaced, ours, with_block};
use super::locate::{Trouble, locate};
use super::subnets::{self, subnets};
use super::{content_of, text};
use crate::event::State;
use crate::resource::fact::{Family, File};
use crate::resource::{
    Action, Content, Fact, Observed, Op, Resource, Unreadable, line_diff, unknown,
};
use crate::shell::{Cmd, Script};

const CHECK: Script = Script(include_str!("../sh/check-rules.sh"));

/// The block in the rules file of a family.
#[derive(Clone, Debug)]
pub struct Block(pub Family);

/// What there is, and what there must be.
struct Texts {
    old: String,
    new: String,
    /// Blocks that are there.
    blocks: usize,
    /// What ours replaces, unless it is there already.
    replaces: Option<Replaced>,
}

impl Block {
    fn texts(&self, seen: &Observed) -> Result<Option<Result<Texts, Trouble>>, Unreadable> {
        let path = self.0.file();
        let Some(old) = seen.text(path)? else {
            return Ok(None);
        };
        let Some(subnets) = subnets(seen, self.0)? else {
            return Ok(None);
        };
        let texts = locate(path, &old).map(|blocks| Texts {
            new: with_block(&old, &blocks, &text::block(self.0, &subnets)),
            blocks: blocks.len(),
            replaces: match ours(&old, &blocks) {
                Some(_) => None,
                None => Some(Replaced::of(&old, &blocks)),
            },
            old,
        });
        Ok(Some(texts))
    }
}

pub(super) fn id(family: Family) -> String {
    format!("block \"UFW AND DOCKER\" in {}", family.file())
}

/// Puts a rules file, with the mode and the owner that it has.
pub(super) fn put(
    seen: &Observed,
    family: Family,
    what: String,
    text: String,
    check: Option<Cmd>,
) -> Op {
    let is = seen.file(family.file()).ok().flatten();
    Op {
        what,
        action: Action::Put {
            path: family.file().to_owned(),
            content: Content::Text(text),
            mode: is.map_or(0o640, |file: &File| file.mode),
            owner: is.map_or_else(|| "root:root".to_owned(), |file| file.owner.clone()),
            check,
            pending: Vec::new(),
        },
    }
}

impl Resource for Block {
    fn id(&self) -> String {
        id(self.0)
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = subnets::facts();
        facts.push(content_of(self.0.file()));
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let texts = match self.texts(seen)? {
            None => return Ok(unknown("docker")),
            Some(Err(trouble)) => return Ok(trouble.into()),
            Some(Ok(texts)) => texts,
        };
        if texts.old == texts.new {
            return Ok(State::InSync);
        }
        let what = match (texts.blocks, &texts.replaces) {
            (0, _) => "missing",
            (_, Some(_)) => "an older one stands in its place",
            (1, None) => "differs",
            (_, None) => "there are others beside it",
        };
        Ok(State::Differs {
            what: what.to_owned(),
            lines: line_diff(&texts.old, &texts.new),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some(Ok(texts))) = self.texts(seen) else {
            return Vec::new();
        };
        let mut ops = Vec::new();
        // First what was there: from the moment our block is in the file, it can be taken out.
        if let Some(replaced) = &texts.replaces
            && let Ok(json) = serde_json::to_string_pretty(replaced)
        {
            ops.push(Op {
                what: format!("keep what it replaces in {}", self.0.file()),
                action: Action::Put {
                    path: self.0.kept().to_owned(),
                    content: Content::Text(json + "\n"),
                    mode: 0o600,
                    owner: "root:root".to_owned(),
                    check: None,
                    pending: Vec::new(),
                },
            });
        }
        let restore = format!("ip{}tables-restore", self.0.six());
        let what = format!("write {}", self.0.file());
        let check = Cmd::script(CHECK, [restore]);
        ops.push(put(seen, self.0, what, texts.new, Some(check)));
        ops
    }

    fn guarded(&self) -> bool {
        true
    }
}

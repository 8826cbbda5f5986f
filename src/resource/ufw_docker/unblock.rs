//! The removal of our block from a rules file: what stood in its place comes back.

use super::block::{id, put};
use super::content_of;
use super::edit::{Replaced, ours};
use super::locate::{Trouble, locate};
use crate::event::State;
use crate::resource::fact::Family;
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, line_diff};

const FORGET: &str = include_str!("../sh/clear.sh");

/// That the rules file of a family is as it was before our block came in.
#[derive(Clone, Debug)]
pub struct Unblock(pub Family);

/// What there is, and what was there.
struct Texts {
    old: String,
    new: String,
    replaced: Replaced,
}

impl Unblock {
    fn texts(&self, seen: &Observed) -> Result<Result<Option<Texts>, Trouble>, Unreadable> {
        let path = self.0.file();
        let Some(old) = seen.text(path)? else {
            return Ok(Ok(None));
        };
        let ours = match locate(path, &old) {
            Err(trouble) => return Ok(Err(trouble)),
            Ok(blocks) => ours(&old, &blocks),
        };
        let Some(ours) = ours else {
            return Ok(Ok(None));
        };
        let replaced = replaced(seen, self.0)?;
        let new = replaced.back(&old, &ours);
        Ok(Ok(Some(Texts { old, new, replaced })))
    }
}

/// What our block replaced; nothing, as far as is known, where there is no note of it.
pub(super) fn replaced(seen: &Observed, family: Family) -> Result<Replaced, Unreadable> {
    let Some(json) = seen.text(family.kept())? else {
        return Ok(Replaced::default());
    };
    serde_json::from_str(&json).map_err(|e| Unreadable {
        fact: format!("file {}", family.kept()),
        why: e.to_string(),
    })
}

impl Resource for Unblock {
    fn id(&self) -> String {
        id(self.0)
    }

    fn facts(&self) -> Vec<Fact> {
        [self.0.file(), self.0.kept()].map(content_of).into()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        Ok(match self.texts(seen)? {
            Err(trouble) => trouble.into(),
            Ok(None) => State::InSync,
            Ok(Some(texts)) => State::Differs {
                what: if texts.replaced.blocks.is_empty() {
                    "to be taken out".to_owned()
                } else {
                    "to be taken out; the one before comes back".to_owned()
                },
                lines: line_diff(&texts.old, &texts.new),
            },
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Ok(Some(texts))) = self.texts(seen) else {
            return Vec::new();
        };
        // Not tested before use: it is what was there.
        let what = format!("put {} back as it was", self.0.file());
        vec![put(seen, self.0, what, texts.new, None)]
    }

    fn guarded(&self) -> bool {
        true
    }
}

/// That nothing is kept any more for a removal. Not guarded, and so done when the removal has
/// been proven: until then it may have to be done again.
#[derive(Clone, Debug)]
pub struct Forgotten;

impl Forgotten {
    fn kept(seen: &Observed) -> Result<Vec<&'static str>, Unreadable> {
        let mut kept = Vec::new();
        for path in Family::BOTH.map(Family::kept) {
            if seen.file(path)?.is_some() {
                kept.push(path);
            }
        }
        Ok(kept)
    }
}

impl Resource for Forgotten {
    fn id(&self) -> String {
        "what was kept for the removal".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        let fact = |path: &str| Fact::File {
            path: path.to_owned(),
            content: Reveal::Never,
        };
        Family::BOTH.map(|family| fact(family.kept())).into()
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let kept = Self::kept(seen)?;
        if kept.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(kept.join(", ")))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let kept = Self::kept(seen).unwrap_or_default();
        kept.into_iter()
            .map(|path| Op::script(format!("remove {path}"), FORGET, [path]))
            .collect()
    }
}

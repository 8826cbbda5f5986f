//! Our keys in a JSON file that belongs to somebody else.
//!
//! What stands there stays and wins: only keys that are missing are added.

use serde_json::{Map, Value};

use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable, line_diff};
use crate::event::State;
use crate::shell::Cmd;

/// Keys that a JSON file must have.
#[derive(Clone, Debug)]
pub struct MergedJson {
    path: String,
    keys: Map<String, Value>,
    check: Cmd,
    pending: String,
    reader: String,
}

impl MergedJson {
    /// The file, the keys, a command that accepts or refuses the new file (its path comes
    /// last), the unit that reads it, and the marker to leave when it is written while that
    /// unit runs: one that doesn't reads the file when it starts.
    pub fn new(
        path: impl Into<String>,
        keys: Map<String, Value>,
        check: Cmd,
        reader: impl Into<String>,
        pending: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            keys,
            check,
            pending: pending.into(),
            reader: reader.into(),
        }
    }

    fn merged(&self, old: &str) -> Result<String, serde_json::Error> {
        let mut object: Map<String, Value> = if old.trim().is_empty() {
            Map::new()
        } else {
            serde_json::from_str(old)?
        };
        let before = object.clone();
        add_missing(&mut object, &self.keys);
        if object == before {
            // Nothing to add: the operator's own formatting stays.
            return Ok(old.to_owned());
        }
        Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
    }
}

fn add_missing(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => add_missing(old, new),
            (Some(_), _) => {}
            (None, _) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

impl Resource for MergedJson {
    fn id(&self) -> String {
        format!("keys in {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::File {
                path: self.path.clone(),
                content: Reveal::Always,
            },
            Fact::Unit(self.reader.clone()),
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let old = seen.text(&self.path)?;
        Ok(match self.merged(old.as_deref().unwrap_or_default()) {
            Err(e) => State::Refused {
                what: format!("{} is not a JSON object: {e}", self.path),
                mend: format!("mend {} by hand; nothing of it was changed", self.path),
            },
            Ok(new) if Some(&new) == old.as_ref() => State::InSync,
            Ok(new) => State::Differs {
                what: if old.is_some() {
                    "keys missing"
                } else {
                    "missing"
                }
                .to_owned(),
                lines: line_diff(old.as_deref().unwrap_or_default(), &new),
            },
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let old = seen.text(&self.path).ok().flatten().unwrap_or_default();
        let Ok(new) = self.merged(&old) else {
            return Vec::new();
        };
        // What can't be told counts as running: a restart too many does less harm.
        let runs = seen.unit(&self.reader).map_or(true, |unit| {
            !matches!(unit.active.as_str(), "inactive" | "failed")
        });
        vec![Op {
            what: format!("write {}", self.path),
            action: Action::Put {
                path: self.path.clone(),
                content: Content::Text(new),
                mode: 0o644,
                owner: "root:root".to_owned(),
                check: Some(self.check.clone()),
                pending: runs.then(|| self.pending.clone()).into_iter().collect(),
            },
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::Cmd;

    fn merge(old: &str) -> String {
        let Value::Object(keys) = serde_json::json!({
            "log-opts": {"max-size": "10m", "max-file": "3"}, "live-restore": true
        }) else {
            unreachable!()
        };
        MergedJson::new("/x", keys, Cmd::new("true"), "x.service", "m")
            .merged(old)
            .unwrap()
    }

    #[test]
    fn what_the_operator_wrote_stays_and_what_is_missing_comes() {
        let new: Value = serde_json::from_str(&merge(
            r#"{"registry-mirrors":["http://m"],"log-opts":{"max-size":"1g"}}"#,
        ))
        .unwrap();
        assert_eq!(new["registry-mirrors"][0], "http://m");
        assert_eq!(
            new["log-opts"],
            serde_json::json!({"max-size": "1g", "max-file": "3"})
        );
        assert_eq!(new["live-restore"], true);
    }

    #[test]
    fn merging_twice_changes_nothing_not_even_the_formatting() {
        let once = merge("");
        assert_eq!(merge(&once), once);
        let own = r#"{ "live-restore":false,"log-opts":{"max-size":"1","max-file":"9"} }"#;
        assert_eq!(merge(own), own);
    }
}

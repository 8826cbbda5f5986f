//! A key that takes one word or a list of them: `on = "app"`, `on = ["app", "proxy"]`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Spanned;

/// One word or a list of them. Wrap it in [`Spanned`] and read it by [`Words::list`].
#[derive(Clone, Debug)]
pub enum Words {
    /// A word alone.
    One(String),
    /// A list, which may be empty.
    List(Vec<Spanned<String>>),
}

impl Words {
    /// Each word with its place.
    pub fn list(words: &Spanned<Self>) -> Vec<Spanned<String>> {
        match words.get_ref() {
            Self::One(word) => vec![Spanned::new(words.span(), word.clone())],
            Self::List(list) => list.clone(),
        }
    }
}

// By hand, since `#[serde(untagged)]` would lose the places and spoil the messages.
impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, one: &str) -> Result<Words, E> {
                Ok(Words::One(one.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Words::List(list))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

//! What an operator writes, and how a mistake in it is shown.
//!
//! A [`Document`] is a file as it was read; [`Document::read`] turns its TOML into plain
//! structs, and [`Document::mistake`] points at the place that is wrong. Both end in one
//! [`Error`], which names file, line and column and says what to write instead.

mod document;
mod error;
mod mistake;
mod toml;
mod words;

pub use self::toml::Example;
pub use document::Document;
pub use error::Error;
pub use mistake::Mistake;
pub use words::Words;

/// The known word that `word` was probably meant to be.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "`a`, `b` or `c`", for the words that may stand in a place.
pub fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_foreign_word_finds_none() {
        let known = ["port", "publish", "health", "collectstatic"];
        assert_eq!(closest("prot", known), Some("port"));
        assert_eq!(closest("colectstatics", known), Some("collectstatic"));
        assert_eq!(closest("workers", known), None);
    }

    #[test]
    fn alternatives_read_as_a_list() {
        assert_eq!(alternatives(["a"]), "`a`");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}

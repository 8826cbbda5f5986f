//! Values that nobody can guess.

use super::Error;
use crate::shell::Secret;

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Django's SECRET_KEY: Django warns of fewer than 50 characters (security.W009).
    Key,
    /// A password between programs.
    Password,
}

/// Letters and digits alone: no file, URL or command line on the way has to quote them.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Kind {
    /// What a variable of this name is for.
    pub fn of(name: &str) -> Self {
        match name.contains("SECRET_KEY") {
            true => Self::Key,
            false => Self::Password,
        }
    }

    /// Characters; each is worth 5.95 bits.
    fn length(self) -> usize {
        match self {
            Self::Key => 64,
            Self::Password => 40,
        }
    }
}

/// A new value from the system's random numbers.
///
/// # Errors
/// If there are none.
pub fn generate(kind: Kind) -> Result<Secret, Error> {
    let mut value = String::with_capacity(kind.length());
    let mut bytes = zeroize::Zeroizing::new([0_u8; 64]);
    while value.len() < kind.length() {
        getrandom::fill(bytes.as_mut_slice()).map_err(|e| Error::Random(e.to_string()))?;
        // 248 is the largest multiple of 62 in a byte: every character is as likely as any other.
        let usable = bytes.iter().filter(|byte| **byte < 248);
        let letters = usable.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        value.extend(letters.take(kind.length() - value.len()));
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_long_plain_and_never_the_same() {
        for (kind, length) in [(Kind::Key, 64), (Kind::Password, 40)] {
            let (one, other) = (generate(kind).unwrap(), generate(kind).unwrap());
            assert_ne!(one, other);
            assert_eq!(one.reveal().len(), length);
            assert!(one.reveal().bytes().all(|c| c.is_ascii_alphanumeric()));
        }
        assert_eq!(Kind::of("DJANGO_SECRET_KEY"), Kind::Key);
        assert_eq!(Kind::of("DATABASE_PASSWORD"), Kind::Password);
    }

    #[test]
    fn every_character_is_drawn_about_as_often() {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..500 {
            for c in generate(Kind::Key).unwrap().reveal().chars() {
                *counts.entry(c).or_insert(0_u32) += 1;
            }
        }
        // 32,000 draws, 516 of each on average; 6 standard deviations are 135.
        assert_eq!(counts.len(), 62);
        assert!(
            counts.values().all(|n| (381..=651).contains(n)),
            "{counts:?}"
        );
    }
}

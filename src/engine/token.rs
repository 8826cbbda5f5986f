//! Names that nobody else has: of jobs, fences, and sections of what is read.

use super::failure::failure;
use crate::event::Failure;

/// Random, not secret: 32 hexadecimal digits.
pub(super) fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// That there was no such token.
pub(super) fn no_token(error: &getrandom::Error) -> Failure {
    let what = format!("this machine has no random numbers: {error}");
    failure("change", what, "")
}

//! What PostgreSQL keeps of a password: a SCRAM-SHA-256 verifier, worked out on our side.
//!
//! The server takes it in place of the password (CREATE ROLE, "PASSWORD"), so that no statement
//! holds clear text, and none can come into a log.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};

use crate::shell::Secret;

/// PostgreSQL's own number of rounds (`scram_iterations`).
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// The salt is as long as PostgreSQL's own (`SCRAM_DEFAULT_SALT_LEN`).
const SALT: usize = 16;

/// The verifier of a role's password: `SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER` (pg_authid).
///
/// The salt follows from the password and `place`, so that the same site gives the same
/// verifier; who doesn't know the password can't tell it from a random one. The password is of
/// visible ASCII alone, which SASLprep leaves as it is.
pub fn verifier(place: &str, password: &Secret) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, password.reveal().as_bytes());
    let salt = hmac::sign(&key, format!("salt of {place}").as_bytes());
    let salt = salt.as_ref().get(..SALT).unwrap_or_default();
    of(salt, ITERATIONS, password)
}

/// RFC 5802, section 3, with RFC 7677's hash.
fn of(salt: &[u8], iterations: NonZeroU32, password: &Secret) -> Secret {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        password.reveal().as_bytes(),
        &mut salted,
    );
    let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&salted, b"Server Key");
    Secret::new(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored),
        BASE64.encode(server)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    const AUTH: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    #[test]
    fn a_client_of_the_rfcs_example_is_let_in_and_knows_the_server() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = of(&salt, ITERATIONS, &Secret::new("pencil"));
        let start = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$";
        let keys = verifier.reveal().strip_prefix(start).unwrap();
        let (stored, server) = keys.split_once(':').unwrap();
        let [stored, server] = [stored, server].map(|key| BASE64.decode(key).unwrap());
        // What the server does with a client's proof: its key is the proof without the signature,
        // and must be what the stored key was made from.
        let proof = BASE64
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &stored), AUTH);
        let pairs = proof.iter().zip(signature.as_ref());
        let client: Vec<u8> = pairs.map(|(a, b)| a ^ b).collect();
        assert_eq!(digest::digest(&digest::SHA256, &client).as_ref(), stored);
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &server), AUTH);
        assert_eq!(
            BASE64.encode(signed),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn the_salt_is_the_same_again_and_another_for_each_place_and_password() {
        let of = |place: &str, password: &str| {
            let verifier = verifier(place, &Secret::new(password));
            verifier.reveal().split('$').nth(1).unwrap().to_owned()
        };
        assert_eq!(of("polls", "pencil"), of("polls", "pencil"));
        assert_ne!(of("polls", "pencil"), of("blog", "pencil"));
        assert_ne!(of("polls", "pencil"), of("polls", "pen"));
    }
}

//! Mozilla's server side TLS guidelines, version 6.0
//! (https://ssl-config.mozilla.org/guidelines/6.0.json).
//!
//! Its first revision had the configuration "old", without Diffie-Hellman over finite fields;
//! later ones leave it out, since it is for nobody who can do without. Version 6.0 recommends
//! [`POST_QUANTUM`] first everywhere.

use crate::resource::nginx_build::Features;
use crate::site::Compatibility;

/// One of the configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guideline {
    /// Its name.
    pub name: &'static str,
    /// `tls_versions`, as nginx writes them.
    pub protocols: &'static str,
    /// `ciphers`, for TLS 1.2 and earlier, by OpenSSL's names. TLS 1.3 has its own, which are
    /// all good.
    pub ciphers: &'static [&'static str],
    /// `server_preferred_order`.
    pub prefer_server: bool,
}

/// X25519 with ML-KEM-768 (draft-ietf-tls-ecdhe-mlkem): whoever records today what he wants to
/// decrypt one day has to break both. The question mark, which OpenSSL 3.3 and later understand,
/// lets nginx start all the same should its library be exchanged for one without the curve
/// (SSL_CTX_set1_groups_list(3)).
const POST_QUANTUM: &str = "?X25519MLKEM768";

/// `tls_curves` of all configurations, without that one.
const CURVES: &str = "X25519:prime256v1:secp384r1";

const MODERN: Guideline = Guideline {
    name: "modern",
    protocols: "TLSv1.3",
    ciphers: &[],
    prefer_server: false,
};

const INTERMEDIATE: Guideline = Guideline {
    name: "intermediate",
    protocols: "TLSv1.2 TLSv1.3",
    ciphers: &[
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ],
    prefer_server: false,
};

const OLD: Guideline = Guideline {
    name: "old",
    protocols: "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
    ciphers: &[
        // OpenSSL 3 speaks TLS 1.0 and 1.1 at this level alone (SHA-1 in their handshake).
        "@SECLEVEL=0",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-RSA-AES128-SHA256",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-RSA-AES256-SHA384",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA256",
        "AES256-SHA256",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ],
    prefer_server: true,
};

impl Guideline {
    /// The configuration for these clients.
    pub(super) fn of(clients: Compatibility) -> Self {
        match clients {
            Compatibility::Modern => MODERN,
            Compatibility::Intermediate => INTERMEDIATE,
            Compatibility::Old => OLD,
        }
    }
}

/// `tls_curves`, as far as nginx knows them: an unknown one is an error to it.
pub(super) fn curves(features: Features) -> String {
    if features.post_quantum {
        format!("{POST_QUANTUM}:{CURVES}")
    } else {
        CURVES.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::nginx_build::Build;

    #[test]
    fn the_curve_that_only_some_libraries_have_is_named_to_those_alone() {
        let of = |openssl: &str| {
            let build = Build::parse(&format!("built with OpenSSL {openssl}\n"));
            curves(build.features())
        };
        assert_eq!(of("3.5.0"), "?X25519MLKEM768:X25519:prime256v1:secp384r1");
        assert_eq!(of("3.4.1"), "X25519:prime256v1:secp384r1");
    }
}

//! A certificate and key of the operator's own, as OpenSSL writes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use provision::site::Mode;

use crate::home::{Home, with};

/// Whether OpenSSL is here. Where tests must be whole (CI is set), it has to be.
fn has_openssl() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let install = "install it: apt-get install openssl, or brew install openssl";
    assert!(
        std::env::var_os("CI").is_none(),
        "openssl is missing; {install}"
    );
    println!("left out: openssl is missing on this machine; {install}");
    false
}

fn openssl(home: &Home, args: &str) {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(home.path())
        .args(args.split_whitespace());
    let done = openssl.output().unwrap();
    assert!(done.status.success(), "{args}: {done:?}");
}

/// A key of this kind in key.pem, and a certificate of its own in chain.pem.
fn make(home: &Home, kind: &str, digest: &str) {
    openssl(home, &format!("genpkey {kind} -out key.pem"));
    openssl(
        home,
        &format!(
            "req -x509 {digest} -key key.pem -out chain.pem -days 365 -subj /CN=x -addext \
             subjectAltName=DNS:polls.example.com -addext extendedKeyUsage=serverAuth"
        ),
    );
    mode(home, 0o600);
}

fn mode(home: &Home, mode: u32) {
    let key = home.path().join("key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
}

fn site() -> String {
    with(
        "email = \"ops@example.com\"",
        "mode = \"provided\"\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\nca = \"chain.pem\"",
    )
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

#[test]
fn keys_are_read_in_every_form_that_openssl_writes() {
    if !has_openssl() {
        return;
    }
    let home = Home::new();
    for (kind, label, forms) in [
        (RSA, "RSA PRIVATE KEY", &["rsa -traditional"][..]),
        (P256, "EC PRIVATE KEY", &["ec"]),
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            "EC PRIVATE KEY",
            &["ec"],
        ),
        ("-algorithm ED25519", "PRIVATE KEY", &[]),
    ] {
        let digest = if kind.contains("ED25519") {
            ""
        } else {
            "-sha256 "
        };
        make(&home, kind, digest.trim_end());
        for form in [""].iter().chain(forms) {
            if !form.is_empty() {
                openssl(&home, &format!("{form} -in key.pem -out key.pem"));
            }
            let site = home
                .parse(&site())
                .unwrap_or_else(|e| panic!("{kind}: {e}"));
            let Mode::Provided(pair) = &site.tls.mode else {
                panic!("{:?}", site.tls.mode);
            };
            let expected = if form.is_empty() {
                "PRIVATE KEY"
            } else {
                label
            };
            let first = format!("-----BEGIN {expected}-----\n");
            assert!(pair.key.reveal().starts_with(&first), "{kind} {form}");
            assert!(site.secrets().any(|secret| *secret == pair.key));
            // OpenSSL's own settings make an authority of it.
            let others = site.warnings.iter().filter(|w| !w.contains("CA:TRUE"));
            assert_eq!(others.count(), 0, "{:?}", site.warnings);
            let body = pair.key.reveal().lines().nth(1).unwrap().to_owned();
            assert!(!format!("{site:?}").contains(&body));
        }
    }
}

#[test]
fn what_openssl_makes_and_clients_refuse_is_refused() {
    if !has_openssl() {
        return;
    }
    let home = Home::new();
    make(
        &home,
        "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
        "-sha256",
    );
    let said = home.mistake(&site());
    assert!(said.contains("an RSA key of 1024 bits"), "{said}");
    make(&home, RSA, "-sha1");
    let said = home.mistake(&site());
    assert!(said.contains("signed with SHA-1"), "{said}");
    make(&home, P256, "-sha256");
    for form in ["pkey -aes256", "ec -aes256"] {
        openssl(
            &home,
            &format!("{form} -passout pass:hunter2 -in key.pem -out locked.pem"),
        );
        let said = home.mistake(&site().replace("key.pem", "locked.pem"));
        assert!(said.contains("it is encrypted"), "{said}");
        assert!(said.contains("openssl pkey -in locked.pem"), "{said}");
    }
    openssl(&home, "pkey -in key.pem -outform DER -out key.der");
    let said = home.mistake(&site().replace("key.pem", "key.der"));
    assert!(
        said.contains("openssl pkey -inform DER -in key.der"),
        "{said}"
    );
    // What can't be told here is left to nginx, and said.
    make(
        &home,
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
        "-sha256",
    );
    let warnings = home.parse(&site()).unwrap().warnings;
    assert!(
        warnings.iter().any(|w| w.contains("nginx is asked")),
        "{warnings:?}"
    );
}

#[test]
fn a_key_that_others_can_read_is_warned_about() {
    if !has_openssl() {
        return;
    }
    let home = Home::new();
    make(&home, P256, "-sha256");
    mode(&home, 0o644);
    let warnings = home.parse(&site()).unwrap().warnings;
    assert!(
        warnings.contains(
            &"key.pem holds secrets, and others can read it (mode 0644): chmod 600 key.pem"
                .to_owned()
        ),
        "{warnings:?}"
    );
}

#[test]
fn the_picture_of_a_mistake_points_at_the_file_that_is_wrong() {
    if !has_openssl() {
        return;
    }
    let home = Home::new();
    make(&home, P256, "-sha256");
    openssl(&home, &format!("genpkey {P256} -out other.pem"));
    let text = site().replace("key = \"key.pem\"", "key = \"other.pem\"");
    insta::assert_snapshot!(home.picture(&text), @r#"
    error: the key other.pem can't be used: it is not the key of certificate 1 (CN=x)
      --> site.toml:14:7
       |
    14 | key = "other.pem"
       |       ^^^^^^^^^^^
       |
    help: write the path of the key that this certificate was made for
    "#);
}

//! certbot's words, as it prints them, and what is made of them.

use super::*;

const TAIL: &str = "Ask for help or search for solutions at https://community.letsencrypt.org. See \
                    the logfile /var/log/letsencrypt/letsencrypt.log or re-run Certbot with -v for \
                    more details.\n";

/// An ACME error as certbot shows it.
fn error(detail: &str) -> String {
    format!(
        "Saving debug log to /var/log/letsencrypt/letsencrypt.log\nRequesting a certificate for \
         a.example\nAn unexpected error occurred:\n{detail}\n{TAIL}"
    )
}

/// A challenge that failed, as certbot shows it.
fn challenge(kind: &str, detail: &str) -> String {
    format!(
        "Requesting a certificate for a.example\n\nCertbot failed to authenticate some domains \
         (authenticator: webroot). The Certificate Authority reported these problems:\n  Domain: \
         a.example\n  Type:   {kind}\n  Detail: {detail}\n\nHint: The Certificate Authority failed \
         to download the temporary challenge files created by Certbot.\n\nSome challenges have \
         failed.\n{TAIL}"
    )
}

/// What is said and what is to be done, with `|` between them.
fn said(printed: &str) -> String {
    advice(printed).map_or("nothing".to_owned(), |known| {
        format!("{} | {}", known.what, known.next)
    })
}

#[test]
fn each_limit_is_named_with_its_end_and_what_to_do() {
    let until =
        "retry after 2026-11-22 13:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/";
    for (detail, parts) in [
        (
            format!(
                "too many certificates (5) already issued for this exact set of identifiers in \
                 the last 168h0m0s, {until}#new-certificates-per-exact-set-of-identifiers"
            ),
            [
                "same set of names",
                "after 2026-11-22 13:00 UTC; until then nothing is asked",
            ],
        ),
        (
            format!(
                "too many certificates (50) already issued for \"example\" in the last 168h0m0s, \
                 {until}#new-certificates-per-registered-domain"
            ),
            ["registered domain", "after 2026-11-22 13:00 UTC"],
        ),
        (
            format!(
                "too many failed authorizations (5) for \"a.example\" in the last 1h0m0s, {until}\
                 #authorization-failures-per-identifier-per-account"
            ),
            ["failed challenges", "Mend meanwhile why they failed"],
        ),
        (
            format!("too many new orders (300) from this account in the last 3h0m0s, {until}"),
            ["orders of an account", "after 2026-11-22 13:00 UTC"],
        ),
        (
            format!(
                "too many new registrations (10) from this IP address in the last 3h0m0s, {until}"
            ),
            ["new accounts", "after 2026-11-22 13:00 UTC"],
        ),
        (
            "There were too many requests of a given type :: Service busy; retry later.".to_owned(),
            [
                "takes no more requests for now",
                "nothing of it for 1 hours",
            ],
        ),
        (
            "acme.errors.ClientError: <Response [429]>".to_owned(),
            ["takes no more requests for now", "staging = true"],
        ),
    ] {
        let said = said(&error(&detail));
        for part in parts {
            assert!(said.contains(part), "{detail}: {said}");
        }
    }
}

#[test]
fn what_else_went_wrong_is_told_with_what_to_do() {
    for (printed, part) in [
        (
            challenge(
                "unauthorized",
                "203.0.113.7: Invalid response from http://a.example/.well-known/acme-challenge/x: \
                 404",
            ),
            "found no challenge under the name (404)",
        ),
        (
            challenge(
                "unauthorized",
                "203.0.113.7: Invalid response from http://a.example/: \"<!DOCTYPE html>\"",
            ),
            "something else than its challenge",
        ),
        (
            challenge(
                "connection",
                "203.0.113.7: Fetching http://a.example/.well-known/acme-challenge/x: Timeout \
                 during connect (likely firewall problem)",
            ),
            "open port 80 to all the world",
        ),
        (
            challenge(
                "dns",
                "DNS problem: NXDOMAIN looking up A for a.example - check that a DNS record exists",
            ),
            "no such name in DNS",
        ),
        (
            challenge("dns", "no valid IP addresses found for a.example"),
            "no address of the name",
        ),
        (
            challenge(
                "dns",
                "DNS problem: SERVFAIL looking up A for a.example - the domain's nameservers may \
                 be malfunctioning",
            ),
            "name servers don't answer",
        ),
        (
            challenge("caa", "CAA record for a.example prevents issuance"),
            "0 issue \"letsencrypt.org\"",
        ),
        (
            error(
                "Error creating new order :: Cannot issue for \"a.example\": The ACME server \
                 refuses to issue a certificate for this domain name, because it is forbidden by \
                 policy",
            ),
            "no certificate for such a name",
        ),
        (
            error("Invalid profile requested :: profile \"shortlived\" not recognized"),
            "doesn't have this profile",
        ),
        (
            error("JWS has an invalid anti-replay nonce: \"x\""),
            "run again: that passes by itself",
        ),
        (
            error(
                "requests.exceptions.SSLError: HTTPSConnectionPool(host='ca.example', port=443): \
                 Max retries exceeded with url: /dir (Caused by SSLError(\
                 SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify \
                 failed: unable to get local issuer certificate')))",
            ),
            "name the authority's root in `ca`",
        ),
        (
            error("ValueError: Requesting ca.example/dir: Network is unreachable"),
            "the proxy gets no answer from the authority",
        ),
        (
            error("Account https://ca.example/my-account/1ce6 not found."),
            "doesn't know the account",
        ),
        (
            "archive directory exists for a.example\n".to_owned(),
            "is not whole",
        ),
        ("docker: no space left on device\n".to_owned(), "nothing"),
    ] {
        let said = said(&printed);
        assert!(said.contains(part), "{printed}: {said}");
    }
}

const NOTE: &str = "at=1795352400\ndirectory=https://ca.example/dir\nnames=a.example \
                    b.example\nsaid=too many new orders (300) from this account in the last 3h0m0s\n";

fn noted(note: &str) -> Option<Noted> {
    Noted::read(note, "https://ca.example/dir", "a.example b.example")
}

#[test]
fn a_refusal_holds_until_its_end_for_the_same_names_and_directory() {
    let note = noted(NOTE).unwrap();
    let (what, mend) = note.holds(1_795_352_400 + 3 * 3600 - 1).unwrap();
    assert!(
        what.starts_with("the authority refused at 2026-11-22 13:00 UTC: the limit of orders"),
        "{what}"
    );
    assert!(
        mend.starts_with("run again after 2026-11-22 16:00 UTC"),
        "{mend}"
    );
    assert_eq!(note.holds(1_795_352_400 + 3 * 3600), None);

    let until = NOTE.replace(
        "3h0m0s",
        "3h0m0s, retry after 2026-11-22 13:05:00 UTC: see x",
    );
    let note = noted(&until).unwrap();
    assert!(note.holds(1_795_352_400 + 299).is_some());
    assert_eq!(note.holds(1_795_352_400 + 300), None);

    for other in [
        NOTE.replace("b.example", "c.example"),
        NOTE.replace("/dir", "/staging"),
    ] {
        assert_eq!(noted(&other), None, "{other}");
    }
}

#[test]
fn a_note_that_is_cut_off_or_of_something_else_keeps_nobody_away() {
    for note in [
        String::new(),
        NOTE.replace("at=", "when="),
        NOTE.replace("1795352400", "soon"),
        NOTE.replace("too many new", "no"),
        NOTE.split("said=").next().unwrap().to_owned(),
    ] {
        assert_eq!(noted(&note), None, "{note}");
    }
}

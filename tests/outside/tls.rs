//! Certificates that hold, and those that don't.

use std::net::SocketAddr;
use std::time::Duration;

use provision::vantage::{
    Certificate, Error, Get, Handshake, Scheme, Trust, TrustError, handshake,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Authority, over_tls, plain, serve};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NAME: &str = "polls.example.com";
const LIMIT: Duration = Duration::from_secs(5);

fn get(address: SocketAddr) -> Get {
    Get::new(Scheme::Https, NAME, address.ip(), "/polls/")
        .port(address.port())
        .limit(LIMIT)
}

fn distrusted(error: Error) -> (Certificate, String) {
    match error {
        Error::Distrusted {
            certificate: Some(certificate),
            source,
            ..
        } => (*certificate, source.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_an_extra_authority_is_trusted_and_described() {
    let authority = Authority::new("Lab CA");
    let address = over_tls(authority.tls(&[NAME, "www.example.com"], 2100), OK).await;
    let trust = Trust::new(Some(&authority.pem)).unwrap();
    let answer = get(address).send(&trust).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let certificate = answer.certificate.unwrap();
    assert_eq!(certificate.issuer, "CN=Lab CA");
    assert_eq!(certificate.names, [NAME, "www.example.com"]);
    assert_eq!(certificate.not_before, 1_577_836_800);
    assert_eq!(certificate.not_after, 4_102_444_800);
    assert_eq!(certificate.sha256.len(), 64);

    let seen = handshake(address, Some(NAME), &trust, LIMIT).await.unwrap();
    assert_eq!(seen, Handshake::Accepted(Some(certificate)));
}

#[tokio::test]
async fn another_host_header_leaves_the_tls_name_as_it_is() {
    let authority = Authority::new("Lab CA");
    let address = over_tls(authority.tls(&[NAME], 2100), OK).await;
    let trust = Trust::new(Some(&authority.pem)).unwrap();
    let look = get(address).host_header("stranger.example");
    assert_eq!(look.send(&trust).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_not_trusted_and_still_described() {
    let stranger = Authority::new("(STAGING) Stranger");
    let address = over_tls(stranger.tls(&[NAME], 2100), OK).await;
    let trust = Trust::new(Some(&Authority::new("Lab CA").pem)).unwrap();
    let (certificate, reason) = distrusted(get(address).send(&trust).await.unwrap_err());
    assert_eq!(certificate.issuer, "CN=(STAGING) Stranger");
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

/// What a handshake with this server comes to, if exactly this certificate is believed.
async fn believed(pem: &str, address: SocketAddr) -> Handshake {
    let trust = Trust::exactly(pem).unwrap();
    handshake(address, Some(NAME), &trust, LIMIT).await.unwrap()
}

#[tokio::test]
async fn one_certificate_is_believed_whoever_signed_it_and_no_other() {
    let stranger = Authority::new("(STAGING) Stranger");
    let (tls, pem) = stranger.tls_and_pem(&[NAME], 2100);
    let address = over_tls(tls, OK).await;
    match believed(&pem, address).await {
        Handshake::Accepted(Some(seen)) => {
            assert_eq!(Certificate::from_pem(&pem), Some(seen.clone()));
            assert_eq!((seen.key.as_str(), seen.names.len()), ("ECDSA P-256", 1));
        }
        other => panic!("{other:?}"),
    }
    let trust = Trust::exactly(&pem).unwrap();
    assert_eq!(get(address).send(&trust).await.unwrap().status, 200);

    // Of the same authority, for the same name.
    let (_, another) = stranger.tls_and_pem(&[NAME], 2100);
    match believed(&another, address).await {
        Handshake::Distrusted { reason, .. } => {
            assert!(reason.contains("on file on the server"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_is_believed_has_to_hold_all_the_same() {
    let stranger = Authority::new("Stranger");
    for (names, year, word) in [
        (&[NAME][..], 2021, "expired"),
        (&["other.example.com"][..], 2100, "other.example.com"),
    ] {
        let (tls, pem) = stranger.tls_and_pem(names, year);
        let address = over_tls(tls, OK).await;
        match believed(&pem, address).await {
            Handshake::Distrusted { reason, .. } => assert!(reason.contains(word), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(Trust::exactly(""), Err(TrustError::Empty)));
}

#[tokio::test]
async fn a_certificate_for_another_name_does_not_hold() {
    let authority = Authority::new("Lab CA");
    let address = over_tls(authority.tls(&["other.example.com"], 2100), OK).await;
    let trust = Trust::new(Some(&authority.pem)).unwrap();
    let (certificate, reason) = distrusted(get(address).send(&trust).await.unwrap_err());
    assert_eq!(certificate.names, ["other.example.com"]);
    assert!(reason.contains("other.example.com"), "{reason}");
}

#[tokio::test]
async fn a_certificate_that_has_ended_does_not_hold() {
    let authority = Authority::new("Lab CA");
    let address = over_tls(authority.tls(&[NAME], 2021), OK).await;
    let trust = Trust::new(Some(&authority.pem)).unwrap();
    let (certificate, reason) = distrusted(get(address).send(&trust).await.unwrap_err());
    assert_eq!(certificate.not_after, 1_609_459_200);
    assert!(reason.contains("expired"), "{reason}");
}

#[tokio::test]
async fn a_handshake_shows_what_a_careless_server_gives_to_a_foreign_name() {
    let authority = Authority::new("Lab CA");
    let address = over_tls(authority.tls(&[NAME], 2100), OK).await;
    let trust = Trust::new(Some(&authority.pem)).unwrap();
    for name in [Some("stranger.example"), None] {
        match handshake(address, name, &trust, LIMIT).await.unwrap() {
            Handshake::Distrusted {
                certificate: Some(certificate),
                ..
            } => assert_eq!(certificate.names, [NAME], "{name:?}"),
            other => panic!("{name:?}: {other:?}"),
        }
    }
}

// The bytes that nginx's ssl_reject_handshake sends: a fatal alert, number 112.
async fn rejecting() -> SocketAddr {
    serve(|mut stream| async move {
        let mut hello = [0; 4096];
        assert!(stream.read(&mut hello).await.unwrap() > 0);
        stream.write_all(&[21, 3, 3, 0, 2, 2, 112]).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_foreign_name_is_rejected_without_a_certificate() {
    let address = rejecting().await;
    let trust = Trust::new(Some(&Authority::new("Lab CA").pem)).unwrap();
    for name in [Some("stranger.example"), None] {
        assert_eq!(
            handshake(address, name, &trust, LIMIT).await.unwrap(),
            Handshake::Rejected("UnrecognisedName".to_owned()),
            "{name:?}"
        );
    }
    let error = get(address).send(&trust).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_not_tls() {
    // It speaks first, so that neither side waits for the other.
    let address = serve(|mut stream| async move {
        stream.write_all(OK.as_bytes()).await.unwrap();
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await.unwrap_or(0) > 0 {}
    })
    .await;
    let trust = Trust::new(Some(&Authority::new("Lab CA").pem)).unwrap();
    let error = get(address).send(&trust).await.unwrap_err();
    assert!(matches!(error, Error::NotTls { .. }), "{error:?}");
    let error = handshake(address, None, &trust, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::NotTls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_closed_in_the_handshake_is_neither_rejected_nor_distrusted() {
    let address = serve(|mut stream| async move {
        let mut hello = [0; 4096];
        assert!(stream.read(&mut hello).await.unwrap() > 0);
    })
    .await;
    let trust = Trust::new(Some(&Authority::new("Lab CA").pem)).unwrap();
    let error = get(address).send(&trust).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    let error = handshake(address, None, &trust, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_gets_no_answer_times_out() {
    let address = plain(OK).await;
    let trust = Trust::new(Some(&Authority::new("Lab CA").pem)).unwrap();
    // The server waits for the end of a request, which a handshake never sends.
    let limit = Duration::from_millis(300);
    let error = handshake(address, None, &trust, limit).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

#[test]
fn authorities_that_are_none_are_refused() {
    assert!(matches!(
        Trust::new(Some("no pem here")),
        Err(TrustError::Empty)
    ));
    assert!(matches!(
        Trust::new(Some(
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"
        )),
        Err(TrustError::Pem(_))
    ));
}

//! Answers of a resolver, and the lack of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use provision::vantage::{LookupError, issuers, lookup};
use tokio::net::{TcpListener, UdpSocket};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long is waited for one that doesn't come.
const SHORT: Duration = Duration::from_secs(1);

const A: u8 = 1;
const AAAA: u8 = 28;
/// 257, whose lower byte is that of [`A`].
const CAA: [u8; 2] = [1, 1];

/// A resolver that knows a handful of names (RFC 1035, section 4).
async fn resolver() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((size, from)) = socket.recv_from(&mut query).await {
            // The question's name runs from byte 12 to a zero; type and class follow.
            let end = 12 + query[12..size].iter().position(|byte| *byte == 0).unwrap() + 5;
            let kind = query[end - 3];
            let first = &query[13..13 + usize::from(query[12])];
            let types = [query[end - 4], kind];
            let (code, data): (u8, Vec<Vec<u8>>) = match (first, kind) {
                (b"example", _) if types == CAA => (
                    0,
                    vec![
                        caa("issue", "LetsEncrypt.org; validationmethods=http-01"),
                        caa("issue", "other.example"),
                        caa("issuewild", "third.example"),
                    ],
                ),
                (b"nobody", _) if types == CAA => (0, vec![caa("issue", ";")]),
                (b"mail", _) if types == CAA => (0, vec![caa("iodef", "mailto:a@b.example")]),
                (b"broken", _) if types == CAA => (2, vec![]),
                _ if types == CAA => (0, vec![]),
                (b"silent", _) => continue,
                (b"half", AAAA) => continue,
                (b"broken", _) => (2, vec![]),
                (b"nowhere", _) => (3, vec![]),
                (b"both" | b"half", A) => (0, vec![vec![198, 51, 100, 2], vec![198, 51, 100, 1]]),
                (b"both", AAAA) => (
                    0,
                    vec![[&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[9]].concat()],
                ),
                _ => (0, vec![]),
            };
            let mut reply = query[..2].to_vec();
            reply.extend([
                0x81,
                0x80 | code,
                0,
                1,
                0,
                u8::try_from(data.len()).unwrap(),
            ]);
            reply.extend([0; 4]);
            reply.extend(&query[12..end]);
            for data in data {
                reply.extend([0xc0, 12, types[0], kind, 0, 1, 0, 0, 0, 60, 0]);
                reply.push(u8::try_from(data.len()).unwrap());
                reply.extend(data);
            }
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    address
}

/// The data of a CAA record (RFC 8659, section 4.1).
fn caa(tag: &str, value: &str) -> Vec<u8> {
    let mut data = vec![0, u8::try_from(tag.len()).unwrap()];
    data.extend(tag.as_bytes());
    data.extend(value.as_bytes());
    data
}

#[tokio::test]
async fn the_nearest_caa_records_say_who_may_issue() {
    let resolver = Some(resolver().await);
    let asked = |name: &'static str| async move { issuers(name, resolver, LIMIT).await };
    let both = Some(vec![
        "letsencrypt.org".to_owned(),
        "other.example".to_owned(),
    ]);
    assert_eq!(asked("a.b.example").await.unwrap(), both);
    assert_eq!(
        asked("nobody.example").await.unwrap(),
        Some(vec![String::new()])
    );
    // Records that say nothing of plain names end the climb all the same.
    assert_eq!(asked("mail.example").await.unwrap(), None);
    assert_eq!(asked("a.test").await.unwrap(), None);
    let failed = asked("broken.example").await;
    assert!(
        matches!(failed, Err(LookupError::Failed { .. })),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_name_has_its_addresses_of_both_families_in_order() {
    let resolver = resolver().await;
    let expected: Vec<IpAddr> = ["198.51.100.1", "198.51.100.2", "2001:db8::9"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let found = lookup("both.example.com", Some(resolver), LIMIT)
        .await
        .unwrap();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_from_one_without_addresses() {
    let resolver = resolver().await;
    let error = lookup("nowhere.example.com", Some(resolver), LIMIT).await;
    assert!(
        matches!(error, Err(LookupError::NoSuchName { .. })),
        "{error:?}"
    );
    let error = lookup("bare.example.com", Some(resolver), LIMIT).await;
    assert!(
        matches!(error, Err(LookupError::NoAddress { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_resolver_that_stays_silent_says_nothing_about_the_name() {
    let resolver = resolver().await;
    let error = lookup("silent.example.com", Some(resolver), SHORT).await;
    assert!(
        matches!(error, Err(LookupError::TimedOut { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let resolver = resolver().await;
    let error = lookup("half.example.com", Some(resolver), SHORT).await;
    assert!(
        matches!(error, Err(LookupError::TimedOut { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_resolver_that_fails_is_told_from_a_missing_name() {
    let resolver = resolver().await;
    let error = lookup("broken.example.com", Some(resolver), LIMIT).await;
    assert!(
        matches!(error, Err(LookupError::Failed { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn where_no_resolver_listens_nothing_is_known() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = lookup("both.example.com", Some(address), LIMIT).await;
    assert!(
        matches!(
            error,
            Err(LookupError::Failed { .. } | LookupError::TimedOut { .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_no_name_is_never_asked_for() {
    let long = "a".repeat(64);
    for name in [long.as_str(), "a..example.com"] {
        let error = lookup(name, Some(resolver().await), LIMIT).await;
        assert!(
            matches!(error, Err(LookupError::Malformed { .. })),
            "{name}: {error:?}"
        );
    }
}

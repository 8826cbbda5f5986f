//! Answers, and the ways of not answering.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use provision::vantage::{Answer, Error, Get, Scheme, Trust};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::server::{Authority, head, plain, say, serve};

// Any authority will do where there is no TLS.
static TRUST: LazyLock<Trust> =
    LazyLock::new(|| Trust::new(Some(&Authority::new("any").pem)).unwrap());

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(address: SocketAddr) -> Get {
    Get::new(Scheme::Http, "polls.example.com", address.ip(), "/polls/")
        .port(address.port())
        .limit(Duration::from_secs(5))
}

async fn answer(address: SocketAddr) -> Result<Answer, Error> {
    get(address).send(&TRUST).await
}

#[tokio::test]
async fn an_answer_has_its_status_headers_and_body() {
    let address = plain(
        "HTTP/1.1 404 Not Found\r\nX-Served-By: app1\r\nVary: a\r\nVary: b\r\n\
         Content-Length: 4\r\n\r\ngone",
    )
    .await;
    let answer = answer(address).await.unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["x-served-by"], "app1");
    assert_eq!(answer.headers["vary"], "a, b");
    assert_eq!(answer.text(), "gone");
    assert_eq!((answer.location, answer.certificate), (None, None));
}

#[tokio::test]
async fn the_name_is_sent_to_the_address_that_was_chosen() {
    let address = serve(|mut stream| async move {
        let head = head(&mut stream).await.to_ascii_lowercase();
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}",
            head.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
    })
    .await;
    let seen = answer(address).await.unwrap().text();
    assert!(seen.starts_with("get /polls/ http/1.1\r\n"), "{seen}");
    assert!(seen.contains("host: polls.example.com:"), "{seen}");

    let other = get(address)
        .host_header("stranger.example")
        .header("X-Forwarded-Proto", "https");
    let seen = other.send(&TRUST).await.unwrap().text();
    assert_eq!(seen.matches("host:").count(), 1, "{seen}");
    assert!(seen.contains("host: stranger.example\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
}

#[tokio::test]
async fn a_name_in_capitals_or_one_that_dns_knows_elsewhere_changes_nothing() {
    let address = plain(OK).await;
    for host in ["POLLS.Example.com", "localhost", "nowhere.invalid."] {
        let mut look = get(address);
        look.host = host.to_owned();
        assert_eq!(look.send(&TRUST).await.unwrap().status, 200, "{host}");
    }
}

#[tokio::test]
async fn an_address_can_stand_for_the_name() {
    let address = plain(OK).await;
    let mut look = get(address);
    look.host = address.ip().to_string();
    assert_eq!(look.send(&TRUST).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_redirect_is_reported_and_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let address = serve(move |stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        say(
            stream,
            "HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        )
    })
    .await;
    let answer = answer(address).await.unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(answer.location.as_deref(), Some("/elsewhere"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn every_look_is_a_connection_of_its_own() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let address = serve(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            // Would serve further requests on this connection, if any came.
            while !head(&mut stream).await.is_empty() {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let look = get(address);
    for _ in 0..3 {
        assert_eq!(look.send(&TRUST).await.unwrap().status, 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn only_the_beginning_of_a_long_body_is_kept() {
    let address = serve(|mut stream| async move {
        head(&mut stream).await;
        let size = 10_000_000;
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; size]).await.ok();
    })
    .await;
    assert_eq!(answer(address).await.unwrap().body.len(), 64 * 1024);
}

#[tokio::test]
async fn hanging_up_without_a_word_is_not_an_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let address = serve(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            head(&mut stream).await;
        }
    })
    .await;
    let error = answer(address).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it was tried again");
}

#[tokio::test]
async fn hanging_up_before_the_request_is_read_is_not_an_answer_either() {
    let address = serve(|stream| async move { drop(stream) }).await;
    let error = answer(address).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_an_answer() {
    let address = plain("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok").await;
    let error = answer(address).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn words_that_are_not_http_are_told_from_silence() {
    let address = plain("SSH-2.0-OpenSSH_10.0\r\n\r\n").await;
    let error = answer(address).await.unwrap_err();
    assert!(matches!(error, Error::NotHttp { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_stays_silent_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limit = Duration::from_millis(300);
    // The first to use it reads all of this machine's authorities.
    LazyLock::force(&TRUST);
    let began = Instant::now();
    let error = get(listener.local_addr().unwrap())
        .limit(limit)
        .send(&TRUST)
        .await
        .unwrap_err();
    let took = began.elapsed();
    assert!(
        matches!(error, Error::TimedOut { limit: after, .. } if after == limit),
        "{error:?}"
    );
    // The usual limit is longer.
    assert!((limit..Duration::from_secs(8)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = answer(address).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_that_can_not_be_made_is_our_fault_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let look = get(listener.local_addr().unwrap()).header("bad name", "x");
    let error = look.send(&TRUST).await.unwrap_err();
    assert!(matches!(error, Error::Request { .. }), "{error:?}");

    for host in ["127.0.0.2", "127.2", "::1", "a b", ""] {
        let mut elsewhere = get(listener.local_addr().unwrap());
        elsewhere.host = host.to_owned();
        let error = elsewhere.send(&TRUST).await.unwrap_err();
        assert!(matches!(error, Error::Request { .. }), "{host}: {error:?}");
    }
}

#[test]
fn a_url_names_the_port_only_where_it_is_unusual() {
    let look = Get::new(Scheme::Https, "a.example", [127, 0, 0, 1].into(), "/x");
    assert_eq!(look.url(), "https://a.example/x");
    assert_eq!(look.port(8443).url(), "https://a.example:8443/x");
    let look = Get::new(Scheme::Http, "::1", "::1".parse().unwrap(), "/");
    assert_eq!(look.url(), "http://[::1]/");
}

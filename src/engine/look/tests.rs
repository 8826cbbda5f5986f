//! What is told of servers that answer, refuse or redirect, all of them in this process.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const HOLDS: &str = "0123abcd";
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn wanted(addresses: &[IpAddr]) -> Look {
    Look {
        names: vec!["a.example".to_owned()],
        addresses: addresses.to_vec(),
        dns: false,
        resolver: None,
        issuer: None,
        path: "/.well-known/acme-challenge/provision".to_owned(),
        holds: HOLDS.to_owned(),
    }
}

/// A server that gives everybody these answers, one after the other and the last for good.
async fn server(answers: Vec<String>) -> u16 {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut at = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answers[at].as_bytes()).await;
            at = (at + 1).min(answers.len() - 1);
        }
    });
    port
}

fn answer(status: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn nobody() -> Trust {
    let cert = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
    Trust::new(Some(&cert.cert.pem())).unwrap()
}

async fn told(answers: Vec<String>) -> Vec<(String, Option<Mend>)> {
    let port = server(answers).await;
    at(&wanted(&[HOME]), "a.example", port, &nobody()).await
}

#[tokio::test]
async fn a_page_that_holds_what_was_put_is_seen_at_the_first_or_the_second_look() {
    let good = answer("200 OK", "", &format!("{HOLDS}\n"));
    assert_eq!(told(vec![good.clone()]).await, []);
    let bad = answer("502 Bad Gateway", "", "");
    assert_eq!(told(vec![bad, good]).await, []);
}

#[tokio::test]
async fn what_is_seen_instead_is_told_with_name_address_and_what_to_do() {
    for (answer, saw, mend) in [
        (
            answer("404 Not Found", "", "nothing here"),
            "404 for a page of this proxy's",
            "See(\"curl -v --resolve a.example:80:127.0.0.1 http://a.example/.well-known",
        ),
        (
            answer("200 OK", "", "<!DOCTYPE html>\n<title>Parked</title>"),
            "something else answers: \"<!DOCTYPE html> <title>Parked</title>\"",
            "See(",
        ),
        (
            answer("301 Moved", "Location: https://b.example/x\r\n", ""),
            "301, which leads to https://b.example/x",
            "See(",
        ),
        (String::new(), "port 80 closes without an answer", "See("),
    ] {
        let told = told(vec![answer]).await;
        let [(what, Some(next))] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(what.starts_with("http://a.example"), "{what}");
        assert!(what.contains(" at 127.0.0.1: "), "{what}");
        assert!(what.ends_with(saw), "{what}");
        let next = format!("{next:?}");
        assert!(next.starts_with(mend), "{next}");
    }
}

#[tokio::test]
async fn a_port_that_refuses_is_to_be_opened() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let told = at(&wanted(&[HOME]), "a.example", port, &nobody()).await;
    let [(what, Some(next))] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(what.ends_with("port 80 refuses connections"), "{what}");
    assert!(
        matches!(next, Mend::Do(text) if text.starts_with("open port 80")),
        "{next:?}"
    );
}

#[test]
fn a_long_page_is_shown_by_its_beginning() {
    assert_eq!(glimpse(" \n "), "an empty page");
    let long = glimpse(&"é".repeat(100));
    assert_eq!(long, format!("\"{}…\"", "é".repeat(SHOWN)));
}

//! What we propose to a server, as it goes over the wire before anything else.

use provision::ssh::Trust;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::server::{ECDSA, Server, new_key};

/// The name lists of the first KEXINIT (RFC 4253, 7.1), in their order: key exchange, host key,
/// cipher and MAC each way, compression each way.
async fn proposed(trust: impl FnOnce(u16) -> Trust) -> Vec<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start().await;
    let mut target = server.target();
    target.port = listener.local_addr().unwrap().port();
    target.trust = trust(target.port);
    let dialer = server.dialer();
    let reading = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"SSH-2.0-nobody\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let length = stream.read_u32().await.unwrap() as usize;
        let mut packet = vec![0; length];
        stream.read_exact(&mut packet).await.unwrap();
        let mut rest = &packet[18..];
        (0..8)
            .map(|_| {
                let (length, after) = rest.split_at(4);
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
                let (list, after) = after.split_at(length);
                rest = after;
                let list = String::from_utf8(list.to_vec()).unwrap();
                list.split(',').map(str::to_owned).collect()
            })
            .collect()
    };
    tokio::select! {
        lists = reading => lists,
        _ = dialer.connect(&target) => panic!("nobody answered, and still it ended first"),
    }
}

#[tokio::test]
async fn nothing_weak_is_proposed_and_strict_key_exchange_is() {
    let lists = proposed(|_| Trust::default()).await;
    for weak in [
        "sha1", "nistp", "cbc", "ssh-rsa", "ssh-dss", "md5", "umac-64", "none@",
    ] {
        let found = lists.iter().flatten().find(|name| name.contains(weak));
        assert_eq!(found, None, "{weak}");
    }
    assert!(
        lists[0].contains(&"kex-strict-c-v00@openssh.com".to_owned()),
        "{:?}",
        lists[0]
    );
    assert_eq!(lists[0][0], "mlkem768x25519-sha256");
    assert_eq!(lists[1], ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]);
    assert_eq!(lists[4][0], "hmac-sha2-512-etm@openssh.com");
}

#[tokio::test]
async fn ecdsa_is_proposed_to_a_host_that_is_known_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let key = new_key(ECDSA).public_key().to_openssh().unwrap();
    let lists = proposed(|port| {
        std::fs::write(&path, format!("[127.0.0.1]:{port} {key}\n")).unwrap();
        Trust {
            pinned: None,
            known_hosts: vec![path.clone()],
        }
    })
    .await;
    assert_eq!(lists[1][..2], ["ecdsa-sha2-nistp256", "ssh-ed25519"]);
}

#[tokio::test]
async fn certificates_are_proposed_first_where_an_authority_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known_hosts");
    let key = new_key(ECDSA).public_key().to_openssh().unwrap();
    std::fs::write(&path, format!("@cert-authority 127.0.0.* {key}\n")).unwrap();
    let lists = proposed(|_| Trust {
        pinned: None,
        known_hosts: vec![path.clone()],
    })
    .await;
    assert_eq!(lists[1][0], "ssh-ed25519-cert-v01@openssh.com");
    assert!(
        lists[1].contains(&"ssh-ed25519".to_owned()),
        "{:?}",
        lists[1]
    );
}

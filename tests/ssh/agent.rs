//! An SSH agent with one key: it lists it and signs with it (draft-ietf-sshm-ssh-agent).

use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;
use russh::keys::signature::Signer;
use russh::keys::ssh_encoding::Encode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Starts the agent and returns its socket.
pub fn start(dir: &Path, key: PrivateKey) -> PathBuf {
    let socket = dir.join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let key = key.clone();
            tokio::spawn(async move {
                // Ends when the client hangs up.
                let _ = serve(stream, &key).await;
            });
        }
    });
    socket
}

async fn serve(mut stream: UnixStream, key: &PrivateKey) -> std::io::Result<()> {
    loop {
        let mut request = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut request).await?;
        let blob = key.public_key().to_bytes().unwrap();
        let mut answer = Vec::new();
        match request[0] {
            REQUEST_IDENTITIES => {
                answer.push(IDENTITIES_ANSWER);
                answer.extend(1u32.to_be_bytes());
                string(&mut answer, &blob);
                string(&mut answer, b"me@laptop");
            }
            SIGN_REQUEST => {
                let rest = &request[1..];
                let (asked_for, rest) = take(rest);
                assert_eq!(asked_for, blob);
                let (data, _) = take(rest);
                let mut signature = Vec::new();
                key.try_sign(data).unwrap().encode(&mut signature).unwrap();
                answer.push(SIGN_RESPONSE);
                string(&mut answer, &signature);
            }
            other => panic!("the test agent knows no request {other}"),
        }
        stream.write_u32(answer.len() as u32).await?;
        stream.write_all(&answer).await?;
    }
}

fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u32).to_be_bytes());
    to.extend(bytes);
}

fn take(from: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = from.split_at(4);
    rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize)
}

//! An SSH agent with one key: it lists it and signs with it (draft-ietf-sshm-ssh-agent).
//!
//! The key may be one on a security key (FIDO); whoever touches it is made up too.

use std::path::{Path, PathBuf};

use russh::keys::signature::Signer;
use russh::keys::ssh_encoding::Encode;
use russh::keys::{PrivateKey, PublicKey};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION: u8 = 27;

/// The key an agent holds.
#[derive(Clone)]
enum Held {
    Plain(PrivateKey),
    /// Signs as a security key does (PROTOCOL.u2f).
    Hardware(PrivateKey),
}

/// The public half of an Ed25519 key on a security key.
pub fn hardware(key: &PrivateKey) -> PublicKey {
    let mut blob = Vec::new();
    string(&mut blob, b"sk-ssh-ed25519@openssh.com");
    string(&mut blob, &key.public_key().key_data().ed25519().unwrap().0);
    string(&mut blob, b"ssh:");
    PublicKey::from_bytes(&blob).unwrap()
}

impl Held {
    fn blob(&self) -> Vec<u8> {
        match self {
            Self::Plain(key) => key.public_key().to_bytes().unwrap(),
            Self::Hardware(key) => hardware(key).to_bytes().unwrap(),
        }
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        let mut signature = Vec::new();
        match self {
            Self::Plain(key) => key.try_sign(data).unwrap().encode(&mut signature).unwrap(),
            Self::Hardware(key) => {
                const TOUCHED: u8 = 1;
                let mut signed = Sha256::digest(b"ssh:").to_vec();
                signed.push(TOUCHED);
                signed.extend(7u32.to_be_bytes());
                signed.extend(Sha256::digest(data));
                string(&mut signature, b"sk-ssh-ed25519@openssh.com");
                string(&mut signature, key.try_sign(&signed).unwrap().as_bytes());
                signature.push(TOUCHED);
                signature.extend(7u32.to_be_bytes());
            }
        }
        signature
    }
}

/// Starts an agent and returns its socket.
pub fn start(dir: &Path, key: PrivateKey) -> PathBuf {
    listen(dir, Held::Plain(key))
}

/// Starts an agent whose Ed25519 key is on a security key.
pub fn start_hardware(dir: &Path, key: PrivateKey) -> PathBuf {
    listen(dir, Held::Hardware(key))
}

fn listen(dir: &Path, key: Held) -> PathBuf {
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

async fn serve(mut stream: UnixStream, key: &Held) -> std::io::Result<()> {
    loop {
        let mut request = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut request).await?;
        let blob = key.blob();
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
                answer.push(SIGN_RESPONSE);
                string(&mut answer, &key.sign(data));
            }
            // session-bind@openssh.com, which this agent has no use for.
            EXTENSION => answer.push(FAILURE),
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

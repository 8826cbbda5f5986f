//! An SSH server whose commands each do one thing that a client must cope with.

use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use provision::ssh::{
    Address, Dialer, Family, Identity, Keys, Nobody, Patience, Target, Trust, Via,
};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::private::RsaKeypair;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use russh::server::{self, Auth, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, MethodKind, MethodSet, Sig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

pub const ECDSA: Algorithm = Algorithm::Ecdsa {
    curve: EcdsaCurve::NistP256,
};
pub const RSA: Algorithm = Algorithm::Rsa { hash: None };

pub fn new_key(algorithm: Algorithm) -> PrivateKey {
    if algorithm == RSA {
        // The default size takes many seconds to make.
        return RsaKeypair::random(&mut safe_rng(), 2048).unwrap().into();
    }
    PrivateKey::random(&mut safe_rng(), algorithm).unwrap()
}

/// What the server saw of its clients.
#[derive(Default)]
pub struct Saw {
    pub logins: AtomicUsize,
    pub commands: AtomicUsize,
    /// Commands whose channel the client closed before they ended.
    pub given_up: AtomicUsize,
}

/// A server, a home directory with keys, and what leads to it.
pub struct Server {
    pub port: u16,
    pub host_keys: Vec<PublicKey>,
    pub user_key: PrivateKey,
    pub saw: Arc<Saw>,
    pub dir: TempDir,
}

/// How a server differs from the ordinary one.
pub struct Setup {
    pub host_keys: Vec<Algorithm>,
    pub user_key: Algorithm,
    pub most_attempts: usize,
    pub also_wants: Option<MethodKind>,
    /// How many pieces of input a command may leave unread. Then a russh server stops altogether
    /// (sshd doesn't): it couldn't even hear that the client has read on.
    pub unread: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            host_keys: vec![Algorithm::Ed25519],
            user_key: Algorithm::Ed25519,
            most_attempts: 10,
            also_wants: None,
            unread: 1 << 20,
        }
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let host_keys: Vec<_> = setup.host_keys.into_iter().map(new_key).collect();
        let user_key = new_key(setup.user_key);
        let saw = Arc::new(Saw::default());
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            host_keys: host_keys
                .iter()
                .map(|key| key.public_key().clone())
                .collect(),
            user_key: user_key.clone(),
            saw: Arc::clone(&saw),
            dir,
        };
        server.write_key("key", &user_key);
        let config = Arc::new(server::Config {
            keys: host_keys,
            max_auth_attempts: setup.most_attempts,
            auth_rejection_time: Duration::ZERO,
            methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
            nodelay: true,
            channel_buffer_size: setup.unread,
            ..server::Config::default()
        });
        let pair = Arc::new(Barrier::new(2));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().unwrap();
                let handler = Handler {
                    wire: Arc::new(stream.try_clone().unwrap()),
                    user_key: user_key.public_key().clone(),
                    also_wants: setup.also_wants,
                    saw: Arc::clone(&saw),
                    pair: Arc::clone(&pair),
                    channels: Vec::new(),
                };
                let stream = TcpStream::from_std(stream).unwrap();
                stream.set_nodelay(true).unwrap();
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    // Ends in an error whenever a client gives up, which is the point of many.
                    if let Ok(running) = server::run_stream(config, stream, handler).await {
                        let _ = running.await;
                    }
                });
            }
        });
        server
    }

    /// Writes a key file and its public half into the server's directory.
    pub fn write_key(&self, name: &str, key: &PrivateKey) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, key.to_openssh(Default::default()).unwrap()).unwrap();
        let public = key.public_key().to_openssh().unwrap();
        std::fs::write(path.with_extension("pub"), public + "\n").unwrap();
        path
    }

    /// Writes a known_hosts file, with `HOST` for what this server goes by in it.
    pub fn known_hosts(&self, text: &str) -> Trust {
        let path = self.dir.path().join("known_hosts");
        std::fs::write(
            &path,
            text.replace("HOST", &format!("[127.0.0.1]:{}", self.port)),
        )
        .unwrap();
        Trust {
            pinned: None,
            known_hosts: vec![path],
        }
    }

    /// What leads to the server: the right key, the right pin.
    pub fn target(&self) -> Target {
        Target {
            host: "app1".into(),
            address: Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port: self.port,
            family: Family::Any,
            via: Via::Direct,
            alias: None,
            user: "deploy".into(),
            identity: Identity {
                key: Some(self.dir.path().join("key")),
                ..Identity::default()
            },
            trust: Trust {
                pinned: Some(print(&self.host_keys[0])),
                known_hosts: Vec::new(),
            },
            patience: Patience {
                connect: Duration::from_secs(10),
                ..Patience::default()
            },
        }
    }

    /// Keys of a home directory that is the server's directory, no agent, and nobody to ask.
    pub fn dialer(&self) -> Dialer {
        dialer(Keys::new(Some(self.dir.path().to_owned()), None))
    }

    pub fn logins(&self) -> usize {
        self.saw.logins.load(Ordering::SeqCst)
    }
}

/// Connections with these keys, and nobody to ask.
pub fn dialer(keys: Keys) -> Dialer {
    Dialer::new(keys, Arc::new(Nobody), None)
}

pub fn print(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

struct Handler {
    /// To cut the connection off with.
    wire: Arc<std::net::TcpStream>,
    user_key: PublicKey,
    also_wants: Option<MethodKind>,
    saw: Arc<Saw>,
    pair: Arc<Barrier>,
    channels: Vec<(ChannelId, Channel<Msg>)>,
}

impl server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        self.saw.logins.fetch_add(1, Ordering::SeqCst);
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        self.saw.logins.fetch_add(1, Ordering::SeqCst);
        let right = user == "deploy" && offer.public_key.key_data() == self.user_key.key_data();
        // As sshd has it since 8.8: no SHA-1.
        let sha1 = matches!(offer.algorithm, Algorithm::Rsa { hash: None });
        Ok(if right && !sha1 {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(match self.also_wants {
            None => Auth::Accept,
            Some(method) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::from(&[method][..])),
                partial_success: true,
            },
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.channels.push((channel.id(), channel));
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.saw.commands.fetch_add(1, Ordering::SeqCst);
        let command = String::from_utf8_lossy(command).into_owned();
        let at = self.channels.iter().position(|(known, _)| *known == id);
        let (_, channel) = self.channels.swap_remove(at.unwrap());
        if command == "refuse" {
            return session.channel_failure(id);
        }
        session.channel_success(id)?;
        let handle = session.handle();
        let saw = Arc::clone(&self.saw);
        let pair = Arc::clone(&self.pair);
        let wire = Arc::clone(&self.wire);
        tokio::spawn(async move {
            let Some(how) = command.strip_prefix("lose ") else {
                // A client that gave up makes these fail; the test sees that on its side.
                let _ = run(&command, channel, handle, &saw, &pair).await;
                return;
            };
            channel.data(&b"half a li"[..]).await.unwrap();
            if how == "after the status" {
                channel.exit_status(0).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            if how == "with a word" {
                let by = russh::Disconnect::ByApplication;
                let _ = handle
                    .disconnect(by, "going down".into(), String::new())
                    .await;
            } else {
                wire.shutdown(Shutdown::Both).unwrap();
            }
        });
        Ok(())
    }
}

async fn run(
    command: &str,
    mut channel: Channel<Msg>,
    handle: server::Handle,
    saw: &Saw,
    pair: &Barrier,
) -> Result<(), russh::Error> {
    match command {
        "both" => {
            channel.data(&b"out\n"[..]).await?;
            channel.extended_data(1, &b"err\n"[..]).await?;
            channel.data(&b"more\n"[..]).await?;
            channel.eof().await?;
            channel.exit_status(3).await?;
        }
        "late" => {
            channel.exit_status(0).await?;
            tokio::time::sleep(Duration::from_millis(30)).await;
            channel.data(&b"late out"[..]).await?;
            channel.extended_data(1, &b"late err"[..]).await?;
            channel.eof().await?;
        }
        "eof first" => {
            channel.data(&b"out"[..]).await?;
            channel.eof().await?;
            tokio::time::sleep(Duration::from_millis(30)).await;
            channel.exit_status(5).await?;
        }
        "no status" => channel.eof().await?,
        "killed" => {
            let id = channel.id();
            let _ = handle
                .exit_signal_request(id, Sig::KILL, false, String::new(), String::new())
                .await;
        }
        "cat" => {
            let (mut input, output) = channel.split();
            while let Some(message) = input.wait().await {
                match message {
                    ChannelMsg::Data { data } => output.data_bytes(data).await?,
                    ChannelMsg::Eof => break,
                    _ => {}
                }
            }
            output.exit_status(0).await?;
            output.eof().await?;
            return output.close().await;
        }
        "count" => {
            let mut bytes = 0;
            while let Some(message) = channel.wait().await {
                match message {
                    ChannelMsg::Data { data } => bytes += data.len(),
                    ChannelMsg::Eof => break,
                    _ => {}
                }
            }
            channel.data(bytes.to_string().as_bytes()).await?;
            channel.exit_status(0).await?;
        }
        // Doesn't read a byte.
        "early" => channel.exit_status(7).await?,
        "pair" => {
            pair.wait().await;
            channel.exit_status(0).await?;
        }
        "flood" => {
            for _ in 0..2000 {
                channel.data(&b"a line of output\n"[..]).await?;
            }
            channel.exit_status(0).await?;
        }
        // Stays until it is closed.
        "hang" => {
            channel.data(&b"working\n"[..]).await?;
            while let Some(message) = channel.wait().await {
                if matches!(message, ChannelMsg::Close) {
                    saw.given_up.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        }
        other => panic!("the test server knows no command {other:?}"),
    }
    channel.close().await
}

//! An SSH server whose commands each do one thing that a client must cope with.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provision::shell::Secret;
use provision::ssh::{
    Address, Answer, Ask, Dialer, Family, Identity, Keys, Nobody, Patience, Question, Target,
    Trust, Unanswered, Via,
};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::private::RsaKeypair;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use russh::server::{self, Auth, Msg, PublicKeyOffer, Response, VerifiedPublicKey};
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
    /// Questions whether a key would do, and attempts without anything.
    pub logins: AtomicUsize,
    /// Keys that were asked about, as fingerprints, bare or in a certificate.
    pub offered: Mutex<Vec<String>>,
    /// Signatures by keys and certificates.
    pub signatures: AtomicUsize,
    pub passwords: Mutex<Vec<String>>,
    /// Attempts at prompts.
    pub interactive: AtomicUsize,
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
    /// What is wanted on top of the key.
    pub also_wants: Option<MethodKind>,
    /// The methods it accepts at first.
    pub methods: Vec<MethodKind>,
    /// The password that is right.
    pub password: Option<&'static str>,
    /// What it asks with keyboard-interactive, round by round.
    pub rounds: Vec<Round>,
    /// The key that is right, if it isn't the server's own.
    pub user_public: Option<PublicKey>,
    /// Certificates of this authority log in, and plain keys don't.
    pub user_ca: Option<PublicKey>,
    /// Makes a certificate of each host key.
    pub certify: Option<fn(&PrivateKey) -> Certificate>,
    /// How long a client may keep quiet.
    pub waits: Option<Duration>,
    /// How many pieces of input a command may leave unread. Then a russh server stops altogether
    /// (sshd doesn't): it couldn't even hear that the client has read on.
    pub unread: usize,
}

/// One round of prompts.
#[derive(Clone)]
pub struct Round {
    pub instructions: &'static str,
    /// Each with whether it may be seen, and the right answer.
    pub prompts: Vec<(&'static str, bool, &'static str)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            host_keys: vec![Algorithm::Ed25519],
            user_key: Algorithm::Ed25519,
            most_attempts: 10,
            also_wants: None,
            methods: vec![MethodKind::PublicKey, MethodKind::Password],
            password: None,
            rounds: Vec::new(),
            user_public: None,
            user_ca: None,
            certify: None,
            waits: None,
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
        let right_key = setup
            .user_public
            .unwrap_or_else(|| user_key.public_key().clone());
        let certificates = match setup.certify {
            Some(certify) => host_keys.iter().map(certify).collect(),
            None => Vec::new(),
        };
        let config = Arc::new(server::Config {
            keys: host_keys,
            certificates,
            max_auth_attempts: setup.most_attempts,
            auth_rejection_time: Duration::ZERO,
            methods: MethodSet::from(&setup.methods[..]),
            inactivity_timeout: setup.waits,
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
                    user_key: right_key.clone(),
                    also_wants: setup.also_wants,
                    methods: setup.methods.clone(),
                    password: setup.password,
                    rounds: setup.rounds.clone(),
                    user_ca: setup.user_ca.clone(),
                    at_round: 0,
                    half_way: false,
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

    /// The same, with somebody who answers.
    pub fn dialer_with(&self, asked: &Arc<Asked>) -> Dialer {
        let keys = Keys::new(Some(self.dir.path().to_owned()), None);
        Dialer::new(keys, Arc::clone(asked) as Arc<dyn Ask>, None)
    }

    pub fn logins(&self) -> usize {
        self.saw.logins.load(Ordering::SeqCst)
    }
}

/// Connections with these keys, and nobody to ask.
pub fn dialer(keys: Keys) -> Dialer {
    Dialer::new(keys, Arc::new(Nobody), None)
}

/// Answers from a list, and keeps the questions.
#[derive(Default)]
pub struct Asked {
    answers: Mutex<VecDeque<&'static str>>,
    pub questions: Mutex<Vec<Question>>,
    /// How long the operator thinks.
    pub slow: Duration,
}

impl Asked {
    pub fn new(answers: &[&'static str]) -> Arc<Self> {
        Self::slow(answers, Duration::ZERO)
    }

    pub fn slow(answers: &[&'static str], slow: Duration) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            questions: Mutex::default(),
            slow,
        })
    }

    pub fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }
}

impl Ask for Asked {
    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a> {
        self.questions.lock().unwrap().push(question.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            tokio::time::sleep(self.slow).await;
            answer.map(Secret::new).ok_or(Unanswered::Cancelled)
        })
    }
}

pub fn print(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

struct Handler {
    /// To cut the connection off with.
    wire: Arc<std::net::TcpStream>,
    user_key: PublicKey,
    also_wants: Option<MethodKind>,
    methods: Vec<MethodKind>,
    password: Option<&'static str>,
    rounds: Vec<Round>,
    user_ca: Option<PublicKey>,
    at_round: usize,
    /// Whether the key was accepted and something else is still wanted.
    half_way: bool,
    saw: Arc<Saw>,
    pair: Arc<Barrier>,
    channels: Vec<(ChannelId, Channel<Msg>)>,
}

impl Handler {
    fn refuse(&self) -> Auth {
        let left = match self.also_wants {
            Some(method) if self.half_way => vec![method],
            _ => self.methods.clone(),
        };
        Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(&left[..])),
            partial_success: false,
        }
    }

    /// A method was right.
    fn passed(&mut self, method: MethodKind) -> Auth {
        match self.also_wants {
            None => Auth::Accept,
            Some(wanted) if self.half_way && wanted == method => Auth::Accept,
            Some(wanted) if method == MethodKind::PublicKey => {
                self.half_way = true;
                Auth::Reject {
                    proceed_with_methods: Some(MethodSet::from(&[wanted][..])),
                    partial_success: true,
                }
            }
            Some(_) => self.refuse(),
        }
    }
}

impl server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        self.saw.logins.fetch_add(1, Ordering::SeqCst);
        Ok(self.refuse())
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        self.saw.logins.fetch_add(1, Ordering::SeqCst);
        self.saw
            .offered
            .lock()
            .unwrap()
            .push(print(offer.public_key));
        let right = user == "deploy" && offer.public_key.key_data() == self.user_key.key_data();
        // As sshd has it since 8.8: no SHA-1.
        let sha1 = matches!(offer.algorithm, Algorithm::Rsa { hash: None });
        Ok(if right && !sha1 {
            Auth::Accept
        } else {
            self.refuse()
        })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.saw.signatures.fetch_add(1, Ordering::SeqCst);
        match self.user_ca {
            Some(_) => Ok(self.refuse()),
            None => Ok(self.passed(MethodKind::PublicKey)),
        }
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        self.saw.signatures.fetch_add(1, Ordering::SeqCst);
        let authority = self.user_ca.as_ref().map(PublicKey::key_data);
        let right = authority == Some(certificate.signature_key())
            && certificate
                .valid_principals()
                .iter()
                .any(|name| name == user);
        Ok(match right {
            true => self.passed(MethodKind::PublicKey),
            false => self.refuse(),
        })
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.saw.passwords.lock().unwrap().push(password.to_owned());
        let right = user == "deploy" && self.password == Some(password);
        Ok(match right {
            true => self.passed(MethodKind::Password),
            false => self.refuse(),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        match response {
            None => {
                self.saw.interactive.fetch_add(1, Ordering::SeqCst);
                self.at_round = 0;
            }
            Some(answers) => {
                let given: Vec<_> = answers.collect();
                let wanted = self.rounds[self.at_round].prompts.iter();
                let wanted: Vec<_> = wanted.map(|(_, _, answer)| answer.as_bytes()).collect();
                if given != wanted {
                    return Ok(self.refuse());
                }
                self.at_round += 1;
            }
        }
        let Some(round) = self.rounds.get(self.at_round) else {
            return Ok(match self.rounds.is_empty() {
                true => self.refuse(),
                false => self.passed(MethodKind::KeyboardInteractive),
            });
        };
        let prompts = round.prompts.iter();
        let prompts = prompts.map(|(prompt, echo, _)| (Cow::Borrowed(*prompt), *echo));
        Ok(Auth::Partial {
            name: "".into(),
            instructions: round.instructions.into(),
            prompts: prompts.collect::<Vec<_>>().into(),
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

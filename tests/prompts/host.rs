//! A server that lets `deploy` in with a password or by prompts of its own, and runs commands
//! with sh, where `sudo` is a stand-in that wants a password.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Shutdown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::keys::Algorithm;
use russh::server::{self, Auth, Msg, Response};
use russh::{Channel, ChannelId, ChannelMsg, MethodKind, MethodSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::runtime::Runtime;

use crate::executable;
use crate::server::{new_key, print};

/// What a host does.
#[derive(Clone, Default)]
pub struct Setup {
    /// The password that logs in.
    pub password: Option<&'static str>,
    /// What is asked instead, whether the answer may be seen, and the right one.
    pub prompts: Vec<(&'static str, bool, &'static str)>,
    /// The password that the stand-in for sudo wants.
    pub sudo: &'static str,
    /// It can be made to hang up.
    pub hangs_up: bool,
}

impl Setup {
    fn method(&self) -> MethodKind {
        match self.prompts.is_empty() {
            true => MethodKind::Password,
            false => MethodKind::KeyboardInteractive,
        }
    }
}

/// A running one. It ends with its owner.
pub struct Host {
    pub port: u16,
    pub fingerprint: String,
    /// Its public key, as known_hosts has it.
    pub public: String,
    /// All it was sent as a password or an answer.
    pub given: Arc<Mutex<Vec<String>>>,
    /// The text of all commands.
    pub commands: Arc<Mutex<Vec<String>>>,
    /// Connections that it can hang up on.
    wires: Arc<Mutex<Vec<std::net::TcpStream>>>,
    _runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Host {
    pub fn start(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        stand_in(dir.path(), setup.sudo);
        let runtime = Runtime::new().unwrap();
        let key = new_key(Algorithm::Ed25519);
        let fingerprint = print(key.public_key());
        let public = key.public_key().to_openssh().unwrap();
        let method = setup.method();
        let config = Arc::new(server::Config {
            keys: vec![key],
            methods: MethodSet::from(&[method][..]),
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..server::Config::default()
        });
        let any = (Ipv4Addr::UNSPECIFIED, 0);
        let listener = runtime.block_on(TcpListener::bind(any)).unwrap();
        let host = Self {
            port: listener.local_addr().unwrap().port(),
            fingerprint,
            public,
            given: Arc::default(),
            commands: Arc::default(),
            wires: Arc::default(),
            _runtime: runtime,
            _dir: dir,
        };
        let handler = Handler {
            setup,
            given: Arc::clone(&host.given),
            commands: Arc::clone(&host.commands),
            bin: host._dir.path().to_owned(),
            channels: Arc::default(),
        };
        let wires = Arc::clone(&host.wires);
        host._runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (config, handler) = (Arc::clone(&config), handler.clone());
                let stream = stream.into_std().unwrap();
                if handler.setup.hangs_up {
                    wires.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let stream = TcpStream::from_std(stream).unwrap();
                tokio::spawn(async move {
                    // It ends in an error where the client gives up.
                    if let Ok(running) = server::run_stream(config, stream, handler).await {
                        let _ = running.await;
                    }
                });
            }
        });
        host
    }

    /// Hangs up on everybody.
    pub fn hang_up(&self) {
        let wires = std::mem::take(&mut *self.wires.lock().unwrap());
        assert!(!wires.is_empty(), "somebody is connected");
        for wire in wires {
            // It fails where the client was faster.
            let _ = wire.shutdown(Shutdown::Both);
        }
    }

    pub fn given(&self) -> Vec<String> {
        self.given.lock().unwrap().clone()
    }

    /// How many commands ran as root.
    pub fn ran(&self) -> usize {
        let ran = std::fs::read_to_string(self._dir.path().join("ran"));
        ran.unwrap_or_default().lines().count()
    }

    /// How many passwords sudo turned down.
    pub fn turned_down(&self) -> usize {
        let wrong = std::fs::read_to_string(self._dir.path().join("wrong"));
        wrong.unwrap_or_default().lines().count()
    }
}

/// sudo, as far as it is called. It knows its password by a digest only, so that whoever looks
/// for the password in files doesn't find this one.
fn stand_in(dir: &Path, password: &str) {
    let digest = ring::digest::digest(&ring::digest::SHA256, password.as_bytes());
    let digest: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let dir_ = dir.display();
    let text = format!(
        r#"#!/bin/sh
[ "$1" = -S ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}
prompt=$3
shift 3
for turn in 1 2 3; do
    printf %s "$prompt" >&2
    IFS= read -r given || exit 1
    seen=$(printf %s "$given" | sha256sum)
    if [ "${{seen%% *}}" = {digest} ]; then
        unset given
        echo ran >>{dir_}/ran
        exec "$@"
    fi
    echo "$turn" >>{dir_}/wrong
    echo 'Sorry, try again.' >&2
done
exit 1
"#
    );
    let path = dir.join("sudo");
    executable::write(&path, &text);
}

type Channels = Arc<Mutex<Vec<(ChannelId, Channel<Msg>)>>>;

#[derive(Clone)]
struct Handler {
    setup: Setup,
    given: Arc<Mutex<Vec<String>>>,
    commands: Arc<Mutex<Vec<String>>>,
    bin: PathBuf,
    channels: Channels,
}

impl Handler {
    fn refuse(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(&[self.setup.method()][..])),
            partial_success: false,
        }
    }
}

impl server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.given.lock().unwrap().push(password.to_owned());
        Ok(
            match user == "deploy" && self.setup.password == Some(password) {
                true => Auth::Accept,
                false => self.refuse(),
            },
        )
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let prompts = &self.setup.prompts;
        let Some(answers) = response else {
            let prompts = prompts.iter();
            let prompts = prompts.map(|(prompt, echo, _)| (Cow::Borrowed(*prompt), *echo));
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: prompts.collect::<Vec<_>>().into(),
            });
        };
        let answers: Vec<_> = answers
            .map(|answer| String::from_utf8_lossy(&answer).into_owned())
            .collect();
        let right = user == "deploy" && prompts.iter().map(|(_, _, right)| *right).eq(&answers);
        self.given.lock().unwrap().extend(answers);
        Ok(match right {
            true => Auth::Accept,
            false => self.refuse(),
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        let entry = (channel.id(), channel);
        self.channels.lock().unwrap().push(entry);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(command).into_owned();
        self.commands.lock().unwrap().push(command.clone());
        let channel = {
            let mut channels = self.channels.lock().unwrap();
            let at = channels.iter().position(|(known, _)| *known == id);
            channels.swap_remove(at.unwrap()).1
        };
        session.channel_success(id)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.bin.display());
        tokio::spawn(run(command, path, channel));
        Ok(())
    }
}

/// Runs a command as sshd would, with pipes.
async fn run(command: String, path: String, channel: Channel<Msg>) {
    let mut child = Command::new("sh")
        .args(["-c", &command])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut input, output) = channel.split();
    let mut stdin = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    tokio::spawn(async move {
        while let Some(message) = input.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if let Some(stdin) = &mut stdin {
                        // A command that is gone reads no more.
                        let _ = stdin.write_all(&data).await;
                    }
                }
                ChannelMsg::Eof => drop(stdin.take()),
                _ => {}
            }
        }
    });
    let (mut out, mut err) = (vec![0; 8192], vec![0; 8192]);
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let sent = tokio::select! {
            read = stdout.read(&mut out), if out_open => match read {
                Ok(read @ 1..) => output.data(&out[..read]).await,
                _ => { out_open = false; Ok(()) }
            },
            read = stderr.read(&mut err), if err_open => match read {
                Ok(read @ 1..) => output.extended_data(1, &err[..read]).await,
                _ => { err_open = false; Ok(()) }
            },
        };
        if sent.is_err() {
            return;
        }
    }
    let status = child.wait().await.unwrap();
    let code = u32::try_from(status.code().unwrap_or(255)).unwrap();
    // The client may have gone.
    let _ = output.eof().await;
    let _ = output.exit_status(code).await;
    let _ = output.close().await;
}

//! What lies between a client and a server, and goes wrong.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Passes connections on to a port.
pub struct Relay {
    pub port: u16,
    pub saw: Arc<Saw>,
}

/// What a relay does and saw.
#[derive(Default)]
pub struct Saw {
    pub connections: AtomicUsize,
    /// Nothing is passed on any more, and nobody is told.
    pub silent: AtomicBool,
    /// Everything ends.
    cut: Notify,
}

/// How a relay treats a connection.
#[derive(Clone, Copy)]
pub enum Treat {
    Pass,
    /// Says this and hangs up.
    HangUp(&'static str),
    /// Says this first.
    Greet(&'static str),
    /// Passes on so many bytes of the server's, and no more.
    StopAfter(usize),
}

impl Relay {
    /// A relay to this port that treats each connection by its number.
    pub async fn to(port: u16, treat: impl Fn(usize) -> Treat + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let saw = Arc::new(Saw::default());
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            saw: Arc::clone(&saw),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = saw.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(client, port, treat(number), Arc::clone(&saw)));
            }
        });
        relay
    }

    pub fn silence(&self) {
        self.saw.silent.store(true, Ordering::SeqCst);
    }

    pub fn cut(&self) {
        self.saw.cut.notify_waiters();
    }

    pub fn connections(&self) -> usize {
        self.saw.connections.load(Ordering::SeqCst)
    }
}

async fn pass(mut client: TcpStream, port: u16, treat: Treat, saw: Arc<Saw>) {
    let mut most = usize::MAX;
    match treat {
        Treat::Pass => {}
        Treat::HangUp(words) => {
            // It fails where the client is gone.
            let _ = client.write_all(words.as_bytes()).await;
            return;
        }
        Treat::Greet(words) => client.write_all(words.as_bytes()).await.unwrap(),
        Treat::StopAfter(bytes) => most = bytes,
    }
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let silent = || async {
        if saw.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    };
    let up = async {
        let mut piece = vec![0; 32 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            silent().await;
            if to_server.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut piece = vec![0; 32 * 1024];
        let mut passed = 0;
        while let Ok(length @ 1..) = from_server.read(&mut piece).await {
            silent().await;
            let length = length.min(most - passed);
            passed += length;
            if to_client.write_all(&piece[..length]).await.is_err() {
                return;
            }
            if passed == most {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = saw.cut.notified() => {}
    }
}

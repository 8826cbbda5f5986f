//! Whether a port takes a connection.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// What came back when a connection was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The connection was made.
    Open,
    /// A reset came back: the packet got somewhere, and nothing takes it there.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// The system or a router says that no packet gets there, with its words. Without a
    /// route for IPv6, every IPv6 address looks like this: it says nothing about the server.
    Unreachable(String),
}

/// One attempt at a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// What came back.
    pub reach: Reach,
    /// How long that took.
    pub elapsed: Duration,
}

/// Attempts a connection and closes it at once.
///
/// A lost SYN is sent again after 1 s and after 3 s: with a `limit` of less than about 4 s,
/// one or two lost packets can look like a firewall.
pub async fn tcp(address: SocketAddr, limit: Duration) -> Touch {
    let began = Instant::now();
    let reach = match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => Reach::TimedOut,
        Ok(Ok(_)) => Reach::Open,
        Ok(Err(error)) => match error.kind() {
            ErrorKind::ConnectionRefused => Reach::Refused,
            ErrorKind::TimedOut => Reach::TimedOut,
            _ => Reach::Unreachable(error.to_string()),
        },
    };
    Touch {
        reach,
        elapsed: began.elapsed(),
    }
}

/// The address that this machine sends from to another one, by its routes; `None` if there is no
/// way there. No packet is sent for it.
pub async fn source(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.ok()?;
    socket.connect(to).await.ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_port_that_listens_is_open() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let touch = tcp(listener.local_addr().unwrap(), LIMIT).await;
        assert_eq!(touch.reach, Reach::Open);
        assert!(touch.elapsed < LIMIT);
    }

    #[tokio::test]
    async fn a_port_that_nothing_listens_on_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(tcp(address, LIMIT).await.reach, Reach::Refused);
    }

    // A listener whose queue is full answers no further SYN, on Linux: the nearest thing to
    // a dropping firewall that one process can have.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_port_that_stays_silent_times_out_after_the_limit() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let limit = Duration::from_millis(300);
        let mut held = Vec::new();
        while let Ok(stream) = timeout(limit, TcpStream::connect(address)).await {
            held.push(stream.unwrap());
            assert!(held.len() < 64, "the queue never filled");
        }
        let touch = tcp(address, limit).await;
        assert_eq!(touch.reach, Reach::TimedOut);
        assert!(touch.elapsed >= limit);
    }

    #[tokio::test]
    async fn the_way_to_this_machine_begins_on_it() {
        let to = "127.0.0.1:9".parse().unwrap();
        assert_eq!(source(to).await, Some("127.0.0.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn an_address_that_can_not_be_routed_is_unreachable_and_not_blocked() {
        // TCP to a multicast address: the system refuses by itself, no packet leaves.
        let touch = tcp("224.0.0.1:80".parse().unwrap(), LIMIT).await;
        assert!(
            matches!(touch.reach, Reach::Unreachable(_)),
            "{:?}",
            touch.reach
        );
    }
}

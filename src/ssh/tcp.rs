//! TCP to a server: looking its name up, and trying its addresses.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::error::Stage;
use super::fault::Fault;
use super::target::{Address, Family, Target};

/// How long one address is tried alone before the next joins in (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Opens a TCP connection to a target's sshd.
pub(super) async fn connect(
    target: &Target,
    deadline: Instant,
) -> Result<TcpStream, (Stage, Fault)> {
    let addresses = addresses(target, deadline)
        .await
        .map_err(|fault| (Stage::Resolve, fault))?;
    let stream = first(target, addresses, deadline)
        .await
        .map_err(|fault| (Stage::Connect, fault))?;
    // Saves some 45 ms at the login and at every command. A socket that can't is still good.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Where a target may be, in the order to try.
async fn addresses(target: &Target, deadline: Instant) -> Result<Vec<SocketAddr>, Fault> {
    let (name, all) = match &target.address {
        Address::Ip(address) => (
            address.to_string(),
            vec![SocketAddr::new(*address, target.port)],
        ),
        Address::Name(name) => (name.clone(), look_up(name, target, deadline).await?),
    };
    let (fit, other): (Vec<_>, Vec<_>) = all.into_iter().partition(|at| match target.family {
        Family::Any => true,
        Family::V4 => at.is_ipv4(),
        Family::V6 => at.is_ipv6(),
    });
    if fit.is_empty() {
        return Err(Fault::NoAddress {
            name,
            family: match target.family {
                Family::Any => "",
                Family::V4 => "IPv4 ",
                Family::V6 => "IPv6 ",
            },
            other: other.iter().map(SocketAddr::ip).collect(),
        });
    }
    Ok(in_turns(fit))
}

/// Asks the system's resolver, as `ssh` does. On a thread of its own: a resolver that hangs
/// would keep the runtime from ending if it sat in its pool.
async fn look_up(name: &str, target: &Target, deadline: Instant) -> Result<Vec<SocketAddr>, Fault> {
    let (sender, answer) = oneshot::channel();
    let asked = (name.to_owned(), target.port);
    let thread = std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.send(asked.to_socket_addrs().map(Vec::from_iter));
        });
    let failed = |cause| Fault::Resolve {
        name: name.to_owned(),
        cause,
    };
    thread.map_err(failed)?;
    // Some of the time is kept for the connection itself.
    let after = deadline.saturating_duration_since(Instant::now()) * 2 / 3;
    match timeout(after, answer).await {
        Ok(Ok(answer)) => answer.map_err(failed),
        Ok(Err(_)) => Err(failed(io::Error::other("the resolver gave no answer"))),
        Err(_) => Err(Fault::ResolveTimeout {
            name: name.to_owned(),
            after,
        }),
    }
}

/// One of each family in turn, beginning with the kind the resolver puts first
/// (RFC 8305, section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let (mut one, mut two): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|at| at.is_ipv4() == first.is_ipv4());
    let mut all = Vec::with_capacity(one.len() + two.len());
    while !one.is_empty() || !two.is_empty() {
        all.extend(one.pop_front());
        all.extend(two.pop_front());
    }
    all
}

/// The first of the addresses to answer. Each has a head start on the next.
async fn first(
    target: &Target,
    addresses: Vec<SocketAddr>,
    deadline: Instant,
) -> Result<TcpStream, Fault> {
    let tried = addresses.clone();
    let mut waiting = VecDeque::from(addresses);
    let mut racing = JoinSet::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(at) = waiting.pop_front() {
            racing.spawn(async move { (at, TcpStream::connect(at).await) });
        }
        tokio::select! {
            Some(ended) = racing.join_next() => match ended {
                Ok((_, Ok(stream))) => return Ok(stream),
                Ok((at, Err(cause))) => failures.push((at, cause)),
                Err(_) => {}
            },
            () = sleep(STAGGER), if !waiting.is_empty() => {}
            () = sleep_until(deadline) => {
                return Err(Fault::ConnectTimeout { after: target.patience.connect, tried });
            }
        }
        if racing.is_empty() && waiting.is_empty() {
            return Err(Fault::Unreachable(together(failures)));
        }
    }
}

/// All that went wrong as one: with an only address, its own failure.
fn together(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    if failures.len() > 1 {
        let kind = failures[0].1.kind();
        let texts: Vec<_> = failures
            .iter()
            .map(|(at, cause)| format!("{}: {cause}", at.ip()))
            .collect();
        return io::Error::new(kind, texts.join("; "));
    }
    match failures.pop() {
        Some((_, cause)) => cause,
        None => io::Error::other("the attempt broke off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_families_take_turns() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"].map(at);
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"].map(at);
        assert_eq!(in_turns(all.to_vec()), turns);
    }

    #[test]
    fn failures_of_several_addresses_are_told_with_each() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let one = together(vec![(at("1.1.1.1:1"), refused())]);
        assert_eq!(one.to_string(), "connection refused");
        let two = together(vec![
            (at("1.1.1.1:1"), refused()),
            (at("[::1]:1"), io::Error::other("odd")),
        ]);
        assert_eq!(two.to_string(), "1.1.1.1: connection refused; ::1: odd");
        assert_eq!(two.kind(), io::ErrorKind::ConnectionRefused);
    }
}

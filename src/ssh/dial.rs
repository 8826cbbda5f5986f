//! The way to a server's sshd: a stream of bytes, by TCP, through a bastion or a command.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::dialer::Dialer;
use super::error::{Fault, Stage};
use super::target::{Address, Target, Via};

/// A stream to sshd, and our address on it where it has one.
pub(super) struct Dialled {
    pub(super) stream: TcpStream,
    pub(super) local: Option<SocketAddr>,
}

/// Opens the way to a target.
pub(super) async fn dial(
    _dialer: &Dialer,
    target: &Target,
    deadline: Instant,
) -> Result<Dialled, (Stage, Fault)> {
    let unreachable = |cause| (Stage::Connect, Fault::Unreachable(cause));
    let after = target.patience.connect;
    let tcp = async {
        match (&target.via, &target.address) {
            (Via::Direct, Address::Ip(address)) => {
                TcpStream::connect((*address, target.port)).await
            }
            _ => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        }
    };
    let stream = timeout_at(deadline, tcp)
        .await
        .map_err(|_| (Stage::Connect, Fault::ConnectTimeout { after }))?
        .map_err(unreachable)?;
    // Saves some 45 ms at the login and at every command.
    stream.set_nodelay(true).map_err(unreachable)?;
    let local = stream.local_addr().ok();
    Ok(Dialled { stream, local })
}

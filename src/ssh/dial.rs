//! The way to a server's sshd: a stream of bytes, by TCP, through a bastion or a command.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::error::Stage;
use super::fault::Fault;
use super::jump;
use super::link::Link;
use super::proxy_command::{self, Report};
use super::shared::Shared;
use super::target::Target;
use super::tcp;
use super::wire::Stream;

/// A stream to sshd, and our address on it where it has one.
pub(super) struct Dialled {
    pub(super) stream: Box<dyn Stream>,
    pub(super) local: Option<SocketAddr>,
    /// Of the command it goes through.
    pub(super) report: Option<Report>,
}

/// The way to a target, as far as it can be shared with others.
pub(super) enum Way<'a> {
    Direct,
    Command(&'a str),
    /// A connection to this bastion.
    Through(Arc<Link>, &'a Target),
}

/// Opens the way to a target.
pub(super) async fn dial(
    shared: &Shared,
    target: &Target,
    way: &Way<'_>,
    deadline: Instant,
) -> Result<Dialled, (Stage, Fault)> {
    match way {
        Way::Through(link, bastion) => {
            let stream = jump::through(link, bastion, target, deadline)
                .await
                .map_err(|fault| (Stage::Connect, fault))?;
            Ok(Dialled {
                stream: Box::new(stream),
                local: None,
                report: None,
            })
        }
        Way::Command(command) => {
            let (stream, report) = proxy_command::start(command, shared.teller(&target.host))
                .map_err(|cause| (Stage::Connect, Fault::Unreachable(cause)))?;
            Ok(Dialled {
                stream: Box::new(stream),
                local: None,
                report: Some(report),
            })
        }
        Way::Direct => {
            let stream = tcp::connect(target, deadline).await?;
            let local = stream.local_addr().ok();
            Ok(Dialled {
                stream: Box::new(stream),
                local,
                report: None,
            })
        }
    }
}

//! Servers that aren't the site's, to look from (`[verify] from`). They need neither root nor
//! anything but a POSIX shell and curl.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;

use crate::engine::exec::{Came, Request, exec};
use crate::engine::way::Way;
use crate::engine::{Settings, told};
use crate::shell::{Cmd, Script};
use crate::site::Jump;
use crate::ssh::config::Hop;
use crate::ssh::{Address, Dialer, Done, Input, Session};
use crate::step::Vantage;

/// Says under which address its sshd was reached.
const WHERE: Script = Script(include_str!("../sh/where.sh"));

/// How long a command may take there.
const LIMIT: Duration = Duration::from_secs(30);

/// A server to look from.
pub(in crate::engine) struct Stranger {
    name: String,
    session: Result<Session, String>,
    addresses: Vec<IpAddr>,
}

impl Stranger {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As one of those that look.
    pub(in crate::engine) fn vantage(&self) -> Vantage {
        Vantage {
            name: self.name.clone(),
            addresses: self.addresses.clone(),
        }
    }

    /// Runs a command there, as whoever was logged in.
    pub(super) async fn run(&self, cmd: Cmd, input: Vec<u8>) -> Result<Done, String> {
        let session = self.session.as_ref().map_err(Clone::clone)?;
        run(session, &cmd, input).await
    }
}

/// All that site.toml names, connected at once.
pub(in crate::engine) async fn all(settings: &Settings, dialer: &Dialer) -> Vec<Stranger> {
    let from = settings.site.verify.from.iter();
    join_all(
        from.filter_map(|jump| match jump {
            Jump::Elsewhere { user, host, port } => Some(Hop {
                user: user.clone(),
                host: host.clone(),
                port: *port,
            }),
            Jump::Host(_) => None,
        })
        .map(|hop| connected(hop, settings, dialer)),
    )
    .await
}

async fn connected(hop: Hop, settings: &Settings, dialer: &Dialer) -> Stranger {
    let mut addresses: Vec<IpAddr> = hop.host.parse().into_iter().collect();
    let session = async {
        let target = settings.routes.elsewhere(&hop).await;
        let target = target.map_err(|e| told(&e))?;
        if let Address::Ip(address) = target.address {
            addresses.push(address);
        }
        let session = dialer.connect(&target).await.map_err(|e| e.to_string())?;
        let done = run(
            &session,
            &Cmd::script(WHERE, Vec::<String>::new()),
            Vec::new(),
        )
        .await?;
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        addresses.extend(
            printed
                .split_whitespace()
                .filter_map(|word| word.parse::<IpAddr>().ok()),
        );
        Ok(session)
    }
    .await;
    Stranger {
        name: hop.host,
        session: session.map_err(|why: String| format!("it can't be asked over SSH: {why}")),
        addresses,
    }
}

async fn run(session: &Session, cmd: &Cmd, input: Vec<u8>) -> Result<Done, String> {
    let request = Request {
        input: Input::Bytes(input),
        lines: None,
        limit: Some(LIMIT),
    };
    match exec(session, &Way::Root, cmd, request).await {
        Ok(Came::Ran(done)) => Ok(done),
        Ok(_) => Err("its login shell runs no commands".to_owned()),
        Err(error) => Err(told(&error)),
    }
}

//! Large files between a server and this machine: in pieces, so that a connection that breaks
//! costs one of them, and with a sum at the end.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::super::failure::{failure, lost};
use super::super::link::{self, LOSSES};
use super::super::login::Entrance;
use super::super::remote::Remote;
use super::super::root::Roots;
use super::super::{Events, Settings};
use crate::event::{Event, Failure};
use crate::shell::{Cmd, Script};
use crate::site::Host;
use crate::ssh::{Dialer, Done, Input};

const PIECE: Script = Script(include_str!("sh/piece.sh"));
const TAKE: Script = Script(include_str!("sh/take.sh"));

const MIB: u64 = 1024 * 1024;
/// MiB that go in one command: less than what may be kept of a command's output.
const PIECES: u64 = 8;
/// How long one piece may take: a megabit a second, with room.
const LIMIT: Duration = Duration::from_secs(300);

/// A host that is worked on, over whichever connection there is.
pub(super) struct Carrier<'a> {
    pub settings: &'a Settings,
    pub host: &'a Host,
    pub dialer: &'a Dialer,
    pub roots: &'a Roots,
    pub events: &'a Events,
    pub remote: Remote,
    /// Connections it took beside the first, and commands on those that broke.
    pub connections: usize,
    pub execs: usize,
    /// The name under which it is reported.
    pub step: &'static str,
}

impl Carrier<'_> {
    /// Runs a command that may be run again; where the connection breaks, over a new one.
    pub(super) async fn exec(
        &mut self,
        cmd: &Cmd,
        input: &[u8],
        limit: Duration,
    ) -> Result<Done, Failure> {
        let mut losses = 0;
        loop {
            let input = match input {
                [] => Input::Empty,
                bytes => Input::Bytes(bytes.to_vec()),
            };
            let error = match self.remote.exec(cmd, input, None, Some(limit)).await {
                Ok(done) => {
                    if let Some(refusal) = self.remote.root.refusal() {
                        return Err(refusal.failure);
                    }
                    return Ok(done);
                }
                Err(error) => lost(&error),
            };
            losses += 1;
            if losses > LOSSES || !link::is_broken(&self.remote.session, &error).await {
                return Err(error);
            }
            self.again(&error.what).await?;
        }
    }

    /// Makes the connection again.
    pub(super) async fn again(&mut self, why: &str) -> Result<(), Failure> {
        let (settings, host, dialer) = (self.settings, self.host, self.dialer);
        let (events, roots) = (self.events, self.roots);
        let entrance = || Entrance::new(settings, host, dialer, events, roots);
        let name = host.name.as_str();
        let (remote, connections) = link::again(name, events, why, entrance).await?;
        self.execs += self.remote.session.execs();
        self.connections += connections;
        self.remote = remote;
        Ok(())
    }

    /// Brings a file of the server's here. What was read before is in `to` already, which is
    /// written from its beginning.
    pub(super) async fn pull(
        &mut self,
        from: &str,
        bytes: u64,
        mut to: &File,
    ) -> Result<(), Failure> {
        let mut done = 0;
        while done < bytes {
            self.told("brought here", done, bytes);
            let wanted = (bytes - done).min(PIECES * MIB);
            let args = [
                from.to_owned(),
                (done / MIB).to_string(),
                PIECES.to_string(),
            ];
            let cmd = Cmd::script(PIECE, args);
            let piece = self.exec(&cmd, &[], LIMIT).await?;
            if !piece.status.success() {
                return Err(self.remote.failed("read the backup", &cmd, &piece));
            }
            if piece.stdout.len() as u64 != wanted {
                let what = format!("{from} is not as long any more as it was");
                return Err(failure("read", what, ""));
            }
            to.write_all(&piece.stdout).map_err(|e| here(&e))?;
            done += wanted;
        }
        self.told("brought here", done, bytes);
        Ok(())
    }

    /// Takes a file of this machine's to the server.
    pub(super) async fn push(&mut self, from: &Path, to: &str, bytes: u64) -> Result<(), Failure> {
        let mut file = File::open(from).map_err(|e| here(&e))?;
        let mut done = 0;
        while done < bytes {
            self.told("taken there", done, bytes);
            let wanted = (bytes - done).min(PIECES * MIB);
            let mut piece = Vec::new();
            let mut part = (&mut file).take(wanted);
            part.read_to_end(&mut piece).map_err(|e| here(&e))?;
            if piece.len() as u64 != wanted {
                let what = format!("{} is not as long any more as it was", from.display());
                return Err(failure("read", what, ""));
            }
            let cmd = Cmd::script(TAKE, [to.to_owned(), (done / MIB).to_string()]);
            let taken = self.exec(&cmd, &piece, LIMIT).await?;
            if !taken.status.success() {
                return Err(self
                    .remote
                    .failed("take the backup to the server", &cmd, &taken));
            }
            done += wanted;
        }
        self.told("taken there", done, bytes);
        Ok(())
    }

    fn told(&self, what: &str, done: u64, of: u64) {
        let line = format!("{} of {} {what}", size(done), size(of));
        self.events.send(Event::Output {
            host: self.host.name.to_string(),
            step: self.step.to_owned(),
            line,
        });
    }
}

/// What went wrong with a file of this machine's.
pub(super) fn here(error: &std::io::Error) -> Failure {
    failure("change", format!("on this machine: {error}"), "")
}

/// A size for people: "12.3 MB".
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    let tenths = bytes / (scale / 10);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_for_people() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999_999_999, "999.9 GB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}

//! What a server limits, forces and says.

use std::time::Duration;

use provision::ssh::Stage::Authenticate;
use provision::ssh::Status;

use super::kit::OTHERS;
use super::logins::patient;
use super::row::{Must, Row, sshd};

/// The rows.
pub fn rows() -> Vec<Row> {
    // Seconds enough to log in, and to answer, on a busy machine.
    let quiet = Must::Runs("sleep 10; echo done", "done\n", Status::Code(0));
    vec![
        // Of a second handful that comes at once, one may be refused: sshd may still count the
        // first. A further connection is opened then.
        Row::new("ten sessions", sshd("")).must(Must::AtOnce(8, 1..=3)),
        Row::new("three sessions", sshd("MaxSessions 3")).must(Must::AtOnce(8, 3..=8)),
        Row::new("one session", sshd("MaxSessions 1")).must(Must::AtOnce(8, 2..=8)),
        Row::new("no session", sshd("MaxSessions 0"))
            .must(Must::Idles(&["no session", "MaxSessions"])),
        Row::new("few logins at once", sshd("MaxStartups 2:100:2"))
            .client(patient)
            .must(Must::Dials(6)),
        Row::new("one login at once", sshd("MaxStartups 1:100:1\nUsePAM yes"))
            .client(patient)
            .must(Must::Dials(4)),
        Row::new("a banner", sshd("Banner $D/banner"))
            .must(Must::Tells("the server says: All is logged.")),
        Row::new(
            "a version of its own",
            sshd("VersionAddendum here-and-there"),
        ),
        Row::new("a forced command", sshd("ForceCommand echo forced")).must(Must::Runs(
            "echo mine",
            "forced\n",
            Status::Code(0),
        )),
        Row::new("files alone", sshd("ForceCommand internal-sftp")).must(Must::Runs(
            "echo mine",
            "This service allows sftp connections only.\n",
            Status::Code(1),
        )),
        Row::new("no login shell", sshd(""))
            .client(|_, target| target.user = "noshell".into())
            .must(Must::Runs("echo mine", "", Status::Code(1))),
        Row::new("no shell in its root", sshd("ChrootDirectory $D")).must(Must::Runs(
            "echo mine",
            "",
            Status::Code(1),
        )),
        Row::new(
            "asks for signs of life",
            sshd("ClientAliveInterval 3\nClientAliveCountMax 1"),
        )
        .must(quiet),
        Row::new("closes quiet commands", sshd("ChannelTimeout session:*=1"))
            .since(9, 2)
            .must(Must::Idles(&["without an exit status"])),
        Row::new("keys anew all the time", sshd("RekeyLimit 128K 1s")),
        Row::new("a slow resolver", sshd("UseDNS yes")),
        Row::new("says all", sshd("LogLevel DEBUG3")),
        Row::new("says nothing", sshd("LogLevel QUIET")),
        Row::new("takes no connection", sshd("RefuseConnection yes"))
            .since(9, 9)
            .fails(
                Authenticate,
                &["hung up on tabler", "check the log of sshd"],
            ),
        Row::new("punishes", sshd("PerSourcePenalties authfail:20 min:5"))
            .since(9, 8)
            .client(|kit, target| {
                target.identity.key = Some(kit.path(OTHERS[0]));
                target.patience.connect = Duration::from_secs(6);
            })
            .must(Must::TurnsAway(&[
                "Not allowed at this time",
                "PerSourcePenalties",
            ])),
    ]
}

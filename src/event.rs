//! What happened, as data: names, durations, outcomes. Never styled text.
//!
//! The engine emits events; `report` alone turns them into something to read. With
//! `--json` each event is one line of this serialisation.

use serde::Serialize;

mod kept;
mod standing;

pub use kept::{Kept, Saved};
pub use standing::{Certificate, Container, Disk, LastBackup, Mend, NextBackup, Renewal, Standing};

/// What the operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Look only.
    Plan,
    /// Converge, then prove.
    Run,
    /// Prove only.
    Verify,
    /// Look at servers that others set up: what is reachable, and what is unsound.
    Audit,
    /// Say how a site is doing.
    Status,
    /// Make a backup, list them or bring one here.
    Backup,
    /// Put a backup in place, or what was there before it.
    Restore,
    /// Stop a site, its data kept.
    Down,
    /// Remove a site with its data.
    Destroy,
}

impl Mode {
    /// Whether data or a site is taken away, so that all of it is shown before it is asked for.
    pub fn removes(self) -> bool {
        matches!(self, Self::Restore | Self::Down | Self::Destroy)
    }

    /// Whether servers are changed, step by step.
    pub fn changes(self) -> bool {
        match self {
            Self::Run | Self::Backup | Self::Restore | Self::Down | Self::Destroy => true,
            Self::Plan | Self::Verify | Self::Audit | Self::Status => false,
        }
    }
}

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The firewall can't hold like this.
    Refusal,
    /// It holds, and something about it should be known.
    Warning,
}

/// Something about a host that is unsound, or that one should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// How much it weighs.
    pub level: Level,
    /// A short name that stays the same: "manage-builtins".
    pub rule: String,
    /// What was found, in one line: "MANAGE_BUILTINS=yes in /etc/default/ufw".
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// What the operator can do.
    pub mend: String,
}

impl Remark {
    /// The rule of what is exposed, by measurement and not by a setting.
    pub const EXPOSED: &'static str = "exposed";
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Stands on the server and goes.
    Removed(String),
    /// Is missing on the server and comes.
    Added(String),
    /// Stays; shown for orientation.
    Context(String),
}

/// What is known of a resource before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    InSync,
    /// Not as it should be.
    Differs {
        /// One line: what differs, "missing", "0644 → 0600", "stopped".
        what: String,
        /// The difference line by line, where there is text to compare.
        lines: Vec<Line>,
    },
    /// Can't be known before this step has run.
    Unknown {
        /// The step.
        until: String,
    },
    /// The host is not fit for what is asked, and we won't change that.
    Refused {
        /// What was found.
        what: String,
        /// What the operator can do.
        mend: String,
    },
}

/// How a step ended on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Something was changed and confirmed.
    Changed,
    /// Nothing had to be done.
    Unchanged,
    /// It failed; the host leaves the run.
    Failed(Failure),
    /// Something it waits for failed.
    Blocked {
        /// What failed, "app on app1".
        by: String,
    },
    /// A guard put the old state back.
    RolledBack(Failure),
}

/// A failure as an operator needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Where it happened: "connect", "host key", "authenticate", "sudo", "read", "change",
    /// "confirm", "check".
    pub stage: String,
    /// What went wrong, in one line.
    pub what: String,
    /// The command that failed, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The last lines it printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The judgement of one cell of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Seen as it should be, beside its positive control.
    Proven,
    /// Seen otherwise: something answers that must not, or doesn't that must.
    Failed,
    /// Could not be decided; counts as failed.
    Inconclusive,
}

/// One thing that was looked at from outside, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The host that is looked at.
    pub host: String,
    /// What is looked at: "80/tcp", "443/tcp", "certificate", "renewal timer".
    pub subject: String,
    /// From where: "here", "proxy", "app2".
    pub from: String,
    /// The address that was used, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What had to be seen: "blocked", "200 /polls/", "301 to https".
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Why this can be believed: "time-out; the port listens; the proxy gets an answer".
    pub evidence: String,
    /// The judgement.
    pub verdict: Verdict,
}

/// A place in a file of the operator's, and what to write there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as the operator named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What to write instead; empty where there is no telling.
    pub instead: String,
}

/// Something that was seen otherwise before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// As it was seen before; `None` if it wasn't looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Finding>,
    /// As it is seen now; `None` if it isn't looked at any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Finding>,
}

/// Counts of a finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Resources that were changed (in a plan: that differ).
    pub changed: usize,
    /// Resources that were as they should be.
    pub unchanged: usize,
    /// Resources that can't be known yet (plan only).
    pub unknown: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that something else blocked.
    pub blocked: usize,
    /// Findings of the proof that hold.
    pub proven: usize,
    /// Findings that don't, or are inconclusive.
    pub unproven: usize,
    /// Milliseconds from start to end.
    pub ms: u64,
    /// Milliseconds that a rehearsal beside the proof took, which don't count above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal_ms: Option<u64>,
    /// SSH connections made.
    pub connections: usize,
    /// Commands executed over SSH.
    pub execs: usize,
    /// When the site was last proven, seconds since 1970, if this run did not prove it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<u64>,
    /// The exit code the program ends with.
    pub exit_code: u8,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run begins.
    Started {
        /// The site's name.
        site: String,
        /// The playbook's name.
        playbook: String,
        /// What is done.
        mode: Mode,
        /// The hosts that take part, in order.
        hosts: Vec<String>,
    },
    /// A connection is being made.
    Connecting {
        /// Host.
        host: String,
        /// The user that logs in.
        user: String,
        /// Address and port.
        address: String,
    },
    /// A connection stands.
    Connected {
        /// Host.
        host: String,
        /// The user that logged in.
        user: String,
        /// Milliseconds it took.
        ms: u64,
    },
    /// A connection broke and is being made again.
    Reconnecting {
        /// Host.
        host: String,
        /// What was seen: "the connection was lost".
        why: String,
        /// The how manieth try it is, from 1.
        attempt: usize,
    },
    /// A connection that had broken stands again; the work goes on where it was.
    Reconnected {
        /// Host.
        host: String,
        /// Milliseconds since the break was noticed.
        ms: u64,
    },
    /// The state of a host has been read.
    Read {
        /// Host.
        host: String,
        /// How many resources.
        resources: usize,
        /// Milliseconds it took.
        ms: u64,
    },
    /// What a resource is like before anything is done.
    Seen {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// Resource, "file /etc/ufw/after.rules".
        resource: String,
        /// Its state.
        state: State,
    },
    /// Something about a host that one should know of.
    Remarked {
        /// Host.
        host: String,
        /// What.
        remark: Remark,
    },
    /// Something is waited for, with who holds it.
    Waiting {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// "apt-get (pid 812) holds the apt lock".
        what: String,
    },
    /// A step begins on a host.
    StepStarted {
        /// Host.
        host: String,
        /// Step.
        step: String,
    },
    /// An operation begins.
    Doing {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// Resource.
        resource: String,
        /// "install docker.io", "write /srv/polls/compose.yaml".
        what: String,
    },
    /// A line that a remote command printed, masked.
    Output {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// The line.
        line: String,
    },
    /// Something about a connection or a command, for those who look closely.
    Detail {
        /// Host.
        host: String,
        /// How closely: 2 for connections (`-vv`), 3 for commands (`-vvv`).
        depth: u8,
        /// One line, masked.
        text: String,
    },
    /// A resource was changed and the change confirmed.
    Changed {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// Resource.
        resource: String,
        /// What differed before.
        what: String,
        /// Milliseconds it took.
        ms: u64,
    },
    /// A guard is armed: the old state comes back by itself unless it is disarmed.
    GuardArmed {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// Seconds until it fires.
        seconds: u64,
    },
    /// A guard was disarmed over a new connection.
    GuardDisarmed {
        /// Host.
        host: String,
        /// Step.
        step: String,
    },
    /// A step ended on a host.
    StepFinished {
        /// Host.
        host: String,
        /// Step.
        step: String,
        /// How.
        outcome: Outcome,
        /// Milliseconds it took.
        ms: u64,
    },
    /// A host left the run outside of any step.
    HostFailed {
        /// Host.
        host: String,
        /// Why.
        failure: Failure,
    },
    /// Something was looked at from outside.
    Found(Finding),
    /// How a host of a site is doing.
    Stands(Box<Standing>),
    /// The backups that lie on a server, the newest first.
    Backups {
        /// Host.
        host: String,
        /// Where they lie.
        directory: String,
        /// Each of them.
        backups: Vec<Kept>,
    },
    /// A backup was made, or brought here.
    Saved(Saved),
    /// Nothing was begun: the command line, site.toml or a file it names is wrong.
    Refused {
        /// What is wrong, as a person reads it.
        what: String,
        /// Where, if that is a place in a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// The exit code the program ends with.
        exit_code: u8,
    },
    /// The proof is taken for the first time, and holds: servers are about to be restarted.
    Measured(Summary),
    /// A server is being restarted.
    Restarting {
        /// Host.
        host: String,
        /// What that means for visitors, in one line.
        means: String,
    },
    /// A server is up again, by another boot id.
    Restarted {
        /// Host.
        host: String,
        /// Milliseconds since it was told to restart.
        ms: u64,
        /// Containers that ran before and don't run again, each with what is known of it.
        missing: Vec<String>,
    },
    /// The proof was taken again and held against the one before the first restart.
    Compared {
        /// The host that was restarted.
        host: String,
        /// How much was seen as before.
        same: usize,
        /// What wasn't.
        differences: Vec<Difference>,
    },
    /// The run has ended.
    Finished(Summary),
}

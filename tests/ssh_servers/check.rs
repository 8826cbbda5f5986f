//! One row against its server.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provision::shell::Secret;
use provision::ssh::{
    Address, Agent, Answer, Ask, Dialer, Error, Exec, Family, Identity, Input, Keys, Note,
    Patience, Question, Session, Stage, Status, Target, Unanswered, Via,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::Started;
use super::kit::{Kit, PASSWORD};
use super::row::{Must, Row};

/// More than fits dropbear's window and OpenSSH's limits on new keys below.
const MUCH: usize = 1 << 20;

/// An operator who gives these answers, and then no more.
struct Operator {
    answers: Mutex<VecDeque<&'static str>>,
    thinks: Duration,
}

impl Ask for Operator {
    fn ask<'a>(&'a self, _: &'a Question) -> Answer<'a> {
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            tokio::time::sleep(self.thinks).await;
            answer.map(Secret::new).ok_or(Unanswered::NoTerminal)
        })
    }
}

fn dialer(row: &Row, kit: &Kit) -> (Dialer, UnboundedReceiver<Note>) {
    let (sender, notes) = unbounded_channel();
    let operator = Operator {
        answers: Mutex::new(row.answers.iter().copied().collect()),
        thinks: row.thinks,
    };
    let keys = Keys::new(Some(kit.dir().to_owned()), None);
    (Dialer::new(keys, Arc::new(operator), Some(sender)), notes)
}

fn target(kit: &Kit, address: IpAddr, rows: &[Started], started: &Started) -> Target {
    let Started { row, port } = started;
    let via = match row.via {
        Some(name) => {
            let bastion = rows.iter().find(|other| other.row.name == name);
            let bastion = bastion.unwrap_or_else(|| panic!("no row {name}"));
            Via::Jump(Box::new(target(kit, address, rows, bastion)))
        }
        None => Via::Direct,
    };
    let mut target = Target {
        host: format!("host{port}"),
        address: Address::Ip(address),
        port: *port,
        family: Family::Any,
        via,
        alias: None,
        trust: kit.trust(row.knows, address, *port),
        user: "tabler".to_owned(),
        identity: Identity {
            key: Some(kit.path("key")),
            agent: Agent::Off,
            ..Identity::default()
        },
        patience: Patience::default(),
    };
    (row.client)(kit, &mut target);
    target
}

/// Holds one row.
pub async fn check(kit: &Kit, address: IpAddr, rows: &[Started], at: usize) -> Result<(), String> {
    let row = &rows[at].row;
    let target = target(kit, address, rows, &rows[at]);
    let (dialer, mut notes) = dialer(row, kit);
    match &row.must {
        Must::Works => works(&connect(&dialer, &target).await?).await,
        Must::Tells(words) => {
            works(&connect(&dialer, &target).await?).await?;
            let mut told = Vec::new();
            while let Ok(note) = notes.try_recv() {
                told.push(note.text);
            }
            let found = told.iter().any(|line| line.contains(words));
            ensure(found, || format!("{words:?} isn't told: {told:?}"))
        }
        Must::Runs(command, stdout, status) => {
            let session = connect(&dialer, &target).await?;
            let done = exec(&session, Exec::new(*command)).await?;
            let said = (String::from_utf8_lossy(&done.1).into_owned(), done.0);
            ensure(said == ((*stdout).to_owned(), status.clone()), || {
                format!("{command}: {said:?}")
            })
        }
        Must::AtOnce(number, connections) => {
            let session = Arc::new(connect(&dialer, &target).await?);
            for _ in 0..2 {
                let mut running = JoinSet::new();
                for number in 0..*number {
                    let session = Arc::clone(&session);
                    running.spawn(async move {
                        let command = format!("sleep 0.3; echo {number}; exit {number}");
                        let done = exec(&session, Exec::new(command)).await?;
                        let right = done.0 == Status::Code(number as u32)
                            && done.1 == format!("{number}\n").into_bytes();
                        ensure(right, || format!("{number}: {done:?}"))
                    });
                }
                for outcome in running.join_all().await {
                    outcome?;
                }
            }
            let had = session.connections();
            ensure(connections.contains(&had), || {
                format!("it took {had} connections")
            })
        }
        Must::Dials(number) => {
            let mut running = JoinSet::new();
            for _ in 0..*number {
                let (dialer, target) = (self::dialer(row, kit).0, target.clone());
                running.spawn(async move {
                    let session = connect(&dialer, &target).await?;
                    exec(&session, Exec::new("sleep 0.2")).await.map(|_| ())
                });
            }
            running.join_all().await.into_iter().collect()
        }
        Must::Fails(stage, words) => refused(row, *stage, words, dialer.connect(&target).await),
        Must::Idles(words) => {
            let session = connect(&dialer, &target).await?;
            let outcome = session.exec(Exec::new("sleep 30")).await.map(|_| session);
            refused(row, Stage::Exec, words, outcome)
        }
        Must::TurnsAway(words) => {
            for _ in 0..2 {
                if dialer.connect(&target).await.is_ok() {
                    return Err("it lets us in".to_owned());
                }
            }
            refused(row, Stage::Connect, words, dialer.connect(&target).await)
        }
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// All that is said of a failure.
fn page(error: &Error) -> String {
    format!("{error} | {}", error.next())
}

async fn connect(dialer: &Dialer, target: &Target) -> Result<Session, String> {
    dialer.connect(target).await.map_err(|error| page(&error))
}

async fn exec(session: &Session, exec: Exec) -> Result<(Status, Vec<u8>, Vec<u8>), String> {
    let done = session.exec(exec).await.map_err(|error| page(&error))?;
    Ok((done.status, done.stdout, done.stderr))
}

/// A failure at this stage, in these words, that says what to do and gives nothing away.
fn refused(
    row: &Row,
    stage: Stage,
    words: &[&str],
    outcome: Result<Session, Error>,
) -> Result<(), String> {
    let Err(error) = outcome else {
        return Err("it doesn't fail".to_owned());
    };
    let page = page(&error);
    let all = words.iter().all(|word| page.contains(word));
    ensure(error.stage() == stage && all, || {
        format!("{:?}, not {stage:?} with {words:?}: {page}", error.stage())
    })?;
    let leaks = |answer: &&str| page.contains(*answer) || format!("{error:?}").contains(*answer);
    ensure(!row.answers.iter().any(leaks), || {
        format!("it gives a password away: {page}")
    })?;
    ensure(!error.next().is_empty(), || "nothing to do next".to_owned())
}

/// What a session does: statuses, input and output of any size, two streams, signals.
async fn works(session: &Session) -> Result<(), String> {
    let done = exec(session, Exec::new("exit 7")).await?;
    ensure(done.0 == Status::Code(7), || format!("exit 7: {done:?}"))?;
    let bytes: Vec<u8> = (0..MUCH as u32).map(|at| ((at * 31) >> 7) as u8).collect();
    let echo = Exec {
        input: Input::Bytes(bytes.clone()),
        ..Exec::new("cat")
    };
    let (status, stdout, stderr) = exec(session, echo).await?;
    ensure(
        status.success() && stdout == bytes && stderr.is_empty(),
        || format!("cat: {status}, {} bytes come back", stdout.len()),
    )?;
    let done = exec(session, Exec::new("echo to out; echo to err >&2")).await?;
    let apart = (Status::Code(0), b"to out\n".to_vec(), b"to err\n".to_vec());
    ensure(done == apart, || format!("two streams: {done:?}"))?;
    let done = exec(session, Exec::new("kill -TERM $$")).await?;
    ensure(done.0 == Status::Signal("TERM".into()), || {
        format!("killed: {done:?}")
    })?;
    let done = exec(session, Exec::new("env; cat /proc/$PPID/cmdline")).await?;
    let env = String::from_utf8_lossy(&done.1);
    ensure(!env.contains(PASSWORD), || "a password is seen".to_owned())
}

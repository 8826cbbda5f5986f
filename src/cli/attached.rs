//! `provision manage`, `dbshell`, `redis-cli` and `shell`: a program in one of the site's
//! containers, as if the operator sat there.
//!
//! With a terminal on both sides of it the program has one too; else its streams are those of
//! this program, byte for byte. Its exit code is ours.

use std::future::pending;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep_until};

use super::ask::{Operator, Way};
use super::terminal::{self, Raw};
use super::{Error, SshArgs, prepare, prompt, run};
use crate::engine::{self, Attached, Events, Leash, Nowhere, Order, Settings};
use crate::event::{Event, Failure};
use crate::shell::Mask;
use crate::site::{self, Site};
use crate::ssh::{Dialer, Piece, Sending, Status, Terminal};

/// How long a program may take to end when it is told to.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// Exit code where nobody reads what is written: as of a program that SIGPIPE ends.
const UNREAD: u8 = 141;

/// Which site's containers.
#[derive(Clone, Debug, Args)]
pub struct PlaceArgs {
    /// The site
    #[arg(short, long, value_name = "FILE", default_value = "site.toml")]
    pub(super) site: PathBuf,
    #[command(flatten)]
    pub(super) ssh: SshArgs,
    /// -vv: show how hosts are reached; -vvv: and every command
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// A program in a container.
#[derive(Clone, Debug, Args)]
#[command(after_help = STREAMS)]
pub struct ProgramArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// In the container on this host; else on the first that has one
    #[arg(long)]
    host: Option<String>,
    /// Its arguments; after the first, or after --, options are the program's
    #[arg(trailing_var_arg = true)]
    args: Vec<String>,
}

/// A shell in a container.
#[derive(Clone, Debug, Args)]
#[command(after_help = STREAMS)]
pub struct ShellArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// In the container on this host; else on the first that has one
    #[arg(long)]
    host: Option<String>,
    /// app, nginx, postgres or redis
    #[arg(default_value = "app")]
    service: String,
}

const STREAMS: &str = "On a terminal the program has one, too. Else its input and output are this command's, byte \
    for byte and unmasked: `provision manage dumpdata > data.json`. Its exit code is passed on; 2 and 3 \
    may also be ours (usage or site.toml; the host, the connection or the container), and then stderr \
    says so.";

/// What is run there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    Manage,
    Dbshell,
    RedisCli,
}

/// Runs a program.
pub(super) fn program(program: Program, args: &ProgramArgs) -> Result<u8, Error> {
    let host = args.host.as_deref();
    sit_at(&args.place, host, |site| match program {
        Program::Manage => Order::manage(site, host, &args.args),
        Program::Dbshell => Order::dbshell(site, host, &args.args),
        Program::RedisCli => Order::redis_cli(site, host, &args.args),
    })
}

/// Runs a shell.
pub(super) fn shell(args: &ShellArgs) -> Result<u8, Error> {
    let host = args.host.as_deref();
    let service = args.service.as_str();
    sit_at(&args.place, host, |site| Order::shell(site, host, service))
}

fn sit_at(
    place: &PlaceArgs,
    host: Option<&str>,
    order: impl FnOnce(&Site) -> Result<Order, Nowhere>,
) -> Result<u8, Error> {
    let desk = Desk::new(place, host)?;
    let order = order(&desk.settings.site)?;
    let terminal = terminal::own();
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let attaching = async {
            run::unlock(&place.ssh, &desk.settings, &desk.dialer).await?;
            let attached = desk.attach(&order, terminal.as_ref()).await;
            attached.map_err(|failure| failed(&order, failure))
        };
        match desk.opened(attaching).await? {
            Ok((attached, asked)) => sit(attached?, asked, terminal.is_some(), &order).await,
            Err(code) => Ok(code),
        }
    });
    runtime.shutdown_background();
    code
}

/// What an operator has before them: the site, and ways to its hosts.
pub(super) struct Desk {
    pub(super) settings: Settings,
    pub(super) dialer: Dialer,
    events: Events,
    told: std::sync::Mutex<Option<Told>>,
    before: std::sync::Mutex<Option<prompt::Settings>>,
}

/// What is told of connections, and how deep.
type Told = (tokio::sync::mpsc::UnboundedReceiver<Event>, u8);

impl Desk {
    pub(super) fn new(
        place: &PlaceArgs,
        hosts: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Error> {
        let site = site::load_without_values(&place.site)?;
        let settings = prepare::settings(site, &place.ssh)?;
        let hosts: Vec<String> = hosts.into_iter().map(|h| h.as_ref().to_owned()).collect();
        prepare::known_hosts(&settings, &hosts)?;
        let (sender, received) = unbounded_channel();
        let events = Events::new(sender, Mask::new(settings.site.secrets()));
        // stdin may be a file: questions are put on the terminal itself.
        let way = match prompt::somewhere() {
            true => Way::AtOnce,
            false => Way::Nobody,
        };
        let operator = Operator::new(&settings.site, way, Some(events.clone()));
        let dialer = operator.dialer(None);
        Ok(Self {
            settings,
            dialer,
            events,
            told: std::sync::Mutex::new(Some((received, place.verbose))),
            before: std::sync::Mutex::new(Some(prompt::Settings::now())),
        })
    }

    /// Starts a command.
    pub(super) async fn attach(
        &self,
        order: &Order,
        terminal: Option<&Terminal>,
    ) -> Result<Attached, Failure> {
        engine::attach(order, terminal, &self.settings, &self.dialer, &self.events).await
    }

    /// Waits until what is asked for is opened, and tells meanwhile how. `Err` is the exit code after a
    /// signal that asks for an end; none is missed from here on.
    pub(super) async fn opened<T>(
        &self,
        opening: impl Future<Output = T>,
    ) -> Result<Result<(T, Asked), u8>, Error> {
        let mut asked = Asked::new().map_err(Error::Runtime)?;
        let told = self.told.lock().ok().and_then(|mut told| told.take());
        let telling = async {
            if let Some((mut events, depth)) = told {
                while let Some(event) = events.recv().await {
                    tell(&event, depth);
                }
            }
            pending::<std::convert::Infallible>().await
        };
        let number = tokio::select! {
            biased;
            never = telling => match never {},
            opened = opening => return Ok(Ok((opened, asked))),
            (_, number) = asked.next() => number,
        };
        // A question may be on the terminal.
        if let Some(before) = self.before.lock().ok().and_then(|mut b| b.take()) {
            before.restore();
        }
        anstream::eprintln!();
        Ok(Err(128 + number))
    }
}

fn tell(event: &Event, depth: u8) {
    match event {
        Event::Detail {
            host,
            depth: at,
            text,
        } if *at <= depth => {
            anstream::eprintln!("{host}: {text}");
        }
        Event::Waiting { host, what, .. } => anstream::eprintln!("{host}: {what}"),
        _ => {}
    }
}

pub(super) fn failed(order: &Order, failure: Failure) -> Error {
    Error::Attached {
        host: order.host.name.to_string(),
        failure: Box::new(failure),
    }
}

/// What ends an attached command before it does.
enum Cut {
    /// The connection.
    Lost(Failure),
    /// Nobody takes its output any more.
    Unwritten,
}

/// Passes everything on, both ways, until the command ends.
async fn sit(
    attached: Attached,
    mut asked: Asked,
    on_terminal: bool,
    order: &Order,
) -> Result<u8, Error> {
    let Attached {
        mut output,
        input,
        leash,
    } = attached;
    let resized = signal(SignalKind::window_change()).map_err(Error::Runtime)?;
    let raw = match on_terminal {
        true => Some(Raw::begin().map_err(|cause| Error::Stream {
            what: "make the terminal raw",
            cause,
        })?),
        false => None,
    };
    let (writer, writing) = terminal::shown();
    // It takes the writer along, which so comes to its end with it.
    let mut reading = pin!(async move {
        loop {
            match output.next().await {
                Ok(Piece::Ended(status)) => break Ok(status),
                Ok(piece) => {
                    if writer.send(piece).await.is_err() {
                        break Err(Cut::Unwritten);
                    }
                }
                Err(failure) => break Err(Cut::Lost(failure)),
            }
        }
    });
    let mut feeding = pin!(feed(&input, on_terminal));
    let mut fed = false;
    let mut resizing = pin!(resize(&input, resized, on_terminal));
    let mut ending: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
    let mut given_up: Option<(Instant, u8)> = None;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut reading => break ended,
            outcome = &mut feeding, if !fed => {
                fed = true;
                if let Err(cause) = outcome {
                    // Its end must not be taken for the end of what was to be read.
                    leash.signal("TERM").await;
                    return Err(Error::Stream { what: "read stdin", cause });
                }
            }
            () = &mut resizing => {}
            (name, number) = asked.next() => {
                let code = 128 + number;
                if given_up.is_some() || ending.is_some() {
                    return Ok(code);
                }
                ending = Some(told_to(&leash, name));
                if name != "INT" {
                    given_up = Some((Instant::now() + ENDS_WITHIN, code));
                }
            }
            () = passed(&mut ending), if ending.is_some() => ending = None,
            code = past(given_up) => return Ok(code),
        }
    };
    if let Err(Cut::Unwritten) = ended {
        leash.signal("TERM").await;
    }
    // All that came is shown before anything else is said, and that on a terminal in order.
    let written = writing.await;
    drop(raw);
    match ended {
        Ok(status) => finish(written, status),
        Err(Cut::Unwritten) => finish(written, Status::Code(0)),
        Err(Cut::Lost(failure)) => Err(failed(order, failure)),
    }
}

/// The exit code, if all could be written.
pub(super) fn finish(
    written: Result<io::Result<()>, tokio::task::JoinError>,
    status: Status,
) -> Result<u8, Error> {
    match written {
        Ok(Err(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(UNREAD),
        Ok(Err(cause)) => Err(Error::Stream {
            what: "write what came",
            cause,
        }),
        Ok(Ok(())) | Err(_) => Ok(engine::exit_code(&status)),
    }
}

/// Sends what is typed, or all that stdin holds.
async fn feed(input: &Sending, on_terminal: bool) -> io::Result<()> {
    let mut pieces = terminal::typed();
    while let Some(piece) = pieces.recv().await {
        let bytes = match piece {
            // A terminal that is gone types no more.
            Err(_) if on_terminal => break,
            other => other?,
        };
        if input.send(bytes).await.is_err() {
            return Ok(());
        }
    }
    input.end().await;
    Ok(())
}

/// Passes the terminal's size on, as often as it changes.
async fn resize(input: &Sending, mut resized: Signal, on_terminal: bool) {
    while resized.recv().await.is_some() {
        if on_terminal && let Some(size) = terminal::size() {
            input.resize(size).await;
        }
    }
    pending().await
}

fn told_to(leash: &Leash, name: &'static str) -> Pin<Box<dyn Future<Output = ()>>> {
    let leash = leash.clone();
    Box::pin(async move { leash.signal(name).await })
}

async fn passed(ending: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) {
    if let Some(ending) = ending {
        ending.await;
    }
}

async fn past(given_up: Option<(Instant, u8)>) -> u8 {
    match given_up {
        Some((until, code)) => {
            sleep_until(until).await;
            code
        }
        None => pending().await,
    }
}

/// Signals that ask for an end.
pub(super) struct Asked {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Asked {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one's name and number.
    pub(super) async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.interrupt.recv() => ("INT", 2),
            _ = self.quit.recv() => ("QUIT", 3),
            _ = self.terminate.recv() => ("TERM", 15),
            _ = self.hangup.recv() => ("HUP", 1),
        }
    }
}

/// Whether what is written may be coloured.
pub(super) fn coloured() -> bool {
    let stdout = io::stdout();
    stdout.is_terminal() && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
}

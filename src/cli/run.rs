//! `run`, `step`, `plan` and `verify`.

use std::future::Future;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Error, OutputArgs, RunArgs, SiteArgs, prepare};
use crate::engine::{self, Events, Settings};
use crate::event::{Event, Mode, Summary};
use crate::plan::Plan;
use crate::report::{Kind, Reporter, Verbosity, reporter};
use crate::shell::Mask;
use crate::ssh::{Dialer, Keys, Nobody};

/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// A verb at work: where its events come from and who reports them.
struct Stage {
    events: Events,
    received: UnboundedReceiver<Event>,
    reporter: Box<dyn Reporter + Send>,
}

/// Ctrl-C was pressed.
struct Interrupted;

impl Stage {
    fn new(plan: &Plan, settings: &Settings, output: &OutputArgs, mode: Mode) -> Self {
        let (sender, received) = unbounded_channel();
        let kind = if output.json {
            Kind::Json
        } else if std::io::stderr().is_terminal() && std::io::stdout().is_terminal() {
            Kind::Terminal
        } else {
            Kind::Plain
        };
        let out = Box::new(anstream::AutoStream::auto(std::io::stdout()));
        let mut reporter = reporter(
            kind,
            Verbosity {
                output: output.verbose,
            },
            out,
        );
        reporter.event(&Event::Started {
            site: plan.site.clone(),
            playbook: plan.playbook.clone(),
            mode,
            hosts: plan
                .hosts
                .iter()
                .map(|host| host.host.name.to_string())
                .collect(),
        });
        let events = Events::new(sender, Mask::new(settings.site.secrets()));
        Self {
            events,
            received,
            reporter,
        }
    }

    /// Reports events until the work is done, or Ctrl-C.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = self.received.recv() => self.reporter.event(&event),
                done = &mut work => break done,
                _ = tokio::signal::ctrl_c() => return Err(Interrupted),
            }
        };
        while let Ok(event) = self.received.try_recv() {
            self.reporter.event(&event);
        }
        Ok(done)
    }

    fn end(mut self, result: Result<Summary, Interrupted>) -> u8 {
        self.reporter.finish();
        match result {
            Ok(summary) => summary.exit_code,
            Err(Interrupted) => {
                anstream::eprintln!(
                    "interrupted: what had begun on a server may still end there; nothing is \
                     lost, the next run goes on from what it finds"
                );
                INTERRUPTED
            }
        }
    }
}

/// What connections are opened with.
fn dialer() -> Dialer {
    Dialer::new(Keys::from_env(), Arc::new(Nobody), None)
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}

/// `provision run`.
pub(super) fn run(args: &RunArgs) -> Result<u8, Error> {
    let asks = !args.yes && !args.output.json && std::io::stdin().is_terminal();
    if !args.yes && !asks {
        return Err(Error::NoTerminal);
    }
    let (plan, settings) = prepare::plan(&args.site)?;
    let mut stage = Stage::new(&plan, &settings, &args.output, Mode::Run);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let result = async {
            let events = stage.events.clone();
            let surveyed = engine::survey(plan, &settings, dialer(), &events);
            let survey = stage.drive(surveyed).await?;
            if asks && !survey.is_converged() {
                stage.reporter.question();
                if !confirmed() {
                    return Ok(None);
                }
            }
            let work = engine::converge_and_prove(survey, &settings, &events);
            stage.drive(work).await.map(Some)
        }
        .await;
        match result {
            Ok(None) => {
                anstream::eprintln!("nothing was changed");
                0
            }
            Ok(Some(summary)) => stage.end(Ok(summary)),
            Err(interrupted) => stage.end(Err(interrupted)),
        }
    });
    // A command whose answer is still awaited must not keep the program from ending.
    runtime.shutdown_background();
    Ok(code)
}

/// `provision plan`.
pub(super) fn plan(site: &SiteArgs, output: &OutputArgs) -> Result<u8, Error> {
    let (plan, settings) = prepare::plan(site)?;
    let mut stage = Stage::new(&plan, &settings, output, Mode::Plan);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let events = stage.events.clone();
        let surveyed = engine::survey(plan, &settings, dialer(), &events);
        let result = stage.drive(surveyed).await.map(|survey| survey.summary());
        if let Ok(summary) = &result {
            stage.reporter.event(&Event::Finished(summary.clone()));
        }
        stage.end(result)
    });
    runtime.shutdown_background();
    Ok(code)
}

/// `provision verify`.
pub(super) fn verify(site: &SiteArgs, output: &OutputArgs) -> Result<u8, Error> {
    // Every host takes part, since each is another's control; the findings are selected.
    let mut everything = site.clone();
    let chosen = std::mem::take(&mut everything.host);
    let (mut plan, settings) = prepare::plan(&everything)?;
    prepare::known_hosts(&settings, &chosen)?;
    plan.checks
        .retain(|check| chosen.is_empty() || chosen.contains(&check.host));
    let mut stage = Stage::new(&plan, &settings, output, Mode::Verify);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let events = stage.events.clone();
        let work = async {
            let survey = engine::survey(plan, &settings, dialer(), &events).await;
            engine::prove_only(survey, &settings, &events).await
        };
        let result = stage.drive(work).await;
        stage.end(result)
    });
    runtime.shutdown_background();
    Ok(code)
}

/// Asks on the terminal.
fn confirmed() -> bool {
    anstream::eprint!("go on? [y/N] ");
    let _flushed = std::io::stderr().flush();
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) => matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"),
        Err(_) => false,
    }
}

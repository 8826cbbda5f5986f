//! `run`, `step`, `plan` and `verify`.

use std::io::{BufRead, IsTerminal, Write};

use super::stage::Stage;
use super::{Error, OutputArgs, RunArgs, SiteArgs, prepare};
use crate::engine;
use crate::event::{Event, Mode};

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
            let (events, dialer) = (stage.events.clone(), stage.dialer());
            let surveyed = engine::survey(plan, &settings, dialer, &events);
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
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let surveyed = engine::survey(plan, &settings, dialer, &events);
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
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let work = async {
            let survey = engine::survey(plan, &settings, dialer, &events).await;
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

//! `provision verify --reboot`: the proof, and again after a restart of each server.

use std::io::IsTerminal;

use super::stage::Stage;
use super::{Error, OutputArgs, SiteArgs, prepare, prompt, run};
use crate::engine::{self, Restarts};
use crate::event::{Mode, Summary};

/// Proves, and restarts one server after the other; each after a yes.
pub(super) fn reboot(
    site: &SiteArgs,
    output: &OutputArgs,
    yes: bool,
    rehearse: bool,
) -> Result<u8, Error> {
    let asks = !yes && !output.json && std::io::stdin().is_terminal();
    if !yes && !asks {
        return Err(Error::NoTerminal);
    }
    // Every host is looked at, whichever is restarted.
    let mut everything = site.clone();
    let chosen = std::mem::take(&mut everything.host);
    let (plan, settings) = prepare::plan(&everything)?;
    prepare::known_hosts(&settings, &chosen)?;
    let mut stage = Stage::new(&plan, &settings, output, Mode::Verify);
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let begun = async {
            run::unlock(&site.ssh, &settings, &dialer).await?;
            let survey = engine::survey(plan, &settings, dialer, &events).await;
            Ok(Restarts::begin(survey, &settings, &events, rehearse).await)
        };
        let result = async {
            let restarts = match stage.drive(begun).await? {
                Ok(Ok(restarts)) => restarts,
                Ok(Err(unproven)) => return Ok(Ok(unproven)),
                Err(error) => return Ok(Err(error)),
            };
            each(&mut stage, restarts, &chosen, asks).await.map(Ok)
        }
        .await;
        match result {
            Ok(Err(error)) => Err(error),
            Ok(Ok(summary)) => Ok(stage.end(Ok(summary))),
            Err(interrupted) => Ok(stage.end(Err(interrupted))),
        }
    });
    runtime.shutdown_background();
    code
}

async fn each(
    stage: &mut Stage,
    mut restarts: Restarts,
    chosen: &[String],
    asks: bool,
) -> Result<Summary, prompt::Interrupted> {
    for turn in restarts.turns(chosen) {
        if asks {
            stage.reporter.pause();
            let question = format!("restart {}? {}", turn.host, turn.means);
            if !prompt::confirmed(&question).await? {
                break;
            }
        }
        if !stage.drive(restarts.restart(&turn)).await? {
            break;
        }
    }
    stage.drive(async { restarts.end() }).await
}

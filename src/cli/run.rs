//! `run`, `step`, `plan` and `verify`.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::stage::Stage;
use super::{Error, OutputArgs, RunArgs, SiteArgs, SshArgs, prepare, prompt};
use crate::engine::{self, Settings};
use crate::event::{Event, Mode};
use crate::ssh::Dialer;
use crate::step;

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
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
            let surveyed = async {
                unlock(&args.site.ssh, &settings, &dialer).await?;
                Ok(engine::survey(plan, &settings, dialer, &events).await)
            };
            let survey = match stage.drive(surveyed).await? {
                Ok(survey) => survey,
                Err(error) => return Ok(Err(error)),
            };
            if asks && !survey.is_converged() {
                stage.reporter.question();
                if !prompt::confirmed("go on?").await? {
                    return Ok(Ok(None));
                }
            }
            let work = engine::converge_and_prove(survey, &settings, &events);
            stage.drive(work).await.map(Some).map(Ok)
        }
        .await;
        match result {
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) => {
                anstream::eprintln!("nothing was changed");
                Ok(0)
            }
            Ok(Ok(Some(summary))) => Ok(stage.end(Ok(summary))),
            Err(interrupted) => Ok(stage.end(Err(interrupted))),
        }
    });
    // A command whose answer is still awaited must not keep the program from ending.
    runtime.shutdown_background();
    code
}

/// Asks for the passphrase of the key before anything else, if that is wanted.
pub(super) async fn unlock(
    args: &SshArgs,
    settings: &Settings,
    dialer: &Dialer,
) -> Result<(), Error> {
    let Some(host) = settings.site.hosts.values().next() else {
        return Ok(());
    };
    if !args.ask_key_passphrase {
        return Ok(());
    }
    let user = settings.site.ssh.user.as_str();
    let target = settings.routes.target(host, user).await?;
    let identity = target.identity;
    let key = identity.key.or_else(|| identity.files.first().cloned());
    let key = key.unwrap_or_else(|| PathBuf::from("~/.ssh/id_ed25519"));
    dialer.unlock(&key).await.map_err(|fault| Error::Key {
        why: fault.to_string(),
    })
}

/// `provision plan`.
pub(super) fn plan(site: &SiteArgs, output: &OutputArgs) -> Result<u8, Error> {
    let (plan, settings) = prepare::plan(site)?;
    let mut stage = Stage::new(&plan, &settings, output, Mode::Plan);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let surveyed = async {
            unlock(&site.ssh, &settings, &dialer).await?;
            Ok(engine::survey(plan, &settings, dialer, &events)
                .await
                .summary())
        };
        let result = match stage.drive(surveyed).await {
            Ok(Ok(summary)) => Ok(summary),
            Ok(Err(error)) => return Err(error),
            Err(interrupted) => Err(interrupted),
        };
        if let Ok(summary) = &result {
            stage.reporter.event(&Event::Finished(summary.clone()));
        }
        Ok(stage.end(result))
    });
    runtime.shutdown_background();
    code
}

/// `provision verify`.
pub(super) fn verify(site: &SiteArgs, output: &OutputArgs, rehearse: bool) -> Result<u8, Error> {
    // Every host takes part, since each is another's control; the findings are selected.
    let mut everything = site.clone();
    let chosen = std::mem::take(&mut everything.host);
    let (mut plan, settings) = prepare::plan(&everything)?;
    prepare::known_hosts(&settings, &chosen)?;
    plan.checks
        .retain(|check| chosen.is_empty() || chosen.contains(&check.host));
    let looked_at = |name: &str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    let hosts = plan.hosts.iter_mut();
    for host in hosts.filter(|host| looked_at(host.host.name.as_str())) {
        let closely = step::closely(&settings.site, &host.host);
        if let Some(last) = host.steps.last_mut() {
            last.resources.push(closely);
        }
    }
    let mut stage = Stage::new(&plan, &settings, output, Mode::Verify);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let work = async {
            unlock(&site.ssh, &settings, &dialer).await?;
            let survey = engine::survey(plan, &settings, dialer, &events).await;
            Ok(engine::prove_only(survey, &settings, &events, rehearse).await)
        };
        match stage.drive(work).await {
            Ok(Ok(summary)) => Ok(stage.end(Ok(summary))),
            Ok(Err(error)) => Err(error),
            Err(interrupted) => Ok(stage.end(Err(interrupted))),
        }
    });
    runtime.shutdown_background();
    code
}

//! `backup`, `restore`, `down` and `destroy`: a survey, a question, and the deed.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::stage::Stage;
use super::vault::Opener;
use super::{Error, OutputArgs, SshArgs, prepare, prompt, run};
use crate::engine::{self, Events, Settings, Survey};
use crate::event::{Event, Mode, Summary};
use crate::plan::Plan;
use crate::site;

/// What is asked before the deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing.
    None,
    /// A yes.
    Yes,
    /// The site's name.
    Name(String),
}

impl Question {
    /// This question, unless it was answered on the command line.
    ///
    /// # Errors
    /// If nobody is there to ask.
    pub(super) fn unless(self, answered: bool, output: &OutputArgs) -> Result<Self, Error> {
        if answered {
            return Ok(Self::None);
        }
        if output.json || !std::io::stdin().is_terminal() {
            return Err(match self {
                Self::Name(name) => Error::Unconfirmed(name),
                Self::None | Self::Yes => Error::NoTerminal,
            });
        }
        Ok(self)
    }
}

/// A site and what is needed to look at its hosts.
pub(super) fn settings(file: &Path, ssh: &SshArgs) -> Result<Settings, Error> {
    let site = site::load(file, &Opener::default())?;
    for warning in &site.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    prepare::settings(site, ssh)
}

/// That a site has a database of its own.
pub(super) fn has_database(settings: &Settings) -> Result<(), Error> {
    match settings.site.postgres {
        Some(_) => Ok(()),
        None => Err(Error::NoDatabase),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// How it is shown and asked for.
pub(super) struct Manner<'a> {
    pub ssh: &'a SshArgs,
    pub output: &'a OutputArgs,
    pub mode: Mode,
    pub question: Question,
}

/// Looks, asks, and does `deed`. Where something keeps it from being done, nothing is asked.
pub(super) fn carry_out(
    plan: Plan,
    settings: &Settings,
    manner: Manner<'_>,
    deed: impl AsyncFnOnce(Survey, &Events) -> Summary,
) -> Result<u8, Error> {
    let mut stage = Stage::new(&plan, settings, manner.output, manner.mode);
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let result = async {
            let (events, dialer) = (stage.events.clone(), stage.dialer());
            let surveyed = async {
                run::unlock(manner.ssh, settings, &dialer).await?;
                Ok(engine::survey(plan, settings, dialer, &events).await)
            };
            let survey = match stage.drive(surveyed).await? {
                Ok(survey) => survey,
                Err(error) => return Ok(Err(error)),
            };
            if survey.is_hindered() {
                stage.reporter.question();
                let summary = survey.summary();
                stage.reporter.event(&Event::Finished(summary.clone()));
                return Ok(Ok(Some(summary)));
            }
            if manner.question != Question::None && !survey.is_converged() {
                stage.reporter.question();
                let agreed = match &manner.question {
                    Question::Name(name) => prompt::typed(name).await?,
                    Question::None | Question::Yes => prompt::confirmed("go on?").await?,
                };
                if !agreed {
                    return Ok(Ok(None));
                }
            }
            stage.drive(deed(survey, &events)).await.map(Some).map(Ok)
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

//! `provision status`: how a site is doing.

use super::stage::Stage;
use super::vault::Opener;
use super::{Error, StatusArgs, prepare, run};
use crate::engine;
use crate::event::Mode;
use crate::site;

/// Asks all hosts at once, looks at the certificate from here, and says what needs a hand.
pub(super) fn status(args: &StatusArgs) -> Result<u8, Error> {
    let settings = prepare::settings(site::load(&args.file, &Opener::default())?, &args.ssh)?;
    prepare::known_hosts(&settings, &args.host)?;
    let plan = engine::status_plan(&settings.site, &args.host);
    let mut stage = Stage::new(&plan, &settings, &args.output, Mode::Status);
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let work = async {
            run::unlock(&args.ssh, &settings, &dialer).await?;
            let survey = engine::survey(plan, &settings, dialer, &events).await;
            Ok(engine::status(survey, &settings, &events).await)
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

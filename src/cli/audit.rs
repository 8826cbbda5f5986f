//! `provision audit`: servers that others set up.

use super::stage::Stage;
use super::vault::Opener;
use super::{AuditArgs, Error, prepare, run};
use crate::engine;
use crate::event::Mode;
use crate::plan::{HostPlan, Plan, StepPlan};
use crate::resource::ufw::policy::Reading;
use crate::site::{self, Destination, Host, Site};
use crate::step;

/// The one step of the plan, which reads and changes nothing.
const STEP: &str = "audit";

/// Looks, and says what is exposed.
pub(super) fn audit(args: &AuditArgs) -> Result<u8, Error> {
    let site = match &args.site {
        Some(file) => site::load(file, &Opener::default())?,
        None => bare(&args.servers)?,
    };
    let settings = prepare::settings(site, &args.ssh)?;
    let site = &settings.site;
    let hosts = site.hosts.values().map(|host| host_plan(site, host));
    let plan = Plan {
        site: site.name.to_string(),
        playbook: String::new(),
        hosts: hosts.collect(),
        checks: Vec::new(),
        lookups: Vec::new(),
    };
    let mut stage = Stage::new(&plan, &settings, &args.output, Mode::Audit);
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let (events, dialer) = (stage.events.clone(), stage.dialer());
        let work = async {
            run::unlock(&args.ssh, &settings, &dialer).await?;
            let survey = engine::survey(plan, &settings, dialer, &events).await;
            Ok(engine::audit(survey, &events).await)
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

/// The servers of the command line.
fn bare(servers: &[String]) -> Result<Site, Error> {
    let read = |server: &String| {
        Destination::new(server).map_err(|wrong| Error::Server {
            server: server.clone(),
            wrong: wrong.to_string(),
        })
    };
    let all: Vec<Destination> = servers.iter().map(read).collect::<Result<_, _>>()?;
    if let Some(server) = site::named_twice(&all) {
        let wrong = "it is named twice".to_owned();
        return Err(Error::Server { server, wrong });
    }
    Site::bare(&all).map_err(|wrong| Error::Server {
        server: servers.join(" "),
        wrong: wrong.to_string(),
    })
}

fn host_plan(site: &Site, host: &Host) -> HostPlan {
    // Of a server without a role nobody knows what it is meant to publish.
    let lint = step::closely(site, host);
    HostPlan {
        host: host.clone(),
        steps: vec![StepPlan {
            name: STEP.to_owned(),
            resources: vec![lint, Box::new(Reading)],
            after: Vec::new(),
        }],
    }
}

//! `provision destroy`: removes a site with its data.

use std::path::PathBuf;

use clap::Args;

use super::life::{Manner, Question, carry_out, settings};
use super::{Error, OutputArgs, SshArgs, prepare};
use crate::engine::converge_and_prove;
use crate::engine::life::destroy::destroy_plan;
use crate::event::Mode;

/// Which hosts, and what of them.
#[derive(Clone, Debug, Args)]
pub struct DestroyArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    file: PathBuf,
    /// Only this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// The backups on the servers too
    #[arg(long)]
    backups: bool,
    /// The site's name, instead of the question for it
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(super) report: OutputArgs,
}

/// Lists what will be lost, and removes it once the site's name is typed.
pub(super) fn run(args: &DestroyArgs) -> Result<u8, Error> {
    let settings = settings(&args.file, &args.ssh)?;
    prepare::known_hosts(&settings, &args.host)?;
    let name = settings.site.name.to_string();
    let confirmed = match &args.confirm {
        Some(typed) if *typed != name => {
            return Err(Error::OtherName {
                typed: typed.clone(),
                name,
            });
        }
        typed => typed.is_some(),
    };
    let manner = Manner {
        ssh: &args.ssh,
        output: &args.report,
        mode: Mode::Destroy,
        question: Question::Name(name).unless(confirmed, &args.report)?,
    };
    let plan = destroy_plan(&settings, &args.host, args.backups);
    carry_out(plan, &settings, manner, async |survey, events| {
        converge_and_prove(survey, &settings, events).await
    })
}

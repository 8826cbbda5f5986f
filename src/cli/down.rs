//! `provision down`: stops a site, its data kept.

use std::path::PathBuf;

use clap::Args;

use super::life::{Manner, Question, carry_out, settings};
use super::{Error, OutputArgs, SshArgs, prepare};
use crate::engine::converge_and_prove;
use crate::engine::life::down::down_plan;
use crate::event::Mode;

/// Which hosts.
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    file: PathBuf,
    /// Only this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Don't ask before stopping anything
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(super) report: OutputArgs,
}

/// Stops it after a yes.
pub(super) fn run(args: &DownArgs) -> Result<u8, Error> {
    let question = Question::Yes.unless(args.yes, &args.report)?;
    let settings = settings(&args.file, &args.ssh)?;
    prepare::known_hosts(&settings, &args.host)?;
    let manner = Manner {
        ssh: &args.ssh,
        output: &args.report,
        mode: Mode::Down,
        question,
    };
    let plan = down_plan(&settings, &args.host);
    carry_out(plan, &settings, manner, async |survey, events| {
        converge_and_prove(survey, &settings, events).await
    })
}

//! `provision backup`: makes a backup of the site's database, brings it here, lists what there is.

use std::path::PathBuf;

use clap::Args;

use super::life::{Manner, Question, carry_out, has_database, settings};
use super::{Error, OutputArgs, SshArgs};
use crate::engine::life::backup::{Wish, backup, backup_plan};
use crate::engine::life::save;
use crate::event::Mode;

/// Which backup, and where to.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    file: PathBuf,
    /// Where to on this machine: a file or a directory [default: ./SITE-TIME.tar]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave it on the server alone, with the others that [backup] keeps there
    #[arg(long, conflicts_with_all = ["output", "list", "bring"])]
    on_server: bool,
    /// List what is on the server; make none
    #[arg(long, conflicts_with_all = ["output", "bring"])]
    list: bool,
    /// Bring one that is on the server, the newest if none is named; make none
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    bring: Option<Option<String>>,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(super) report: OutputArgs,
}

/// Does what is asked for. Nothing of the site changes, so nobody is asked.
pub(super) fn run(args: &BackupArgs) -> Result<u8, Error> {
    let settings = settings(&args.file, &args.ssh)?;
    has_database(&settings)?;
    if let Some(output) = args.output.as_ref().filter(|output| !output.is_dir())
        && save::place(Some(output), "").is_err()
    {
        return Err(Error::Exists(output.clone()));
    }
    let wish = match (&args.bring, args.list) {
        (_, true) => Wish::List,
        (Some(name), _) => Wish::Bring {
            name: name.clone(),
            output: args.output.clone(),
        },
        (None, _) => Wish::Make {
            bring: (!args.on_server).then(|| args.output.clone()),
        },
    };
    let manner = Manner {
        ssh: &args.ssh,
        output: &args.report,
        mode: Mode::Backup,
        question: Question::None,
    };
    let plan = backup_plan(&settings.site);
    carry_out(plan, &settings, manner, async |survey, events| {
        backup(survey, &settings, events, &wish).await
    })
}

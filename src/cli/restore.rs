//! `provision restore`: a backup in place of what the site holds, and the way back from that.

use std::path::{Path, PathBuf};

use clap::Args;

use super::life::{Manner, Question, carry_out, has_database, now, settings};
use super::{Error, OutputArgs, SshArgs};
use crate::engine::Settings;
use crate::engine::life::archive::{self, Whole};
use crate::engine::life::restore::{Wish, restore, restore_plan};
use crate::event::Mode;

/// Which backup, or which way back.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The backup, a file on this machine; none with --undo and --forget
    #[arg(value_name = "BACKUP")]
    backup: Option<PathBuf>,
    /// The site
    #[arg(value_name = "FILE", default_value = "site.toml")]
    file: PathBuf,
    /// It is a backup of another site, this one
    #[arg(long, value_name = "SITE", conflicts_with_all = ["undo", "forget"])]
    from_site: Option<String>,
    /// Go back to what served before the last restore or upgrade, which is kept
    #[arg(long, conflicts_with = "forget")]
    undo: bool,
    /// Remove for good what served before
    #[arg(long)]
    forget: bool,
    /// Don't ask before changing anything
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    ssh: SshArgs,
    #[command(flatten)]
    pub(super) report: OutputArgs,
}

/// Checks the backup, says what will happen, and does it after a yes.
pub(super) fn run(args: &RestoreArgs) -> Result<u8, Error> {
    let back = args.undo || args.forget;
    let (backup, site) = match (&args.backup, back) {
        (Some(backup), false) => (Some(backup), &args.file),
        // With one argument that is the site's.
        (Some(site), true) => (None, site),
        (None, true) => (None, &args.file),
        (None, false) => return Err(Error::NoBackup),
    };
    let question = Question::Yes.unless(args.yes, &args.report)?;
    let settings = settings(site, &args.ssh)?;
    has_database(&settings)?;
    let wish = match backup {
        Some(file) => {
            let whole = fit(file, args.from_site.as_deref(), &settings)?;
            Wish::Restore {
                file: file.clone(),
                whole: Box::new(whole),
            }
        }
        None if args.undo => Wish::Undo,
        None => Wish::Forget,
    };
    let manner = Manner {
        ssh: &args.ssh,
        output: &args.report,
        mode: Mode::Restore,
        question,
    };
    let plan = restore_plan(&settings.site, &wish, now());
    carry_out(plan, &settings, manner, async |survey, events| {
        restore(survey, &settings, events, &wish).await
    })
}

/// That a file is a whole backup that this site can use.
fn fit(file: &Path, from: Option<&str>, settings: &Settings) -> Result<Whole, Error> {
    let whole = archive::check(file).map_err(Error::Backup)?;
    let site = &settings.site;
    let wrong = |why: String| Error::Unfit {
        file: file.to_owned(),
        why,
    };
    let (theirs, ours) = (whole.manifest.site.as_str(), site.name.as_str());
    if theirs != from.unwrap_or(ours) {
        return Err(wrong(match from {
            None => format!(
                "it is a backup of {theirs}, not of {ours}: add --from-site {theirs} if that is \
                 what you mean"
            ),
            Some(from) => format!("it is a backup of {theirs}, not of {from}"),
        }));
    }
    let version = site.postgres.as_ref().map_or(0, |it| it.version);
    if whole.manifest.postgres > version {
        return Err(wrong(format!(
            "it is PostgreSQL {0}'s, and site.toml asks for {version}: write version = {0} in \
             [postgres] and run provision",
            whole.manifest.postgres
        )));
    }
    Ok(whole)
}

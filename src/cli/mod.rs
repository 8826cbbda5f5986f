//! The command line: one file a verb. The only place that wires the other rooms together.

mod ask;
mod attached;
mod audit;
mod backup;
mod destroy;
mod down;
mod error;
mod explain;
mod init;
pub mod lab;
mod life;
mod logs;
mod prepare;
mod prompt;
mod reboot;
mod restore;
mod run;
mod secrets;
mod stage;
mod status;
mod terminal;
mod trust;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use self::attached::Program;
use crate::{plan, step};

pub use error::Error;

use crate::report::{self, Reporter as _};

/// Takes bare servers to a load-balanced HTTPS Django site behind a firewall that holds, and
/// proves it from outside.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 unexpected, 2 usage or site.toml, 3 a host failed, \
    4 exposed, not proven or (status) in need of a hand, 5 rolled back by a guard, 6 locked by another run, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Converge all servers, then prove the site from outside
    Run(RunArgs),
    /// Do one step of it
    Step {
        /// The step (see `provision steps`)
        name: String,
        /// Take back what it has made (firewall)
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Show every difference; change nothing
    Plan {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Prove the site from outside, as it stands
    Verify {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        output: OutputArgs,
        /// Restart one server after the other, and prove it again after each
        #[arg(long)]
        reboot: bool,
        /// Don't ask before restarting a server
        #[arg(long, requires = "reboot")]
        yes: bool,
        /// Don't rehearse the renewal of the certificate
        #[arg(long)]
        no_rehearsal: bool,
    },
    /// Say how the site is doing: its certificate and renewal, its containers; change nothing
    Status(StatusArgs),
    /// Look at servers that others set up: who reaches which port, and whether their own firewall
    /// says so; change nothing
    Audit(AuditArgs),
    /// Make a backup of the site's own database and of what was uploaded, and bring it here
    Backup(backup::BackupArgs),
    /// Put a backup in place of what the site holds, which is kept; or go back
    Restore(restore::RestoreArgs),
    /// Stop the site on all its hosts; all data is kept, and run brings it back
    Down(down::DownArgs),
    /// Remove the site with all its data from its hosts; lists it and asks for the site's name
    Destroy(destroy::DestroyArgs),
    /// Run manage.py in the app's container, as if you sat there
    Manage(attached::ProgramArgs),
    /// psql in the site's own PostgreSQL, as the site's user; else Django's dbshell
    Dbshell(attached::ProgramArgs),
    /// redis-cli in the site's Redis, logged in
    RedisCli(attached::ProgramArgs),
    /// A shell in a container
    Shell(attached::ShellArgs),
    /// What the containers of all hosts write
    Logs(logs::LogsArgs),
    /// Write a commented site.toml to begin with
    Init {
        /// Where to
        #[arg(default_value = "site.toml")]
        file: PathBuf,
    },
    /// Show the servers' host keys and pin them in site.toml
    Trust {
        /// The site
        #[arg(default_value = "site.toml")]
        file: PathBuf,
        /// Pin without asking
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        ssh: SshArgs,
    },
    /// The secrets file beside site.toml: make what is missing, or change it
    Secrets(secrets::SecretsArgs),
    /// List the steps of a playbook
    Steps {
        /// A shipped playbook or the path of one
        #[arg(default_value = "django-scaled")]
        playbook: String,
    },
    /// Say what a step does, reads and changes
    Explain {
        /// The step
        step: String,
    },
    /// Disposable servers on this machine, to rehearse on
    Lab(lab::LabArgs),
}

impl Verb {
    /// How it shows things, if that can be chosen.
    fn output(&self) -> Option<&OutputArgs> {
        match self {
            Self::Run(run) | Self::Step { run, .. } => Some(&run.output),
            Self::Plan { output, .. } | Self::Verify { output, .. } => Some(output),
            Self::Status(status) => Some(&status.output),
            Self::Backup(args) => Some(&args.report),
            Self::Restore(args) => Some(&args.report),
            Self::Down(args) => Some(&args.report),
            Self::Destroy(args) => Some(&args.report),
            _ => None,
        }
    }
}

/// Which site, and which part of it.
#[derive(Clone, Debug, Args)]
pub struct SiteArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    pub file: PathBuf,
    /// Only this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// Only this step (may be repeated)
    #[arg(long, value_name = "STEP")]
    pub only: Vec<String>,
    /// Not this step (may be repeated)
    #[arg(long, value_name = "STEP")]
    pub skip: Vec<String>,
    /// Not the steps before this one
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// What the steps made is taken back.
    #[arg(skip)]
    pub remove: bool,
    /// How they are reached
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// How hosts are reached.
#[derive(Clone, Debug, Default, Args)]
pub struct SshArgs {
    /// Read this instead of ~/.ssh/config and the system's ssh_config; "none" reads neither
    #[arg(short = 'F', long = "ssh-config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask for the key's passphrase before connecting
    #[arg(long)]
    pub ask_key_passphrase: bool,
}

/// How things are shown.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// One JSON object a line, for machines
    #[arg(long)]
    pub json: bool,
    /// Show what remote commands print, as they print it; -vv: and how hosts are reached;
    /// -vvv: and every command
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Which servers are looked at.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// The servers, each [USER@]HOST[:PORT] or a name of ssh_config
    #[arg(required_unless_present = "site", value_name = "SERVER")]
    pub(crate) servers: Vec<String>,
    /// The servers of a site instead
    #[arg(long, value_name = "FILE", conflicts_with = "servers")]
    pub(crate) site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ssh: SshArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which servers are asked how they are doing.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    pub(crate) file: PathBuf,
    /// Only this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    #[command(flatten)]
    pub(crate) ssh: SshArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Arguments of verbs that change things.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Don't ask before changing anything
    #[arg(long)]
    pub(crate) yes: bool,
}

impl RunArgs {
    /// All of a site, without a question.
    fn everything(file: PathBuf, output: OutputArgs) -> Self {
        let (host, only, skip, from, ssh) = Default::default();
        Self {
            site: SiteArgs {
                file,
                host,
                only,
                skip,
                from,
                remove: false,
                ssh,
            },
            output,
            yes: true,
        }
    }
}

/// Does what the command line asks for; the answer is the exit code.
///
/// # Errors
/// What keeps it from being done.
pub fn main(cli: Cli) -> Result<u8, Error> {
    let json = cli.verb.output().is_some_and(|output| output.json);
    let done = carry_out(cli.verb);
    if let (Err(error), true) = (&done, json) {
        let out = Box::new(std::io::stdout());
        report::Json::new(report::Verbosity::default(), out).event(&error.event());
    }
    done
}

fn carry_out(verb: Verb) -> Result<u8, Error> {
    match verb {
        Verb::Run(args) => run::run(&args),
        Verb::Step {
            name,
            remove,
            mut run,
        } => {
            explain::known(&name)?;
            if remove && step::removal(&name).is_none() {
                return Err(plan::Error::NoRemoval(name).into());
            }
            run.site.remove = remove;
            run.site.only = vec![name];
            run::run(&run)
        }
        Verb::Plan { site, output } => run::plan(&site, &output),
        Verb::Verify {
            mut site,
            output,
            reboot,
            yes,
            no_rehearsal,
        } => {
            site.only = vec!["verify".to_owned()];
            let rehearse = !no_rehearsal;
            match reboot {
                false => run::verify(&site, &output, rehearse),
                true => reboot::reboot(&site, &output, yes, rehearse),
            }
        }
        Verb::Status(args) => status::status(&args),
        Verb::Backup(args) => backup::run(&args),
        Verb::Restore(args) => restore::run(&args),
        Verb::Down(args) => down::run(&args),
        Verb::Destroy(args) => destroy::run(&args),
        Verb::Audit(args) => audit::audit(&args),
        Verb::Manage(args) => attached::program(Program::Manage, &args),
        Verb::Dbshell(args) => attached::program(Program::Dbshell, &args),
        Verb::RedisCli(args) => attached::program(Program::RedisCli, &args),
        Verb::Shell(args) => attached::shell(&args),
        Verb::Logs(args) => logs::logs(&args),
        Verb::Init { file } => init::init(&file),
        Verb::Trust { file, yes, ssh } => trust::trust(&file, yes, &ssh),
        Verb::Secrets(args) => secrets::run(&args),
        Verb::Steps { playbook } => explain::steps(&playbook),
        Verb::Explain { step } => explain::explain(&step),
        Verb::Lab(args) => lab::run(args),
    }
}

//! `provision lab`: disposable servers on this machine.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, Subcommand};

use super::{OutputArgs, RunArgs};
use crate::lab::{self, Error, Options, Progress, Suite};

/// Exit code for an unexpected failure.
const UNEXPECTED: u8 = 1;

/// Arguments of `provision lab`.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// Where the lab keeps its state [default: /var/lib/provision-lab]
    #[arg(
        long,
        value_name = "DIR",
        env = "PROVISION_LAB_DIRECTORY",
        hide_env_values = true,
        global = true
    )]
    directory: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

/// Arguments of verbs that bring the lab up.
#[derive(Debug, Args)]
struct UpArgs {
    /// The hosts' Debian release
    #[arg(long, value_name = "SUITE", default_value = "trixie")]
    suite: Suite,
    /// Install the Debian packages that are missing on this machine
    #[arg(long)]
    install: bool,
    /// The app that site.toml names, instead of the embedded example
    #[arg(long, value_name = "DIR")]
    app: Option<PathBuf>,
}

/// What to do with the lab.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the lab up and write a ready site.toml
    Up {
        #[command(flatten)]
        up: UpArgs,
        /// Boot these hosts alone, such as proxy for a site of one server
        #[arg(long, value_name = "HOST", value_delimiter = ',')]
        only: Vec<String>,
    },
    /// Bring the lab up, run the main job on it, prove it, and say how to look at the page
    Run {
        #[command(flatten)]
        up: UpArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Remove the lab; base trees and images stay in the cache
    Down,
    /// Show what runs
    Status,
    /// Log in to a host, or run a command there
    Ssh {
        /// The host, or USER@HOST
        host: String,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Run a command as root inside a host, past its firewall and SSH server
    Console {
        /// The host
        host: String,
        /// The command [default: sh]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Run a command from the stranger's vantage
    Outside {
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Make hosts fresh servers again
    Reset {
        /// The hosts
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
    },
    /// Cut hosts' power and boot them again
    PowerCut {
        /// The hosts
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// Leave it off
        #[arg(long)]
        off: bool,
    },
    /// Boot hosts that are off
    Start {
        /// The hosts
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
    },
}

/// Runs the verb.
///
/// # Errors
/// What the lab said.
pub fn run(args: LabArgs) -> Result<u8, super::Error> {
    let mut options = Options {
        directory: args.directory,
        ..Options::default()
    };
    let mut show = |progress: Progress| anstream::println!("lab  {}", progress.what);
    match args.verb {
        Verb::Up { up: args, only } => {
            options.only = only;
            let lab = up(&mut options, args, &mut show)?;
            anstream::println!("{}", lab.site.display());
        }
        Verb::Run { up: args, output } => {
            let lab = if output.json {
                up(&mut options, args, &mut |_| {})?
            } else {
                up(&mut options, args, &mut show)?
            };
            return rehearse(&lab, output);
        }
        Verb::Down => lab::down(&options, &mut show)?,
        Verb::Status => status(&options)?,
        Verb::Ssh { host, command } => {
            let (user, host) = host.split_once('@').unwrap_or(("root", &host));
            let mut ssh = lab::ssh_command(&options, host, user)?;
            return hand_over(ssh.args(command));
        }
        Verb::Console { host, mut command } => {
            if command.is_empty() {
                command.push("sh".to_owned());
            }
            return hand_over(lab::console_command(&options, &host)?.args(command));
        }
        Verb::Outside { command } => return hand_over(lab::outside_command().args(command)),
        Verb::Reset { hosts } => lab::reset(&options, &hosts, &mut show)?,
        Verb::PowerCut { hosts, off } => {
            lab::power_cut(&options, &hosts, &mut show)?;
            if !off {
                lab::start(&options, &hosts, &mut show)?;
            }
        }
        Verb::Start { hosts } => lab::start(&options, &hosts, &mut show)?,
    }
    Ok(0)
}

fn up(
    options: &mut Options,
    args: UpArgs,
    show: &mut dyn FnMut(Progress),
) -> Result<lab::Lab, Error> {
    options.suite = args.suite;
    options.install = args.install;
    options.app_source = args.app;
    lab::up(options, show)
}

/// The main job on the lab, and how to look at what came of it.
fn rehearse(lab: &lab::Lab, output: OutputArgs) -> Result<u8, super::Error> {
    let says_more = !output.json;
    let code = super::run::run(&RunArgs::everything(lab.site.clone(), output))?;
    if code == 0 && says_more {
        let (domain, proxy) = (lab::DOMAIN, lab::PROXY);
        anstream::println!(
            "\nlook at the page\n  curl --cacert {} --resolve {domain}:443:{proxy} https://{domain}/polls/\n\
             as a stranger sees it\n  provision lab outside -- curl --cacert {} --resolve \
             {domain}:443:{proxy} https://{domain}/polls/\n\
             go on from here\n  provision plan {site}    provision lab ssh deploy@app1    \
             provision lab down",
            lab.ca.display(),
            lab.ca.display(),
            site = lab.site.display(),
        );
    }
    Ok(code)
}

fn status(options: &Options) -> Result<(), Error> {
    let status = lab::status(options)?;
    let pid = |pid: Option<u32>| pid.map_or("stopped".to_owned(), |pid| format!("pid {pid}"));
    anstream::println!("{} lab, {}", status.suite.name(), status.site.display());
    for host in status.hosts {
        anstream::println!("{:<9} {:<21} {}", host.name, host.address, pid(host.pid));
    }
    for service in status.services {
        let address = format!("{}:{}", lab::GATEWAY, service.port);
        anstream::println!("{:<9} {:<21} {}", service.name, address, pid(service.pid));
    }
    Ok(())
}

/// Gives the terminal to another program and passes its exit code on.
fn hand_over(command: &mut Command) -> Result<u8, super::Error> {
    let status = command.status().map_err(|source| Error::Start {
        command: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(UNEXPECTED))
}

//! The `provision` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use provision::cli::lab::{self, LabArgs};

/// Takes bare servers to a proven HTTPS site.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Disposable servers on this machine, to rehearse on
    Lab(LabArgs),
}

fn main() -> ExitCode {
    let Verb::Lab(args) = Cli::parse().verb;
    match lab::run(args) {
        Ok(code) => code,
        Err(error) => {
            let mut text = format!("failed to {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            anstream::eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

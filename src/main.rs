//! The `provision` command.

use std::process::ExitCode;

use clap::Parser as _;
use provision::cli::{self, Cli};

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    match cli::main(Cli::parse()) {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) if error.is_unexpected() => Err(error.into()),
        Err(error) => {
            anstream::eprintln!("{error}");
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}

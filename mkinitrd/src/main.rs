//! The command `isolde-mkinitrd`. See README.md in this folder, which is its manual page.

use std::process::ExitCode;

use clap::Parser;
use isolde_mkinitrd::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isolde-mkinitrd: {error}");
            ExitCode::FAILURE
        }
    }
}

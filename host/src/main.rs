//! The command `isolde`. See docs/inspect.md and docs/plan.md.

use clap::{Parser, Subcommand};
use isolde_host::{inspect, plan};
use std::process::ExitCode;

/// Boots operating systems directly from image files: what an image is, and how it would boot.
#[derive(Debug, Parser)]
#[command(name = "isolde", version, term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Args),
    Plan(plan::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Plan(args) => plan::run(&args),
    }
}

//! The command `isolde`. See docs/home.md, docs/inspect.md, docs/mkinitrd.md, docs/persistence.md, docs/plan.md, docs/seal.md,
//! docs/accept.md and docs/verify.md.

use clap::{Parser, Subcommand};
use isolde_host::{home, inspect, mkinitrd, persist, plan, trust};
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
    Home(home::Args),
    Inspect(inspect::Args),
    Keygen(trust::keygen::Args),
    Mkinitrd(mkinitrd::Args),
    Persist(persist::Args),
    Plan(plan::Args),
    Seal(trust::seal::Args),
    Trust(trust::accept::Args),
    Verify(trust::verify::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Home(args) => home::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Keygen(args) => trust::keygen::run(&args),
        Command::Mkinitrd(args) => mkinitrd::run(&args),
        Command::Persist(args) => persist::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Seal(args) => trust::seal::run(&args),
        Command::Trust(args) => trust::accept::run(&args),
        Command::Verify(args) => trust::verify::run(&args),
    }
}

//! `isolde keygen`, `isolde seal`, `isolde trust`, `isolde verify`: what is on a store is what was meant to be there.
//!
//! Manifests, signatures and hash trees are read by init's own code (`isolde::formats`); here they are made.

pub mod accept;
pub mod digest;
pub mod implanted;
pub mod key;
pub mod keygen;
mod lists;
pub mod manifest;
pub mod measure;
pub mod meter;
pub mod pass;
mod pool;
pub mod replace;
pub mod seal;
pub mod store;
pub mod sums;
mod used;
pub mod verify;

use anyhow::Result;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// The status when there is no answer; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;

/// Prints an answer as JSON or as text.
fn print(answer: &(impl Serialize + Display), json: bool) -> Result<()> {
    say(&if json { serde_json::to_string_pretty(answer)? + "\n" } else { answer.to_string() })
}

/// Prints a text.
pub(crate) fn say(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as head(1), is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(crate) fn finish(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isolde: {error:#}");
            NO_ANSWER.into()
        }
    }
}

//! `isolde keygen`, `isolde seal`, `isolde verify`: what is on a store is what was meant to be there.
//!
//! Manifests, signatures and hash trees are read by init's own code (`isolde::formats`); here they are made.

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
use std::process::ExitCode;

/// The status when there is no answer; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;

fn finish(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("isolde: {error:#}");
            NO_ANSWER.into()
        }
    }
}

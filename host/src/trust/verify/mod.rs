//! `isolde verify`: whether stores and files are what they were meant to be, and what that proves.
//!
//! Takes   stores' root directories, files, and perhaps public keys.
//! Gives   for each file what it was compared with, what that proves, and what is wrong; text or JSON.
//! Leaves  everything as it is.
//! Fails   with status 1 when anything is otherwise than it was meant, with 3 when nothing is, and there is a file that
//!         nothing speaks of, and with 2 when there is no answer.

mod answer;
pub(super) mod check;
pub(super) mod claims;
mod files;

pub use answer::{Answer, Check, FileAnswer, Proof, StoreAnswer};

use super::meter::Meter;
use super::pool;
use super::store;
use anyhow::{Context, Result};
use files::Found;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` ends with.
const HELP: &str = "\
Exit status:
  0  everything is what it was meant to be
  1  something is not, and is named
  2  there is no answer: a file is not there, or the key cannot be read
  3  nothing is wrong, and there is a file that nothing speaks of

docs/verify.md explains what is read, what it proves, and every field of the JSON.";

/// Say whether stores and files are what they were meant to be.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Directories where stores are mounted, and files anywhere.
    #[arg(required = true, value_name = "STORE|FILE")]
    pub paths: Vec<PathBuf>,
    /// A file with public keys of minisign, one of which has to have signed the manifest.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Refuse a manifest with a smaller serial number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub manifest_min: u64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the answer; the status says whether it is good.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    match verify(args).and_then(|answer| super::print(&answer, args.json).map(|()| answer.status())) {
        Ok(status) => status,
        Err(error) => super::finish(Err(error)),
    }
}

/// Compares stores and files with all that speaks of them.
///
/// # Errors
/// When a path leads nowhere, a store's directories cannot be read, or the file of keys has none.
pub fn verify(args: &Args) -> Result<Answer> {
    let keys = args.key.as_deref().map(store::keys).transpose()?;
    let mut found = Found::new(keys, args.manifest_min);
    for path in &args.paths {
        let kind = path.metadata().with_context(|| path.display().to_string())?;
        if kind.is_dir() { found.store(path)? } else { found.file(path)? }
    }
    let meter = Meter::new("checking", found.bytes());
    let files = pool::map(&found.files, |file| file.is_large(), |file| found.check(file, &meter));
    drop(meter);
    Ok(Answer { stores: found.stores(), files })
}

//! `isolde keygen`: a pair of keys for manifests, in minisign's format.
//!
//! Takes   a name.
//! Gives   `NAME.key`, which nobody else can read and which has no password, and `NAME.pub`.
//! Fails   with status 2 when a file of that name is there already: a key is never overwritten.

use super::key::SecretKey;
use anyhow::{Context, Result};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make a pair of keys to seal stores with, in minisign's format.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/seal.md explains what it is for. For a key with a password use minisign -G.")]
pub struct Args {
    /// Where they are written: NAME.key and NAME.pub.
    pub name: PathBuf,
}

/// Makes them, and prints the id.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    super::finish(make(&args.name).and_then(|id| super::say(&format!("{id}\n"))).map(|()| true))
}

/// Makes them; the id.
///
/// # Errors
/// When one of the files is there, or cannot be written.
pub fn make(name: &Path) -> Result<String> {
    let key = SecretKey::generate()?;
    for (ending, mode, text) in [("key", 0o600, key.text()), ("pub", 0o644, key.public())] {
        let path = PathBuf::from(format!("{}.{ending}", name.display()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| path.display().to_string())?;
    }
    Ok(key.name())
}

//! `isolde home`: image files that hold a home.
//!
//! Takes   the file's name, a size, and perhaps a folder to begin with.
//! Gives   an ext4 file system in a file, on request in a LUKS2 volume, as `isolde.home=` uses it.
//! Leaves  the old file whole until the new one is: both are made under another name beside it.
//! Fails   with status 2 and what the program that failed said. `check` has status 1 for a file system that needs a repair.

pub(crate) mod create;
pub(crate) mod crypt;
pub(crate) mod grow;
pub(crate) mod joined;
pub(crate) mod mounted;
pub(crate) mod pieces;
pub(crate) mod tool;

use crate::trust::{finish, say};
use anyhow::{Context, Result};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the name of an unfinished file begins with.
const UNFINISHED: &str = ".isolde-home-";

/// Make, grow and check image files that hold a home.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/home.md explains what a home can be.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What is done.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    Create(create::Args),
    Grow(grow::Args),
    Check(CheckArgs),
}

/// Look for faults in an image file, and change nothing. Status 1 when there are any.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The image file.
    file: PathBuf,
    #[command(flatten)]
    key: crypt::Key,
}

/// The size of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(u64);

impl std::str::FromStr for Size {
    type Err = &'static str;

    /// Bytes, or with a binary unit.
    fn from_str(text: &str) -> Result<Size, Self::Err> {
        const WANTED: &str = "wanted a size such as 4G or 512M";
        let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
        let found = units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
        let (digits, shift) = found.unwrap_or((text, 0));
        let size = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        size.filter(|size| *size >= LEAST).map(Size).ok_or(WANTED)
    }
}

/// A smaller ext4 has no journal, and no room for anything.
const LEAST: u64 = 8 << 20;

/// Does it.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    finish(match &args.command {
        Command::Create(args) => create::create(args).map(|()| true),
        Command::Grow(args) => grow::grow(args).map(|()| true),
        Command::Check(args) => check(&args.file, &args.key),
    })
}

/// The same for sessions, whose image may be in pieces.
pub(crate) fn check_sessions(args: &CheckArgs) -> Result<bool> {
    let files = pieces::there(&args.file);
    if files.len() < 2 {
        return check(&args.file, &args.key);
    }
    check(joined::Joined::open(&files, crypt::Access::ReadOnly)?.node(), &args.key)
}

fn check(image: &Path, key: &crypt::Key) -> Result<bool> {
    let shown = image.display().to_string();
    let file = std::fs::File::open(image).with_context(|| shown.clone())?;
    let done = match crypt::volume(&file).with_context(|| shown.clone())? {
        None => tool::check(image)?,
        Some(_) => crypt::open(image, &key.read(false)?, crypt::Access::ReadOnly)?.with(tool::check)?,
    };
    say(&done.output)?;
    Ok(done.sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_a_least() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!((size("8M"), size("4G"), size("8388608")), (Some(8 << 20), Some(4 << 30), Some(8 << 20)));
        for text in ["", "G", "7M", "-4G", "4 G", "4g", "99999999999T"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}

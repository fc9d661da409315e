//! The command line. README.md holds the same options, and tests/manual.rs compares the two. `isolde mkinitrd` takes
//! [`Options`] as well.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use crate::compress::Compression;
use crate::destination::{Destination, Refused};
use crate::error::{Error, Result};
use crate::plan::{Form, Plan, plan};
use crate::source::Source;
use crate::{archive, output, trust};

/// clap's own usage line would not say that one of the two is needed.
const USAGE: &str =
    "isolde-mkinitrd [OPTIONS] --output <FILE> <INIT>\n       isolde-mkinitrd [OPTIONS] --dry-run <INIT>";

/// Write the second initrd that carries isolde-init.
#[derive(Debug, Parser)]
#[command(name = "isolde-mkinitrd", version, term_width = 100, override_usage = USAGE)]
pub struct Cli {
    /// The statically linked program isolde-init.
    #[arg(value_name = "INIT")]
    pub init: PathBuf,
    /// What to make of it.
    #[command(flatten)]
    pub options: Options,
}

/// What is written, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The file to write. An existing file is replaced.
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Where the archive holds the program, and with that, who starts it.
    #[arg(short, long, value_name = "FORM", value_enum, default_value = "init")]
    pub form: Form,
    /// How the archive is compressed.
    #[arg(short, long, value_name = "METHOD", value_enum, default_value = "zstd")]
    pub compress: Compression,
    /// Put a further file into the archive. Can be given several times. DEST is everything after the last "=".
    #[arg(short, long, value_name = "SOURCE=DEST")]
    pub add: Vec<Addition>,
    /// Public keys of minisign, by which manifests of stores may be signed. Can be given several times.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Words for init, such as isolde.verify=signed. They stand before those of the kernel's command line.
    #[arg(long, value_name = "TEXT")]
    pub words: Option<String>,
    /// Print what the archive would hold, and write nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// A file and its place in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// The file.
    pub source: PathBuf,
    /// Its place.
    pub destination: Destination,
}

/// Why the value of `--add` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddition {
    /// There is no `=`, or nothing before it.
    #[error("wanted SOURCE=DEST, such as ./eth0.network=/etc/systemd/network/eth0.network")]
    Form,
    /// The place must not be used.
    #[error(transparent)]
    Destination(#[from] Refused),
}

impl FromStr for Addition {
    type Err = BadAddition;

    fn from_str(text: &str) -> Result<Self, BadAddition> {
        let (source, destination) = text.rsplit_once('=').ok_or(BadAddition::Form)?;
        if source.is_empty() {
            return Err(BadAddition::Form);
        }
        Ok(Self { source: source.into(), destination: Destination::parse(destination)? })
    }
}

/// Does what the command line asks for.
pub fn run(cli: &Cli) -> Result<()> {
    let plan = cli.options.plan(Source::open(&cli.init)?, Vec::new())?;
    cli.options.finish(&plan)
}

impl Options {
    /// Reads the further files, keys and words, and plans. `bridge` are files that were made, besides.
    pub fn plan(&self, init: Source, bridge: Vec<(Destination, Source)>) -> Result<Plan> {
        let mut add = bridge;
        for addition in &self.add {
            add.push((addition.destination.clone(), Source::open(&addition.source)?));
        }
        for key in &self.key {
            add.push(trust::key(key)?);
        }
        if let Some(words) = &self.words {
            add.push(trust::words(words)?);
        }
        plan(self.form, init, add)
    }

    /// Prints the plan, or writes the archive.
    pub fn finish(&self, plan: &Plan) -> Result<()> {
        let mtime = source_date_epoch(env::var_os("SOURCE_DATE_EPOCH").as_deref())?;
        if self.dry_run {
            print!("{plan}");
            return Ok(());
        }
        let Some(path) = &self.output else {
            return Ok(()); // clap lets no command line through that has neither --output nor --dry-run
        };
        output::save(path, &archive::build(plan, self.compress, mtime)?)
    }
}

/// The time stamp of all entries: 0, or what `SOURCE_DATE_EPOCH` says
/// (<https://reproducible-builds.org/specs/source-date-epoch/>). Pure.
fn source_date_epoch(variable: Option<&OsStr>) -> Result<u32> {
    let Some(text) = variable else { return Ok(0) };
    let digits = text.to_str().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Error::Epoch { seen: text.to_string_lossy().into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_split_at_the_last_equals_sign() {
        let cases = [("a=/etc/b", "a", "etc/b"), ("x=1/a=b=/c", "x=1/a=b", "c"), ("a=b", "a", "b")];
        for (text, source, destination) in cases {
            let addition: Addition = text.parse().unwrap();
            assert_eq!((addition.source.to_str().unwrap(), addition.destination.as_str()), (source, destination));
        }
        for text in ["", "a", "=/etc/b"] {
            assert_eq!(text.parse::<Addition>(), Err(BadAddition::Form), "{text:?}");
        }
        assert!(matches!("a=/lib/b".parse::<Addition>(), Err(BadAddition::Destination(_))));
    }

    #[test]
    fn the_epoch_is_a_plain_number_or_an_error() {
        assert_eq!(source_date_epoch(None).unwrap(), 0);
        assert_eq!(source_date_epoch(Some("1700000000".as_ref())).unwrap(), 1_700_000_000);
        for text in ["", "-1", "+1", "1.5", "4294967296", "today"] {
            assert!(source_date_epoch(Some(text.as_ref())).is_err(), "{text:?}");
        }
    }
}

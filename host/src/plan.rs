//! `isolde plan`: what init would do, without root and without mounting.
//!
//! Takes   a kernel command line, and the store's files: a directory, or an image that is on the device as it is.
//! Gives   init's decisions with the words that they come from, and the operations in init's own words. They are not
//!         predicted: init's own code boots on a fake kernel whose file systems are those files.
//! Leaves  every file as it is, and unread but for what init itself reads of it.
//! Fails   with status 1 when init would fail, and with 2 when the question cannot be answered.

mod answer;
mod device;
mod directory;
mod erofs;
mod image;
mod initramfs;
mod iso;
mod notes;
mod squashfs;
mod text;
mod world;

pub use answer::{Answer, Operation, Outcome, Parameter, Step, Word, answer};
pub use world::world;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The status of a boot that would fail.
const WOULD_FAIL: u8 = 1;
/// The status when there is no answer; clap's own for a wrong command line.
const NO_ANSWER: u8 = 2;

/// What `--help` ends with.
const HELP: &str = "\
Exit status:
  0  it would boot; without --store, the words are understood
  1  it would stop, with the message that is shown
  2  there is no answer: the store cannot be read

Example:
  isolde plan --cmdline 'boot=live findiso=/boot/iso/debian.iso' --store /media/stick

docs/plan.md says what a plan can know and what it cannot, and explains every field of the JSON.";

/// Say what init would do with a kernel command line, without root and without doing it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The kernel command line as one argument, as the boot menu has it.
    #[arg(long, value_name = "WORDS")]
    pub cmdline: String,
    /// What the store holds: a directory that stands for its root, or an image that is written to a device as it is;
    /// without it, only the words are explained.
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the answer; the status says whether the boot would succeed.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let answer = match answer(&args.cmdline, args.store.as_deref()) {
        Ok(answer) => answer,
        Err(error) => return no_answer(&format!("{error:#}")),
    };
    let printed = if args.json {
        serde_json::to_string_pretty(&answer).map_err(io::Error::from)
    } else {
        Ok(answer.to_string().trim_end().to_owned())
    };
    let printed = printed.and_then(|text| print(&text));
    match (printed, &answer.outcome) {
        (Err(error), _) => no_answer(&error),
        (Ok(()), Outcome::Fails { .. }) => WOULD_FAIL.into(),
        (Ok(()), Outcome::Boots { .. } | Outcome::Decided) => ExitCode::SUCCESS,
    }
}

/// A reader that has seen enough, such as head(1), is no failure.
fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn no_answer(why: &dyn Display) -> ExitCode {
    eprintln!("isolde: {why}");
    NO_ANSWER.into()
}

//! `isolde trust`: what init would accept of a store, with the keys and words of an initrd, and why not the rest.
//!
//! Takes   initrds in the order in which they are loaded, perhaps a store's root directory and a kernel command line.
//! Gives   the policy that results and who asked for it, the keys, what the manifest is worth, and the fate of each file.
//!         Which digest a file has to have is decided by init's own code ([`Ledger`], [`Wanted`]).
//! Leaves  everything as it is.
//! Fails   with status 1 when init would refuse something or leave it out; with 2 when there is no answer.

mod answer;
mod files;
mod initrd;

pub use answer::{Answer, Asked, Fate, File, Key, Manifest};

use super::store::limited;
use answer::StoreFiles;
use anyhow::{Context, Result};
use isolde::error::Cause;
use isolde::formats::manifest::{self, PLACE, SIGNATURE};
use isolde::formats::minisig::{MOST_SIGNATURE, PublicKey};
use isolde::params::Policy;
use isolde::stages::cmdline;
use isolde::stages::plan::{self, Plan};
use isolde::stages::verify::ledger::{Ledger, Rules};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `--help` ends with.
const HELP: &str = "\
Exit status:
  0  init would accept all of it
  1  init would refuse something, or leave it out
  2  there is no answer: an initrd or the store cannot be read

Example:
  isolde trust /media/stick --initrd initrd.img --initrd isolde.img --cmdline 'isolde.image=/boot/iso/debian.iso'

docs/accept.md explains the answer, and every field of the JSON.";

/// Say what init would accept of a store, with the keys and words of an initrd.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The directory where the store is mounted; without it, only what the initrd itself asks for is said.
    pub store: Option<PathBuf>,
    /// An initrd. Given several times, they are taken in the order in which the boot loader loads them.
    #[arg(long, required = true, value_name = "FILE")]
    pub initrd: Vec<PathBuf>,
    /// The kernel command line as one argument, as the boot menu has it.
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub cmdline: String,
    /// Compare no contents: only what the manifest covers, sizes, and the tops of hash trees.
    #[arg(long)]
    pub quick: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the answer; the status says whether all of it would be accepted.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let told = accept(args).and_then(|answer| {
        super::print(&answer, args.json)?;
        Ok(answer.is_good())
    });
    super::finish(told)
}

/// Finds out what init would accept.
///
/// # Errors
/// When an initrd or the store cannot be read as a whole: what is not known cannot be foretold.
pub fn accept(args: &Args) -> Result<Answer> {
    let brought = initrd::read(&args.initrd)?;
    let mut answer = Answer {
        keys: brought.keys.iter().map(|(file, key)| Key { file: file.clone(), id: key.id.to_string() }).collect(),
        words: brought.words.clone(),
        ..Answer::default()
    };
    let words = brought.words.as_deref().unwrap_or_default();
    let parsed = match cmdline::parse_with(words, &args.cmdline) {
        Ok(parsed) => parsed,
        Err(error) => {
            answer.fault = Some(error.to_string());
            return Ok(answer);
        }
    };
    let (policy, least) = parsed.asks();
    answer.least = least.unwrap_or_default();
    answer.asks("the initrd", cmdline::parse(words).ok().and_then(|parsed| parsed.asks().0));
    answer.asks("the command line", cmdline::parse(&args.cmdline).ok().and_then(|parsed| parsed.asks().0));
    answer.policy = policy.unwrap_or_default().word();
    let Some(store) = &args.store else { return Ok(answer) };
    let keys: Vec<PublicKey> = brought.keys.into_iter().map(|(_, key)| key).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs();
    let rules = Rules { policy: policy.unwrap_or_default(), least: answer.least, keys: &keys, now };
    let ledger = match judge(store, rules)? {
        Ok(ledger) => ledger,
        // As init does, so that a store can be rescued.
        Err(cause) if rules.policy == Policy::Off => {
            answer.notes.push(format!("the manifest is not used: {cause}"));
            Ledger::judge(rules, None, None).map_err(|cause| anyhow::anyhow!("{cause}"))?
        }
        Err(cause) => {
            answer.fault = Some(format!("read the store's manifest: {cause}"));
            return Ok(answer);
        }
    };
    let store_asks = ledger.policy().gt(&rules.policy).then(|| ledger.policy());
    answer.asks("the store", store_asks);
    answer.policy = ledger.policy().word();
    answer.manifest = ledger.serial().map(|serial| {
        let signed_by = ledger.signed_by().map(|key| key.to_string());
        Manifest { serial, signed_by }
    });
    answer.notes.extend(notes(&ledger, &keys));
    // A command line that names no image is half of one; what it says of the rest counts all the same.
    let plan: Option<Plan> = plan::decide(&parsed).ok();
    let StoreFiles { files, notes } = files::of(store, &ledger, plan.as_ref(), args.quick)?;
    answer.files = files;
    answer.notes.extend(notes);
    Ok(answer)
}

/// What the store's manifest is worth to init.
fn judge(store: &Path, rules: Rules<'_>) -> Result<std::result::Result<Ledger, Cause>> {
    let manifest = limited(&store.join(PLACE), manifest::MOST)?;
    let signature = limited(&store.join(SIGNATURE), MOST_SIGNATURE)?;
    Ok(Ledger::judge(rules, manifest.as_deref(), signature.as_deref()))
}

/// What else follows from the policy.
fn notes(ledger: &Ledger, keys: &[PublicKey]) -> Vec<String> {
    let mut notes = Vec::new();
    if ledger.policy() == Policy::Signed {
        notes.push("a home is used only when isolde.home= names it, as no manifest covers one".to_owned());
        notes.push("the distribution's own init is not delegated to, as it reads what it likes".to_owned());
    }
    if ledger.serial().is_some() && ledger.signed_by().is_none() {
        notes.push(match keys {
            [] => "the manifest proves no origin: the initrd has no key".to_owned(),
            _ => "the manifest proves no origin: it is not signed".to_owned(),
        });
    }
    notes
}

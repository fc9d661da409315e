//! `isolde verify`: whether a store is still what was sealed.
//!
//! Takes   a store's root directory, and perhaps public keys.
//! Gives   one line for each file of the manifest, or JSON.
//! Leaves  everything as it is.
//! Fails   with status 1 when anything is otherwise than the manifest says, or the signature does not hold; with 2 when
//!         there is no manifest that could be read.

use super::measure::measure;
use anyhow::{Context, Result, bail};
use isolde::formats::manifest::{Entry, MOST, Manifest, PLACE, SIGNATURE};
use isolde::formats::minisig::{self, MOST_KEYS, MOST_SIGNATURE, Signature};
use isolde::formats::verity::{Tree, Wanted};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Say whether a store is what was sealed.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/seal.md explains the answer, and every field of the JSON.")]
pub struct Args {
    /// The directory where the store is mounted.
    pub store: PathBuf,
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

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Of the manifest.
    pub serial: u64,
    /// The id of the key that signed it; none when no keys were given.
    pub signed_by: Option<String>,
    /// What is wrong with the manifest as a whole.
    pub fault: Option<String>,
    /// Its files.
    pub files: Vec<Verdict>,
}

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// On the store.
    pub path: String,
    /// What is wrong with it.
    pub fault: Option<String>,
}

impl Answer {
    /// Whether everything is as it was sealed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.fault.is_none() && self.files.iter().all(|file| file.fault.is_none())
    }
}

/// Prints the answer; the status says whether it is good.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    super::finish(verify(args).and_then(|answer| {
        print(&answer, args.json)?;
        Ok(answer.is_good())
    }))
}

fn print(answer: &Answer, json: bool) -> Result<()> {
    let mut text = String::new();
    if json {
        text = serde_json::to_string_pretty(answer)? + "\n";
    } else {
        let key = answer.signed_by.as_ref().map(|key| format!(", signed by key {key}")).unwrap_or_default();
        let whole = format!("manifest {}{key}", answer.serial);
        let lines = answer.files.iter().map(|file| (file.path.as_str(), &file.fault));
        for (name, fault) in std::iter::once((whole.as_str(), &answer.fault)).chain(lines) {
            let fault = fault.as_deref().unwrap_or("as it was sealed");
            text.push_str(&format!("{}: {fault}\n", name.escape_debug()));
        }
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as head(1), is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Compares a store with its manifest.
///
/// # Errors
/// When there is no manifest that can be read, or no key in the file of keys.
pub fn verify(args: &Args) -> Result<Answer> {
    let keys = match &args.key {
        Some(path) => Some(minisig::keys(&limited(path, MOST_KEYS)?).with_context(|| path.display().to_string())?),
        None => None,
    };
    let place = args.store.join(PLACE);
    let text = limited(&place, MOST)?;
    let manifest = Manifest::parse(&text).with_context(|| place.display().to_string())?;
    let signed = keys.map(|keys| signed_by(&args.store, &text, &keys)).transpose();
    let old = manifest.check_serial(args.manifest_min).map_err(anyhow::Error::from);
    let (signed_by, fault) = match (signed, old) {
        (Ok(signed), Ok(())) => (signed, None),
        (Err(error), _) => (None, Some(format!("{error:#}"))),
        (Ok(signed), Err(error)) => (signed, Some(error.to_string())),
    };
    let verdict = |entry: &Entry| Verdict {
        path: entry.path.clone(),
        fault: check(&args.store, entry).err().map(|error| format!("{error:#}")),
    };
    Ok(Answer { serial: manifest.serial, signed_by, fault, files: manifest.files.iter().map(verdict).collect() })
}

fn signed_by(store: &Path, text: &[u8], keys: &[minisig::PublicKey]) -> Result<String> {
    let path = store.join(SIGNATURE);
    let shown = || path.display().to_string();
    let signature = Signature::parse(&limited(&path, MOST_SIGNATURE)?).with_context(shown)?;
    let signed = signature.verify(text, keys).with_context(shown)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    signed.check_expiry(now.as_secs()).with_context(shown)?;
    Ok(signed.key.to_string())
}

/// Compares one file, and its hash tree as a whole: every block of it is made again.
fn check(store: &Path, entry: &Entry) -> Result<()> {
    let at = store.join(&entry.path);
    // A link could lead out of the store.
    let store = store.canonicalize()?;
    if at.canonicalize()? != store.join(&entry.path) {
        bail!("wanted a file, seen a link on the way to it");
    }
    let size = at.symlink_metadata()?.len();
    if size != entry.size {
        bail!("wanted {} bytes, seen {size}", entry.size);
    }
    let tree = match &entry.verity {
        Some(verity) => {
            let file = File::open(format!("{}.verity", at.display())).context("its hash tree")?;
            let wanted = Wanted { root: &verity.root, salt: &verity.salt, block: verity.block, size };
            Some((Tree::open(&file, wanted).context("its hash tree")?, file))
        }
        None => None,
    };
    let seen = measure(&at, tree.as_ref().map(|(tree, _)| tree.head.clone()), &mut |_| {})?;
    if seen.blake3 != entry.blake3 {
        bail!("wanted BLAKE3 {}, seen {}", super::manifest::hex(&entry.blake3), super::manifest::hex(&seen.blake3));
    }
    if let (Some((tree, file)), Some((_, made))) = (tree, seen.tree) {
        let mut there = Vec::new();
        file.take(tree.size).read_to_end(&mut there).context("its hash tree")?;
        // The super block was checked when it was opened; its other bytes mean nothing.
        let block = usize::try_from(tree.head.hash_block)?;
        if there.get(block..) != made.get(block..) {
            bail!("its hash tree is not the one of its bytes");
        }
    }
    Ok(())
}

/// A file's bytes, of which there may be only so many.
fn limited(path: &Path, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    read.with_context(|| path.display().to_string())?;
    if bytes.len() > most {
        bail!("{}: wanted at most {most} bytes, seen more", path.display());
    }
    Ok(bytes)
}

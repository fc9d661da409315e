//! `isolde seal`: the manifest of a store, with hash trees beside its images; or checksums and a hash tree of files alone.
//!
//! Takes   a store's root directory, and perhaps the files that changed; without them everything that init may use. Or files.
//! Gives   `boot/isolde/manifest.toml` with the next serial number, signed when there is a key, and `IMAGE.verity`; of a
//!         file alone `FILE.b3` and `FILE.verity`.
//! Leaves  the files themselves as they are. One pass over a file makes its size, BLAKE3 and hash tree.
//! Fails   with status 2; the manifest that was there is then as it was. Its signature is replaced after it: whoever
//!         interrupts between the two has a manifest that nobody signed, which init refuses.

mod alone;
mod tree;

use super::key::SecretKey;
use super::manifest;
use super::measure::measure;
use super::meter::Meter;
use super::pool::{self, LARGE};
use super::replace::{remove_unfinished, replace};
use super::store::{self, limited};
use super::used::{self, Kind};
use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use isolde::formats::manifest::{Entry, MOST, Manifest, PLACE, SIGNATURE, path};
use isolde::params::Policy;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write down what is on a store, so that nothing else boots from it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/seal.md explains manifests, keys and hash trees.")]
pub struct Args {
    /// The directory where the store is mounted; or a file anywhere, for checksums and a hash tree beside it.
    #[arg(value_name = "STORE|FILE")]
    pub store: PathBuf,
    /// Paths on the store, such as boot/iso/debian.iso: only these are read again. Default: all that Isolde may use.
    #[arg(value_name = "FILES")]
    pub files: Vec<String>,
    /// A secret key of minisign without a password, such as isolde keygen makes.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What the store itself asks for: it can only make stricter what the initrd and the command line ask for. Default: as
    /// in the manifest before.
    #[arg(long, value_name = "POLICY", value_parser = policies())]
    pub verify: Option<Policy>,
    /// Make no hash trees.
    #[arg(long)]
    pub no_verity: bool,
}

/// The words of `--verify`; `auto` takes back what was asked for before.
fn policies() -> impl TypedValueParser<Value = Policy> {
    let words = Policy::WORDS.into_iter().filter(|(_, policy)| *policy >= Policy::Auto);
    PossibleValuesParser::new(words.map(|(word, _)| word)).try_map(|seen| {
        let found = Policy::WORDS.into_iter().find(|(word, _)| *word == seen);
        found.map(|(_, policy)| policy).ok_or("no policy")
    })
}

/// Seals the store or the files, and says with what.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let lines = match args.store.is_dir() {
        true => seal(args).map(|manifest| {
            manifest.files.iter().map(|entry| format!("{}  {}\n", manifest::hex(&entry.blake3), entry.path)).collect()
        }),
        false => alone::seal(args),
    };
    super::finish(lines.and_then(|lines: String| super::say(&lines)).map(|()| true))
}

/// Seals the store.
///
/// # Errors
/// When something cannot be read or written, or a path may not be in a manifest.
pub fn seal(args: &Args) -> Result<Manifest> {
    // Before anything that takes time.
    let key = args.key.as_deref().map(read_key).transpose()?;
    let place = args.store.join(PLACE);
    let folder = place.parent().context("the manifest's folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let _lock = lock(folder)?;
    let old = limited(&place, MOST)?.map(|text| Manifest::parse(&text)).transpose();
    // One that is damaged is not written over: its serial number is not known.
    let old = old.with_context(|| place.display().to_string())?;
    let paths = if args.files.is_empty() {
        used::files(&args.store, Kind::Used)?
    } else {
        args.files.iter().cloned().collect()
    };
    let mut files = entries(args, &paths, old.as_ref())?;
    if let Some(old) = old.as_ref().filter(|_| !args.files.is_empty()) {
        files.extend(old.files.iter().filter(|entry| !paths.contains(&entry.path)).cloned());
        files.sort_by(|one, other| one.path.cmp(&other.path));
    }
    let verify = args.verify.or(old.as_ref().and_then(|old| old.verify)).filter(|policy| *policy > Policy::Auto);
    let serial = old.map_or(0, |old| old.serial).checked_add(1).context("the manifest's serial number")?;
    let manifest = Manifest { serial, verify, files };
    write(&args.store, &manifest, key.as_ref())?;
    Ok(manifest)
}

/// Writes the manifest and its signature.
fn write(store: &Path, manifest: &Manifest, key: Option<&SecretKey>) -> Result<()> {
    let text = manifest::write(manifest)?;
    let (place, signature) = (store.join(PLACE), store.join(SIGNATURE));
    replace(&place, [text.as_bytes()])?;
    match key {
        Some(key) => replace(&signature, [key.sign(text.as_bytes(), "manifest.toml").as_bytes()])?,
        None if signature.exists() => eprintln!(
            "isolde: {} is of the manifest before: sign again, with --key or with minisign -S -m {}",
            signature.display(),
            place.display()
        ),
        None => {}
    }
    Ok(())
}

/// Two seals of one store would each take the other's files for their own.
struct Lock(File);

impl Drop for Lock {
    // Closing it alone would leave the lock to a program that another thread is just starting. A lock that cannot be given
    // back ends with this program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Locks a store by the folder of its manifest.
fn lock(folder: &Path) -> Result<Lock> {
    let file = File::open(folder).with_context(|| folder.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => bail!("{}: another isolde seal is at work there", folder.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", folder.display())),
    }
}

fn read_key(path: &Path) -> Result<SecretKey> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    SecretKey::parse(&text).with_context(|| path.display().to_string())
}

/// A file that will be read.
struct Opened<'a> {
    path: &'a str,
    file: File,
    size: u64,
}

/// Measures all files, and makes the hash trees of images.
fn entries(args: &Args, paths: &BTreeSet<String>, old: Option<&Manifest>) -> Result<Vec<Entry>> {
    let mut opened = Vec::new();
    let mut folders = BTreeSet::from([args.store.join(PLACE)]);
    for path in paths {
        path::check(path)
            .map_err(|fault| anyhow::anyhow!("{path:?}: wanted a path below the store's root, {fault}"))?;
        let file = store::open(&args.store, path).with_context(|| args.store.join(path).display().to_string())?;
        let size = file.metadata().with_context(|| path.clone())?.len();
        folders.insert(args.store.join(path));
        opened.push(Opened { path, file, size });
    }
    folders
        .iter()
        .filter_map(|path| path.parent())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .try_for_each(remove_unfinished)?;
    let meter = Meter::new("sealing", opened.iter().map(|file| file.size).sum());
    let work = |file: &Opened| {
        let before = old.and_then(|old| old.find(file.path));
        entry(args, file, before, &meter).with_context(|| args.store.join(file.path).display().to_string())
    };
    pool::map(&opened, |file| file.size >= LARGE, work).into_iter().collect()
}

fn entry(args: &Args, file: &Opened, before: Option<&Entry>, meter: &Meter) -> Result<Entry> {
    let salt = before.and_then(|entry| Some(entry.verity.as_ref()?.salt.clone()));
    let head = if args.no_verity { None } else { tree::head(&file.file, file.size, salt)? };
    let mut task = meter.task();
    let measured = measure(&file.file, head.clone(), &mut |progress| task.said(progress))?;
    let at = args.store.join(file.path);
    let verity = tree::write(&at, head, measured.tree)?;
    Ok(Entry { path: file.path.to_owned(), size: measured.size, blake3: measured.blake3, verity })
}

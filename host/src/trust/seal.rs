//! `isolde seal`: the manifest of a store, with hash trees beside its images.
//!
//! Takes   a store's root directory, and perhaps the files that changed; without them everything that init may use.
//! Gives   `boot/isolde/manifest.toml` with the next serial number, signed when there is a key, and `IMAGE.verity`.
//! Leaves  the files themselves as they are. One pass over a file makes its size, BLAKE3 and hash tree.
//! Fails   with status 2; the manifest that was there is then as it was. Its signature is replaced after it: whoever
//!         interrupts between the two has a manifest that nobody signed, which init refuses.

use super::key::SecretKey;
use super::manifest;
use super::measure::{Measured, measure};
use super::replace;
use anyhow::{Context, Result, bail};
use isolde::formats::manifest::{Entry, Manifest, PLACE, SIGNATURE, Verity, path};
use isolde::formats::superblock::probe;
use isolde::formats::verity::{Algorithm, SuperBlock};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What init may use of a store. Hash trees and lists of checksums are covered by what they are of.
const USED: [&str; 4] = ["boot/iso", "boot/extensions", "boot/customize/init", "boot/isolde.toml"];
const COVERED: [&str; 2] = [".verity", ".b3"];
/// Bytes of a new salt, as veritysetup makes it.
const SALT: usize = 32;
/// Bytes of a hash block.
const HASH_BLOCK: u32 = 4096;

/// Write down what is on a store, so that nothing else boots from it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/seal.md explains manifests, keys and hash trees.")]
pub struct Args {
    /// The directory where the store is mounted.
    pub store: PathBuf,
    /// Paths on the store, such as boot/iso/debian.iso: only these are read again. Default: all that Isolde may use.
    pub files: Vec<String>,
    /// A secret key of minisign without a password, such as isolde keygen makes.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Make no hash trees.
    #[arg(long)]
    pub no_verity: bool,
}

/// Seals the store, and says with what.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    super::finish(seal(args).map(|manifest| {
        for entry in &manifest.files {
            println!("{}  {}", manifest::hex(&entry.blake3), entry.path);
        }
        true
    }))
}

/// Seals the store.
///
/// # Errors
/// When something cannot be read or written, or a path may not be in a manifest.
pub fn seal(args: &Args) -> Result<Manifest> {
    // Before anything that takes time.
    let key = args.key.as_deref().map(read_key).transpose()?;
    let place = args.store.join(PLACE);
    let old = old(&place)?;
    let paths = if args.files.is_empty() { used(&args.store)? } else { args.files.iter().cloned().collect() };
    let mut files = Vec::new();
    for path in &paths {
        let before = old.as_ref().and_then(|old| old.find(path));
        files.push(entry(&args.store, path, before, !args.no_verity)?);
    }
    if let Some(old) = old.as_ref().filter(|_| !args.files.is_empty()) {
        files.extend(old.files.iter().filter(|entry| !paths.contains(&entry.path)).cloned());
        files.sort_by(|one, other| one.path.cmp(&other.path));
    }
    let serial = old.map_or(0, |old| old.serial).checked_add(1).context("the manifest's serial number")?;
    let manifest = Manifest { serial, verify: None, files };
    let text = manifest::write(&manifest)?;
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    replace(&place, text.as_bytes())?;
    let signature = args.store.join(SIGNATURE);
    match key {
        Some(key) => replace(&signature, key.sign(text.as_bytes(), "manifest.toml").as_bytes())?,
        None if signature.exists() => eprintln!(
            "isolde: {} is of the manifest before: sign again, with --key or with minisign -S -m {}",
            signature.display(),
            place.display()
        ),
        None => {}
    }
    Ok(manifest)
}

fn read_key(path: &Path) -> Result<SecretKey> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    SecretKey::parse(&text).with_context(|| path.display().to_string())
}

/// The manifest that is there. One that is damaged is not written over: its serial number is not known.
fn old(place: &Path) -> Result<Option<Manifest>> {
    match fs::read(place) {
        Ok(text) => Manifest::parse(&text).map(Some).with_context(|| place.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| place.display().to_string()),
    }
}

/// The paths of all files that init may use.
fn used(store: &Path) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    let mut waiting: Vec<String> = USED.map(str::to_owned).into();
    while let Some(path) = waiting.pop() {
        let at = store.join(&path);
        let shown = || at.display().to_string();
        let kind = match at.symlink_metadata() {
            Ok(meta) => meta.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(shown),
        };
        if kind.is_dir() {
            for child in at.read_dir().with_context(shown)? {
                let name = child.with_context(shown)?.file_name();
                let name = name.to_str().with_context(|| format!("{}: {name:?}: wanted a name in UTF-8", shown()))?;
                waiting.push(format!("{path}/{name}"));
            }
        } else if kind.is_file() && !COVERED.iter().any(|end| path.ends_with(end)) && !path.ends_with("/B3SUMS") {
            paths.insert(path);
        }
    }
    Ok(paths)
}

/// Measures one file, and makes the hash tree of an image.
fn entry(store: &Path, path: &str, before: Option<&Entry>, with_tree: bool) -> Result<Entry> {
    path::check(path).map_err(|fault| anyhow::anyhow!("{path:?}: wanted a path below the store's root, {fault}"))?;
    let at = store.join(path);
    let shown = || at.display().to_string();
    let meta = at.symlink_metadata().with_context(shown)?;
    if !meta.is_file() {
        bail!("{}: wanted a file, seen something else", shown());
    }
    let is_image = with_tree && probe(&File::open(&at).with_context(shown)?).with_context(shown)?.is_some();
    let block = [4096, 2048, 1024, 512].into_iter().find(|&block| meta.len().is_multiple_of(u64::from(block)));
    let head = match block.filter(|_| is_image) {
        Some(block) => Some(super_block(block, meta.len(), before)?),
        None => None,
    };
    let Measured { size, blake3, tree } = measure(&at, head.clone(), &mut |_| {})?;
    let verity = match (head, tree) {
        (Some(head), Some((root, tree))) => {
            replace(&PathBuf::from(format!("{}.verity", at.display())), &tree)?;
            Some(Verity { root, salt: head.salt, block: head.data_block })
        }
        _ => None,
    };
    Ok(Entry { path: path.to_owned(), size, blake3, verity })
}

/// With the salt of the tree before: that of an unchanged image is then the same, and is at no time one that the manifest
/// does not know.
fn super_block(data_block: u32, size: u64, before: Option<&Entry>) -> Result<SuperBlock> {
    let mut random = [0; SALT + 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("/dev/urandom")?;
    let (salt, uuid) = random.split_at(SALT);
    let salt = before.and_then(|entry| Some(entry.verity.as_ref()?.salt.clone())).unwrap_or_else(|| salt.to_vec());
    let data_blocks = size / u64::from(data_block);
    let uuid = uuid.try_into()?;
    Ok(SuperBlock { uuid, algorithm: Algorithm::Sha256, data_block, hash_block: HASH_BLOCK, data_blocks, salt })
}

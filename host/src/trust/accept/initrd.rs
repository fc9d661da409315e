//! The keys and the words that an initrd brings along.

use crate::iso::bytes::{Extent, Extents, ImageFile};
use crate::iso::initrd::{Effort, Initrd};
use anyhow::{Context, Result, bail};
use isolde::families::tree::Tree;
use isolde::formats::ReadAt;
use isolde::formats::minisig::{self, MOST_KEYS, PublicKey};
use isolde::stages::cmdline::{INITRD, LONGEST};
use isolde::stages::verify::ledger::{KEY, KEYS};
use isolde::sys::Kind;
use std::path::PathBuf;

/// What an initrd brings along.
#[derive(Debug)]
pub(super) struct Brought {
    /// Each with its file.
    pub(super) keys: Vec<(String, PublicKey)>,
    pub(super) words: Option<String>,
}

/// Reads initrds in the order in which they are loaded.
///
/// # Errors
/// When one cannot be read to its end: a later archive replaces what an earlier one has. When a key is none, which stops
/// every boot.
pub(super) fn read(paths: &[PathBuf]) -> Result<Brought> {
    let mut files = Vec::new();
    for path in paths {
        files.push(ImageFile::open(path).with_context(|| path.display().to_string())?);
    }
    let mut extents = Vec::new();
    for file in &files {
        let size = file.size()?;
        extents.push(Extents::new(file, vec![Extent { at: 0, from: 0, len: size }], size));
    }
    let initrd = Initrd::new(extents, Effort::All);
    let mut keys = Vec::new();
    if initrd.kind(KEYS)? == Some(Kind::Directory) {
        let mut names: Vec<String> = initrd.list(KEYS)?.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name.ends_with(KEY));
        names.sort_unstable();
        for name in names {
            let file = format!("{KEYS}/{name}");
            let text = initrd.read(&file, MOST_KEYS as u64)?;
            let found =
                minisig::keys(&text).with_context(|| format!("the initrd's {file}, with which nothing boots"))?;
            keys.extend(found.into_iter().map(|key| (file.clone(), key)));
        }
    }
    let words = match initrd.kind(INITRD)? {
        None => None,
        Some(_) => Some(String::from_utf8_lossy(&initrd.read(INITRD, LONGEST)?).trim_end().to_owned()),
    };
    if let (_, Some(why)) = initrd.unknown() {
        bail!("the initrd is not read to its end: {why}");
    }
    Ok(Brought { keys, words })
}

//! The manifest of a store, `/boot/isolde/manifest.toml`: which files may be used, and what is in them.
//!
//! Takes   the bytes of a manifest: `version` and `serial`, then one `[[file]]` for each file.
//! Gives   [`Manifest`]; paths are relative to the store's root and follow the rules of [`path::check`].
//! Fails   with [`ManifestError`], which names the line or the path. A manifest with one fault proves nothing.
//!
//! ```toml
//! version = 1
//! serial = 7
//! verify = "require"
//!
//! [[file]]
//! path = "boot/iso/debian.iso"
//! size = 3994091520
//! blake3 = "<64 hex digits>"
//! verity-root = "<64 or 128 hex digits>"
//! verity-salt = "<up to 512 hex digits>"
//! verity-block = 4096
//! ```
//!
//! This is TOML, of which init reads these lines, blank ones and comments: numbers in decimal, strings in double quotes
//! without escapes. The crate toml makes init 150 kB larger, more than all that may still be added to it; the host reads
//! and writes manifests with it, and a test there compares both. Unknown keys are refused: a later form has another
//! version.

mod error;
pub mod path;

pub use error::ManifestError;

use super::fields;
use crate::params::Policy;
use std::collections::BTreeMap;

/// Bytes of a manifest; enough for ten thousand files.
pub const MOST: usize = 4 << 20;
/// The only version there is.
pub const VERSION: u64 = 1;
/// Where it is on a store.
pub const PLACE: &str = "boot/isolde/manifest.toml";
/// Where its signature is.
pub const SIGNATURE: &str = "boot/isolde/manifest.toml.minisig";
/// TOML's integers are signed.
const LARGEST: u64 = i64::MAX as u64;
/// Bytes of a salt: what a super block of dm-verity has room for.
const MOST_SALT: usize = 256;

/// What may be used of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Rises with every change, so that an older manifest can be told from its successor.
    pub serial: u64,
    /// The least policy that the store is to be used under.
    pub verify: Option<Policy>,
    /// In the order of the text.
    pub files: Vec<Entry>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the store's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Of all its bytes.
    pub blake3: [u8; 32],
    /// Its hash tree, which is in a file of the same name and `.verity`.
    pub verity: Option<Verity>,
}

/// What a hash tree is trusted by. All that its super block says beside this is either derived from it and the file's
/// size, or covered by the root hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// 32 bytes of SHA-256 or 64 of SHA-512.
    pub root: Vec<u8>,
    /// Hashed before every block; may be empty.
    pub salt: Vec<u8>,
    /// Bytes of a data block: 512, 1024, 2048 or 4096, of which the file's size is a multiple.
    pub block: u32,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// At its first fault.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        if text.len() > MOST {
            return Err(ManifestError::TooLarge { most: MOST });
        }
        let text = std::str::from_utf8(text).map_err(|error| ManifestError::NotText { at: error.valid_up_to() })?;
        let (mut version, mut serial, mut verify) = (None, None, None);
        let mut drafts: Vec<Draft> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_matches([' ', '\t']);
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if text == "[[file]]" {
                drafts.push(Draft { line, ..Draft::default() });
                continue;
            }
            let pair = text.split_once('=').ok_or_else(|| ManifestError::line(line, text))?;
            let (key, value) = (pair.0.trim_end_matches([' ', '\t']), pair.1.trim_start_matches([' ', '\t']));
            let at = At { line, key, value };
            match (drafts.last_mut(), key) {
                (Some(draft), _) => draft.take(at)?,
                (None, "version") => at.put(&mut version, number(value), "a number")?,
                (None, "serial") => at.put(&mut serial, number(value), "a number")?,
                (None, "verify") => at.put(&mut verify, string(value).and_then(policy), "require or signed")?,
                (None, _) => return Err(at.unknown()),
            }
        }
        match version {
            Some(VERSION) => {}
            None => return Err(ManifestError::Missing { key: "version", line: 1 }),
            Some(seen) => return Err(ManifestError::Version { seen }),
        }
        let serial = serial.ok_or(ManifestError::Missing { key: "serial", line: 1 })?;
        let files = drafts.into_iter().map(Draft::finish).collect::<Result<Vec<_>, _>>()?;
        let manifest = Manifest { serial, verify, files };
        manifest.check_names()?;
        Ok(manifest)
    }

    /// Whether two entries are of one file, on a store that tells no upper case from lower (vfat, exfat, NTFS).
    fn check_names(&self) -> Result<(), ManifestError> {
        let mut seen = BTreeMap::new();
        for entry in &self.files {
            if let Some(first) = seen.insert(path::folded(&entry.path), &entry.path) {
                return Err(ManifestError::Twice { first: first.clone(), second: entry.path.clone() });
            }
        }
        Ok(())
    }

    /// The entry of a file, by its path on the store, with or without a slash before it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Entry> {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.files.iter().find(|entry| entry.path == path)
    }

    /// Whether it is no older than the oldest that may be used.
    ///
    /// # Errors
    /// [`ManifestError::Replayed`].
    pub fn check_serial(&self, least: u64) -> Result<(), ManifestError> {
        match self.serial < least {
            true => Err(ManifestError::Replayed { serial: self.serial, least }),
            false => Ok(()),
        }
    }
}

/// A line with a value.
#[derive(Clone, Copy)]
struct At<'a> {
    line: usize,
    key: &'a str,
    value: &'a str,
}

impl At<'_> {
    fn put<T>(self, slot: &mut Option<T>, value: Option<T>, wanted: &'static str) -> Result<(), ManifestError> {
        let value = value.ok_or_else(|| ManifestError::value(self.line, self.key, wanted, self.value))?;
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(ManifestError::Doubled { line: self.line, key: self.key.into() }),
        }
    }

    fn unknown(self) -> ManifestError {
        ManifestError::Unknown { line: self.line, key: ManifestError::shown(self.key) }
    }
}

/// An entry that is being read.
#[derive(Default)]
struct Draft<'a> {
    line: usize,
    path: Option<&'a str>,
    size: Option<u64>,
    blake3: Option<[u8; 32]>,
    root: Option<Vec<u8>>,
    salt: Option<Vec<u8>>,
    block: Option<u32>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, at: At<'a>) -> Result<(), ManifestError> {
        let hex = || fields::hex(string(at.value)?);
        match at.key {
            "path" => at.put(&mut self.path, string(at.value), "text in double quotes without escapes"),
            "size" => at.put(&mut self.size, number(at.value), "a number"),
            "blake3" => at.put(&mut self.blake3, hex().and_then(|all| all.try_into().ok()), "64 hex digits"),
            "verity-root" => {
                let root = hex().filter(|root| matches!(root.len(), 32 | 64));
                at.put(&mut self.root, root, "64 or 128 hex digits")
            }
            "verity-salt" => {
                at.put(&mut self.salt, hex().filter(|salt| salt.len() <= MOST_SALT), "at most 512 hex digits")
            }
            "verity-block" => {
                // The kernel takes no block that is larger than its page.
                let block = number(at.value).filter(|size| matches!(size, 512 | 1024 | 2048 | 4096));
                at.put(&mut self.block, block.and_then(|size| size.try_into().ok()), "512, 1024, 2048 or 4096")
            }
            _ => Err(at.unknown()),
        }
    }

    fn finish(self) -> Result<Entry, ManifestError> {
        let missing = |key| ManifestError::Missing { key, line: self.line };
        let path = self.path.ok_or(missing("path"))?;
        path::check(path).map_err(|fault| ManifestError::Path { path: ManifestError::shown(path), fault })?;
        let size = self.size.ok_or(missing("size"))?;
        let blake3 = self.blake3.ok_or(missing("blake3"))?;
        let verity = match (self.root, self.salt, self.block) {
            (None, None, None) => None,
            (Some(root), Some(salt), Some(block)) => {
                if size == 0 || !size.is_multiple_of(block.into()) {
                    return Err(ManifestError::Blocks { path: path.into(), size, block });
                }
                Some(Verity { root, salt, block })
            }
            (None, ..) => return Err(missing("verity-root")),
            (_, None, _) => return Err(missing("verity-salt")),
            (.., None) => return Err(missing("verity-block")),
        };
        Ok(Entry { path: path.into(), size, blake3, verity })
    }
}

/// A store can ask for more than others do, not for less.
fn policy(word: &str) -> Option<Policy> {
    Policy::WORDS.iter().find(|(name, policy)| *name == word && *policy > Policy::Auto).map(|(_, policy)| *policy)
}

/// Digits as TOML has them: no sign, no zero before them.
fn number(value: &str) -> Option<u64> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && (value == "0" || !value.starts_with('0'));
    value.parse().ok().filter(|&number| is_plain && number <= LARGEST)
}

/// Text in double quotes. Nothing in a manifest needs an escape, and what has none has one reading.
fn string(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains(['"', '\\']) && !text.contains(|letter: char| letter.is_control())).then_some(text)
}

#[cfg(test)]
mod tests;

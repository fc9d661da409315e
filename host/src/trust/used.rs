//! The files of a store that Isolde reads.

use super::lists;
use super::replace::UNFINISHED;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// What init may use of a store.
const USED: [&str; 4] = ["boot/iso", "boot/extensions", "boot/customize/init", "boot/isolde.toml"];
/// Where lists of BLAKE3 are looked for.
const BOOT: &str = "boot";
/// What the name of a hash tree ends with.
const TREE: &str = ".verity";
/// What a list of BLAKE3 ends with, or is.
const LIST: (&str, &str) = (".b3", "B3SUMS");
/// Files of a store, at most.
const MOST: usize = 100_000;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What init may use.
    Used,
    /// Lists of BLAKE3.
    Lists,
}

/// Their paths on the store. Links are left out: they can lead out of it.
///
/// # Errors
/// When a directory cannot be read, or a name is not in UTF-8.
pub fn files(root: &Path, kind: Kind) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    let mut waiting: Vec<String> = match kind {
        Kind::Used => USED.map(str::to_owned).into(),
        Kind::Lists => vec![BOOT.to_owned()],
    };
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        seen += 1;
        if seen > MOST {
            bail!("{}: wanted at most {MOST} files, seen more", root.display());
        }
        let at = root.join(&path);
        let shown = || at.display().to_string();
        let meta = match at.symlink_metadata() {
            Ok(meta) => meta.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(shown),
        };
        if meta.is_dir() {
            for child in at.read_dir().with_context(shown)? {
                let name = child.with_context(shown)?.file_name();
                let name = name.to_str().with_context(|| format!("{}: {name:?}: wanted a name in UTF-8", shown()))?;
                waiting.push(format!("{path}/{name}"));
            }
        } else if meta.is_file() && kind_of(&path) == Some(kind) {
            paths.insert(path);
        }
    }
    Ok(paths)
}

/// What a file is by its name. Hash trees and distributors' lists are covered by what they speak of, and what an
/// interrupted seal left is nothing.
fn kind_of(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == LIST.1 || name.ends_with(LIST.0) {
        return Some(Kind::Lists);
    }
    let is_other = name.ends_with(TREE) || name.starts_with(UNFINISHED) || lists::is_any(name);
    (!is_other).then_some(Kind::Used)
}

//! A directory of the host as the file system of a store.
//!
//! Takes   the directory.
//! Gives   its tree: names, links and modes are read at once, the contents of a file when init reads it.
//! Leaves  out what is mounted below it, which is on another file system.
//! Fails   when the directory itself cannot be read, or holds more than a store does. A folder in it that cannot be read
//!         is taken for empty, and the answer says so.

use super::image;
use super::notes::Notes;
use anyhow::{Context, Result, bail};
use isolde::formats::ReadAt;
use isolde::sys::record::Tree;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Names in all. A stick has thousands; who names a whole system by mistake should not wait for an hour.
const MOST_NAMES: usize = 1_000_000;
/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u32 = 0o111;

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Store {
    /// The names.
    pub(super) tree: Tree,
    /// Bytes of all files.
    pub(super) size: u64,
}

/// Reads all names. `all_executable` is how a file system looks that keeps no modes.
pub(super) fn read(folder: &Path, all_executable: bool, notes: &Notes) -> Result<Store> {
    let device = fs::metadata(folder).with_context(|| format!("read {}", folder.display()))?.dev();
    let mut store = Store { tree: Tree::new(), size: 0 };
    let mut folders = vec![String::new()];
    let mut count = 0;
    while let Some(inner) = folders.pop() {
        let path = folder.join(&inner);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if inner.is_empty() => return Err(error).with_context(|| format!("read {}", path.display())),
            Err(error) => {
                notes.say(format!("/{inner} cannot be read ({error}): taken for empty"));
                continue;
            }
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("read {}", path.display()))?;
            // Names that are not UTF-8 are nothing that init could ask for.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let inner = if inner.is_empty() { name } else { format!("{inner}/{name}") };
            let metadata = entry.metadata().with_context(|| format!("read {}", entry.path().display()))?;
            count += 1;
            if count > MOST_NAMES {
                bail!("{} holds more than {MOST_NAMES} names, which is no store", folder.display());
            }
            if metadata.is_dir() && metadata.dev() == device {
                folders.push(inner.clone());
            }
            store = add(store, &inner, &entry.path(), &metadata, all_executable, notes)?;
        }
    }
    Ok(store)
}

fn add(
    store: Store,
    inner: &str,
    path: &Path,
    metadata: &Metadata,
    all_executable: bool,
    notes: &Notes,
) -> Result<Store> {
    let Store { tree, size } = store;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok(Store { tree: tree.directory(inner), size });
    }
    if kind.is_symlink() {
        let to = fs::read_link(path).with_context(|| format!("read the link {}", path.display()))?;
        let tree = match to.to_str() {
            Some(to) => tree.link(inner, to),
            None => tree,
        };
        return Ok(Store { tree, size });
    }
    if !kind.is_file() {
        return Ok(Store { tree, size }); // sockets, nodes: nothing that init would open
    }
    let executable = all_executable || metadata.mode() & EXECUTABLE != 0;
    let file = HostFile::new(path, metadata.len());
    let content = image::content(Arc::new(file), &format!("/{inner}"), notes);
    Ok(Store { tree: tree.file_with(inner, content, executable), size: size.saturating_add(metadata.len()) })
}

/// A file of the host, opened when it is read first: a store has more files than a process may have open.
#[derive(Debug)]
pub(super) struct HostFile {
    path: PathBuf,
    size: u64,
    open: OnceLock<File>,
}

impl HostFile {
    /// A file of this size.
    pub(super) fn new(path: &Path, size: u64) -> HostFile {
        HostFile { path: path.to_path_buf(), size, open: OnceLock::new() }
    }
}

impl ReadAt for HostFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(file) = self.open.get() {
            return file.read_at(buf, offset);
        }
        let file = File::open(&self.path)?;
        self.open.get_or_init(|| file).read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }
}

//! A read-only view of a file system, the same for a mounted one in init and for an ISO file on the host.

use crate::op::Place;
use crate::sys::{self, Entry, Kind, Sys};
use std::io;
use std::path::{Path, PathBuf};

/// Read-only questions. Paths count from the tree's root; links are followed and never lead out.
pub trait Tree {
    /// What stands there; `None` when nothing does.
    fn kind(&self, path: &str) -> io::Result<Option<Kind>>;
    /// The names of a directory, sorted.
    fn list(&self, path: &str) -> io::Result<Vec<Entry>>;
    /// A small file, or an error when it is larger than `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;

    /// Whether it is a regular file.
    fn is_file(&self, path: &str) -> io::Result<bool> {
        Ok(matches!(self.kind(path)?, Some(Kind::File { .. })))
    }

    /// Whether it is a directory.
    fn is_directory(&self, path: &str) -> io::Result<bool> {
        Ok(self.kind(path)? == Some(Kind::Directory))
    }
}

/// A tree that is mounted.
#[derive(Debug)]
pub struct Mounted<'a, S> {
    sys: &'a S,
    root: PathBuf,
}

impl<'a, S: Sys> Mounted<'a, S> {
    /// The tree at a mount point.
    pub fn new(sys: &'a S, root: impl AsRef<Path>) -> Self {
        Mounted { sys, root: root.as_ref().to_path_buf() }
    }
}

impl<S: Sys> Tree for Mounted<'_, S> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        self.sys.kind(&Place::within(&self.root, path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.sys.list(&Place::within(&self.root, path))
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        sys::read(self.sys, &Place::within(&self.root, path), limit)
    }
}

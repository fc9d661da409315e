//! A root for tests: the tree of the fake kernel, to which edits are applied as init applies them.

use crate::families::Edit;
use crate::families::tree::{Mounted, Tree};
use crate::op::{Op, Place};
use crate::sys::record::{Record, World};
use crate::sys::{Entry, Kind, Sys};
use std::io;

/// A tree that can be changed.
#[derive(Debug)]
pub(crate) struct Fake(Record);

impl Fake {
    pub(crate) fn new(tree: crate::sys::record::Tree) -> Fake {
        Fake(Record::new(&World { initramfs: tree, ..World::default() }))
    }

    /// A file of it; empty when there is none.
    pub(crate) fn text(&self, path: &str) -> String {
        super::text(self, path).unwrap()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.kind(path).unwrap().is_some()
    }

    /// What a link says.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        self.0.link(&Place::at(path)).map(|to| to.to_string_lossy().into_owned())
    }
}

impl Tree for Fake {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        Mounted::new(&self.0, "/").kind(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        Mounted::new(&self.0, "/").list(path)
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        Mounted::new(&self.0, "/").read(path, limit)
    }
}

/// The tree with the edits, none of which may fail.
pub(crate) fn after(mut fake: Fake, edits: Vec<Edit>) -> Fake {
    for edit in edits {
        let op = match edit {
            Edit::MakeDir { path } => Op::MakeDir(Place::at(path)),
            Edit::Write { path, text } => Op::Write { at: Place::at(path), text },
            Edit::Link { path, to } => Op::Symlink { to, at: Place::at(path) },
            Edit::Own { path, mode, uid, gid } => Op::Own { at: Place::at(path), mode, uid, gid },
        };
        fake.0.apply(&op).unwrap_or_else(|error| panic!("{op}: {error}"));
    }
    fake
}

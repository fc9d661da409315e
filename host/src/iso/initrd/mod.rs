//! The initrd of a boot entry, as a tree that is read only as far as somebody asks.
//!
//! Takes   the bytes of one or several initrd files, in the order in which they are loaded.
//! Gives   [`Initrd`], a tree. What is looked for is usually near the start: initramfs-tools writes names in order, and
//!         `/conf` comes early.
//! Fails   never for a file that was not found within the limit: [`Initrd::unknown`] names it, and the answer is "not
//!         there". Where names are in order, one that comes later than its place is not there for certain.

mod archive;
mod unpack;

use super::at;
use super::bytes::Extents;
use super::walk::{self, Nodes, resolve};
use archive::{Archives, Member};
use isolde::families::tree::Tree;
use isolde::sys::{Entry, Kind};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// An initrd.
#[derive(Debug)]
pub struct Initrd<'a>(RefCell<State<'a>>);

#[derive(Debug, Default)]
struct State<'a> {
    archives: Archives<'a>,
    seen: BTreeMap<String, Member>,
    unknown: BTreeSet<String>,
}

/// Whether a name is in the part of the initrd that was read.
enum Found {
    Yes,
    No,
    /// The limit came first.
    Unknown,
}

impl<'a> Initrd<'a> {
    /// The initrd that consists of these files.
    pub fn new(files: Vec<Extents<'a>>) -> Initrd<'a> {
        Initrd(RefCell::new(State { archives: Archives::new(files), ..State::default() }))
    }

    /// Paths that were asked for and of which it is not known whether they are there, and why.
    pub fn unknown(&self) -> (Vec<String>, Option<String>) {
        let state = self.0.borrow();
        (state.unknown.iter().cloned().collect(), state.archives.stopped().map(str::to_owned))
    }

    fn find(&self, path: &str) -> Found {
        let mut state = self.0.borrow_mut();
        if state.seen.contains_key(path) {
            return Found::Yes;
        }
        // Later archives replace what earlier ones hold, but asking for that would mean to read everything.
        while let Some((name, member)) = state.archives.next() {
            let found = name == path;
            state.seen.entry(name).or_insert(member);
            if found {
                return Found::Yes;
            }
            if state.archives.is_past(path) {
                return Found::No;
            }
        }
        match state.archives.stopped() {
            Some(_) => {
                state.unknown.insert(path.to_owned());
                Found::Unknown
            }
            None => Found::No,
        }
    }

    fn member<T>(&self, path: &str, with: impl FnOnce(&Member) -> T) -> Option<T> {
        self.0.borrow().seen.get(path).map(with)
    }
}

impl Nodes for Initrd<'_> {
    type Id = String;

    fn root(&self) -> String {
        String::new()
    }

    fn child(&self, folder: &String, name: &str) -> io::Result<Option<(String, walk::Kind)>> {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        match self.find(&path) {
            Found::Yes => Ok(self.member(&path, Member::kind).map(|kind| (path, kind))),
            Found::No | Found::Unknown => Ok(None),
        }
    }

    fn link(&self, id: &String) -> io::Result<Option<String>> {
        Ok(self.member(id, |member| member.text()).flatten())
    }
}

impl Tree for Initrd<'_> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        Ok(found.map(|(_, kind)| super::optical::shown(kind)))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let missing = || at(path, &io::Error::new(io::ErrorKind::NotFound, "wanted a directory, seen none"));
        let (folder, kind) = resolve(self, path).map_err(|error| at(path, &error))?.ok_or_else(missing)?;
        if kind != walk::Kind::Directory {
            return Err(missing());
        }
        // The name after every name that the directory can hold; looking for it reads all of them.
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let end = format!("{prefix}\u{10ffff}");
        let _ = self.find(&end);
        let state = self.0.borrow();
        let below = state.seen.range(prefix.clone()..end).filter_map(|(name, member)| {
            let name = name.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
            Some(Entry { name: name.to_owned(), is_directory: member.kind() == walk::Kind::Directory })
        });
        Ok(below.collect())
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let missing =
            |what: &str| at(path, &io::Error::new(io::ErrorKind::NotFound, format!("wanted a file, seen {what}")));
        let (name, kind) = resolve(self, path).map_err(|error| at(path, &error))?.ok_or_else(|| missing("none"))?;
        if !matches!(kind, walk::Kind::File { .. }) {
            return Err(missing("something else"));
        }
        let bytes = self.member(&name, Member::bytes).flatten();
        match bytes.filter(|bytes| bytes.len() as u64 <= limit) {
            Some(bytes) => Ok(bytes),
            None => {
                Err(at(path, &io::Error::new(io::ErrorKind::FileTooLarge, "wanted a small file, seen a large one")))
            }
        }
    }
}

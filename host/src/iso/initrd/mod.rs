//! The initrd of a boot entry, as a tree that is read only as far as somebody asks.
//!
//! Takes   the bytes of one or several initrd files, in the order in which they are loaded, and how much of them may be
//!         unpacked.
//! Gives   [`Initrd`], a tree. What is looked for is usually near the start: initramfs-tools and dracut write names in
//!         order, and `/conf` comes early.
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

/// How much of an initrd is unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// The first megabytes, 10 to 20 ms, and no further than the answer needs.
    #[default]
    Start,
    /// Everything, up to what no initrd has. Later archives then replace what earlier ones hold, as in the kernel.
    All,
}

/// An initrd.
#[derive(Debug)]
pub struct Initrd<'a>(RefCell<State<'a>>);

#[derive(Debug, Default)]
struct State<'a> {
    archives: Archives<'a>,
    effort: Effort,
    seen: BTreeMap<String, Member>,
    /// What was asked for and may be behind the limit.
    unknown: BTreeSet<String>,
    /// Whether that is so for a part of the path that is being looked up.
    beyond: bool,
}

impl<'a> Initrd<'a> {
    /// The initrd that consists of these files.
    pub fn new(files: Vec<Extents<'a>>, effort: Effort) -> Initrd<'a> {
        let archives = Archives::new(files, effort);
        Initrd(RefCell::new(State { archives, effort, ..State::default() }))
    }

    /// Paths that were asked for and of which it is not known whether they are there, and why.
    pub fn unknown(&self) -> (Vec<String>, Option<String>) {
        let state = self.0.borrow();
        (state.unknown.iter().cloned().collect(), state.archives.stopped().map(str::to_owned))
    }

    /// Whether a name is in the part of the initrd that is read.
    fn find(&self, path: &str) -> bool {
        let mut state = self.0.borrow_mut();
        if state.effort == Effort::All {
            while let Some((name, member)) = state.archives.next() {
                state.seen.insert(name, member);
            }
        }
        if state.seen.contains_key(path) {
            return true;
        }
        // What was read for an earlier question may be past this one already.
        while !state.archives.is_past(path) {
            // Later archives replace what earlier ones hold, but asking for that would mean to read everything.
            let Some((name, member)) = state.archives.next() else {
                state.beyond |= state.archives.stopped().is_some();
                return false;
            };
            let found = name == path;
            state.seen.entry(name).or_insert(member);
            if found {
                return true;
            }
        }
        false
    }

    /// What stands at a path. It is noted where that is not known.
    fn look_up(&self, path: &str) -> io::Result<Option<(String, walk::Kind)>> {
        self.0.borrow_mut().beyond = false;
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        let mut state = self.0.borrow_mut();
        if found.is_none() && state.beyond {
            state.unknown.insert(path.trim_start_matches('/').to_owned());
        }
        Ok(found)
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
        let kind = self.find(&path).then(|| self.member(&path, Member::kind)).flatten();
        Ok(kind.map(|kind| (path, kind)))
    }

    fn link(&self, id: &String) -> io::Result<Option<String>> {
        Ok(self.member(id, |member| member.text()).flatten())
    }
}

impl Tree for Initrd<'_> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        Ok(self.look_up(path)?.map(|(_, kind)| super::optical::shown(kind)))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let missing = || at(path, &io::Error::new(io::ErrorKind::NotFound, "wanted a directory, seen none"));
        let (folder, kind) = self.look_up(path)?.ok_or_else(missing)?;
        if kind != walk::Kind::Directory {
            return Err(missing());
        }
        // The name after every name that the directory can hold; looking for it reads all of them.
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let end = format!("{prefix}\u{10ffff}");
        self.0.borrow_mut().beyond = false;
        self.find(&end);
        let mut state = self.0.borrow_mut();
        if state.beyond {
            state.unknown.insert(format!("{prefix}*"));
        }
        let below = state.seen.range(prefix.clone()..end).filter_map(|(name, member)| {
            let name = name.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
            Some(Entry { name: name.to_owned(), is_directory: member.kind() == walk::Kind::Directory })
        });
        Ok(below.collect())
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let missing =
            |what: &str| at(path, &io::Error::new(io::ErrorKind::NotFound, format!("wanted a file, seen {what}")));
        let (name, kind) = self.look_up(path)?.ok_or_else(|| missing("none"))?;
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

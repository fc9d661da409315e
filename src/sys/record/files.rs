//! Changes to names and files of a mounted tree.
//!
//! Takes   places and what is to stand there.
//! Gives   a tree in which it stands there.
//! Fails   with the errno of `mkdir(2)`, `symlink(2)` and `open(2)`.

use super::mounts::Namespace;
use super::paths::{Found, Last, Location};
use super::tree::{Content, Node};
use crate::op::Place;
use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

impl Namespace {
    /// Writable as an open file is asked to be: the file has to be there.
    pub(super) fn writable_file(&self, at: &Place) -> io::Result<Location> {
        let location = self.locate(at)?;
        self.writable(&location)?;
        Ok(location)
    }

    fn put(&mut self, folder: &Location, name: &OsString, node: Node) -> io::Result<()> {
        self.writable(folder)?;
        if matches!(self.fstype_of(folder), Some("proc" | "sysfs")) {
            return Err(Errno::NOENT.into()); // nobody but the kernel makes names there
        }
        self.tree_mut(folder)?.insert(folder.path.join(name), node);
        Ok(())
    }

    pub(super) fn make_directories(&mut self, at: &Place) -> io::Result<()> {
        let mut made = Place::within(at.tree(), "");
        for component in at.inner().components() {
            let Component::Normal(name) = component else { return Err(Errno::INVAL.into()) };
            made = made.join(Path::new(name));
            match self.look_up(&made, Last::Follow)? {
                Found::There(there) if matches!(self.node(&there), Some(Node::Directory)) => {}
                Found::There(_) => return Err(Errno::NOTDIR.into()),
                Found::Missing { .. } => match self.look_up(&made, Last::Keep)? {
                    Found::Missing { folder, name } => self.put(&folder, &name, Node::Directory)?,
                    Found::There(_) => return Err(Errno::EXIST.into()), // a link to nowhere
                },
            }
        }
        self.directory(at).map(|_| ())
    }

    pub(super) fn symlink(&mut self, to: &str, at: &Place) -> io::Result<()> {
        match self.look_up(at, Last::Keep)? {
            Found::Missing { folder, name } => self.put(&folder, &name, Node::Link(to.into())),
            Found::There(there) => match (self.node(&there), there.path.parent(), there.path.file_name()) {
                (Some(Node::Directory), ..) => Err(Errno::ISDIR.into()),
                (_, Some(folder), Some(name)) => {
                    let (folder, name) = (Location { mount: there.mount, path: folder.to_path_buf() }, name.to_owned());
                    self.put(&folder, &name, Node::Link(to.into()))
                }
                _ => Err(Errno::INVAL.into()),
            },
        }
    }

    pub(super) fn own(&mut self, at: &Place, uid: u32, gid: u32) -> io::Result<()> {
        let there = self.locate(at)?;
        self.writable(&there)?;
        self.tree_mut(&there)?.own(there.path, uid, gid);
        Ok(())
    }

    /// A program.
    pub(super) fn install(&mut self, at: &Place) -> io::Result<()> {
        self.put_file(at, Arc::new(Content::from("init")), true)
    }

    /// What a file holds from now on.
    pub(super) fn refill(&mut self, at: &Place, content: Arc<Content>) -> io::Result<()> {
        match self.node(&self.locate(at)?) {
            Some(Node::File { executable, .. }) => self.put_file(at, content, *executable),
            _ => Err(Errno::INVAL.into()),
        }
    }

    /// A file of at least that size.
    pub(super) fn allocate(&mut self, at: &Place, size: u64) -> io::Result<()> {
        let there = match self.look_up(at, Last::Follow)? {
            Found::There(there) => match self.node(&there) {
                Some(Node::File { content, .. }) => Content::clone(content),
                _ => return Err(Errno::INVAL.into()),
            },
            Found::Missing { .. } => Content::default(),
        };
        let size = size.max(there.size());
        self.put_file(at, Arc::new(there.resized(size)), false)
    }

    /// Another name for a file in its folder's tree.
    pub(super) fn rename(&mut self, from: &Place, to: &Place) -> io::Result<()> {
        if let Found::There(_) = self.look_up(to, Last::Keep)? {
            return Err(Errno::EXIST.into());
        }
        let Some(Node::File { content, executable }) = self.node(&self.locate(from)?).cloned() else {
            return Err(Errno::INVAL.into());
        };
        self.put_file(to, content, executable)?;
        self.delete(from)
    }

    /// A name and all below it.
    pub(super) fn delete(&mut self, at: &Place) -> io::Result<()> {
        let Found::There(there) = self.look_up(at, Last::Keep)? else { return Ok(()) };
        self.writable(&there)?;
        self.tree_mut(&there)?.retain(|path| !path.starts_with(&there.path));
        Ok(())
    }

    /// One upper layer into another.
    pub(super) fn merge_layers(&mut self, from: &Place, into: &Place) -> io::Result<()> {
        let (from, into) = (self.directory(from)?, self.directory(into)?);
        self.writable(&into)?;
        if from.mount != into.mount {
            return Err(Errno::XDEV.into());
        }
        let tree = self.tree_mut(&into)?;
        let below = |(path, node): (&std::path::PathBuf, &Node)| {
            Some((into.path.join(path.strip_prefix(&from.path).ok()?), node.clone()))
        };
        let moved: Vec<_> = tree.nodes().filter_map(below).collect();
        tree.retain(|path| !path.starts_with(&from.path));
        moved.into_iter().for_each(|(path, node)| tree.insert(path, node));
        Ok(())
    }

    /// A file, whether there was one before or not.
    pub(super) fn put_file(&mut self, at: &Place, content: Arc<Content>, executable: bool) -> io::Result<()> {
        let node = Node::File { content, executable };
        match self.look_up(at, Last::Follow)? {
            Found::Missing { folder, name } => self.put(&folder, &name, node),
            Found::There(there) => {
                self.writable(&there)?;
                self.tree_mut(&there)?.insert(there.path, node);
                Ok(())
            }
        }
    }

    pub(super) fn write(&mut self, at: &Place, text: &str) -> io::Result<()> {
        let content = Arc::new(Content::from(text));
        match self.look_up(at, Last::Follow)? {
            Found::Missing { folder, name } => self.put(&folder, &name, Node::File { content, executable: false }),
            Found::There(there) => {
                self.writable(&there)?;
                let tree = self.tree_mut(&there)?;
                match tree.get(&there.path) {
                    Some(Node::File { executable, .. }) => {
                        let node = Node::File { content, executable: *executable };
                        tree.insert(there.path, node);
                        Ok(())
                    }
                    Some(Node::Directory) => Err(Errno::ISDIR.into()),
                    _ => Err(Errno::ACCESS.into()),
                }
            }
        }
    }
}

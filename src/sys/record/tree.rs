//! What a fake file system holds: directories, files, links, and images that hold file systems in turn.
//!
//! Takes   names and bytes from a test, or bytes that stay outside ([`Outside`]).
//! Gives   [`Tree`], [`Medium`] and [`File`], values without any kernel behind them.
//! Fails   only when an open file is read: with the error that the test gave its contents, or that of the outside.

use super::superblock;
use crate::formats::ReadAt;
use crate::sys::Advise;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes of a file or of a block device.
#[derive(Clone, Debug, Default)]
pub struct Content {
    bytes: Vec<u8>,
    size: u64,
    medium: Option<Arc<Medium>>,
    outside: Option<Arc<dyn Outside>>,
    unreadable_from: Option<u64>,
    /// What is behind mapped devices over these bytes, by their names: the key where there is one, and the bytes.
    pub(super) inside: BTreeMap<String, (Option<Vec<u8>>, Arc<Content>)>,
}

/// Bytes that are not in memory, such as a file of the host, and the file system in them.
pub trait Outside: ReadAt + std::fmt::Debug + Send + Sync {
    /// What the driver of this file system type finds in them. It is asked at each mount, and an error is the mount's.
    fn tree(&self, fstype: &str) -> io::Result<Tree>;
}

impl Content {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Content {
        let bytes = bytes.into();
        Content { size: bytes.len() as u64, bytes, ..Content::default() }
    }

    /// Bytes that are read where they are, whose size is asked for with them. The changes below are for bytes in memory.
    pub fn outside(source: Arc<dyn Outside>) -> Content {
        Content { outside: Some(source), ..Content::default() }
    }

    /// An image of a file system: its superblock is real, the rest is zeroes, and a mount of it shows the tree.
    pub fn image(medium: &Medium) -> Content {
        let bytes = superblock::bytes(medium);
        Content { size: medium.size, bytes, medium: Some(Arc::new(medium.clone())), ..Content::default() }
    }

    /// The same bytes, with nothing in them that could be mounted: a damaged image.
    #[must_use]
    pub fn damaged(self) -> Content {
        Content { medium: None, ..self }
    }

    /// Cut short, or made longer with zeroes. A file system that was cut short no longer mounts.
    #[must_use]
    pub fn resized(mut self, size: u64) -> Content {
        if size < self.size {
            self.medium = None;
            self.bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        }
        Content { size, ..self }
    }

    /// One byte differs: the file system still mounts, the checksum is another one.
    #[must_use]
    pub fn with_changed_byte(self, at: usize) -> Content {
        self.with_flipped_bit(8 * at)
    }

    /// One bit differs, counted from the lowest of the first byte.
    #[must_use]
    pub fn with_flipped_bit(mut self, bit: usize) -> Content {
        let at = bit / 8;
        if self.bytes.len() <= at {
            self.bytes.resize(at + 1, 0);
        }
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        Content { size: self.size.max(at as u64 + 1), ..self }
    }

    /// Reads from this byte on fail with EIO, as on a worn-out stick.
    #[must_use]
    pub fn unreadable_from(self, offset: u64) -> Content {
        Content { unreadable_from: Some(offset), ..self }
    }

    /// Bytes in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All bytes, for a checksum in a test.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = self.bytes.clone();
        all.resize(usize::try_from(self.size).unwrap_or(all.len()), 0);
        all
    }

    /// What a mount of these bytes as this file system shows; EINVAL when it is another one, or a damaged one.
    pub(super) fn tree(&self, fstype: &str) -> io::Result<Tree> {
        match (&self.outside, &self.medium) {
            (Some(outside), _) => outside.tree(fstype),
            (None, Some(medium)) if medium.fstype == fstype => Ok(medium.tree.clone()),
            (None, _) => Err(Errno::INVAL.into()),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Content {
        Content::new(text)
    }
}

/// A file system in an image file or on a device.
#[derive(Clone, Debug)]
pub struct Medium {
    /// The kernel's name of its type: `iso9660`, `squashfs`, `erofs`, `ext4`, `vfat`, `exfat`, `ntfs3`, `btrfs`, `xfs` or
    /// `f2fs`.
    pub fstype: &'static str,
    /// As blkid prints it; empty where there is none.
    pub uuid: String,
    /// Volume label; empty where there is none.
    pub label: String,
    /// Bytes, also in its superblock.
    pub size: u64,
    /// Not unmounted: ext4 has a journal that waits, ntfs3 the mark.
    pub dirty: bool,
    /// What is in it.
    pub tree: Tree,
}

impl Medium {
    /// A file system of 2 MiB (more than a floppy, for which other rules hold) without label and UUID.
    pub fn new(fstype: &'static str, tree: Tree) -> Medium {
        Medium { fstype, uuid: String::new(), label: String::new(), size: 2 << 20, dirty: false, tree }
    }

    /// With this label.
    #[must_use]
    pub fn labelled(self, label: &str) -> Medium {
        Medium { label: label.to_owned(), ..self }
    }

    /// Pulled out, or asleep; for ext4 and ntfs3.
    #[must_use]
    pub fn dirty(self) -> Medium {
        Medium { dirty: true, ..self }
    }

    /// With this UUID, as blkid prints it.
    #[must_use]
    pub fn identified(self, uuid: &str) -> Medium {
        Medium { uuid: uuid.to_owned(), ..self }
    }
}

/// What the kernel makes up when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generated {
    Mounts,
    FileSystems,
}

/// One name of a tree.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory,
    File { content: Arc<Content>, executable: bool },
    Link(PathBuf),
    Block(String),
    Generated(Generated),
    Other,
}

/// A directory tree. Paths count from its top, without a leading slash; folders above a name are made with it.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    /// User and group of what is not root's.
    owners: BTreeMap<PathBuf, (u32, u32)>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { nodes: [(PathBuf::new(), Node::Directory)].into(), owners: BTreeMap::new() }
    }
}

impl Tree {
    /// An empty directory.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// With this folder.
    #[must_use]
    pub fn directory(self, path: &str) -> Tree {
        self.with(path, Node::Directory)
    }

    /// With this file.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Content>) -> Tree {
        let content = Arc::new(content.into());
        self.with(path, Node::File { content, executable: false })
    }

    /// With this file, which may be executed.
    #[must_use]
    pub fn program(self, path: &str) -> Tree {
        let content = Arc::new(Content::from("#!/bin/sh\n"));
        self.with(path, Node::File { content, executable: true })
    }

    /// With this file, which may be executed or not.
    #[must_use]
    pub fn file_with(self, path: &str, content: impl Into<Content>, executable: bool) -> Tree {
        let content = Arc::new(content.into());
        self.with(path, Node::File { content, executable })
    }

    /// With this symbolic link.
    #[must_use]
    pub fn link(self, path: &str, to: &str) -> Tree {
        self.with(path, Node::Link(to.into()))
    }

    /// Without this name and all below it.
    #[must_use]
    pub fn without(mut self, path: &str) -> Tree {
        self.retain(|name| !name.starts_with(path));
        self
    }

    /// Whether something stands there.
    pub fn has(&self, path: &str) -> bool {
        self.get(Path::new(path)).is_some()
    }

    /// The bytes of a file.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.get(Path::new(path)) {
            Some(Node::File { content, .. }) => Some(content.to_vec()),
            _ => None,
        }
    }

    /// With another owner than root, for what is there already or comes later.
    #[must_use]
    pub fn owned(mut self, path: &str, uid: u32, gid: u32) -> Tree {
        self.own(path, uid, gid);
        self
    }

    pub(super) fn own(&mut self, path: impl Into<PathBuf>, uid: u32, gid: u32) {
        self.owners.insert(path.into(), (uid, gid));
    }

    pub(super) fn owner(&self, path: &Path) -> (u32, u32) {
        self.owners.get(path).copied().unwrap_or_default()
    }

    pub(super) fn with(mut self, path: &str, node: Node) -> Tree {
        for folder in Path::new(path).ancestors().skip(1) {
            self.nodes.entry(folder.to_path_buf()).or_insert(Node::Directory);
        }
        self.insert(path, node);
        self
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn insert(&mut self, path: impl Into<PathBuf>, node: Node) {
        self.nodes.insert(path.into(), node);
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (&PathBuf, &Node)> {
        self.nodes.iter()
    }

    /// Names in a folder, sorted.
    pub(super) fn children(&self, folder: &Path) -> impl Iterator<Item = (&Path, &Node)> {
        // Paths are sorted part by part, so what is below a folder follows it without a gap.
        let behind = self.nodes.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        let below = behind.take_while(move |(path, _)| path.starts_with(folder));
        below.filter_map(move |(path, node)| (path.parent() == Some(folder)).then_some((path.as_path(), node)))
    }

    /// Without what does not satisfy the condition.
    pub(super) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        self.nodes.retain(|path, _| keep(path));
    }
}

/// An open file: bytes with a name. While it is open, the mount that it is on is busy.
#[derive(Clone, Debug)]
pub struct File {
    pub(super) name: String,
    pub(super) content: Arc<Content>,
    pub(super) writable: bool,
    /// Held for its count alone.
    pub(super) _user: Arc<()>,
}

impl File {
    /// The name that it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = &self.content;
        if let Some(outside) = &content.outside {
            return outside.read_at(buf, offset);
        }
        let count = usize::try_from(content.size.saturating_sub(offset)).unwrap_or(buf.len()).min(buf.len());
        if count > 0 && content.unreadable_from.is_some_and(|from| offset + count as u64 > from) {
            return Err(Errno::IO.into());
        }
        let given = buf.get_mut(..count).unwrap_or_default();
        given.fill(0);
        content.bytes.as_slice().read_at(given, offset)?;
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        self.content.outside.as_ref().map_or(Ok(self.content.size), |outside| outside.size())
    }
}

impl Advise for File {}

//! The file systems of a root, read without mounting: squashfs, erofs and ext2, 3 and 4, also inside one another.
//!
//! Takes   the bytes of each layer.
//! Gives   [`Stack`], one tree of them all, as an overlay shows it: what an upper layer has hides what is below, links are
//!         followed from layer to layer and never lead out. A whiteout hides as well, as it is no file and no directory.
//! Leaves  a file packed until it is read, and then unpacks no more than is asked for.
//! Fails   when a layer is of another format, or damaged where it is read.

mod cached;
mod erofs;
mod ext;
mod squash;

use super::walk::{self, Nodes, resolve};
use super::{at, damaged, optical};
use isolde::families::tree::Tree;
use isolde::formats::ReadAt;
use isolde::formats::superblock::{Format, probe};
use isolde::sys::{Entry, Kind};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Names that one directory may hold: the largest of a system, a package manager's list of files, has some ten thousand.
const NAMES: usize = 1 << 20;

/// Bytes that several readers share.
#[derive(Clone)]
pub struct Bytes(Arc<dyn ReadAt + Send + Sync>);

impl Bytes {
    /// These.
    pub fn new(bytes: impl ReadAt + Send + Sync + 'static) -> Bytes {
        Bytes(Arc::new(bytes))
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bytes")
    }
}

impl ReadAt for Bytes {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

/// One file system. Paths have no leading slash and no link on the way; the root is the empty path.
trait FileSystem {
    /// What stands there itself.
    fn kind(&self, path: &str) -> io::Result<Option<walk::Kind>>;
    /// What a link says; `None` when it is no text.
    fn link(&self, path: &str) -> io::Result<Option<String>>;
    /// The names of a directory that are text, and whether each is a directory itself.
    fn names(&self, folder: &str) -> io::Result<Vec<(String, bool)>>;
    /// A regular file.
    fn open(&self, path: &str) -> io::Result<Bytes>;
}

/// Layers as one tree.
#[derive(Default)]
pub struct Stack {
    /// The topmost first.
    layers: Vec<Box<dyn FileSystem>>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stack({} layers)", self.layers.len())
    }
}

impl Stack {
    /// Puts a layer on top. Where it holds one of these files, the first of them is the layer.
    pub fn push(&mut self, bytes: Bytes, nested: &[String]) -> io::Result<()> {
        let container = Stack { layers: vec![open(bytes)?] };
        for path in nested {
            if let Some(inner) = container.open(path)? {
                self.layers.insert(0, open(Bytes::new(cached::Cached::new(inner)))?);
                return Ok(());
            }
        }
        self.layers.splice(0..0, container.layers);
        Ok(())
    }

    /// A regular file; `None` when none is there.
    pub fn open(&self, path: &str) -> io::Result<Option<Bytes>> {
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        let Some((place, walk::Kind::File { .. })) = found else { return Ok(None) };
        for layer in &self.layers {
            if layer.kind(&place)?.is_some() {
                return layer.open(&place).map(Some).map_err(|error| at(path, &error));
            }
        }
        Ok(None)
    }
}

/// Whichever of them it is.
fn open(bytes: Bytes) -> io::Result<Box<dyn FileSystem>> {
    let format = probe(&bytes)?.map(|superblock| superblock.format);
    Ok(match format {
        Some(Format::Squashfs) => Box::new(squash::Squash::open(bytes)?),
        Some(Format::Erofs) => Box::new(erofs::Erofs::open(bytes)?),
        Some(Format::Ext2 | Format::Ext3 | Format::Ext4) => Box::new(ext::Ext::open(bytes)?),
        other => {
            let seen = other.map_or("no known file system", Format::name);
            return Err(damaged(format!("wanted squashfs, erofs or ext4, seen {seen}")));
        }
    })
}

/// The path of a name in a folder.
fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { [folder, "/", name].concat() }
}

impl Nodes for Stack {
    type Id = String;

    fn root(&self) -> String {
        String::new()
    }

    fn child(&self, folder: &String, name: &str) -> io::Result<Option<(String, walk::Kind)>> {
        let path = below(folder, name);
        for layer in &self.layers {
            if let Some(kind) = layer.kind(&path)? {
                return Ok(Some((path, kind)));
            }
        }
        Ok(None)
    }

    fn link(&self, id: &String) -> io::Result<Option<String>> {
        for layer in &self.layers {
            if layer.kind(id)?.is_some() {
                return layer.link(id);
            }
        }
        Ok(None)
    }
}

impl Tree for Stack {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        Ok(found.map(|(_, kind)| optical::shown(kind)))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        let Some((folder, walk::Kind::Directory)) = found else {
            return Err(at(path, &io::Error::new(io::ErrorKind::NotFound, "wanted a directory, seen none")));
        };
        let mut all: BTreeMap<String, bool> = BTreeMap::new();
        for layer in &self.layers {
            if layer.kind(&folder)? != Some(walk::Kind::Directory) {
                continue;
            }
            for (name, is_directory) in layer.names(&folder).map_err(|error| at(path, &error))? {
                all.entry(name).or_insert(is_directory);
            }
        }
        Ok(all.into_iter().map(|(name, is_directory)| Entry { name, is_directory }).collect())
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self.open(path)? {
            Some(file) => optical::whole(&file, limit).map_err(|error| at(path, &error)),
            None => Err(at(path, &io::Error::new(io::ErrorKind::NotFound, "wanted a file, seen none"))),
        }
    }
}

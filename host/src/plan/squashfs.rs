//! The tree of a squashfs, read where it is.
//!
//! Takes   the bytes of the file system.
//! Gives   its tree, with every name and mode; a file is unpacked when it is read, and only as far as it is.
//! Leaves  out device nodes and sockets, as no boot looks for them in an image.
//! Fails   when it is damaged, packed in a way that the reader does not know, or has more names than any system.

use super::image::{Bytes, Shared, content};
use super::notes::Notes;
use crate::iso::squashfs;
use backhand::{FilesystemReader, InnerNode};
use isolde::formats::ReadAt;
use isolde::sys::record::Tree;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u16 = 0o111;

/// Reads all names.
pub(super) fn tree(bytes: &Arc<dyn Bytes>, name: &str, notes: &Notes) -> io::Result<Tree> {
    let system = Arc::new(squashfs::open(Shared(bytes.clone()), squashfs::MOST)?);
    let mut tree = Tree::new();
    for (number, node) in system.root.nodes.iter().enumerate() {
        // Names that are not UTF-8 are nothing that init could ask for.
        let Some(path) = node.fullpath.to_str().map(|path| path.trim_start_matches('/')) else { continue };
        if path.is_empty() {
            continue;
        }
        tree = match &node.inner {
            InnerNode::Dir(_) => tree.directory(path),
            InnerNode::Symlink(link) => match link.link.to_str() {
                Some(to) => tree.link(path, to),
                None => tree,
            },
            InnerNode::File(_) => {
                let packed = Arc::new(Packed { system: system.clone(), number });
                let inner = content(packed, &format!("{name}:/{path}"), notes);
                tree.file_with(path, inner, node.header.permissions & EXECUTABLE != 0)
            }
            _ => tree,
        };
    }
    Ok(tree)
}

/// A file in it, by its number among the nodes.
struct Packed {
    system: Arc<FilesystemReader<'static>>,
    number: usize,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Packed {
    fn file(&self) -> io::Result<&backhand::SquashfsFileReader> {
        match self.system.root.nodes.get(self.number).map(|node| &node.inner) {
            Some(InnerNode::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl ReadAt for Packed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut reader = self.system.file(self.file()?).reader();
        reader.seek(SeekFrom::Start(offset))?;
        reader.read(buf)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.file_len() as u64)
    }
}

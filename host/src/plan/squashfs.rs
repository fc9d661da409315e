//! The tree of a squashfs, read where it is.
//!
//! Takes   the bytes of the file system.
//! Gives   its tree, with every name and mode; a file is unpacked when it is read, and only as far as it is.
//! Leaves  out device nodes and sockets, as no boot looks for them in an image.
//! Fails   when it is damaged, packed in a way that the reader does not know, or has more names than any system.

use super::image::{Bytes, content};
use super::notes::Notes;
use backhand::{FilesystemReader, InnerNode};
use isolde::formats::{ReadAt, read_exact_at};
use isolde::sys::record::Tree;
use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Bytes that are read at once: tables lie together, and are packed in blocks of 8 KiB.
const BUFFER: usize = 64 << 10;
/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u16 = 0o111;

/// Inodes of one file system. A system with everything installed has a million.
const MOST_INODES: u32 = 4 << 20;

/// Reads all names.
pub(super) fn tree(bytes: &Arc<dyn Bytes>, name: &str, notes: &Notes) -> io::Result<Tree> {
    // `inodes` of struct squashfs_super_block.
    let count = read_exact_at(&**bytes, 4, 4)?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    if count.is_none_or(|count| count > MOST_INODES) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "squashfs: more files than any system has"));
    }
    let cursor = Cursor { bytes: bytes.clone(), at: 0 };
    let reader = FilesystemReader::from_reader(BufReader::with_capacity(BUFFER, cursor));
    let system = Arc::new(reader.map_err(|error| io::Error::other(format!("squashfs: {error}")))?);
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

/// Read and seek over shared bytes.
struct Cursor {
    bytes: Arc<dyn Bytes>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read_at(buf, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.size()?.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
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

//! squashfs, by backhand. It holds all names, sorted by their whole paths.

use super::super::squashfs::{self, MOST};
use super::super::walk::Kind;
use super::{Bytes, FileSystem, NAMES};
use backhand::{FilesystemReader, InnerNode, Node, SquashfsFileReader};
use isolde::formats::ReadAt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u16 = 0o111;

/// See the module's own text.
pub(super) struct Squash(Arc<FilesystemReader<'static>>);

impl Squash {
    pub(super) fn open(bytes: Bytes) -> io::Result<Squash> {
        Ok(Squash(Arc::new(squashfs::open(bytes, MOST)?)))
    }

    fn find(&self, path: &Path) -> Option<(usize, &Node<SquashfsFileReader>)> {
        let nodes = &self.0.root.nodes;
        let number = nodes.binary_search_by(|node| node.fullpath.as_path().cmp(path)).ok()?;
        Some((number, nodes.get(number)?))
    }
}

fn whole(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

impl FileSystem for Squash {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        Ok(self.find(&whole(path)).map(|(_, node)| match node.inner {
            InnerNode::File(_) => Kind::File { executable: node.header.permissions & EXECUTABLE != 0 },
            InnerNode::Dir(_) => Kind::Directory,
            InnerNode::Symlink(_) => Kind::Link,
            InnerNode::BlockDevice(_) => Kind::BlockDevice,
            _ => Kind::Other,
        }))
    }

    fn link(&self, path: &str) -> io::Result<Option<String>> {
        Ok(match self.find(&whole(path)).map(|(_, node)| &node.inner) {
            Some(InnerNode::Symlink(link)) => link.link.to_str().map(str::to_owned),
            _ => None,
        })
    }

    fn names(&self, folder: &str) -> io::Result<Vec<(String, bool)>> {
        let folder = whole(folder);
        let Some((number, _)) = self.find(&folder) else { return Ok(Vec::new()) };
        // What is below a folder follows it without a gap.
        let behind = self.0.root.nodes.iter().skip(number + 1);
        let below = behind.take_while(|node| node.fullpath.starts_with(&folder));
        let inside = below.filter(|node| node.fullpath.parent() == Some(&folder)).take(NAMES);
        Ok(inside
            .filter_map(|node| {
                let name = node.fullpath.file_name()?.to_str()?;
                Some((name.to_owned(), matches!(node.inner, InnerNode::Dir(_))))
            })
            .collect())
    }

    fn open(&self, path: &str) -> io::Result<Bytes> {
        let (number, _) = self.find(&whole(path)).ok_or(io::ErrorKind::NotFound)?;
        Ok(Bytes::new(Packed { system: self.0.clone(), number }))
    }
}

/// A file in it, by its number among the nodes.
struct Packed {
    system: Arc<FilesystemReader<'static>>,
    number: usize,
}

impl Packed {
    fn file(&self) -> io::Result<&SquashfsFileReader> {
        match self.system.root.nodes.get(self.number).map(|node| &node.inner) {
            Some(InnerNode::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl ReadAt for Packed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = self.system.file(self.file()?);
        let mut reader = file.reader_checked().map_err(|error| super::damaged(error.to_string()))?;
        reader.seek(SeekFrom::Start(offset))?;
        // To the end of what is asked for: each start anew unpacks a block.
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest)? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.file_len() as u64)
    }
}

//! Whether a squashfs or erofs image holds the real layer as a file.
//!
//! Takes   the image's bytes and the paths that its family looks for in it.
//! Gives   [`Inside`]: the first of them that is a regular file, and what that is.
//! Fails   never: an image that cannot be looked into gives [`Inside::Unknown`] with the reason.
//!
//! A container holds a handful of files, a system's root some hundred thousand. backhand reads all inodes of a squashfs
//! before it answers anything, which takes half a second for such a root: it is not opened, its superblock says how many
//! there are. erofs is looked up by path.

use super::bytes::{Extents, Source};
use super::squashfs;
use super::walk::{Kind, Nodes, resolve};
use backhand::{FilesystemReader, InnerNode, Node, SquashfsFileReader};
use erofs_rs::backend::AsyncImage;
use isolde::formats::read_full;
use isolde::formats::superblock::{Format, probe};
use std::future::Future;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Files that a container may have.
const FEW: u32 = 1000;
/// Bytes at the start of a nested image that say what it is.
const HEAD: usize = 68 * 1024;

/// What is in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// None of the files: the image is the layer itself.
    Nothing,
    /// This one, and what it is where that is known.
    File {
        /// Its path in the container.
        path: String,
        /// Its file system.
        format: Option<Format>,
    },
    /// It could not be looked into.
    Unknown(String),
}

/// Looks for the first of these files.
pub fn look(image: &Extents, format: Format, paths: &[String]) -> Inside {
    let found = match format {
        _ if paths.is_empty() => Ok(Inside::Nothing),
        Format::Squashfs => in_squashfs(image, paths),
        Format::Erofs => in_erofs(image, paths),
        other => Ok(Inside::Unknown(format!("no {} is looked into", other.name()))),
    };
    found.unwrap_or_else(|error| Inside::Unknown(error.to_string()))
}

fn in_squashfs(image: &Extents, paths: &[String]) -> io::Result<Inside> {
    let count = squashfs::inodes(image)?;
    if count > FEW {
        return Ok(Inside::Unknown(format!("it has {count} files, and a container has a few")));
    }
    let fs = squashfs::open(image.clone(), FEW)?;
    let tree = Squashfs(&fs);
    for path in paths {
        if let Some((place, Kind::File { .. })) = resolve(&tree, path)? {
            let node = fs.files().find(|node| node.fullpath == place);
            let head = match node.map(|node| &node.inner) {
                Some(InnerNode::File(file)) => squashfs_head(file, &fs),
                _ => None,
            };
            return Ok(Inside::File { path: path.clone(), format: head.and_then(|head| format_of(&head)) });
        }
    }
    Ok(Inside::Nothing)
}

/// The start of a file; `None` when it cannot be unpacked, which is for whoever mounts it to complain about.
fn squashfs_head(file: &SquashfsFileReader, fs: &FilesystemReader) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    fs.file(file).reader_checked().ok()?.take(HEAD as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

fn format_of(head: &[u8]) -> Option<Format> {
    probe(&head).ok().flatten().map(|superblock| superblock.format)
}

/// A squashfs as a tree. backhand has its nodes by their full path.
struct Squashfs<'a, 'b>(&'a FilesystemReader<'b>);

impl Squashfs<'_, '_> {
    fn node(&self, path: &Path) -> Option<&Node<SquashfsFileReader>> {
        self.0.files().find(|node| node.fullpath == path)
    }
}

impl Nodes for Squashfs<'_, '_> {
    type Id = PathBuf;

    fn root(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn child(&self, folder: &PathBuf, name: &str) -> io::Result<Option<(PathBuf, Kind)>> {
        let path = folder.join(name);
        let kind = self.node(&path).map(|node| match node.inner {
            InnerNode::File(_) => Kind::File { executable: node.header.permissions & 0o111 != 0 },
            InnerNode::Dir(_) => Kind::Directory,
            InnerNode::Symlink(_) => Kind::Link,
            _ => Kind::Other,
        });
        Ok(kind.map(|kind| (path, kind)))
    }

    fn link(&self, id: &PathBuf) -> io::Result<Option<String>> {
        match self.node(id).map(|node| &node.inner) {
            Some(InnerNode::Symlink(link)) => Ok(link.link.to_str().map(str::to_owned)),
            _ => Ok(None),
        }
    }
}

fn in_erofs(image: &Extents, paths: &[String]) -> io::Result<Inside> {
    let fs = ready(erofs_rs::r#async::EroFS::new(Whole(image)))?.map_err(other)?;
    for path in paths {
        let file = match ready(fs.open(path.as_str()))? {
            Ok(file) => file,
            Err(erofs_rs::Error::PathNotFound(_) | erofs_rs::Error::NotADirectory(_)) => continue,
            Err(error) => return Err(other(error)),
        };
        let mut head = vec![0; HEAD];
        let mut done = 0;
        while let Some(rest) = head.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match ready(file.read_at(rest, done as u64))? {
                Ok(0) => break,
                Ok(count) => done += count,
                // Packed in a way that is not understood here, or damaged: the file is there all the same.
                Err(_) => return Ok(Inside::File { path: path.clone(), format: None }),
            }
        }
        head.truncate(done);
        return Ok(Inside::File { path: path.clone(), format: format_of(&head) });
    }
    Ok(Inside::Nothing)
}

/// The image as erofs-rs reads it without mapping it: a mapped file that shrinks would end the process.
struct Whole<'a>(Source<'a>);

impl AsyncImage for Whole<'_> {
    async fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> erofs_rs::Result<()> {
        match read_full(self.0, buf, offset)? {
            count if count == buf.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// The value of a future that waits for nothing.
pub(crate) fn ready<F: Future>(future: F) -> io::Result<F::Output> {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(io::Error::other("the erofs reader waits for something")),
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

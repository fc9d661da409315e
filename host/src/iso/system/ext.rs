//! ext2, ext3 and ext4, by ext4-view. It replays a dirty journal in memory.

use super::super::bytes::Memory;
use super::super::walk::Kind;
use super::{Bytes, FileSystem, NAMES, damaged};
use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType, Metadata};
use isolde::formats::{ReadAt, read_exact_at, read_full};
use std::error::Error;
use std::io;

/// Block groups that a file system may have. ext4-view makes room for all at once; 128 TiB have as many.
const GROUPS: u64 = 1 << 20;
/// Bytes of the largest file that is read: a kernel module or a table of them.
const LARGEST: u64 = 64 << 20;
/// Any of the three execute bits (inode(7)).
const EXECUTABLE: u16 = 0o111;

/// See the module's own text.
pub(super) struct Ext(Ext4);

impl Ext {
    pub(super) fn open(bytes: Bytes) -> io::Result<Ext> {
        let groups = groups(&bytes)?;
        if groups > GROUPS {
            return Err(damaged(format!("ext4: wanted at most {GROUPS} block groups, seen {groups}")));
        }
        Ok(Ext(Ext4::load(Box::new(Image(bytes))).map_err(failed)?))
    }

    fn metadata(&self, path: &str) -> io::Result<Option<Metadata>> {
        match self.0.symlink_metadata(whole(path).as_str()) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// How many block groups the superblock says that there are (Documentation/filesystems/ext4/super.rst).
fn groups(bytes: &dyn ReadAt) -> io::Result<u64> {
    let field = |at: u64| -> io::Result<u64> {
        let found =
            read_exact_at(bytes, 1024 + at, 4)?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        found.map(u64::from).ok_or_else(|| damaged("ext4: wanted a superblock, seen the end of the image"))
    };
    // s_blocks_count_lo and _hi, and s_blocks_per_group.
    let blocks = field(0x4)? | field(0x150)? << 32;
    Ok(blocks / field(0x20)?.max(1))
}

fn whole(path: &str) -> String {
    ["/", path].concat()
}

fn failed(error: Ext4Error) -> io::Error {
    damaged(format!("ext4: {error}"))
}

impl FileSystem for Ext {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        Ok(self.metadata(path)?.map(|metadata| match metadata.file_type() {
            FileType::Regular => Kind::File { executable: metadata.mode() & EXECUTABLE != 0 },
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            FileType::BlockDevice => Kind::BlockDevice,
            _ => Kind::Other,
        }))
    }

    fn link(&self, path: &str) -> io::Result<Option<String>> {
        let target = self.0.read_link(whole(path).as_str()).map_err(failed)?;
        Ok(target.to_str().ok().map(str::to_owned))
    }

    fn names(&self, folder: &str) -> io::Result<Vec<(String, bool)>> {
        let mut names = Vec::new();
        for entry in self.0.read_dir(whole(folder).as_str()).map_err(failed)?.take(NAMES) {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Ok(name) = name.as_str() else { continue };
            if !matches!(name, "." | "..") {
                let is_directory = entry.file_type().map_err(failed)? == FileType::Directory;
                names.push((name.to_owned(), is_directory));
            }
        }
        Ok(names)
    }

    fn open(&self, path: &str) -> io::Result<Bytes> {
        let size = self.metadata(path)?.map_or(0, |metadata| metadata.len());
        if size > LARGEST {
            let text = format!("wanted at most {LARGEST} bytes, seen {size}");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(Bytes::new(Memory(self.0.read(whole(path).as_str()).map_err(failed)?)))
    }
}

/// The image as ext4-view reads it.
struct Image(Bytes);

impl Ext4Read for Image {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        match read_full(&self.0, to, start)? {
            count if count == to.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

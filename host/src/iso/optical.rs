//! ISO 9660 with Rock Ridge, Joliet or neither, and UDF.
//!
//! Takes   the bytes of the image.
//! Gives   [`Optical`], a tree with the names that the kernel would show: Rock Ridge before Joliet before plain names;
//!         Joliet's in any case, plain ones in small letters (fs/isofs: `map=normal`, `check=`).
//! Fails   when the file system is damaged where it is read. hadris-iso and hadris-udf do the reading.

use super::bytes::{Extent, Extents, Source};
use super::walk::{self, Nodes, resolve};
use super::{at, damaged};
use hadris_fs::sync::FileSystem;
use hadris_fs::{DirCursor, ErrorKind, FileType, MountOptions, Name, NodeId};
use hadris_iso::Namespace;
use hadris_iso::sync::IsoFs;
use hadris_storage::sync::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};
use hadris_udf::sync::UdfFs;
use isolde::families::tree::Tree;
use isolde::formats::{ReadAt, read_full};
use isolde::sys::{Entry, Kind};
use std::cell::RefCell;
use std::io;

/// Names that one directory may hold. The largest of real media, a pool of packages, has some hundreds.
const NAMES: usize = 65_536;
/// Stretches that one file may have: one each 4 GiB on ISO 9660, one each GiB on UDF.
const STRETCHES: usize = 4096;
/// Bytes of a link's target; the kernel's PATH_MAX.
const TARGET: usize = 4096;
/// Bytes of the device's blocks. An image need not be a multiple of the ISO's own blocks of 2048 bytes.
const BLOCK: u32 = 512;

/// The image as hadris wants it: blocks.
#[derive(Debug)]
struct Device<'a>(Blocks<'a>);

struct Blocks<'a>(Source<'a>);

impl std::fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an image")
    }
}

impl hadris_io::ErrorType for Device<'_> {
    type Error = io::Error;
}

impl BlockDevice for Device<'_> {
    fn block_size(&self) -> BlockSize {
        const SIZE: BlockSize = match BlockSize::new(BLOCK) {
            Some(size) => size,
            None => unreachable!(),
        };
        SIZE
    }

    fn block_count(&self) -> u64 {
        self.0.0.size().unwrap_or(0).div_ceil(BLOCK.into())
    }

    fn read_blocks(&mut self, first: BlockIndex, buf: &mut [u8]) -> Result<(), hadris_fs::Error<io::Error>> {
        let offset = first.get().checked_mul(BLOCK.into()).ok_or(ErrorKind::Corrupt)?;
        let count = read_full(self.0.0, buf, offset)
            .map_err(|error| hadris_fs::Error::device(error, "the image cannot be read"))?;
        if count == 0 && !buf.is_empty() {
            return Err(ErrorKind::Corrupt.into());
        }
        // The last block of a file that does not end on a block's edge.
        buf.iter_mut().skip(count).for_each(|byte| *byte = 0);
        Ok(())
    }
}

#[derive(Debug)]
enum Reader<'a> {
    Iso(Box<IsoFs<Device<'a>>>),
    Udf(Box<UdfFs<Device<'a>>>),
}

impl<'a> Reader<'a> {
    fn fs(&mut self) -> &mut dyn FileSystem<DeviceError = io::Error> {
        match self {
            Reader::Iso(fs) => fs.as_mut(),
            Reader::Udf(fs) => fs.as_mut(),
        }
    }
}

/// Where an image's names come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Rock Ridge: names, links and permissions as in any file system of Unix.
    RockRidge,
    /// Joliet: long names in any case, nothing else.
    Joliet,
    /// ISO 9660 itself: short names.
    Plain,
    /// UDF's own.
    Udf,
}

impl Names {
    /// For the answer.
    pub fn text(self) -> &'static str {
        match self {
            Names::RockRidge => "Rock Ridge",
            Names::Joliet => "Joliet",
            Names::Plain => "plain ISO 9660",
            Names::Udf => "UDF",
        }
    }
}

/// The tree of an optical file system.
pub struct Optical<'a> {
    on: Source<'a>,
    reader: RefCell<Reader<'a>>,
    names: Names,
}

impl std::fmt::Debug for Optical<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Optical").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<'a> Optical<'a> {
    /// Reads the volume's descriptors as ISO 9660.
    pub fn iso(on: Source<'a>) -> io::Result<Optical<'a>> {
        let mount = IsoFs::mount(Device(Blocks(on)), MountOptions::new().read_only());
        let fs = mount.map_err(|error| failed(&error.into_error()))?;
        let names = match fs.namespace() {
            Namespace::RockRidge => Names::RockRidge,
            Namespace::Joliet => Names::Joliet,
            _ => Names::Plain,
        };
        Ok(Optical { on, reader: RefCell::new(Reader::Iso(Box::new(fs))), names })
    }

    /// Reads the volume's descriptors as UDF.
    pub fn udf(on: Source<'a>) -> io::Result<Optical<'a>> {
        let mount = UdfFs::mount(Device(Blocks(on)), MountOptions::new().read_only());
        let fs = mount.map_err(|error| failed(&error.into_error()))?;
        Ok(Optical { on, reader: RefCell::new(Reader::Udf(Box::new(fs))), names: Names::Udf })
    }

    /// Where its names come from.
    pub fn names(&self) -> Names {
        self.names
    }

    /// A regular file's bytes; `None` when none is there.
    pub fn file(&self, path: &str) -> io::Result<Option<Extents<'a>>> {
        self.find_file(path).map_err(|error| at(path, &error))
    }

    /// Whether two paths lead to the same file.
    pub fn same(&self, one: &str, other: &str) -> io::Result<bool> {
        let node = |path: &str| resolve(self, path).map_err(|error| at(path, &error));
        let (one, other) = (node(one)?, node(other)?);
        Ok(one.is_some() && one == other)
    }

    fn find_file(&self, path: &str) -> io::Result<Option<Extents<'a>>> {
        let Some((node, walk::Kind::File { .. })) = resolve(self, path)? else { return Ok(None) };
        let mut reader = self.reader.borrow_mut();
        let size = reader.fs().stat(node).map_err(|error| failed(&error))?.len();
        let mut parts = Vec::new();
        let mut from = 0;
        // A few at a time: nearly every file is one stretch.
        let mut some = [hadris_fs::Extent::new(0, 0); 8];
        loop {
            let count = match &mut *reader {
                Reader::Iso(fs) => fs.extents(node, from, &mut some),
                Reader::Udf(fs) => fs.extents(node, from, &mut some),
            };
            let count = count.map_err(|error| failed(&error))?;
            let found = some.get(..count).unwrap_or_default();
            parts.extend(found.iter().filter(|extent| !extent.is_unwritten()).map(|extent| Extent {
                at: extent.offset(),
                from: extent.file_offset(),
                len: extent.len(),
            }));
            let end = found.last().map(|last| last.file_offset().saturating_add(last.len()));
            match end {
                Some(end) if end > from && parts.len() <= STRETCHES => from = end,
                Some(_) => return Err(damaged("a file of too many stretches")),
                None => return Ok(Some(Extents::new(self.on, parts, size))),
            }
        }
    }

    fn names_in(&self, path: &str) -> io::Result<Vec<Entry>> {
        let Some((folder, walk::Kind::Directory)) = resolve(self, path)? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "wanted a directory, seen none"));
        };
        let entry = |(name, _, kind)| Entry { name, is_directory: kind == walk::Kind::Directory };
        let mut entries: Vec<Entry> = self.children(folder)?.into_iter().map(entry).collect();
        entries.sort();
        Ok(entries)
    }

    /// What a directory holds, in its own order.
    pub fn children(&self, folder: NodeId) -> io::Result<Vec<(String, NodeId, walk::Kind)>> {
        let mut all = Vec::new();
        self.each(folder, |name, node, kind| {
            all.push((name.to_owned(), node, kind));
            None::<()>
        })?;
        Ok(all)
    }

    /// Calls `each` for the names of a directory that are text, until it gives something.
    fn each<T>(
        &self,
        folder: NodeId,
        mut each: impl FnMut(&str, NodeId, walk::Kind) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let mut reader = self.reader.borrow_mut();
        let mut cursor = DirCursor::START;
        for _ in 0..NAMES {
            let Some(entry) = reader.fs().readdir(folder, cursor).map_err(|error| failed(&error))? else {
                return Ok(None);
            };
            let next = entry.next_cursor();
            if next.into_raw() <= cursor.into_raw() {
                return Err(damaged("a directory without an end"));
            }
            cursor = next;
            let Ok(name) = entry.name().to_str() else { continue };
            let kind = kind(entry.file_type(), entry.metadata().permissions().bits());
            let found = match self.names {
                Names::Plain => each(name.to_ascii_lowercase().trim_end_matches('.'), entry.node(), kind),
                _ => each(name, entry.node(), kind),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Err(damaged(format!("a directory of more than {NAMES} names")))
    }
}

impl Nodes for Optical<'_> {
    type Id = NodeId;

    fn root(&self) -> NodeId {
        self.reader.borrow_mut().fs().root()
    }

    fn child(&self, folder: &NodeId, name: &str) -> io::Result<Option<(NodeId, walk::Kind)>> {
        // The kernel shows plain names in small letters only, hadris finds them in any case.
        if self.names == Names::Plain && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Ok(None);
        }
        let found = {
            let mut reader = self.reader.borrow_mut();
            let fs = reader.fs();
            match fs.lookup(*folder, Name::new(name)) {
                Ok(node) => {
                    let metadata = fs.stat(node).map_err(|error| failed(&error))?;
                    Some((node, kind(metadata.file_type(), metadata.permissions().bits())))
                }
                // A name that no directory can hold is in none.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => None,
                Err(error) => return Err(failed(&error)),
            }
        };
        match found {
            None if matches!(self.names, Names::Joliet | Names::Plain) => {
                self.each(*folder, |other, node, kind| other.eq_ignore_ascii_case(name).then_some((node, kind)))
            }
            found => Ok(found),
        }
    }

    fn link(&self, id: &NodeId) -> io::Result<Option<String>> {
        let mut buf = [0; TARGET];
        let mut reader = self.reader.borrow_mut();
        let target = reader.fs().readlink(*id, &mut buf).map_err(|error| failed(&error))?;
        Ok(std::str::from_utf8(target).ok().map(str::to_owned))
    }
}

impl Tree for Optical<'_> {
    fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let found = resolve(self, path).map_err(|error| at(path, &error))?;
        Ok(found.map(|(_, kind)| shown(kind)))
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        self.names_in(path).map_err(|error| at(path, &error))
    }

    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let Some(file) = self.file(path)? else {
            return Err(at(path, &io::Error::new(io::ErrorKind::NotFound, "wanted a file, seen none")));
        };
        whole(&file, limit).map_err(|error| at(path, &error))
    }
}

/// All of a small file.
pub(super) fn whole(file: &dyn ReadAt, limit: u64) -> io::Result<Vec<u8>> {
    let size = file.size()?;
    let Some(len) = usize::try_from(size).ok().filter(|_| size <= limit) else {
        let text = format!("wanted at most {limit} bytes, seen {size}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    };
    let mut bytes = vec![0; len];
    let count = read_full(file, &mut bytes, 0)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// As init's own trees name it, links followed.
pub(super) fn shown(kind: walk::Kind) -> Kind {
    match kind {
        walk::Kind::File { executable } => Kind::File { executable },
        walk::Kind::Directory => Kind::Directory,
        walk::Kind::BlockDevice => Kind::BlockDevice,
        walk::Kind::Link | walk::Kind::Other => Kind::Other,
    }
}

fn kind(file_type: FileType, mode: u32) -> walk::Kind {
    match file_type {
        FileType::File => walk::Kind::File { executable: mode & 0o111 != 0 },
        FileType::Dir => walk::Kind::Directory,
        FileType::Symlink => walk::Kind::Link,
        FileType::BlockDevice => walk::Kind::BlockDevice,
        _ => walk::Kind::Other,
    }
}

fn failed(error: &hadris_fs::Error<io::Error>) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::Io => io::ErrorKind::Other,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error.to_string())
}
